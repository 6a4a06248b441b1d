"""What users do wrong most: short programs over ``torch``, each of which PyTorch refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["MISTAKES"]


def _twice(t: Any) -> None:
    y = (t.ones(2, requires_grad=True) ** 2).sum()
    y.backward()
    y.backward()


def _changed(t: Any) -> None:
    x = t.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


def _changed_input(t: Any) -> None:
    x = t.ones(2, 3, requires_grad=True)
    y = x * 2
    z = y * y
    y[0] = 0
    z.sum().backward()


def _leaf_view(t: Any) -> None:
    x = t.ones(2, 2, requires_grad=True)
    x[0].add_(1)


def _many_views(t: Any) -> None:
    a, _ = (t.ones(4, requires_grad=True) * 1).split(2)
    a.mul_(2)


def _no_grad_view(t: Any) -> None:
    x = t.ones(2, 2, requires_grad=True).clone()
    with t.no_grad():
        v = x[0]
    v.mul_(2)


def _inference(t: Any) -> None:
    with t.inference_mode():
        x = t.ones(2)
    t.ones(2, requires_grad=True).mul(x)


def _inference_write(t: Any) -> None:
    with t.inference_mode():
        x = t.ones(2)
    x.add_(1)


def _assign_grad(t: Any, grad: Callable[[Any], Any]) -> None:
    x = t.ones(2, requires_grad=True)
    x.grad = grad(t)


def _hook(t: Any) -> None:
    t.ones(2).register_hook(print)


def _set(t: Any, place: Any, value: Any) -> None:
    x = t.zeros(2, 3)
    x[place] = value(t) if callable(value) else value


def _delete_grad_fn(t: Any) -> None:
    x = t.ones(2, requires_grad=True) * 2
    x.requires_grad = False


def _is_leaf(t: Any) -> None:
    t.ones(2).is_leaf = False


def _optimizer(t: Any, *args: Any, **options: Any) -> None:
    t.optim.SGD(*args, **options)


MISTAKES: dict[str, Callable[[Any], Any]] = {
    # shapes
    "add of shapes that do not broadcast": lambda t: t.ones(2, 3) + t.ones(2, 4),
    "mul of vectors": lambda t: t.ones(3) * t.ones(4),
    "sub, first dim": lambda t: t.ones(3, 2) - t.ones(2, 2),
    "div in place": lambda t: t.ones(3).div_(t.ones(2, 3)),
    "add in place grows": lambda t: t.ones(1).add_(t.ones(2)),
    "pow": lambda t: t.ones(2) ** t.ones(3),
    "comparison": lambda t: t.ones(2) < t.ones(3),
    "where": lambda t: t.where(t.ones(2) > 0, t.ones(3), t.ones(4)),
    "maximum": lambda t: t.maximum(t.ones(2), t.ones(3)),
    "lerp": lambda t: t.lerp(t.ones(2), t.ones(3), 0.5),
    "masked_fill": lambda t: t.ones(2, 3).masked_fill(t.ones(4) > 0, 0.0),
    "expand": lambda t: t.ones(2, 3).expand(4, 3),
    "expand too few": lambda t: t.ones(2, 3).expand(3),
    "matmul": lambda t: t.ones(2, 3) @ t.ones(2, 3),
    "matmul of vector": lambda t: t.ones(2, 3) @ t.ones(2),
    "matmul of vectors": lambda t: t.ones(2) @ t.ones(3),
    "matmul of scalar": lambda t: t.ones(2) @ t.tensor(1.0),
    "matmul of batches": lambda t: t.ones(2, 3, 4) @ t.ones(3, 4, 5),
    "matmul of batches inner": lambda t: t.ones(2, 3, 4) @ t.ones(2, 3, 4),
    "matmul by a number": lambda t: t.ones(2, 2) @ 2,
    "mm of a vector": lambda t: t.mm(t.ones(2), t.ones(2, 2)),
    "bmm": lambda t: t.bmm(t.ones(2, 3, 4), t.ones(2, 3, 4)),
    "bmm of matrices": lambda t: t.bmm(t.ones(3, 4), t.ones(4, 3)),
    "mv": lambda t: t.mv(t.ones(2, 3), t.ones(2)),
    "dot of matrices": lambda t: t.dot(t.ones(2, 2), t.ones(2, 2)),
    "dot of lengths": lambda t: t.dot(t.ones(2), t.ones(3)),
    "outer": lambda t: t.outer(t.ones(2, 2), t.ones(2)),
    "linear": lambda t: t.nn.functional.linear(t.ones(2, 3), t.ones(4, 2)),
    "linear bias": lambda t: t.nn.functional.linear(t.ones(2, 3), t.ones(4, 3), t.ones(3)),
    "cat": lambda t: t.cat([t.ones(2, 3), t.ones(2, 4)]),
    "cat of dims": lambda t: t.cat([t.ones(2, 3), t.ones(2)]),
    "cat of nothing": lambda t: t.cat([]),
    "cat of a tensor": lambda t: t.cat(t.ones(2)),
    "cat of numbers": lambda t: t.cat([1, 2]),
    "cat of scalars": lambda t: t.cat([t.tensor(1.0), t.tensor(2.0)]),
    "cat dim": lambda t: t.cat([t.ones(2), t.ones(2)], 1),
    "stack": lambda t: t.stack([t.ones(2), t.ones(3)]),
    "stack of nothing": lambda t: t.stack([]),
    "stack dim": lambda t: t.stack([t.ones(2)], 3),
    "view": lambda t: t.ones(2, 3).view(4, 2),
    "view of what is not contiguous": lambda t: t.ones(2, 3).t().view(-1),
    "view with two free sizes": lambda t: t.ones(2, 3).view(-1, -1),
    "view of negative": lambda t: t.ones(2, 3).view(-2, 3),
    "reshape": lambda t: t.ones(2, 3).reshape(4),
    "reshape with a free size": lambda t: t.ones(2, 3).reshape(4, -1),
    "permute": lambda t: t.ones(2, 3).permute(0),
    "permute twice": lambda t: t.ones(2, 3).permute(0, 0),
    "transpose dim": lambda t: t.ones(2, 3).transpose(0, 2),
    "t of 3 dims": lambda t: t.ones(2, 3, 4).t(),
    "squeeze dim": lambda t: t.ones(2, 3).squeeze(5),
    "unsqueeze dim": lambda t: t.ones(2, 3).unsqueeze(4),
    "flatten dims": lambda t: t.ones(2, 3, 4).flatten(2, 1),
    "unflatten": lambda t: t.ones(6).unflatten(0, (4, 2)),
    "split sizes": lambda t: t.ones(5).split([2, 2]),
    "split size": lambda t: t.ones(5).split(-1),
    "chunk": lambda t: t.ones(5).chunk(0),
    "unfold": lambda t: t.ones(5).unfold(0, 6, 1),
    "narrow": lambda t: t.ones(5).narrow(0, 3, 4),
    "repeat": lambda t: t.ones(2, 3).repeat(2),
    "tile": lambda t: t.ones(2).tile(-1),
    "movedim": lambda t: t.ones(2, 3).movedim((0, 1), (0,)),
    "diagonal": lambda t: t.ones(2).diagonal(),
    "ones of negative": lambda t: t.ones(-1),
    "zeros of floats": lambda t: t.zeros(2.5),
    "full without value": lambda t: t.full((2,)),
    "arange of the wrong sign": lambda t: t.arange(5, 0),
    "arange step": lambda t: t.arange(0, 5, 0),
    "linspace": lambda t: t.linspace(0, 1, -1),
    "eye": lambda t: t.eye(-1),
    "tensor of ragged lists": lambda t: t.tensor([[1, 2], [3]]),
    "tensor of words": lambda t: t.tensor("abc"),
    "tensor of a list of words": lambda t: t.tensor(["a"]),
    "tensor of None": lambda t: t.tensor(None),
    "tensor of a dict": lambda t: t.tensor({}),
    # dims and indices
    "sum dim": lambda t: t.ones(2, 3).sum(2),
    "sum dims": lambda t: t.ones(2, 3).sum((0, 3)),
    "sum twice": lambda t: t.ones(2, 3).sum((0, 0)),
    "mean dim": lambda t: t.ones(2, 3).mean(-3),
    "max dim": lambda t: t.ones(2).max(1),
    "max of nothing": lambda t: t.ones(0).max(),
    "argmax of nothing": lambda t: t.ones(0).argmax(),
    "min dim of nothing": lambda t: t.ones(2, 0).min(1),
    "softmax dim": lambda t: t.softmax(t.ones(2, 3), 2),
    "cumsum dim": lambda t: t.cumsum(t.ones(2), 1),
    "sort dim": lambda t: t.sort(t.ones(2), 1),
    "topk": lambda t: t.topk(t.ones(2), 3),
    "kthvalue": lambda t: t.kthvalue(t.ones(2), 3),
    "index": lambda t: t.ones(2, 3)[5],
    "index in a dim": lambda t: t.ones(2, 3)[0, 3],
    "negative index": lambda t: t.ones(2)[-3],
    "too many indices": lambda t: t.ones(2)[0, 0],
    "index of a scalar": lambda t: t.tensor(1.0)[0],
    "index by a float": lambda t: t.ones(2)[1.5],
    "index by a word": lambda t: t.ones(2)["a"],
    "index by a tensor out of range": lambda t: t.ones(2)[t.tensor([2])],
    "index by a float tensor": lambda t: t.ones(2)[t.tensor([0.5])],
    "index by a mask": lambda t: t.ones(2)[t.tensor([True, False, True])],
    "index by a step below zero": lambda t: t.ones(4)[::-1],
    "indices that do not broadcast": lambda t: t.ones(4, 4)[t.tensor([0, 1]), t.tensor([0, 1, 2])],
    "two ellipses": lambda t: t.ones(2, 2)[..., ...],
    "write a wrong shape": lambda t: _set(t, 0, lambda t: t.ones(2)),
    "write a list": lambda t: _set(t, 0, lambda t: [1.0]),
    "write a word": lambda t: _set(t, 0, "a"),
    "write beyond": lambda t: _set(t, 7, 1.0),
    "write by a mask": lambda t: _set(t, np.array([True, False, True]), 1.0),
    "gather": lambda t: t.gather(t.ones(2, 3), 1, t.tensor([[5]])),
    "gather of floats": lambda t: t.gather(t.ones(2, 3), 1, t.tensor([[0.5]])),
    "gather dims": lambda t: t.gather(t.ones(2, 3), 1, t.tensor([0])),
    "scatter": lambda t: t.zeros(3).scatter(0, t.tensor([5]), t.ones(1)),
    "scatter of floats": lambda t: t.zeros(3).scatter(0, t.tensor([0.0]), t.ones(1)),
    "index_select": lambda t: t.index_select(t.ones(2, 3), 0, t.tensor([2])),
    "index_select of floats": lambda t: t.index_select(t.ones(2, 3), 0, t.tensor([0.0])),
    "index_add": lambda t: t.zeros(3).index_add(0, t.tensor([0, 1]), t.ones(3)),
    "take": lambda t: t.take(t.ones(2), t.tensor([2])),
    "take_along_dim": lambda t: t.take_along_dim(t.ones(2), t.tensor([2]), 0),
    "masked_select": lambda t: t.masked_select(t.ones(2), t.ones(2)),
    "select": lambda t: t.ones(2).select(0, 2),
    "one_hot": lambda t: t.nn.functional.one_hot(t.tensor([3]), 2),
    "one_hot of floats": lambda t: t.nn.functional.one_hot(t.tensor([1.0])),
    "embedding": lambda t: t.nn.functional.embedding(t.tensor([5]), t.ones(2, 3)),
    "embedding of floats": lambda t: t.nn.functional.embedding(t.tensor([0.0]), t.ones(2, 3)),
    # dtypes
    "integers that require grad": lambda t: t.ones(2, dtype=t.int64, requires_grad=True),
    "integers that require grad later": lambda t: t.arange(3).requires_grad_(),
    "tensor of integers that require grad": lambda t: t.tensor([1, 2], requires_grad=True),
    "set requires_grad of integers": lambda t: setattr(t.arange(3), "requires_grad", True),
    "mean of integers": lambda t: t.arange(3).mean(),
    "mean of integers in a dim": lambda t: t.ones(2, 2, dtype=t.int64).mean(0),
    "mean of bools": lambda t: t.tensor([True]).mean(),
    "std of integers": lambda t: t.arange(3).std(),
    "norm of integers": lambda t: t.arange(3).norm(),
    "softmax of integers": lambda t: t.softmax(t.arange(3), 0),
    "matmul of dtypes": lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64),
    "mv of dtypes": lambda t: t.ones(2, 2) @ t.ones(2, dtype=t.int64),
    "dot of dtypes": lambda t: t.dot(t.ones(2), t.arange(2)),
    "bmm of dtypes": lambda t: t.bmm(t.ones(1, 2, 2), t.ones(1, 2, 2, dtype=t.float64)),
    "float into integers": lambda t: t.arange(3).add_(1.5),
    "division into integers": lambda t: t.arange(3).div_(2),
    "complex into floats": lambda t: t.ones(2).mul_(1j),
    "float tensor into bools": lambda t: t.tensor([True]).add_(t.ones(1)),
    "minus of bools": lambda t: -t.tensor([True]),
    "difference of bools": lambda t: t.tensor([True]) - t.tensor([False]),
    "number less bools": lambda t: 1 - t.tensor([True]),
    "not of floats": lambda t: ~t.ones(2),
    "and of floats": lambda t: t.ones(2) & t.ones(2),
    "shift of floats": lambda t: t.ones(2) << 1,
    "comparison of complex": lambda t: t.tensor([1j]) < t.tensor([2j]),
    "max of complex": lambda t: t.tensor([1j]).max(),
    "sort of complex": lambda t: t.tensor([1j]).sort(),
    "floor of complex": lambda t: t.floor(t.tensor([1j])),
    "imag of floats": lambda t: t.imag(t.ones(1)),
    "float() of complex": lambda t: float(t.tensor(1j)),
    "int() of nan": lambda t: int(t.tensor(float("nan"))),
    "int() of infinity": lambda t: int(t.tensor(float("inf"))),
    "inverse of integers": lambda t: t.linalg.inv(t.eye(2, dtype=t.int64)),
    "integers to negative powers": lambda t: t.arange(1, 3) ** -1,
    "dtype by name": lambda t: t.ones(2, dtype="float32"),
    "where condition": lambda t: t.where(t.ones(2), t.ones(2), t.ones(2)),
    "scatter of dtypes": lambda t: t.zeros(3).scatter(0, t.tensor([0]), t.ones(1, dtype=t.float64)),
    "index_add of dtypes": lambda t: t.zeros(3).index_add(0, t.tensor([0]), t.ones(1, dtype=t.float64)),
    "sum to an integer dtype": lambda t: t.ones(2).bitwise_and(1),
    "cross entropy of float classes": lambda t: t.nn.functional.cross_entropy(t.ones(2, 3), t.ones(2)),
    "cross entropy of int32 classes": lambda t: t.nn.functional.cross_entropy(t.ones(2, 3), t.ones(2, dtype=t.int32)),
    "bce of integers": lambda t: t.nn.functional.binary_cross_entropy(t.full((2,), 0.5), t.ones(2, dtype=t.int64)),
    "conv of dtypes": lambda t: t.nn.functional.conv1d(t.ones(1, 1, 3), t.ones(1, 1, 2, dtype=t.float64)),
    # small integers
    "uint8 filled with 300": lambda t: t.tensor([1], dtype=t.uint8).fill_(300),
    "uint8 plus 300": lambda t: t.tensor([1], dtype=t.uint8) + 300,
    "uint8 plus 300 in place": lambda t: t.tensor([1], dtype=t.uint8).add_(300),
    "uint8 times 300": lambda t: t.tensor([1], dtype=t.uint8) * 300,
    "int8 full of 300": lambda t: t.full((2,), 300, dtype=t.int8),
    "int8 tensor of 300": lambda t: t.tensor([300], dtype=t.int8),
    "uint8 tensor of -1": lambda t: t.tensor([-1], dtype=t.uint8),
    "int8 less than 300": lambda t: t.tensor([1], dtype=t.int8) < 300,
    "int8 is 300": lambda t: t.tensor([1], dtype=t.int8) == 300,
    "uint8 clamped at 300": lambda t: t.tensor([1], dtype=t.uint8).clamp(max=300),
    "uint8 written 300": lambda t: t.zeros(2, dtype=t.uint8).__setitem__(0, 300),
    "int8 masked_fill": lambda t: t.zeros(2, dtype=t.int8).masked_fill(t.tensor([True, False]), 300),
    "int64 beyond": lambda t: t.tensor(2**63),
    "int64 plus beyond": lambda t: t.tensor(1) + 2**63,
    "int64 filled beyond": lambda t: t.tensor([1]).fill_(2**64),
    "int8 where": lambda t: t.where(t.tensor([True]), t.tensor([1], dtype=t.int8), 300),
    "int8 to a power": lambda t: t.tensor([2], dtype=t.int8) ** 300,
    "int8 remainder": lambda t: t.tensor([2], dtype=t.int8) % 300,
    "int8 and": lambda t: t.tensor([2], dtype=t.int8) & 300,
    "float16 filled with 1e6": lambda t: t.ones(1, dtype=t.float16).fill_(1e6),
    "float16 plus 1e6": lambda t: t.ones(1, dtype=t.float16) + 1e6,
    "float32 filled with 1e300": lambda t: t.ones(1).fill_(1e300),
    # autograd
    "backward twice": _twice,
    "backward of many": lambda t: (t.ones(2, requires_grad=True) * 2).backward(),
    "backward without a graph": lambda t: t.ones(1).backward(),
    "backward of a leaf": lambda t: t.ones(2, requires_grad=True).backward(),
    "backward of integers": lambda t: t.tensor(1).backward(),
    "gradient of a wrong shape": lambda t: (t.ones(2, requires_grad=True) * 2).backward(t.ones(3)),
    "gradient of a wrong kind": lambda t: (t.ones(2, requires_grad=True) * 2).backward(1.0),
    "gradient of a complex": lambda t: (t.ones(1, requires_grad=True) * 1j).sum().backward(),
    "grad of what is not used": lambda t: t.autograd.grad(
        t.ones(1, requires_grad=True).sum(), t.ones(1, requires_grad=True)
    ),
    "grad of what requires none": lambda t: t.autograd.grad(t.ones(1, requires_grad=True).sum(), t.ones(1)),
    "grad of many": lambda t: t.autograd.grad(t.ones(2, requires_grad=True) * 2, t.ones(2, requires_grad=True)),
    "grad with too few outputs": lambda t: t.autograd.grad([t.ones(2, requires_grad=True) * 2], [], []),
    "grad of no inputs": lambda t: t.autograd.grad(t.ones(2, requires_grad=True).sum(), []),
    "backward with no inputs": lambda t: t.ones(2, requires_grad=True).sum().backward(inputs=[]),
    "in place on a leaf": lambda t: t.ones(2, requires_grad=True).add_(1),
    "augmented on a leaf": lambda t: t.ones(2, requires_grad=True).__iadd__(1),
    "write into a leaf": lambda t: t.ones(2, requires_grad=True).__setitem__(0, 1.0),
    "zero_ of a leaf": lambda t: t.ones(2, requires_grad=True).zero_(),
    "in place on a view of a leaf": _leaf_view,
    "in place on one of many views": _many_views,
    "in place on a view made under no_grad": _no_grad_view,
    "result changed": _changed,
    "input changed": _changed_input,
    "inference tensor saved": _inference,
    "inference tensor written": _inference_write,
    "requires_grad_ of an inference tensor": lambda t: t.inference_mode()(lambda: t.ones(2))().requires_grad_(),
    "numpy() of what requires grad": lambda t: t.ones(2, requires_grad=True).numpy(),
    "item of many": lambda t: t.ones(2).item(),
    "float of many": lambda t: float(t.ones(2)),
    "int of none": lambda t: int(t.ones(0)),
    "bool of many": lambda t: bool(t.ones(2)),
    "bool of none": lambda t: bool(t.ones(0)),
    "if of many": lambda t: not (t.ones(2) > 0),
    "len of a scalar": lambda t: len(t.tensor(1.0)),
    "iteration over a scalar": lambda t: list(t.tensor(1.0)),
    "index() of a float": lambda t: [1, 2][t.tensor(1.0)],
    "index() of many": lambda t: [1, 2][t.tensor([1, 1])],
    "in, of a word": lambda t: "a" in t.ones(2),
    "grad of a wrong shape": lambda t: _assign_grad(t, lambda t: t.ones(3)),
    "grad of a wrong dtype": lambda t: _assign_grad(t, lambda t: t.ones(2, dtype=t.float64)),
    "grad that is a number": lambda t: _assign_grad(t, lambda t: 1.0),
    "requires_grad of a result": _delete_grad_fn,
    "requires_grad that is no bool": lambda t: setattr(t.ones(1), "requires_grad", "yes"),
    "retain_grad of a constant": lambda t: t.ones(2).retain_grad(),
    "hook of a constant": _hook,
    "hook after of a result": lambda t: (t.ones(2, requires_grad=True) * 2).register_post_accumulate_grad_hook(print),
    "detach_ of a view": lambda t: (t.ones(4, requires_grad=True) * 1).split(2)[0].detach_(),
    "is_leaf set": _is_leaf,
    "deepcopy of a result": lambda t: __import__("copy").deepcopy(t.ones(2, requires_grad=True) * 2),
    "data of a wrong kind": lambda t: setattr(t.ones(2), "data", 1.0),
    "no_grad as a value": lambda t: t.no_grad(1, 2),
    "set_grad_enabled of nothing": lambda t: t.set_grad_enabled(),
    "derivative that is missing": lambda t: t.linalg.eigvals(
        t.tensor([[1.0, 2.0], [float("nan"), 1.0]], requires_grad=True)
    ),
    "jacobian of no tensor": lambda t: t.autograd.functional.jacobian(lambda x: 1.0, t.ones(2)),
    "hessian of many": lambda t: t.autograd.functional.hessian(lambda x: x * 2, t.ones(2)),
    "func.grad of many": lambda t: t.func.grad(lambda x: x * 2)(t.ones(2)),
    "func.grad of a number": lambda t: t.func.grad(lambda x: 1.0)(t.ones(2)),
    "func.grad of integers": lambda t: t.func.grad(lambda x: x.sum())(t.arange(3)),
    "func.grad argnums": lambda t: t.func.grad(lambda x: x.sum(), argnums=3)(t.ones(2)),
    "vmap of sizes": lambda t: t.func.vmap(lambda x, y: x + y)(t.ones(2), t.ones(3)),
    "vmap of a scalar": lambda t: t.func.vmap(lambda x: x)(t.tensor(1.0)),
    "vmap reads a value": lambda t: t.func.vmap(lambda x: x.item())(t.ones(2)),
    "vmap in_dims": lambda t: t.func.vmap(lambda x: x, in_dims=(0, 0))(t.ones(2)),
    "vjp of a wrong cotangent": lambda t: t.func.vjp(lambda x: x * 2, t.ones(2))[1](t.ones(3)),
    "jvp of a wrong tangent": lambda t: t.func.jvp(lambda x: x * 2, (t.ones(2),), (t.ones(3),)),
    # words
    "reduction": lambda t: t.nn.functional.mse_loss(t.ones(2), t.ones(2), reduction="avg"),
    "reduction of cross entropy": lambda t: t.nn.functional.cross_entropy(
        t.ones(2, 3), t.tensor([0, 1]), reduction="x"
    ),
    "reduction of bce": lambda t: t.nn.functional.binary_cross_entropy(t.ones(2), t.ones(2), reduction="x"),
    "padding mode": lambda t: t.nn.functional.pad(t.ones(1, 1, 3), (1, 1), mode="x"),
    "pad of an odd count": lambda t: t.nn.functional.pad(t.ones(3), (1,)),
    "reflect pad too wide": lambda t: t.nn.functional.pad(t.ones(1, 1, 3), (3, 3), mode="reflect"),
    "interpolation mode": lambda t: t.nn.functional.interpolate(t.ones(1, 1, 3), 2, mode="x"),
    "rounding mode": lambda t: t.div(t.ones(2), 2, rounding_mode="x"),
    "gelu approximation": lambda t: t.nn.functional.gelu(t.ones(2), approximate="x"),
    "indexing of meshgrid": lambda t: t.meshgrid(t.ones(2), indexing="x"),
    "einsum": lambda t: t.einsum("ij,jk->ik", t.ones(2, 3), t.ones(2, 3)),
    "einsum operands": lambda t: t.einsum("ij,jk->ik", t.ones(2, 3)),
    "einsum letters": lambda t: t.einsum("ij->k", t.ones(2, 3)),
    "einsum dims": lambda t: t.einsum("ijk->i", t.ones(2, 3)),
    "dropout": lambda t: t.nn.functional.dropout(t.ones(2), 1.5),
    "bernoulli": lambda t: t.bernoulli(t.tensor([1.5])),
    "multinomial": lambda t: t.multinomial(t.tensor([-1.0, 1.0]), 1),
    "multinomial of too many": lambda t: t.multinomial(t.tensor([0.5, 0.5]), 3),
    "randint": lambda t: t.randint(5, 5, (2,)),
    "normal of a negative std": lambda t: t.normal(0.0, -1.0, (2,)),
    "quantile": lambda t: t.quantile(t.ones(3), 1.5),
    "clamp of nothing": lambda t: t.clamp(t.ones(2)),
    "cross entropy beyond classes": lambda t: t.nn.functional.cross_entropy(t.ones(2, 3), t.tensor([0, 3])),
    "cross entropy batch": lambda t: t.nn.functional.cross_entropy(t.ones(2, 3), t.tensor([0, 1, 2])),
    "cross entropy shape": lambda t: t.nn.functional.cross_entropy(t.ones(2, 3, 4), t.tensor([[0, 1], [1, 1]])),
    "nll weights": lambda t: t.nn.functional.nll_loss(t.ones(2, 3), t.tensor([0, 1]), t.ones(2)),
    "bce out of range": lambda t: t.nn.functional.binary_cross_entropy(t.tensor([1.5]), t.tensor([1.0])),
    "bce shapes": lambda t: t.nn.functional.binary_cross_entropy(t.full((2,), 0.5), t.ones(3)),
    "bce with logits shapes": lambda t: t.nn.functional.binary_cross_entropy_with_logits(t.ones(2), t.ones(3)),
    "conv channels": lambda t: t.nn.functional.conv2d(t.ones(1, 3, 4, 4), t.ones(1, 2, 2, 2)),
    "conv kernel": lambda t: t.nn.functional.conv2d(t.ones(1, 1, 2, 2), t.ones(1, 1, 3, 3)),
    "conv dims": lambda t: t.nn.functional.conv2d(t.ones(4), t.ones(1, 1, 2, 2)),
    "conv bias": lambda t: t.nn.functional.conv1d(t.ones(1, 1, 4), t.ones(2, 1, 2), t.ones(3)),
    "pool": lambda t: t.nn.functional.max_pool2d(t.ones(1, 1, 2, 2), 3),
    "layer norm": lambda t: t.nn.functional.layer_norm(t.ones(2, 3), (4,)),
    "batch norm of one": lambda t: t.nn.functional.batch_norm(t.ones(1, 3), None, None, training=True),
    "group norm": lambda t: t.nn.functional.group_norm(t.ones(2, 3), 2),
    "singular": lambda t: t.linalg.inv(t.zeros(2, 2)),
    "solve singular": lambda t: t.linalg.solve(t.zeros(2, 2), t.ones(2)),
    "inverse of no square": lambda t: t.linalg.inv(t.ones(2, 3)),
    "inverse of a vector": lambda t: t.linalg.inv(t.ones(2)),
    "cholesky": lambda t: t.linalg.cholesky(-t.eye(2)),
    "det of no square": lambda t: t.linalg.det(t.ones(2, 3)),
    "norm order": lambda t: t.linalg.norm(t.ones(2, 2), "x"),
    "trace": lambda t: t.trace(t.ones(2)),
    "cross": lambda t: t.linalg.cross(t.ones(2), t.ones(2)),
    "cov": lambda t: t.cov(t.ones(2, 2, 2)),
    "bincount": lambda t: t.bincount(t.tensor([-1])),
    "histc": lambda t: t.histc(t.ones(2), 0),
    "bucketize": lambda t: t.bucketize(t.ones(1), t.ones(2, 2)),
    # arguments
    "unknown function": lambda t: t.nope(t.ones(2)),
    "unknown function of networks": lambda t: t.nn.functional.nope,
    "unknown method": lambda t: t.ones(2).nope(),
    "unknown attribute": lambda t: t.ones(2).foo,
    "tensor called": lambda t: t.ones(2)(),
    "too many arguments": lambda t: t.exp(t.ones(2), t.ones(2)),
    "too many arguments of a method": lambda t: t.ones(2).exp(1),
    "too few arguments": lambda t: t.exp(),
    "too few arguments of mul": lambda t: t.mul(t.ones(2)),
    "too few arguments of a method": lambda t: t.ones(2).mul(),
    "unknown keyword": lambda t: t.sum(t.ones(2), foo=1),
    "unknown keyword of exp": lambda t: t.exp(t.ones(2), foo=1),
    "unknown keyword of a method": lambda t: t.ones(2).view(foo=1),
    "unknown keyword of softmax": lambda t: t.softmax(t.ones(2), axes=0),
    "argument twice": lambda t: t.exp(t.ones(2), input=t.ones(2)),
    "no tensor": lambda t: t.exp(1.0),
    "a list for a tensor": lambda t: t.exp([1.0]),
    "a list for a tensor in sum": lambda t: t.sum([1.0]),
    "None for a tensor": lambda t: t.exp(None),
    "a word for a tensor": lambda t: t.ones(2) + "a",
    "a word to add": lambda t: t.add(t.ones(2), "a"),
    "None added": lambda t: t.ones(2) + None,
    "a list added": lambda t: t.ones(2) + {},
    "a list multiplied": lambda t: t.ones(2).mul([1.0]),
    "a tuple compared": lambda t: t.ones(2) < (1, 2),
    "a word for a dim": lambda t: t.sum(t.ones(2), "a"),
    "a float for a dim": lambda t: t.ones(2).sum(0.5),
    "a float for a size": lambda t: t.ones(2).view(2.0),
    "a float for a softmax dim": lambda t: t.softmax(t.ones(2), 0.5),
    "softmax without a dim": lambda t: t.softmax(t.ones(2)),
    "reshape of a word": lambda t: t.ones(2).reshape("a"),
    "tensor without data": lambda t: t.tensor(),
    "transpose of one dim": lambda t: t.ones(2, 2).transpose(0),
    "stack of a tensor and a number": lambda t: t.stack([t.ones(2), 1]),
    "tensor to a word": lambda t: t.ones(2).to("nowhere"),
    "tensor to a device": lambda t: t.ones(2).to("cuda"),
    "from_numpy of a list": lambda t: t.from_numpy([1.0]),
    "from_numpy of words": lambda t: t.from_numpy(np.array(["a"])),
    "manual_seed of a word": lambda t: t.manual_seed("a"),
    "set_default_dtype": lambda t: t.set_default_dtype(t.int64),
    "format": lambda t: f"{t.ones(2):.2f}",
    "clip of words": lambda t: t.clamp(t.ones(2), "a"),
    "mse_loss of a number": lambda t: t.nn.functional.mse_loss(t.ones(2), 1.0),
    "relu of a number": lambda t: t.nn.functional.relu(1.0),
    "dtype called": lambda t: t.float32(1),
    "arange of a word": lambda t: t.arange("a"),
    "repeat of nothing": lambda t: t.ones(2).repeat(),
    "randn of a word": lambda t: t.randn("a"),
    "zeros_like of a number": lambda t: t.zeros_like(1.0),
    "item with an argument": lambda t: t.ones(1).item(1),
    "backward with a word": lambda t: t.ones(1, requires_grad=True).backward(foo=1),
    "size of a dim": lambda t: t.ones(2).size(3),
    # optimizers
    "optimizer of a tensor": lambda t: _optimizer(t, t.ones(2, requires_grad=True), lr=0.1),
    "optimizer of nothing": lambda t: _optimizer(t, [], lr=0.1),
    "optimizer of a result": lambda t: _optimizer(t, [t.ones(2, requires_grad=True) * 2], lr=0.1),
    "optimizer of numbers": lambda t: _optimizer(t, [1.0], lr=0.1),
    "learning rate": lambda t: _optimizer(t, [t.ones(2, requires_grad=True)], lr=-1),
    "momentum": lambda t: _optimizer(t, [t.ones(2, requires_grad=True)], lr=1, momentum=-1),
    "optimizer with an unknown option": lambda t: _optimizer(t, [t.ones(2, requires_grad=True)], lr=1, foo=1),
}
