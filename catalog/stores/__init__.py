"""Where a corpus keeps its pixels: one module a store, which writes and reads, and one entry in `registry`."""
