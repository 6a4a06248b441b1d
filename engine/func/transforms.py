"""Functions of functions: grad, vjp, jvp and the Jacobians made of them. Source: torch.func.

Unlike ``.backward()`` these take a function and answer one. They nest, and they go under ``vmap``: a derivative of one example is then
the derivatives of a batch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from engine.backward import grad as walk_back
from engine.batching import behind, everywhere, front, level_of, mapped, size_of
from engine.errors import AutogradError, InvalidValueError, LeafError
from engine.func.tree import flatten, leaves_of
from engine.func.vmap import vmap
from engine.grad_mode import depth, enable_grad
from engine.node import AccumulateGrad, Port
from engine.rules import rules
from engine.tensor import Tensor, begun, node_of, wrap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]


class _Transform:
    """One derivative being taken: inside it operators record, and the transforms within know that a graph is wanted."""

    def __enter__(self) -> Self:
        self.nested = depth.get() > 0
        self.token = depth.set(depth.get() + 1)
        self.mode = enable_grad()
        self.mode.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.mode.__exit__(*exc)
        depth.reset(self.token)


def _point(t: Tensor) -> Tensor:
    """A point to differentiate at: connected to what it came from, if that is recorded."""
    return rules.alias(t) if t.requires_grad else begun(t.detach())


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
    points = [everywhere(leaf, _point) for leaf in leaves]
    forward = function in {"jvp", "linearize"}
    return points, build([everywhere(p, _writable) for p in points] if forward else points)


def _pull(outputs: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], create: bool) -> list[Tensor]:
    """Gradients of weighted outputs for inputs, at all levels of batching; zeros where nothing flows."""
    live = [k for k, o in enumerate(outputs) if o.requires_grad]
    found: list[Tensor | None] = [None] * len(inputs)
    if live and inputs:
        found = _pulled([outputs[k] for k in live], list(inputs), [weights[k] for k in live], create)
    return [rules.zeros_like(t) if f is None else f for f, t in zip(found, inputs, strict=True)]


def _pulled(outputs: list[Any], inputs: list[Any], weights: list[Any], create: bool) -> list[Any]:
    level = level_of([*outputs, *inputs])
    if level == 0:
        rows = level_of(weights) > 0  # one graph, a batch of weights: the rules run on batched tensors
        return list(
            walk_back(outputs, inputs, weights, retain_graph=True, create_graph=create or rows, allow_unused=True)
        )
    size = size_of([*outputs, *inputs], level)
    if not all(mapped(i, level) for i in inputs):
        raise AutogradError("a derivative was asked for at a point that was not made inside the mapped function")
    found = _pulled(
        [front(o, level, size) for o in outputs],
        [i.physical for i in inputs],
        [front(w, level, size) for w in weights],
        create,
    )
    return [None if f is None else behind(f, level) for f in found]


def _keeps(nested: bool, given: Sequence[Any], outputs: Sequence[Any], points: Sequence[Any]) -> bool:
    """Whether results need a graph: an outer transform, an input that is recorded, or a leaf outside that the function reads."""
    if nested or any(isinstance(g, Tensor) and g.requires_grad for g in given):
        return True
    own = {id(_bottom_node(p)) for p in points}
    seen: set[int] = set()
    stack = [n for o in outputs if (n := _bottom_node(o)) is not None]
    while stack:
        node: Any = stack.pop()
        node = node.node if type(node) is Port else node
        if id(node) in seen:
            continue
        seen.add(id(node))
        if type(node) is AccumulateGrad:
            if id(node) not in own:
                return True
            continue
        stack += [e for e in node.edges if e is not None]
    return False


def _bottom_node(t: Any) -> Any:
    while hasattr(t, "physical"):
        t = t.physical
    return node_of(t)


def _done(found: Sequence[Tensor], keeps: bool) -> list[Tensor]:
    return list(found) if keeps else [f.detach() for f in found]


def _released(aux: Any, keeps: bool) -> Any:
    """What a function answered beside its output: outside the graph of the transform, as the output is."""
    if keeps:
        return aux
    if isinstance(aux, Tensor):
        return aux.detach()
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
            found = _done(_pull([result], points, [_ones(result)], keeps), keeps)
            gradient = flatten(chosen)[1](found)
            value, aux = result if keeps else result.detach(), _released(aux, keeps)
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
            kept = keeps or depth.get() > 0 or any(w.requires_grad for w in given)
            return structure(_done(_pull(outputs, points, given, kept), kept))

    return (shown, pull_back, aux) if has_aux else (shown, pull_back)


def _pushed(outputs: Sequence[Any], points: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]]:
    """What pushes tangents forward: the pull-back is linear in its weights, and its own pull-back is the push-forward."""
    weights = [everywhere(rules.zeros_like(o.detach()), _point) for o in outputs]
    pulled = _pull(outputs, points, weights, True)
    return lambda tangents: _pull(pulled, weights, list(tangents), True)


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,  # noqa: ARG001 - PyTorch's signature
    has_aux: bool = False,
) -> Any:
    """The outputs of ``func``, and its derivative along ``tangents`` (with ``has_aux`` also aux). Source: torch.func.jvp.

    >>> import engine as torch
    >>> jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple):
        raise AutogradError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    given, inputs = leaves_of(tangents), leaves_of(primals)
    if len(given) != len(inputs) or not isinstance(tangents, tuple):
        raise AutogradError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with {len(inputs)} and tangents with {len(given)} tensors"
        )
    if not inputs:
        raise AutogradError("jvp(f, primals, tangents): Expected primals to contain at least one Tensor.")
    for p, t in zip(inputs, given, strict=True):
        if isinstance(p, Tensor) and p.shape != t.shape:
            raise AutogradError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. "
                f"Tensor is of size {list(p.shape)} while the given forward gradient is of size {list(t.shape)}."
            )
    with _Transform() as transform:
        points, built = _points(primals, "jvp")
        nodes = [_bottom_node(p) for p in points]
        result = func(*built)
        _untouched(points, nodes)
        aux = None
        if has_aux:
            result, aux = _pair(result, "jvp(f, primals, tangents)")
        outputs, build = _outputs(result, "jvp(f, primals, tangents)")
        keeps = _keeps(transform.nested, [*leaves_of(primals), *given], outputs, points)
        moved = _pushed(outputs, points)(given)
    answer = build(_done(outputs, keeps)), build(_done(moved, keeps))
    return (*answer, aux) if has_aux else answer


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The outputs of ``func``, and a function that pushes tangents forward at this point. Source: torch.func.linearize.

    >>> import engine as torch
    >>> out, push = linearize(torch.sin, torch.tensor(0.0))
    >>> push(torch.tensor(3.0))
    tensor(3.)
    """
    with _Transform() as transform:
        points, built = _points(primals, "linearize")
        nodes = [_bottom_node(p) for p in points]
        outputs, build = _outputs(func(*built), "jvp(f, primals, tangents)")
        _untouched(points, nodes)
        keeps = _keeps(transform.nested, leaves_of(primals), outputs, points)
        move = _pushed(outputs, points)

    def push(*tangents: Any) -> Any:
        with enable_grad():
            return build(_done(move(leaves_of(tangents)), keeps))

    return build(_done(outputs, keeps)), push


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


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """A function that answers the Jacobian, by pushing all unit vectors of the inputs forward at once. Source: torch.func.jacfwd.

    >>> import engine as torch
    >>> jacfwd(torch.sin)(torch.tensor([0.0, 0.0]))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen, single = _chosen(args, argnums)
        kept: list[Any] = []

        def of_chosen(*values: Any) -> Any:
            result = func(*_placed(args, argnums, values), **kwargs)
            if has_aux:
                result, aux = _pair(result, "jacfwd(f)(*args)")
                kept.append(aux)
            return result

        out, push = linearize(of_chosen, *chosen)
        inputs, structure = flatten(chosen)
        outputs, build = flatten(out)
        basis = _basis(inputs)

        def column(*tangents: Any) -> Any:
            return tuple(leaves_of(push(*structure(list(tangents)))))

        columns = vmap(column, randomness=randomness)(*basis)
        blocks = []
        for o, c in zip(outputs, columns, strict=True):
            start = 0
            parts = []
            for i in inputs:
                n = i.numel()
                part = rules.movedim(rules.narrow(c, 0, start, n), 0, -1)
                parts.append(rules.reshape(part, (*o.shape, *i.shape)))
                start += n
            tree = structure(parts)
            blocks.append(tree[0] if single else tree)
        answer = build(blocks)
        return (answer, kept[0]) if has_aux else answer

    return jacobian


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that answers the matrix of second derivatives: ``jacfwd`` of ``jacrev``. Source: torch.func.hessian.

    >>> import engine as torch
    >>> hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
