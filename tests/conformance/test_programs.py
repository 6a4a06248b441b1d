"""Random programs with views, writes in place, detach and no_grad, run by PyTorch and by the engine: every value and gradient is compared.

A program is a list of numbers, so that hypothesis can shrink it: each step picks an operator and its operands from what there is. A step
that PyTorch refuses must be refused here too, and must change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")

PROGRAMS = 2_000
Step = tuple[int, int, int, bool]

PLAIN: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda m, a, b: a + b,
    "sub": lambda m, a, b: a - 2 * b,
    "mul": lambda m, a, b: a * b,
    "div": lambda m, a, b: a / (b * b + 1),
    "sin": lambda m, a, b: m.sin(a),
    "tanh": lambda m, a, b: m.tanh(a),
    "sigmoid": lambda m, a, b: m.sigmoid(a),
    "relu": lambda m, a, b: m.relu(a),
    "square": lambda m, a, b: a**2,
    "clamp": lambda m, a, b: a.clamp(-0.5, 0.5),
    "where": lambda m, a, b: m.where(a > 0, a, b),
    "maximum": lambda m, a, b: m.maximum(a, b),
    "sum": lambda m, a, b: a.sum(),
    "mean dim": lambda m, a, b: a.mean(0, keepdim=True),
    "amax": lambda m, a, b: a.amax(-1),
    "softmax": lambda m, a, b: m.softmax(a, -1),
    "cumsum": lambda m, a, b: a.cumsum(0),
    "matmul": lambda m, a, b: a @ b,
    "cat": lambda m, a, b: m.cat([a, b]),
    "stack": lambda m, a, b: m.stack([a, b], -1),
    "clone": lambda m, a, b: a.clone(),
    "detach": lambda m, a, b: a.detach(),
    "index": lambda m, a, b: a[m.tensor([0, 0, 1])],
    "mask": lambda m, a, b: a[a > 0],
}
VIEWS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "select": lambda m, a, b: a[0],
    "last": lambda m, a, b: a[..., -1],
    "slice": lambda m, a, b: a[1:],
    "steps": lambda m, a, b: a[..., ::2],
    "transpose": lambda m, a, b: a.transpose(0, -1),
    "permute": lambda m, a, b: a.permute(tuple(reversed(range(a.dim())))),
    "unsqueeze": lambda m, a, b: a.unsqueeze(0),
    "squeeze": lambda m, a, b: a.squeeze(),
    "flat": lambda m, a, b: a.view(-1),
    "reshape": lambda m, a, b: a.reshape(-1, 2),
    "expand": lambda m, a, b: a.expand(2, *a.shape),
    "narrow": lambda m, a, b: a.narrow(0, 0, 1),
    "diagonal": lambda m, a, b: a.diagonal(),
    "unbind": lambda m, a, b: a.unbind(0)[1],
    "chunk": lambda m, a, b: a.chunk(2)[0],
    "data": lambda m, a, b: a.data,
}


def assign(a: Any, key: Any, value: Any) -> Any:
    a[key] = value
    return a


WRITES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add_": lambda m, a, b: a.add_(b),
    "mul_": lambda m, a, b: a.mul_(b),
    "mul_ number": lambda m, a, b: a.mul_(0.5),
    "sin_": lambda m, a, b: a.sin_(),
    "tanh_": lambda m, a, b: a.tanh_(),
    "zero_": lambda m, a, b: a.zero_(),
    "fill_": lambda m, a, b: a.fill_(0.25),
    "copy_": lambda m, a, b: a.copy_(b),
    "set row": lambda m, a, b: assign(a, 0, b),
    "set slice": lambda m, a, b: assign(a, slice(1, None), 0.75),
    "set mask": lambda m, a, b: assign(a, a > 0.3, 0.125),
    "set index": lambda m, a, b: assign(a, m.tensor([0]), 0.5),
    "set own": lambda m, a, b: assign(a, 0, a[-1] * 2),
    "square into": lambda m, a, b: a.mul_(a),
}
OPERATORS = list({**PLAIN, **VIEWS, **WRITES}.items())
SHARING = frozenset([*VIEWS, *WRITES])
counts: Counter[str] = Counter()


def leaves(module: Any) -> list[Any]:
    values = np.linspace(-1.3, 1.7, 12).reshape(3, 4)[:, :3] + np.array([[0.05, 0.11, 0.17]])
    made = [values[:2].copy(), values[1].copy(), values.copy(), np.array(0.6)]
    return [module.from_numpy(v).requires_grad_(k != 2) for k, v in enumerate(made)]


def outcome(module: Any, pool: list[Any], step: Step) -> Any:
    """What a step gives, or the error that it raised."""
    _, f = OPERATORS[step[0] % len(OPERATORS)]
    a, b = pool[step[1] % len(pool)], pool[step[2] % len(pool)]
    mode = module.no_grad() if step[3] else module.enable_grad()
    try:
        with mode:
            return f(module, a, b)
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        return error


def raw(t: Any) -> Any:
    return np.asarray(t.detach().numpy())


def close(what: str, ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape, what
    np.testing.assert_allclose(raw(ours), raw(theirs), rtol=1e-8, atol=1e-10, err_msg=what)


def compared(program: list[Step]) -> None:
    theirs, ours = leaves(torch), leaves(engine)
    first_theirs, first_ours = theirs[:], ours[:]
    born = [(0, 0)] * len(theirs)
    for k, step in enumerate(program):
        name = OPERATORS[step[0] % len(OPERATORS)][0]
        a, b = outcome(torch, theirs, step), outcome(engine, ours, step)
        assert isinstance(a, Exception) == isinstance(b, Exception), f"step {k}, {name}: {a!r} and {b!r}"
        if isinstance(a, Exception):
            continue
        counts[name] += 1
        assert a.requires_grad == b.requires_grad, f"step {k}, {name}"
        close(f"step {k}, {name}", b, a)
        theirs.append(a)
        ours.append(b)
        known = next((k for k, t in enumerate(theirs[:-1]) if t is a), None)
        born.append((a._version, b._version) if known is None else born[known])
    for k, (x, y) in enumerate(zip(theirs, ours, strict=True)):
        close(f"value {k} at the end", y, x)
        assert x._version - born[k][0] == y._version - born[k][1], f"version of value {k}"
    said = [backward_of(pool) for pool in (theirs, ours)]
    assert (said[0] is None) == (said[1] is None), f"{said[0]!r} and {said[1]!r}"
    if said[0] is not None:
        return  # PyTorch leaves the gradients of a backward that failed half-way; here it changes nothing
    for k, (x, y) in enumerate(zip(first_theirs, first_ours, strict=True)):
        assert (x.grad is None) == (y.grad is None), f"gradient of leaf {k}"
        if x.grad is not None:
            close(f"gradient of leaf {k}", y.grad, x.grad)


def backward_of(pool: list[Any]) -> Exception | None:
    try:
        tracked = [t for t in pool[-4:] if t.requires_grad]
        total = sum((t * t).sum() * (k + 1) for k, t in enumerate(tracked))
        if tracked:
            total.backward()
    except RuntimeError as error:
        return error
    return None


steps = st.tuples(
    st.integers(0, len(OPERATORS) - 1), st.integers(0, 11), st.integers(0, 11), st.sampled_from([False] * 7 + [True])
)


@settings(
    max_examples=PROGRAMS,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(steps, min_size=2, max_size=14))
def test_programs(program: list[Step]) -> None:
    counts["programs"] += 1
    sharing = sum(counts[name] for name in SHARING)
    compared(program)
    counts["with views or writes"] += sum(counts[name] for name in SHARING) > sharing


def test_enough_of_them_share_memory() -> None:
    if not counts["programs"]:
        test_programs()
    assert counts["programs"] >= PROGRAMS
    assert counts["with views or writes"] * 3 >= counts["programs"]
    assert all(counts[name] for name, _ in OPERATORS), [name for name, _ in OPERATORS if not counts[name]]
