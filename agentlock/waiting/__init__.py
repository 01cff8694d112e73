"""The queue: who waits for whom, and when it is whose turn."""
