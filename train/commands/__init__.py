"""The commands of `train`, one a file; each imports what it needs when it runs."""
