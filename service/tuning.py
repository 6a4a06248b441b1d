"""How the process of the service is tuned: the interpreter's threads and collector, and what its allocator keeps."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from typing import Final

__all__ = ["calculate_alone", "tune"]

SWITCH_INTERVAL: Final = 0.0005  # seconds: a long call that holds the interpreter must not stall the event loop
COLLECT_AFTER: Final = (
    50_000,
    20,
    50,
)  # graphs hold no cycles and die by themselves: looking every 700 objects is time lost
MALLOPT: Final = {
    -1: 32 * 2**20,  # M_TRIM_THRESHOLD: free bytes at the end of a heap, beyond which they go back to the system
    -2: 2**20,  # M_TOP_PAD: bytes that a heap grows by at least
    -3: 32
    * 2**20,  # M_MMAP_THRESHOLD: bytes of what is mapped by itself; the other two fix it, and it would be 128 KiB
}
"""Numbers of glibc's ``mallopt`` (malloc.h). A batch lets go of thousands of arrays and makes as many again: with the defaults the heap is
given back in between, and each page of it is mapped and cleared anew, which takes as long as the arithmetic."""

THREADS: Final = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def calculate_alone() -> None:
    """Let a product of matrices take one thread, unless the environment says otherwise; NumPy must not be imported yet.

    Requests run beside each other, so more threads would only make them wait; and last bits may depend on how many there are.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")


def tune() -> None:
    """Tune this process; where the C library is not glibc, its allocator stays as it is."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*COLLECT_AFTER)
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in MALLOPT.items():
            mallopt(parameter, value)
