"""vmap: a function of one example as a function of a batch. Source: torch.func.vmap."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from engine.batching import batched, front, mapping
from engine.errors import InvalidValueError, TensorError
from engine.func.tree import flatten, leaves_of, spread
from engine.rules import rules
from engine.shapes import wrap_dim
from engine.tensor import Tensor

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Map ``func`` over a dim of its arguments: one call on whole batches, not one an example.

    in_dims: the dim to map over for each argument (None: the same for all examples). out_dims: where the batch goes in the outputs.
    randomness: "error", "same" or "different" numbers for the examples. chunk_size: examples a call.
    Errors: ValueError for dims that do not fit, RuntimeError where the function reads values. Source: torch.func.vmap.

    >>> import engine as torch
    >>> vmap(torch.dot)(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2, 2))
    tensor([3., 7.])
    """
    if randomness not in {"error", "same", "different"}:
        raise TensorError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size < 1:
        raise InvalidValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def over(*args: Any, **kwargs: Any) -> Any:
        values, build = flatten(args)
        if not isinstance(in_dims, (int, tuple, list, dict)):
            raise InvalidValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested) tuple "
                f"matching the structure of inputs, got: {type(in_dims)}."
            )
        if not args:
            raise InvalidValueError(
                f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function "
                "with no inputs. The latter is unsupported."
            )
        dims = spread(in_dims, args, f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): in_dims", "inputs")
        size = _batch_size(values, dims, func, in_dims)
        moved = [_to_front(v, d) for v, d in zip(values, dims, strict=True)]
        dims = [None if d is None else 0 for d in dims]
        step = chunk_size or size
        pieces = [
            _call(func, build, moved, dims, kwargs, start, min(start + step, size), randomness)
            for start in range(0, size, step)
        ]
        outs, make = pieces[0]
        if isinstance(out_dims, str):
            raise InvalidValueError(
                f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints "
                "representing where in the outputs the vmapped dimension should appear."
            )
        what = f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims"
        where = spread(out_dims, make(outs), what, "outputs")
        joined = [rules.cat([p[0][k] for p in pieces]) if len(pieces) > 1 else outs[k] for k in range(len(outs))]
        return make([_placed(o, d) for o, d in zip(joined, where, strict=True)])

    return over


def _batch_size(values: list[Any], dims: list[Any], func: Callable[..., Any], in_dims: Any) -> int:
    sizes = []
    for v, d in zip(values, dims, strict=True):
        if d is None:
            continue
        if not isinstance(v, Tensor):
            raise InvalidValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but the "
                f"input is of type {type(v)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -v.ndim <= d < v.ndim:
            raise InvalidValueError(
                f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for some input, "
                f"but that input is a Tensor of dimensionality {v.ndim} so "
                f"expected in_dim to satisfy -{v.ndim} <= in_dim < {v.ndim}."
            )
        sizes.append(v.shape[d])
    if not sizes:
        raise InvalidValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs to map over. Maybe you forgot to add an input, or set in_dims to None"
        )
    if len(set(sizes)) > 1:
        raise InvalidValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
        )
    if sizes[0] == 0:
        raise InvalidValueError("vmap: the mapped dimension must not be empty")
    return int(sizes[0])


def _name(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", repr(func))


def _to_front(v: Any, dim: int | None) -> Any:
    if dim is None or not isinstance(v, Tensor):
        return v
    d = wrap_dim(dim, v.ndim)
    return v if d == 0 else rules.movedim(v, d, 0)


def _call(
    func: Callable[..., Any],
    build: Callable[[list[Any]], Any],
    values: list[Any],
    dims: list[Any],
    keywords: dict[str, Any],
    start: int,
    stop: int,
    randomness: str,
) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The function on the examples from ``start`` to ``stop``: whole batches of its outputs, and what builds their structure."""
    with mapping(stop - start, randomness) as level:

        def examples(v: Any) -> Any:
            part = v if v.shape[0] == stop - start else rules.narrow(v, 0, start, stop - start)
            return batched(part, level.depth)

        arguments = build([v if d is None else examples(v) for v, d in zip(values, dims, strict=True)])
        result = func(*arguments, **keywords)
        outs, make = flatten(result)
        for o in leaves_of(result):
            if not isinstance(o, Tensor):
                raise InvalidValueError(
                    f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(o)}. Did you mean to set "
                    "out_dims= to None for output?"
                )
        return [front(o, level.depth, level.size) for o in outs], make


def _placed(out: Tensor, dim: Any) -> Tensor:
    if dim is None:
        return rules.select(out, 0, 0)  # type: ignore[no-any-return]
    d = wrap_dim(dim, out.ndim)
    return out if d == 0 else rules.movedim(out, 0, d)
