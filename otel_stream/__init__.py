"""Live OpenTelemetry for the streaming calls of Python LLM gateways."""
