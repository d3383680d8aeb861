"""The demo: a provider that replays recorded streams, a gateway, its callers, and what they look like live.

`run` starts everything as processes of their own and shows it. The gateway (`gateway_app`) is an ordinary
one: it imports nothing of ours and is started with `opentelemetry-instrument`.
"""
