"""Metrics: what Prometheus counts (`prometheus`, `exposition`) and what goes through the OTel Meter (`otel`).

Imports nothing here: prometheus_client takes 0.1 s to load.
"""
