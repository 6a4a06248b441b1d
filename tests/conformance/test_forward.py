"""Forward mode beside PyTorch's: every operator of its database that has it, then dual tensors, custom functions, and what checks them."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
import engine.autograd.forward_ad
from tests.conformance.compare import close, to_engine
from tests.conformance.opinfo import CORE, NAMES, RANDOM, callable_of, dtypes_of, flat, quiet_database

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")
pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's own: deprecated operators in its samples

SAMPLES = 3  # of each dtype; of the core twice as many
OURS = {
    "triangular_solve": "PyTorch reads the tangent's other triangle, and forgets to turn it with transpose=True",
    "cholesky_inverse": "PyTorch loses digits; ours is nearer to finite differences",
    "logcumsumexp": "PyTorch adds 1e-13 to the denominator",
    "std_mean": "the mean of nothing: PyTorch's tangent is NaN, ours 0",
    "std_mean:unbiased": "as std_mean",
    "var_mean": "as std_mean",
    "var_mean:unbiased": "as std_mean",
}
"""Where PyTorch's tangents are not followed, and why."""


def pieces(sample: Any) -> tuple[list[Any], Callable[[list[Any]], tuple[Any, tuple[Any, ...], dict[str, Any]]]]:
    """The tensors of a sample that require grad, and what puts others in their places."""
    found: list[Any] = []

    def taken(v: Any) -> Any:
        if isinstance(v, torch.Tensor) and v.requires_grad:
            found.append(v.detach())
            return _Place(len(found) - 1)
        if isinstance(v, (list, tuple)) and not isinstance(v, torch.Size):
            return type(v)(map(taken, v))
        return {k: taken(w) for k, w in v.items()} if isinstance(v, dict) else v

    tree = taken((sample.input, sample.args, sample.kwargs))

    def put(values: list[Any], v: Any) -> Any:
        if isinstance(v, _Place):
            return values[v.number]
        if isinstance(v, (list, tuple)) and type(v) in (list, tuple):
            return type(v)(put(values, w) for w in v)
        return {k: put(values, w) for k, w in v.items()} if isinstance(v, dict) else v

    ours = to_engine(tree)
    return found, lambda values: put(values, tree if isinstance(values[0], torch.Tensor) else ours)


class _Place:
    """Where a tensor stood."""

    def __init__(self, number: int) -> None:
        self.number = number


@pytest.mark.parametrize("name", [n for n in NAMES if n not in RANDOM and n not in OURS])
def test_the_tangents_of_an_operator_are_pytorchs(name: str) -> None:
    entry = quiet_database()[name]
    if not entry.supports_forward_ad:
        return
    f = callable_of(entry)
    for dtype in [d for d in dtypes_of(entry) if d is not torch.float32]:
        seed = zlib.crc32(name.encode())
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 - PyTorch's samples draw from it
        samples = entry.sample_inputs("cpu", dtype, requires_grad=True)
        for sample in itertools.islice(samples, SAMPLES * (2 if name in CORE else 1)):
            points, placed = pieces(sample)
            if not points or sample.kwargs.get("dropout_p"):
                continue
            _compare(name, entry, f, points, placed, sample.output_process_fn_grad)


def _compare(
    name: str, entry: Any, f: Callable[..., Any], points: list[Any], placed: Callable[..., Any], process: Any
) -> None:
    def run(function: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*values: Any) -> Any:
            first, args, kwargs = placed(list(values))
            out = function(first, *args, **kwargs)
            out = out if process is None else process(out)
            return tuple(o for o in flat(out) if hasattr(o, "dtype") and (o.is_floating_point() or o.is_complex()))

        return inner

    tangents = [torch.randn_like(p) for p in points]
    try:
        theirs = torch.func.jvp(run(entry.op), tuple(points), tuple(tangents))
    except RuntimeError:
        return  # what PyTorch pushes no tangent through (a second derivative that its rule lacks, say)
    ours = engine.func.jvp(run(f), tuple(map(to_engine, points)), tuple(map(to_engine, tangents)))
    for what, many, mine in zip(("value", "tangent"), theirs, ours, strict=True):
        for k, (a, b) in enumerate(zip(many, mine, strict=True)):
            close(f"{what} {k} of {name}", a, b, factor=20)
            assert not b.requires_grad


# -- dual tensors ------------------------------------------------------------------------------------------------------


def cubed(t: Any, pushed: Callable[[Any, Any], Any] | None = None) -> Any:
    """A custom function with a rule of its own for tangents."""

    class Cubed(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0] ** 2

        if pushed is not None:

            @staticmethod
            def jvp(ctx: Any, moved: Any) -> Any:
                return pushed(ctx, moved)

    return Cubed.apply


def written(t: Any, d: Any) -> Any:
    base = t.zeros(3, dtype=t.float64)
    base[:2].copy_(d)
    base[1].mul_(base[0])
    return base


def over_reverse(t: Any, d: Any) -> Any:
    d.requires_grad_()
    return t.autograd.grad((d**3).sum(), d)[0]


def of_view(_: Any, d: Any) -> Any:
    v = d.clone()
    v.view(2, 1).mul_(d.reshape(2, 1))
    return v


DUALS: dict[str, Callable[[Any, Any], Any]] = {
    "a product": lambda t, d: d * d,
    "under no_grad": lambda t, d: t.no_grad()(d.exp)(),
    "inference mode": lambda t, d: t.inference_mode()(d.exp)(),
    "detached": lambda t, d: d.detach() * 2,
    "data": lambda t, d: d.data * 2,
    "another dtype": lambda t, d: d.to(t.float32) * 2,
    "turned into what has no derivative": lambda t, d: (d > 0).to(t.float64),
    "zeros like it": lambda t, d: t.zeros_like(d),
    "written into a base": written,
    "written through a view": of_view,
    "written over": lambda t, d: d.clone().zero_(),
    "filled": lambda t, d: d.clone().fill_(2.0),
    "a composite in place": lambda t, d: d.clone().clamp_(min=1.5),
    "turned in place": lambda t, d: d.clone().unsqueeze_(0),
    "a custom function": lambda t, d: cubed(t, lambda ctx, m: m * 3 * ctx.saved_tensors[0] ** 2)(d) * 2,
    "forward over reverse": over_reverse,
    "a list": lambda t, d: t.cat([d, d * 2, t.ones(1, dtype=t.float64)]),
    "an index": lambda t, d: d[t.tensor([1, 0, 1])],
    "a view of views": lambda t, d: d[1:].unsqueeze(0).expand(2, 1),
    "sorted": lambda t, d: t.sort(d, descending=True)[0],
}
REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "another shape": lambda t, d: t.autograd.forward_ad.make_dual(t.ones(2), t.ones(3)),
    "integers": lambda t, d: t.autograd.forward_ad.make_dual(t.tensor(1), t.tensor(1)),
    "an integer tangent": lambda t, d: t.autograd.forward_ad.make_dual(t.tensor(1.0), t.tensor(1)),
    "twice": lambda t, d: t.autograd.forward_ad.make_dual(d, t.ones(2)),
    "nested levels": lambda t, d: t.autograd.forward_ad.enter_dual_level(),
    "another level": lambda t, d: t.autograd.forward_ad.exit_dual_level(level=3),
    "no rule": lambda t, d: cubed(t)(d),
    "two tangents for one": lambda t, d: cubed(t, lambda ctx, m: (m, m))(d),
    "a tangent of another shape": lambda t, d: cubed(t, lambda ctx, m: m.new_ones(5))(d),
    "a number": lambda t, d: cubed(t, lambda ctx, m: 3)(d),
}


def dual(t: Any) -> Any:
    values, tangent = (t.tensor(v, dtype=t.float64) for v in ([1.0, 2.0], [3.0, 4.0]))
    return t.autograd.forward_ad.make_dual(values, tangent)


@pytest.mark.parametrize("name", DUALS)
def test_dual_tensors_are_pytorchs(name: str) -> None:
    shown = []
    for t in (torch, engine):
        with t.autograd.forward_ad.dual_level():
            found = DUALS[name](t, dual(t))
            primal, tangent = t.autograd.forward_ad.unpack_dual(found)
            text = None if name == "forward over reverse" else repr(found)
            shown.append((primal.tolist(), None if tangent is None else tangent.tolist(), text))
    assert shown[0] == shown[1]


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_pytorchs(name: str) -> None:
    said = []
    for t in (torch, engine):
        with t.autograd.forward_ad.dual_level():
            d = dual(t)
            with pytest.raises((RuntimeError, ValueError, NotImplementedError)) as refusal:
                REFUSED[name](t, d)
            kind = next(k for k in (NotImplementedError, ValueError, RuntimeError) if isinstance(refusal.value, k))
            said.append((kind, str(refusal.value)))
    assert said[0] == said[1]


POINTS: dict[str, Callable[[Any, Any], Any]] = {
    "in place": lambda t, x: t.func.jvp(lambda y: y.mul_(y.sin()), (x.clone(),), (x,))[1],
    "jvp of grad": lambda t, x: t.func.jvp(t.func.grad(lambda y: (y**3).sum()), (x,), (x,))[1],
    "grad of jvp": lambda t, x: t.func.grad(lambda y: t.func.jvp(lambda z: (z**3).sum(), (y,), (x,))[1])(x),
    "jvp of jvp": lambda t, x: t.func.jvp(lambda y: t.func.jvp(t.sin, (y,), (x,))[1], (x,), (x,))[1],
    "vmap of jvp of grad": lambda t, x: t.func.vmap(
        lambda y, v: t.func.jvp(t.func.grad(lambda z: z.sin() * z), (y,), (v,))[1]
    )(x, x),
    "jvp of vmap": lambda t, x: t.func.jvp(t.func.vmap(lambda a: a * a), (x,), (x,))[1],
    "tangents mapped": lambda t, x: t.func.vmap(
        lambda v: t.func.jvp(t.func.grad(lambda y: (y**3).sum()), (x,), (v,))[1]
    )(t.eye(2, dtype=t.float64)),
    "jacfwd of what is scaled": lambda t, x: t.func.jacfwd(
        lambda y: t.nn.functional.embedding(t.tensor([0, 0, 1]), y.reshape(2, 1), scale_grad_by_freq=True)
    )(x),
    "jacfwd in place": lambda t, x: t.func.jacfwd(lambda y: (y * 1).mul_(y * 2))(x),
    "jacobian": lambda t, x: t.autograd.functional.jacobian(
        lambda y: y.exp() * y[0], x, vectorize=True, strategy="forward-mode"
    ),
    "hessian": lambda t, x: t.autograd.functional.hessian(
        lambda y: (y**3).sum() * y[0], x, vectorize=True, outer_jacobian_strategy="forward-mode"
    ),
}


@pytest.mark.parametrize("name", POINTS)
def test_functions_of_functions_are_pytorchs(name: str) -> None:
    theirs, ours = (POINTS[name](t, t.tensor([0.7, -1.3], dtype=t.float64)) for t in (torch, engine))
    close(name, theirs.detach(), ours)
    assert not ours.requires_grad
