"""How a process is prepared for many cases: memory kept, garbage collected seldom, one thread."""

import ctypes
import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def keep_memory() -> None:
    """Keep freed memory for the next case.

    Returning it to the system after every volume costs a tenth of a case in page faults. glibc only (mallopt(3):
    M_MMAP_MAX, M_TRIM_THRESHOLD); elsewhere nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(-4, 0)
    mallopt(-1, 2**31 - 1)


def collect_seldom() -> tuple[int, int, int]:
    """Make the collector look for reference cycles seldom, and return its former thresholds.

    A case makes 10^5 small objects, none of them in a cycle, and each pass over all that the libraries hold costs as
    much as a dozen slices.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    return thresholds


def start_worker() -> None:
    """Prepare a worker process: it leaves Ctrl-C to its parent, ends with it, and uses one thread."""
    keep_memory()
    collect_seldom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2
    import pyarrow as pa

    cv2.setNumThreads(1)
    pa.set_cpu_count(1)


def _end_with_parent() -> None:
    """Exit as soon as the parent is gone: a worker that outlived it would write alongside the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
