"""What the process keeps of its memory: counted in page faults, which a heap that is given back and mapped anew has by the thousand."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from tempfile import TemporaryDirectory

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


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where a process lists its threads")
def test_a_product_of_matrices_takes_one_thread() -> None:
    script = (
        "import os, sys; from service.__main__ import main; assert main(['keys', 'list', '--data-dir', sys.argv[1]]) == 0; "
        "assert 'numpy' not in sys.modules; import numpy as np; a = np.ones((600, 600)); a @ a; "
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    for asked, found in (({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, str(min(2, os.cpu_count() or 1)))):
        with TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-c", script, folder],
                capture_output=True,
                text=True,
                check=True,
                env={**environment, **asked},
            )
        assert done.stdout.split()[-1] == found
