"""Functions of functions: grad, vjp, jvp and the Jacobians made of them. Source: torch.func.

Unlike ``.backward()`` these take a function and answer one. They nest, and they go under ``vmap``: a derivative of one example is then
the derivatives of a batch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Final, Self

import numpy as np

from engine.batching import everywhere
from engine.duals import released
from engine.errors import AutogradError, InvalidValueError, LeafError
from engine.forward import point, pull
from engine.func.tree import flatten, leaves_of
from engine.func.vmap import vmap
from engine.grad_mode import depth, enable_grad
from engine.node import AccumulateGrad, Port
from engine.rules import rules
from engine.tensor import Tensor, node_of, wrap

__all__ = ["grad", "grad_and_value", "jacrev", "vjp"]


reversing: Final[ContextVar[bool]] = ContextVar("walks_back", default=False)
"""Whether a transform that walks back is around: what one inside it answers keeps its graph."""


class _Transform:
    """One derivative being taken: inside it operators record, and the transforms within know that a graph is wanted."""

    def __enter__(self) -> Self:
        self.nested = reversing.get()
        self.tokens = depth.set(depth.get() + 1), reversing.set(True)
        self.mode = enable_grad()
        self.mode.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.mode.__exit__(*exc)
        depth.reset(self.tokens[0])
        reversing.reset(self.tokens[1])


def _writable(point: Tensor) -> Tensor:
    """What a function is given in forward mode: it may be written in place, and the memory is the caller's."""
    if type(point._node) is not AccumulateGrad:
        return point
    given: Tensor = rules.alias(point)
    given._view = None
    return given


def _untouched(points: Sequence[Tensor], nodes: Sequence[Any]) -> None:
    """Errors: RuntimeError where a point was written in place: a derivative for it would be one for what was written."""
    if any(_bottom_node(p) is not n for p, n in zip(points, nodes, strict=True)):
        raise LeafError("a leaf Variable that requires grad is being used in an in-place operation.")


def _points(tree: Any, function: str) -> tuple[list[Any], Any]:
    leaves, build = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise InvalidValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)} ({function})")
        if not leaf.dtype.differentiable:
            if function in {"jvp", "linearize"}:
                raise InvalidValueError(f"Expected primal to be floating point or complex, but got: {leaf.dtype}")
            raise AutogradError(
                f"only Tensors of floating point dtype can require gradients\n({function}: got {leaf.dtype})"
            )
    points = [everywhere(leaf, point) for leaf in leaves]
    forward = function in {"jvp", "linearize"}
    return points, build([everywhere(p, _writable) for p in points] if forward else points)


def _keeps(nested: bool, given: Sequence[Any], outputs: Sequence[Any], points: Sequence[Any]) -> bool:
    """Whether results need a graph: an outer transform, an input that is recorded, or a leaf outside that the function reads."""
    if nested or any(isinstance(g, Tensor) and g.requires_grad for g in given):
        return True
    own = {id(_bottom_node(p)) for p in points}
    return any(type(node) is AccumulateGrad and id(node) not in own for node in _nodes_behind(outputs))


def _nodes_behind(outputs: Sequence[Any]) -> Iterator[Any]:
    """The nodes from which outputs come, each once; the graph of what is batched is that of the whole batch."""
    seen: set[int] = set()
    stack = [n for o in outputs if (n := _bottom_node(o)) is not None]
    while stack:
        node: Any = stack.pop()
        node = node.node if type(node) is Port else node
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        stack += [e for e in node.edges if e is not None]


def _bottom_node(t: Any) -> Any:
    while hasattr(t, "physical"):
        t = t.physical
    return node_of(t)


def _done(found: Sequence[Tensor], keeps: bool) -> list[Tensor]:
    return list(found) if keeps else [released(f) for f in found]


def _released(aux: Any, keeps: bool) -> Any:
    """What a function answered beside its output: outside the graph of the transform, as the output is."""
    if keeps:
        return aux
    if isinstance(aux, Tensor):
        return released(aux)
    if isinstance(aux, dict):
        return {k: _released(v, keeps) for k, v in aux.items()}
    if type(aux) in (list, tuple):
        return type(aux)(_released(v, keeps) for v in aux)
    return aux


def _ones(output: Tensor) -> Tensor:
    return rules.ones_like(output.detach())  # type: ignore[no-any-return]


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that answers the gradient of a scalar function and its value (with ``has_aux``: (value, aux)).

    argnums: the argument(s) to differentiate for. Source: torch.func.grad_and_value.

    >>> import engine as torch
    >>> grad_and_value(lambda x: (x**2).sum())(torch.tensor([1.0, 3.0]))
    (tensor([2., 6.]), tensor(10.))
    """

    @functools.wraps(func)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        with _Transform() as transform:
            chosen, single = _chosen(args, argnums)
            points, built = _points(chosen, "grad_and_value")
            nodes = [_bottom_node(p) for p in points]
            result = func(*_placed(args, argnums, built), **kwargs)
            _untouched(points, nodes)
            aux = None
            if has_aux:
                result, aux = _pair(result, "grad_and_value(f)(*args)")
            if not isinstance(result, Tensor):
                raise AutogradError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(result)}"
                )
            if result.ndim:
                raise AutogradError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with {result.ndim} dims. Maybe you "
                    "wanted to use the vjp or jacrev APIs instead?"
                )
            if result.is_complex():
                raise AutogradError(
                    f"grad can be implicitly created only for real scalar outputs but got {result.dtype}"
                )
            keeps = _keeps(transform.nested, leaves_of(chosen), [result], points)
            found = _done(pull([result], points, [_ones(result)], keeps), keeps)
            gradient = flatten(chosen)[1](found)
            value, aux = result if keeps else released(result), _released(aux, keeps)
        gradient = gradient[0] if single else gradient
        return gradient, ((value, aux) if has_aux else value)

    return derivative


def _pair(result: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise AutogradError(f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return result


def _outputs(result: Any, what: str) -> tuple[list[Tensor], Callable[[list[Any]], Any]]:
    """The outputs of a function, and what builds their tree. Errors: RuntimeError where one is no tensor."""
    outputs, build = flatten(result)
    if not outputs or result is None:
        raise AutogradError(f"{what}: Expected f to be a function that has non-empty output (got output = {outputs})")
    for o in outputs:
        if not isinstance(o, Tensor):
            raise AutogradError(f"{what}: expected f(*primals) to return only tensors, got unsupported type {type(o)}")
    return outputs, build


def _chosen(args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> tuple[tuple[Any, ...], bool]:
    single = isinstance(argnums, int)
    if not single and not isinstance(argnums, tuple):
        raise AutogradError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise AutogradError(f"Got argnum={n}, but only {len(args)} positional inputs")
    if len({n % len(args) for n in numbers}) != len(numbers):
        raise AutogradError(f"argnums elements must be unique, got {argnums}")
    return tuple(args[n] for n in numbers), single


def _placed(args: tuple[Any, ...], argnums: int | tuple[int, ...], built: tuple[Any, ...]) -> list[Any]:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    out = list(args)
    for n, v in zip(numbers, built, strict=True):
        out[n] = v
    return out


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that answers the gradient of a scalar function (with ``has_aux``: (gradient, aux)). Source: torch.func.grad.

    >>> import engine as torch
    >>> grad(grad(torch.sin))(torch.tensor(0.0))
    tensor(-0.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return derivative


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The outputs of ``func``, and a function that pulls weights of them back to its inputs (with ``has_aux`` also aux).

    Source: torch.func.vjp.

    >>> import engine as torch
    >>> out, pull_back = vjp(torch.sin, torch.tensor([0.0, 1.0]))
    >>> pull_back(torch.ones(2))
    (tensor([1.0000, 0.5403]),)
    """
    with _Transform() as transform:
        points, built = _points(primals, "vjp")
        nodes = [_bottom_node(p) for p in points]
        result = func(*built)
        _untouched(points, nodes)
        aux = None
        if has_aux:
            result, aux = _pair(result, "vjp(f, *primals)")
        outputs, build = _outputs(result, "vjp(f, *primals)")
        keeps = _keeps(transform.nested, leaves_of(primals), outputs, points)
    shown, aux = build(_done(outputs, keeps)), _released(aux, keeps)
    structure = flatten(primals)[1]

    def pull_back(*weights: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:  # noqa: ARG001 - PyTorch's signature
        given = leaves_of(weights)
        for i, (w, o) in enumerate(zip(given, outputs, strict=False)):
            if w.shape != o.shape:
                raise AutogradError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {w.shape} and output[{i}] has a shape of {o.shape}."
                )
        if len(given) != len(outputs):
            raise AutogradError(
                f"Expected cotangents to have the structure and shapes of the outputs: {[list(o.shape) for o in outputs]}, got "
                f"{[list(w.shape) for w in given]}"
            )
        with enable_grad():
            kept = keeps or reversing.get() or any(w.requires_grad for w in given)
            return structure(_done(pull(outputs, points, given, kept), kept))

    return (shown, pull_back, aux) if has_aux else (shown, pull_back)


def _basis(like: Sequence[Tensor]) -> list[Tensor]:
    """For each tensor the unit vectors of all tensors together that belong to it: rows of an identity."""
    counts = [t.numel() for t in like]
    total = sum(counts)
    rows = []
    start = 0
    for t, n in zip(like, counts, strict=True):
        block = np.zeros((total, n), t.dtype.numpy)
        np.fill_diagonal(block[start : start + n], 1)
        rows.append(wrap(block.reshape((total, *t.shape))))
        start += n
    return rows


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that answers the Jacobian, by one batched walk back over all elements of the outputs. Source: torch.func.jacrev.

    >>> import engine as torch
    >>> jacrev(torch.sin)(torch.tensor([0.0, 0.0]))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen, single = _chosen(args, argnums)

        def of_chosen(*values: Any) -> Any:
            result = func(*_placed(args, argnums, values), **kwargs)
            return _pair(result, "jacrev(f)(*args)") if has_aux else result

        out, pull_back, *kept = vjp(of_chosen, *chosen, has_aux=has_aux)
        outputs, build = flatten(out)
        basis = _basis(outputs)

        def row(*weights: Any) -> Any:
            return tuple(leaves_of(pull_back(*weights)))

        rows = vmap(row, chunk_size=chunk_size)(*basis)
        inputs, structure = flatten(chosen)
        start = 0
        blocks = []
        for o in outputs:
            n = o.numel()
            parts = [
                rules.reshape(rules.narrow(r, 0, start, n), (*o.shape, *i.shape))
                for r, i in zip(rows, inputs, strict=True)
            ]
            tree = structure(parts)
            blocks.append(tree[0] if single else tree)
            start += n
        answer = build(blocks)
        return (answer, kept[0]) if has_aux else answer

    return jacobian
