"""A huge integer argument is refused, or counted lazily, before work or memory: every row, with each integer made huge."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

import engine
from engine.promotion import estimate

HUGE = (10**8, 10**12, 2**62, -(2**62))
PROGRAM = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from tests.engine.test_huge_arguments import peaks
for line in peaks():
    print(line, flush=True)
print("done")
"""


def _made_huge(value: object) -> Iterator[object]:
    if type(value) is int:
        yield from HUGE
    elif isinstance(value, (tuple, list)) and value and all(type(v) is int for v in value):
        for i in range(len(value)):
            yield from ((*value[:i], h, *value[i + 1 :]) for h in HUGE)
        yield from ((h,) * len(value) for h in HUGE)


def peaks() -> Iterator[str]:
    """The calls whose estimate takes more than 32 MiB."""
    import tracemalloc

    from engine.errors import EngineError
    from tests.engine.rows import PUBLIC, arguments, samples

    tracemalloc.start()
    for row in PUBLIC:
        for sample in samples(row) if row.meta is not None else []:
            bound = arguments(row, sample)
            for i, parameter in enumerate(row.parameters):
                for huge in _made_huge(bound[i]):
                    tracemalloc.reset_peak()
                    before = tracemalloc.get_traced_memory()[0]
                    with contextlib.suppress(EngineError):
                        estimate(row, [*bound[:i], huge, *bound[i + 1 :]])
                    peak = tracemalloc.get_traced_memory()[1] - before
                    if peak > 32 * 2**20:
                        yield f"{row.id} {parameter.name}={huge}: {peak} bytes"


def test_no_estimate_grows_with_an_integer() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr[-2_000:]


def test_combinations_need_a_grid_of_so_many_dims() -> None:
    with pytest.raises(RuntimeError, match="at most 64 elements"):
        engine.combinations(engine.zeros(3), 10**12)
