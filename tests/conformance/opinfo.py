"""PyTorch's own operator database, run through the engine: values, dtypes, shapes, first and second derivatives, error inputs.

``python -m tests.conformance.opinfo`` prints ``N of 493 (core M of 156)`` and each operator that does not pass with its first error, and
fails where one that stands in ``passing.txt`` does not pass. ``--write`` commits to what passes now. Names as arguments: only these.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import engine
from tests.conformance.compare import Mismatch, close, to_engine, to_numpy

HERE = Path(__file__).parent
PASSING = HERE / "passing.txt"
OPERATORS = json.loads((HERE / "operators.json").read_text())
CORE: tuple[str, ...] = tuple(OPERATORS["core"])
NAMES: tuple[str, ...] = tuple(dict.fromkeys(n for family in OPERATORS["families"].values() for n in family))
RANDOM = frozenset(
    {
        "nn.functional.dropout",
        "nn.functional.dropout2d",
        "nn.functional.dropout3d",
        "nn.functional.alpha_dropout",
        "nn.functional.feature_alpha_dropout:with_train",
        "nn.functional.rrelu",
    }
)
"""PyTorch's random numbers are not promised: of these shapes and dtypes are compared."""
SPECIAL: dict[str, Callable[..., Any]] = {
    "polygamma": lambda x, n: engine.polygamma(n, x),
    "einsum": lambda operands, equation: engine.einsum(equation, operands),
    "linalg.pinv:singular": lambda a, b: engine.linalg.pinv(a @ b.mT),
    "linalg.lstsq:grad_oriented": lambda a, b, driver: engine.linalg.lstsq(a, b, driver=driver)[:2],
    "nn.functional.embedding": lambda table, numbers, *a, **k: engine.nn.functional.embedding(numbers, table, *a, **k),
    "nn.functional.embedding_bag": lambda table, numbers, *a, **k: engine.nn.functional.embedding_bag(
        numbers, table, *a, **k
    ),
}
"""What PyTorch's database calls otherwise than by the operator's name."""
METHODS = frozenset({"T", "H", "mT", "mH"})
REORDERED = frozenset({"where"})
"""Their samples are the method's: the tensor before the condition."""

NAMED_OTHERWISE: dict[str, str] = {
    "__rsub__": "Python calls it with a number; two tensors, as here, are subtracted by the same row",
    "conj_physical": "what is real is copied and recorded; PyTorch answers the tensor itself",
    "nn.functional.linear_cross_entropy:chunked": "PyTorch's way to save memory is one node compiled beside its engine",
    "nn.functional.linear_cross_entropy:chunked_none": "as above",
}
"""Operators whose ``grad_fn`` is not called as in PyTorch, and why; a test sees that each of them still is not."""


def database() -> dict[str, Any]:
    """The entries by ``name`` or ``name:variant``."""
    from torch.testing._internal.common_methods_invocations import op_db

    return {f"{o.name}:{o.variant_test_name}" if o.variant_test_name else o.name: o for o in op_db}


def callable_of(entry: Any) -> Callable[..., Any]:
    """The engine's function for an entry: under the same dotted name, else the method of that name."""
    name = entry.name
    if name in METHODS:
        return lambda x: getattr(x, name)
    if name.endswith("_") and not name.startswith("_"):  # PyTorch's sample calls it on a clone
        return lambda x, *a, **k: getattr(x.clone(), name)(*a, **k)
    if name in REORDERED:
        return lambda x, *a, **k: getattr(x, name)(*a, **k)
    special = SPECIAL.get(name if not entry.variant_test_name else f"{name}:{entry.variant_test_name}")
    if name.endswith("polygamma"):
        special = SPECIAL["polygamma"]
    if special is not None:
        return special
    if name.startswith("__"):
        return getattr(engine.Tensor, name)  # type: ignore[no-any-return]
    found: Any = engine
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            break
    if callable(found) and not isinstance(found, (type, engine.dtype)):
        return found  # type: ignore[no-any-return]
    last = name.rpartition(".")[2]
    if hasattr(engine.Tensor, last):
        return lambda x, *a, **k: getattr(x, last)(*a, **k)
    raise Mismatch("no such operator")


def dtypes_of(entry: Any) -> list[Any]:
    """float64 and float32, and complex128 where the operator has it."""
    import torch

    known = entry.supported_backward_dtypes("cpu")
    return [d for d in (torch.float64, torch.float32, torch.complex128) if d in known]


def flat(value: Any) -> Iterator[Any]:
    """The tensors in nested outputs."""
    if isinstance(value, (tuple, list)):
        for v in value:
            yield from flat(v)
    else:
        yield value


def leaves(*values: Any) -> list[Any]:
    return [
        t
        for t in flat([list(v.values()) if isinstance(v, dict) else v for v in values])
        if getattr(t, "requires_grad", False)
    ]


def run_sample(name: str, entry: Any, f: Callable[..., Any], sample: Any, second: bool) -> None:
    """One sample through both. Errors: Mismatch says what differs."""
    import torch

    theirs_in = (sample.input, sample.args, sample.kwargs)
    random = name in RANDOM or bool(sample.kwargs.get("dropout_p"))
    ours_in = to_engine(theirs_in)
    state = torch.random.get_rng_state()
    theirs = entry.op(theirs_in[0], *theirs_in[1], **theirs_in[2])
    torch.random.set_rng_state(state)
    ours = f(ours_in[0], *ours_in[1], **ours_in[2])
    process = sample.output_process_fn_grad
    if process is not None:
        theirs, ours = process(theirs), process(ours)
    outputs = list(zip(flat(theirs), flat(ours), strict=True))
    for a, b in outputs:
        close("value", a, b, values=not random)
    if process is None and name not in NAMED_OTHERWISE and (named := other_names(outputs)) is not None:
        raise Mismatch(f"grad_fn is {named[1]}, PyTorch's {named[0]}")
    pairs = [(a, b) for a, b in outputs if isinstance(a, torch.Tensor) and a.requires_grad]
    for a, b in outputs:
        if isinstance(a, torch.Tensor) and a.requires_grad != b.requires_grad:
            raise Mismatch(f"requires_grad is {b.requires_grad}, PyTorch's {a.requires_grad}")
    theirs_leaves, ours_leaves = leaves(*theirs_in), leaves(*ours_in)
    if not pairs or not theirs_leaves or random:
        return
    derivatives(pairs, theirs_leaves, ours_leaves, second)


def other_names(outputs: list[tuple[Any, Any]]) -> tuple[str | None, str | None] | None:
    """PyTorch's name of an output's node and ours, where they differ."""
    for pair in outputs:
        if hasattr(pair[0], "grad_fn"):
            theirs, ours = (None if t.grad_fn is None else t.grad_fn.name() for t in pair)
            if theirs != ours:
                return theirs, ours
    return None


def derivatives(pairs: list[tuple[Any, Any]], theirs_leaves: list[Any], ours_leaves: list[Any], second: bool) -> None:
    """First gradients, then the gradients of their weighted sum."""
    import torch

    ups = [torch.randn_like(a) for a, _ in pairs]
    first_theirs = torch.autograd.grad(
        [a for a, _ in pairs], theirs_leaves, ups, create_graph=second, allow_unused=True
    )
    first_ours = engine.autograd.grad(
        [b for _, b in pairs], ours_leaves, [to_engine(u) for u in ups], create_graph=second, allow_unused=True
    )
    for k, (a, b) in enumerate(zip(first_theirs, first_ours, strict=True)):
        _same_or_zero(f"gradient {k}", a, b, 10)
    again = [(a, b) for a, b in zip(first_theirs, first_ours, strict=True) if a is not None and a.requires_grad]
    if not second or not again:
        return
    missing = [k for k, (a, b) in enumerate(again) if b is None or not b.requires_grad]
    if missing:
        raise Mismatch("a gradient has no graph of its own")
    ups = [torch.randn_like(a) for a, _ in again]
    try:
        second_theirs = torch.autograd.grad([a for a, _ in again], theirs_leaves, ups, allow_unused=True)
    except RuntimeError as error:
        if "is not implemented" in str(error):
            return  # PyTorch has none: its fused attention, say
        raise
    second_ours = engine.autograd.grad(
        [b for _, b in again if b is not None], ours_leaves, [to_engine(u) for u in ups], allow_unused=True
    )
    for k, (a, b) in enumerate(zip(second_theirs, second_ours, strict=True)):
        _same_or_zero(f"second gradient {k}", a, b, 100)


def _same_or_zero(what: str, a: Any, b: Any, factor: float) -> None:
    """No gradient and a gradient of zeros are one."""
    if a is None and b is None:
        return
    if a is None or b is None:
        present = to_numpy(b if a is None else a)
        if np.any(present != 0):
            raise Mismatch(f"{what} is missing on one side")
        return
    close(what, a, b, factor=factor)


def run_errors(entry: Any, f: Callable[..., Any]) -> None:
    """PyTorch's error inputs: an error of the same kind must come."""
    if entry.error_inputs_func is None:
        return
    for error in entry.error_inputs("cpu"):
        sample = error.sample_input
        try:
            args, kwargs = to_engine((sample.input, *sample.args)), to_engine(sample.kwargs)
        except (TypeError, ValueError):
            continue  # what it tries (another device, a sparse tensor, 65 dims) does not exist here
        if _takes(entry, sample):
            continue
        try:
            f(*args, **kwargs)
        except Exception as found:
            if not isinstance(found, error.error_type) and not isinstance(
                found, (RuntimeError, TypeError, ValueError, IndexError)
            ):
                raise Mismatch(
                    f"an error input raised {type(found).__name__}, not {error.error_type.__name__}: {found}"
                ) from found
        else:
            raise Mismatch(f"an error input was taken; PyTorch says: {error.error_regex[:80]}")


def _takes(entry: Any, sample: Any) -> bool:
    """Whether PyTorch itself takes what its list of errors has: it tries some of them through another form only."""
    try:
        entry.op(sample.input, *sample.args, **sample.kwargs)
    except Exception:  # noqa: BLE001 - any refusal
        return False
    return True


def check(name: str, entry: Any) -> str | None:
    """None where the operator passes, else its first error."""
    import torch

    seed = zlib.crc32(name.encode())
    try:
        f = callable_of(entry)
        for dtype in dtypes_of(entry):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002 - PyTorch's samples draw from it
            for i, sample in enumerate(entry.sample_inputs("cpu", dtype, requires_grad=True)):
                try:
                    run_sample(
                        name, entry, f, sample, second=bool(entry.supports_gradgrad) and dtype is not torch.float32
                    )
                except Exception as error:  # noqa: BLE001 - whatever it is, the operator does not pass
                    kind = "" if isinstance(error, Mismatch) else f"{type(error).__name__}: "
                    return f"{str(dtype).removeprefix('torch.')} sample {i}: {kind}{str(error).splitlines()[0] if str(error) else ''}"[
                        :240
                    ]
        run_errors(entry, f)
    except Exception as error:  # noqa: BLE001 - as above
        kind = "" if isinstance(error, Mismatch) else f"{type(error).__name__}: "
        return f"{kind}{str(error).splitlines()[0] if str(error) else ''}"[:240]
    return None


@functools.cache
def quiet_database() -> dict[str, Any]:
    """The entries, in a process that uses one thread and does not warn."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    return database()


def check_named(name: str) -> tuple[str, str | None, float]:
    """One operator, and the seconds that it took."""
    entry = quiet_database()[name]
    start = time.monotonic()
    return name, check(name, entry), time.monotonic() - start


def check_all(names: list[str]) -> dict[str, str | None]:
    """All of them, on all processors."""
    jobs = min(os.cpu_count() or 1, len(names))
    if jobs < 2 or len(names) < 20:
        found = [check_named(name) for name in names]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(check_named, names, chunksize=4))
    slowest = sorted(found, key=lambda f: -f[2])[:5]
    print("slowest: " + ", ".join(f"{name} {seconds:.0f} s" for name, _, seconds in slowest))
    return {name: error for name, error, _ in found}


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    wanted = [a for a in arguments if not a.startswith("--")]
    names = [n for n in NAMES if not wanted or n in wanted or n.partition(":")[0] in wanted]
    start = time.monotonic()
    errors = check_all(names)
    passed = [n for n in names if errors[n] is None]
    for name in names:
        if errors[name] is not None:
            print(f"{'core ' if name in CORE else ''}{name}: {errors[name]}")
    core = [n for n in CORE if n in errors]
    print(
        f"{len(passed)} of {len(names)} (core {sum(errors[n] is None for n in core)} of {len(core)}) in {time.monotonic() - start:.0f} s",
        flush=True,
    )
    if write and not wanted:
        PASSING.write_text("\n".join(sorted(passed)) + "\n")
    expected = set(PASSING.read_text().split("\n")) if PASSING.exists() else set()
    lost = sorted(n for n in names if n in expected and errors[n] is not None)
    if lost:
        print(f"FAILED: passed before and do not now: {', '.join(lost)}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
