"""The resources of this machine, which are the defaults of --workers and --memory."""

import os

MEMORY_SHARE = 0.8
_UNKNOWN_MEMORY = 8 << 30


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_memory() -> int:
    """Return MEMORY_SHARE of the machine's memory in bytes, or of 8 GB if the system does not report it."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        total = _UNKNOWN_MEMORY
    return int(total * MEMORY_SHARE)
