"""torch.func beside PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import engine
from tests.conformance.compare import close, to_engine

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # PyTorch's own


def network(t: Any) -> Callable[..., Any]:
    def loss(w: Any, v: Any, x: Any) -> Any:
        hidden = t.tanh(x @ w)
        return ((hidden @ v) ** 2).mean() + (w * w).sum() * 0.1

    return loss


CASES: dict[str, Callable[[Any, list[Any]], Any]] = {
    "grad": lambda t, a: t.func.grad(network(t), argnums=(0, 1))(*a),
    "grad_and_value": lambda t, a: t.func.grad_and_value(network(t))(*a),
    "per example": lambda t, a: t.func.vmap(t.func.grad(network(t)), in_dims=(None, None, 0))(*a),
    "hessian": lambda t, a: t.func.hessian(network(t), argnums=1)(*a),
    "hessians of examples": lambda t, a: t.func.vmap(t.func.hessian(network(t), argnums=1), (None, None, 0))(*a),
    "jacrev": lambda t, a: t.func.jacrev(lambda w: t.sin(w) @ a[1])(a[0]),
    "jacfwd": lambda t, a: t.func.jacfwd(lambda w: t.sin(w) @ a[1])(a[0]),
    "jacfwd of jacrev": lambda t, a: t.func.jacfwd(t.func.jacrev(lambda v: t.softmax(v, 0)))(a[1]),
    "jvp": lambda t, a: t.func.jvp(lambda w: t.tanh(w) @ a[1], (a[0],), (a[0] * 0.5,)),
    "vjp": lambda t, a: t.func.vjp(lambda w: t.tanh(w) @ a[1], a[0])[1](a[2][0, :3] * 0 + 1),
    "vmap of vmap": lambda t, a: t.vmap(t.vmap(lambda x: (x * x).sum()))(a[2].reshape(2, 2, 3)),
    "vmap of dims": lambda t, a: t.vmap(lambda x, y: x.outer(y), in_dims=(1, 0), out_dims=1)(a[2], a[2].t()),
    "vmap of softmax": lambda t, a: t.vmap(lambda x: t.softmax(x, -1).cumsum(0))(a[2]),
    "vmap of indexing": lambda t, a: t.vmap(lambda x: x[[0, 2]] + x[1:].sum() + x[None, :, None].squeeze()[:2])(a[2]),
    "grad of vmap": lambda t, a: t.func.grad(lambda x: t.vmap(t.dot)(x, x).sum())(a[2]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_pytorch(name: str) -> None:
    generator = torch.Generator().manual_seed(5)
    shapes = [(3, 3), (3,), (4, 3)]
    given = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    theirs = CASES[name](torch, given)
    ours = CASES[name](engine, [to_engine(g) for g in given])
    pairs = list(zip(flat(theirs), flat(ours), strict=True))
    assert pairs
    for a, b in pairs:
        close(name, a, b)
        assert not b.requires_grad


def flat(value: Any) -> list[Any]:
    return [leaf for v in value for leaf in flat(v)] if isinstance(value, (tuple, list)) else [value]
