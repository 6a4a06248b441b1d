"""What the process keeps of its memory: counted in page faults, which a heap that is given back and mapped anew has by the thousand."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, threading
import numpy as np
from service.tuning import tune
if sys.argv[1] == "tuned":
    tune()
found = []
def work():
    for turn in range(20):
        if turn == 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        arrays = [np.ones(4_096, np.float32) for _ in range(500)]
        del arrays
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(found[0])
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, whose allocator is tuned")
def test_a_heap_that_is_used_again_is_kept() -> None:
    assert faults("tuned") < faults("as it is") / 20


def test_collections_are_rare_and_switches_are_quick() -> None:
    script = (
        "import gc, sys; from service.tuning import tune; tune(); print(gc.get_threshold()[0], sys.getswitchinterval())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["50000", "0.0005"]
