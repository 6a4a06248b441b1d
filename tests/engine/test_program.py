"""Programs: a trace that is replayed has the bits of the eager run, for every row, forward and back, or it is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import engine as torch
from engine import func
from engine.apply import run
from engine.errors import EngineError
from engine.op import OPS, Op
from engine.program import Program, Untraceable, trace
from engine.tensor import Tensor, wrap
from tests.engine.rows import TRIED, arguments, flat, leaves, outputs

FAILURES = (EngineError, ArithmeticError, LookupError, TypeError, ValueError)
Function = Callable[..., Sequence[Tensor]]


def replaced(bound: list[Any], tensors: Sequence[Tensor]) -> list[Any]:
    """Bound arguments with other tensors, in order."""
    rest = iter(tensors)

    def put(value: Any) -> Any:
        if isinstance(value, Tensor):
            return next(rest)
        return [put(v) for v in value] if type(value) is list else value

    return [put(v) for v in bound]


def same(a: Any, b: Any) -> bool:
    """Whether two arrays have the same dtype, shape and bits; any NaN is as good as another."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind not in "fc":
        return bool((a == b).all())
    parts = [(a, b)] if a.dtype.kind == "f" else [(a.real, b.real), (a.imag, b.imag)]
    return all(
        bool((((x == y) & (np.signbit(x) == np.signbit(y))) | (np.isnan(x) & np.isnan(y))).all()) for x, y in parts
    )


def agrees(function: Function, arrays: Sequence[Any], others: Sequence[Sequence[Any]] = ()) -> Program:
    """Trace, and compare with the eager run for these arrays and for others."""
    program, answer = trace(function, arrays)
    with np.errstate(all="ignore"):
        for given in (arrays, *others):
            try:
                eager = [t._array for t in function(*[wrap(a) for a in given])]
            except EngineError:
                with pytest.raises(FAILURES):
                    program.run(given)
                continue
            found = program.run(given)
            assert len(found) == len(eager)
            assert all(same(a, b) for a, b in zip(found, eager, strict=True)), (found, eager)
            if given is arrays:
                assert all(same(a, b) for a, b in zip(answer, eager, strict=True))
    return program


def other_values(arrays: Sequence[Any]) -> list[Any]:
    return [a if a.dtype.kind not in "fc" else (a * a.dtype.type(0.75))[()] for a in arrays]


def agrees_or_refuses(row: Op, function: Function, arrays: Sequence[Any], others: Sequence[Sequence[Any]]) -> None:
    """Compare, unless the row may be refused, and is."""
    why = ""
    try:
        agrees(function, arrays, others)
    except Untraceable as error:
        why = str(error)
    assert not why or refused_by_right(row, why), why


def refused_by_right(row: Op, why: str) -> bool:
    """Whether a row may be refused: it draws, reads values, writes, or its shape depends on values; or the eager run refuses it, too."""
    if "depends on values" in why or "derivative" in why:
        return True
    may = {"dropout", "index", "lu", "random", "sampled", "written"}
    return any(word in why for word in ("random", "reads values", "in place")) and (
        row.kind == "composite" or row.family in may or row.schema.line.endswith("-> bool")
    )


@pytest.mark.parametrize("row", TRIED, ids=lambda r: r.id)
def test_every_row_is_replayed_with_its_bits(row: Op) -> None:
    for sample in row.samples():  # type: ignore[misc]
        bound = arguments(row, sample)
        arrays = [t._array for t in flat(bound)]
        if not arrays:
            continue

        def function(*tensors: Tensor) -> list[Tensor]:
            return outputs(run(row, replaced(bound, tensors)))  # noqa: B023 - called in this round

        agrees_or_refuses(row, function, arrays, [other_values(arrays)])


@pytest.mark.parametrize("row", [r for r in TRIED if r.differentiable], ids=lambda r: r.id)
def test_every_gradient_is_replayed_with_its_bits(row: Op) -> None:
    for sample in row.samples():  # type: ignore[misc]
        bound = arguments(row, sample)
        points = {id(t) for t in leaves(row, bound)}
        tensors = list(flat(bound))
        chosen = [k for k, t in enumerate(tensors) if id(t) in points]
        arrays = [t.detach()._array for t in tensors]
        if not chosen:
            continue

        def function(*given: Tensor) -> list[Tensor]:
            here = [t.detach() for t in given]
            for k in chosen:  # noqa: B023 - called in this round
                here[k].requires_grad_()
            found = [t for t in outputs(run(row, replaced(bound, here))) if t.requires_grad]  # noqa: B023
            if not found:
                return [torch.zeros(())]
            grads = torch.autograd.grad(
                found,
                [here[k] for k in chosen],  # noqa: B023
                [torch.ones_like(t.detach()) for t in found],
                allow_unused=True,
            )
            return [t.detach() for t in found] + [g for g in grads if g is not None]

        agrees_or_refuses(row, function, arrays, [])


def rosenbrock(x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def layers(x: Any) -> Any:
    hidden = torch.tanh(x[:12].reshape(3, 4) @ x[12:16])
    return torch.log_softmax(hidden, 0)[1] + (hidden * x[16]).mean() + torch.where(x > 0, x, x * 0.1).sum()


def several_paths(x: Any) -> Any:
    """Sums of three and more gradients: their order shows in the last bits."""
    y = x.exp()
    return (y * 0.1 + y.sin() * 0.7 + y / 3 + y * y * 1e-3).sum() + y.mean() * x.sum()


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "rosenbrock": rosenbrock,
    "layers": layers,
    "several paths": several_paths,
    "parts": lambda x: sum(p.sum() * k for k, p in enumerate(torch.split(x, 4), 1)),
    "a maximum": lambda x: torch.max(x.reshape(-1, 17), 1).values.sum() * x[0],
    "a list": lambda x: torch.cat([x, x.flip(0) * 2, x[:1]]).prod(),
    "an own gradient": lambda x: (func.grad(rosenbrock)(x) ** 2).sum(),
    "no_grad inside": lambda x: (x * x.detach().exp()).sum(),
}
VERBS: dict[str, Callable[[Callable[[Any], Any]], Function]] = {
    "value": lambda f: lambda x: [f(x.detach().requires_grad_()).detach()],
    "value_and_grad": lambda f: lambda x: [*func.grad_and_value(f)(x)],
    "jvp": lambda f: lambda x: [*func.jvp(f, (x,), (x.detach() * 0 + 0.5,))],
    "hvp": lambda f: lambda x: [func.vjp(func.grad(f), x)[1](torch.ones(17, dtype=x.dtype))[0]],
    "jacobian": lambda f: lambda x: [func.jacrev(lambda z: f(z) * z)(x)],
    "hessian": lambda f: lambda x: [func.hessian(f)(x)],
    "a batch": lambda f: lambda x: [func.vmap(func.grad(f))(torch.stack([x, x * 2, x / 3]))],
}
POINT = np.random.default_rng(5).standard_normal(17)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_derivative_is_replayed_with_its_bits(name: str, verb: str, dtype: Any) -> None:
    points = [[(POINT * k).astype(dtype)] for k in (1, 0.5, -2)]
    holes = [POINT.astype(dtype).copy()]
    holes[0][3], holes[0][5] = np.nan, np.inf
    try:
        agrees(VERBS[verb](FUNCTIONS[name]), points[0], [*points[1:], holes])
    except Untraceable as error:
        with pytest.raises(EngineError):  # only what the eager run refuses as well
            pytest.fail(str(VERBS[verb](FUNCTIONS[name])(wrap(points[0][0])) and error))


def _filled(out: Any, x: Any) -> Any:
    out[1:3] = x[:2]
    return out


def _written_later(x: Any) -> Any:
    offset = torch.zeros(4)
    y = x + offset
    offset += 1
    return y + offset


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "if": (lambda x: x if x.sum() > 0 else -x, "reads values"),
    "item": (lambda x: x * x.max().item(), "reads values"),
    "float": (lambda x: x * float(x[0]), "reads values"),
    "a range": (lambda x: sum(x * k for k in range(int(x[0]))), "reads values"),
    "tolist": (lambda x: torch.tensor(x.tolist()), "reads values"),
    "numpy": (lambda x: torch.from_numpy(np.exp(x.numpy())), "reads values"),
    "print": (lambda x: x * len(f"{x}"), "reads values"),
    "membership": (lambda x: x * (1 if 3.0 in x else 2), "reads values"),
    "equal": (lambda x: x * torch.equal(x, x), "reads values"),
    "allclose": (lambda x: x * torch.allclose(x, x), "reads values"),
    "a mask": (lambda x: x[x > 0], "depends on values"),
    "nonzero": (lambda x: x.nonzero(), "depends on values"),
    "in place": (lambda x: (x * 1).add_(1), "in place"),
    "an item is set": (lambda x: _filled(torch.zeros(4), x), "in place"),
    "a constant is written later": (_written_later, "in place"),
    "random": (lambda x: x + torch.rand(4), "random"),
    "dropout": (lambda x: torch.nn.functional.dropout(x, 0.5), "random"),
    "strides": (lambda x: x * x.stride()[0], "reads values"),
    "no tensor": (lambda x: x.ndim, "no tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_repeated_is_refused(name: str) -> None:
    function, words = REFUSED[name]
    with pytest.raises(Untraceable, match=words):
        trace(lambda x: [function(x)], [np.array([3.0, 1.0, -2.0, 5.0], np.float32)])


def test_errors_that_values_make_stay() -> None:
    program, _ = trace(lambda x: [(torch.linalg.inv(x).sum() * 0 + 1).detach(), x.sum()], [np.eye(2)])
    assert program.run([2 * np.eye(2)])[1] == 4
    with pytest.raises(EngineError, match="singular"):
        program.run([np.zeros((2, 2))])
    program, _ = trace(lambda x, i: [x[i].sum() * 0, x.sum()], [np.arange(3.0), np.array([0, 2])])
    with pytest.raises((EngineError, IndexError)):
        program.run([np.arange(3.0), np.array([0, 7])])


def test_what_nothing_needs_is_left_out() -> None:
    program, _ = trace(lambda x: (x.exp().cos(), [x.sin()])[1], [np.ones(3)])
    assert str(program).splitlines()[1:] == [f"return v{program._outputs[0]}"]


def test_a_program_holds_only_its_constants() -> None:
    large = torch.ones(1000, dtype=torch.float64)
    program, _ = trace(lambda x: [x * large], [np.zeros(1000)])
    assert large.nbytes <= program.nbytes < large.nbytes + 2_000
    assert program.cost >= 1000


def test_replaying_does_not_write_into_what_it_is_given() -> None:
    program, _ = trace(lambda x: [func.grad(rosenbrock)(x)], [POINT])
    given = POINT.copy()
    given.flags.writeable = False
    first = program.run([given])[0].copy()
    assert same(program.run([given])[0], first)


def test_threads_share_a_program_and_trace_at_once() -> None:
    wanted = {k: func.grad(rosenbrock)(wrap(POINT * k))._array for k in range(1, 5)}
    found: dict[int, list[bool]] = {}

    def work(k: int) -> None:
        program, _ = trace(lambda x: [func.grad(rosenbrock)(x)], [POINT])
        found[k] = [same(program.run([POINT * k])[0], wanted[k]) for _ in range(50)]
        assert func.grad(several_paths)(wrap(POINT)).shape == (17,)

    threads = [threading.Thread(target=work, args=(k,)) for k in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [all(found[k]) for k in wanted] == [True] * 4


def test_the_table_has_what_is_shortened() -> None:
    from engine.program.shortening import shortened

    x = np.array([1.0, -2.0, 3.0])
    for name, rest in (("pow", [2]), ("slice", [0, 1, None, 1]), ("slice_backward", [(5,), 0, 1, 4, 1])):
        row = next(r for r in OPS[name] if len(r.parameters) == 1 + len(rest) and not r.parameters[1].is_tensor)
        out = row.kernel(x, *rest)
        short = shortened(row, [x, *rest], out)
        assert short is not None
        assert same(short[0](x, *short[1]), out)
