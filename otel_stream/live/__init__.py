"""The live feed: what a process tells about its streams while they run."""
