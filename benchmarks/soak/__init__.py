"""The soak: hundreds of streams through a real gateway for minutes, with faults and hang-ups mixed in.

`run` starts a provider that keeps a ledger (`provider`), a gateway as it is and the same one with us
(`gateway`, `servers`), a collector for its spans (`collector`), and calls them (`callers`) as planned
(`plan`). At the end the books are compared (`books`) and what the gateways used (`usage`).
"""
