"""Coverage-guided fuzzing of every framing, every format and the whole tap: `make fuzz`.

The oracle (`targets`): no exception, what is held stays small, time is linear in the bytes, and however a
body is cut the result is the same. The seeds are the recordings.
"""
