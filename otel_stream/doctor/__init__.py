"""The subcommand `otel-stream doctor`: what is watched in a process and why something is not."""
