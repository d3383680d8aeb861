"""What we add, measured: `python -m benchmarks` prints one table. Each module has `rows() -> list[Row]`."""
