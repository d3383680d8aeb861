"""`otel-stream inspect`: what a recorded response decodes to, by the same code that reads the live ones."""
