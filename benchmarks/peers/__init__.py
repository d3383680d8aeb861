"""Us and the others on the same streams, in one run: `python -m benchmarks.peers` writes docs/benchmarks.md.

Their dependencies clash, so each has an environment of its own and runs in processes of its own; the
processes take turns. Nothing leaves the machine: the provider is on loopback, exporters go nowhere.
"""
