"""vmap and torch.func: every row on a batch equals one call an example; transforms nest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from engine import func
from engine.apply import run
from engine.batch_rules import LOOPED
from engine.batching import DYNAMIC, batched, front, mapping
from engine.op import ROWS, Op
from engine.tensor import Tensor, wrap

SIZE = 3
WITHOUT = {
    "allclose": "answers a bool, which every example has its own of",
    "equal": "as allclose",
    "as_strided_scatter": "reads memory, and an example's strides are not those of a tensor of its own",
}
MAPPED = [
    row
    for row in ROWS
    if row.samples is not None
    and row.tensors
    and row.kind != "create"
    and row.family not in {"random", "sampled"}
    and row.id not in WITHOUT
    and row.name not in DYNAMIC
    and "dropout" not in row.id
    and "rrelu" not in row.id
]


def tensor_of(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return wrap(np.asarray(value))
    if isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, np.generic)) for v in value):
        return type(value)(tensor_of(v) for v in value)
    return value


def examples_of(t: Tensor) -> list[Any]:
    a = np.asarray(t._array)
    return [a, (a * 0.97).astype(a.dtype), (a * 0.9).astype(a.dtype)] if a.dtype.kind in "fc" else [a, a, a]


def mapped_arguments(row: Op, bound: list[Any], first_only: bool, depth: int) -> tuple[list[Any], list[list[Any]]]:
    """The arguments with batches, and the same for one example at a time."""
    whole, single = list(bound), [list(bound) for _ in range(SIZE)]
    for i in row.tensors[:1] if first_only else row.tensors:
        value = bound[i]
        if isinstance(value, Tensor):
            parts = examples_of(value)
            whole[i] = batched(wrap(np.stack(parts)), depth)
            for one, part in zip(single, parts, strict=True):
                one[i] = wrap(part)
        elif type(value) is list:
            columns = [None if v is None else examples_of(v) for v in value]
            whole[i] = [None if c is None else batched(wrap(np.stack(c)), depth) for c in columns]
            for k, one in enumerate(single):
                one[i] = [None if c is None else wrap(c[k]) for c in columns]
    return whole, single


@pytest.mark.parametrize("first_only", [False, True], ids=["all mapped", "first mapped"])
@pytest.mark.parametrize("row", MAPPED, ids=lambda row: row.id)
def test_a_batch_equals_its_examples(row: Op, first_only: bool) -> None:
    assert row.samples is not None
    for sample in row.samples():
        bound = row.bind([tensor_of(a) for a in sample.args], {k: tensor_of(v) for k, v in sample.kwargs.items()})
        if row.id == "index.Tensor" and any(i is not None and i.dtype is engine.bool for i in bound[1]):
            continue  # an index by a mask has a shape of its own for each example
        with mapping(SIZE, "error") as level:
            whole, single = mapped_arguments(row, bound, first_only, level.depth)
            answer = run(row, whole)
            outs = answer if isinstance(answer, tuple) else (answer,)
            found = [np.asarray(front(o, level.depth, SIZE)._array) for o in outs]
        expected = [run(row, one) for one in single]
        columns = zip(*(e if isinstance(e, tuple) else (e,) for e in expected), strict=True)
        for got, column in zip(found, columns, strict=True):
            wanted = np.stack([c._array for c in column])
            assert got.shape == wanted.shape, sample
            assert got.dtype == wanted.dtype, sample
            np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9, err_msg=str(sample))


CORE = json.loads((Path(__file__).parents[1] / "conformance" / "operators.json").read_text())["core"]
NEEDS_VALUES = frozenset({"masked_select", "repeat_interleave"})
"""Core operators whose output's shape depends on values: examples would differ in shape."""


def test_no_core_operator_is_called_once_an_example() -> None:
    core = {name.partition(":")[0].removeprefix("nn.functional.") for name in CORE} - NEEDS_VALUES
    ids = {name for name in LOOPED if name.partition(".")[0] in core}
    assert ids <= {"where", "narrow.Tensor"}, ids  # where(condition) alone, and a start that is a value


def test_the_list_of_loops_names_rows() -> None:
    names = {row.id for row in ROWS} | {row.schema.name for row in ROWS}
    assert names >= LOOPED


X = engine.tensor([[1.0, 2.0], [3.0, 4.0]])
W = engine.tensor([0.5, -1.0])


def same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a.detach().numpy()), np.asarray(b.detach().numpy()), rtol=1e-5, atol=1e-6)


def test_gradients_of_each_example() -> None:
    def loss(w: Any, x: Any) -> Any:
        return engine.sigmoid(x @ w)

    each = func.vmap(func.grad(loss), in_dims=(None, 0))(W, X)
    same(each, engine.stack([func.grad(loss)(W, x) for x in X]))
    assert not each.requires_grad


def test_nested_derivatives_and_maps() -> None:
    def cubes(x: Any) -> Any:
        return (x**3).sum() * x[0]

    both = func.vmap(func.hessian(cubes))(X)
    same(both, engine.stack([engine.autograd.functional.hessian(cubes, x) for x in X]))
    same(func.jacrev(func.grad(cubes))(W), func.jacfwd(func.grad(cubes))(W))
    same(func.vmap(func.vmap(lambda x: x * 2 + 1))(X), X * 2 + 1)
    third = func.grad(func.grad(func.grad(lambda x: x**4)))
    same(third(engine.tensor(2.0)), engine.tensor(48.0))


def test_vjp_jvp_and_linearize_agree() -> None:
    out, pull = func.vjp(engine.sin, W)
    value, moved = func.jvp(engine.sin, (W,), (engine.ones(2),))
    _, push = func.linearize(engine.sin, W)
    same(out, value)
    same(pull(engine.ones(2))[0], moved)
    same(push(engine.ones(2)), moved)


def test_structures_aux_argnums_and_out_dims() -> None:
    gradient, (value, aux) = func.grad_and_value(lambda p: ((p["w"] * p["b"]).sum(), "aux"), has_aux=True)(
        {"w": W, "b": W + 1}
    )
    same(gradient["w"], W + 1)
    assert aux == "aux"
    assert value.ndim == 0
    a, b = func.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(W, W + 1)
    same(a, W + 1)
    same(b, W)
    assert func.vmap(lambda x: x * 2, in_dims=1, out_dims=1)(X).tolist() == (X * 2).tolist()
    assert func.vmap(lambda x: x.sum(), chunk_size=1)(X).tolist() == [3.0, 7.0]


def test_gradients_reach_what_the_function_closes_over() -> None:
    w = W.detach().requires_grad_()
    gradient = func.grad(lambda x: (x * w * w).sum())(X[0])
    assert gradient.requires_grad
    gradient.sum().backward()
    assert w.grad is not None
    same(w.grad, 2 * w)


def test_random_numbers_under_vmap() -> None:
    with pytest.raises(RuntimeError, match="randomness error mode"):
        func.vmap(lambda x: x + engine.rand(2))(X)
    equal = func.vmap(lambda _: engine.rand(2), randomness="same")(X)
    assert equal[0].tolist() == equal[1].tolist()
    different = func.vmap(lambda _: engine.rand(2), randomness="different")(X)
    assert different[0].tolist() != different[1].tolist()


def test_in_place_writes_reach_the_batch() -> None:
    def write(x: Any) -> Any:
        y = x.clone()
        y[0] = 10
        y.mul_(x)
        return y

    assert func.vmap(write)(X).tolist() == [[10.0, 4.0], [30.0, 16.0]]
    with pytest.raises(RuntimeError, match="the same for all"):
        func.vmap(lambda x: W.clone().add_(x))(X)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: func.vmap(lambda x: x.item())(X), "calling .item()"),
        (lambda: func.vmap(lambda x: x if x.sum() > 0 else -x)(X), "data-dependent control flow"),
        (lambda: func.vmap(lambda x, y: x + y)(X, engine.ones(3)), "same size in the mapped dimension"),
        (lambda: func.vmap(lambda x: x, in_dims=5)(X), "expected in_dim to satisfy"),
        (lambda: func.vmap(lambda x: 2)(X), "must only return Tensors"),
        (lambda: func.vmap(lambda x: x, in_dims=None)(X), "expected `in_dims` to be int"),
        (lambda: func.grad(lambda x: x)(X), "return a scalar Tensor"),
        (lambda: func.jvp(engine.sin, (W,), (engine.ones(3),)), "different size than that"),
        (lambda: func.vmap(engine.nonzero)(engine.tensor([[1.0, 0.0], [1.0, 1.0]])), "dynamic shape"),
    ],
)
def test_what_cannot_be_mapped_says_why(call: Any, says: str) -> None:
    with pytest.raises((RuntimeError, ValueError), match=says.replace("(", r"\(").replace(")", r"\)")):
        call()


def written_copies(x: Any) -> Any:
    y = x.clone()
    y[1:] *= x[:-1]
    y[0] = x.norm()
    return (y**3).mean()


def test_derivatives_of_views_written_in_place_go_under_each_other_and_under_vmap() -> None:
    rows = engine.tensor([[0.4, -1.1, 0.7], [2.0, 0.5, -0.3]], dtype=engine.float64)
    for derivative in (func.grad, func.hessian, lambda f: func.jacrev(func.jacrev(f))):
        together = func.vmap(derivative(written_copies))(rows)
        for k in range(2):
            alone = derivative(written_copies)(rows[k])
            np.testing.assert_allclose(together[k].numpy(), alone.numpy(), rtol=1e-12)
    point = rows[0].clone().requires_grad_()
    assert engine.autograd.gradgradcheck(written_copies, point)


def test_an_index_without_dims_is_every_examples_own() -> None:
    x = engine.arange(6.0).reshape(2, 3)
    assert func.vmap(lambda row, i: row[i])(x, engine.tensor([0, 2])).tolist() == [0.0, 5.0]
    assert func.vmap(lambda whole, i: whole[:, i], in_dims=(None, 0))(x, engine.tensor([0, 1])).tolist() == [
        [0, 3],
        [1, 4],
    ]


def test_what_is_answered_beside_an_output_is_outside_the_graph() -> None:
    x = engine.ones(2)

    def f(x: Tensor) -> Any:
        return (x**2).sum(), {"aux": [x * 3, 1]}

    for answer in (
        func.grad(f, has_aux=True)(x)[1],
        func.grad_and_value(f, has_aux=True)(x)[1][1],
        func.vjp(f, x, has_aux=True)[2],
    ):
        assert answer["aux"][0].tolist() == [3.0, 3.0]
        assert not answer["aux"][0].requires_grad
    aux = func.jacrev(lambda x: (x**2, x * 3), has_aux=True)(x)[1]
    assert not aux.requires_grad
    nested = func.grad(lambda x: func.grad(f, has_aux=True)(x)[1]["aux"][0].sum())(x)
    assert nested.tolist() == [3.0, 3.0]
