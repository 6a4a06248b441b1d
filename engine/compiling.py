"""``engine.compile``: a function that is traced once for each kind of arguments, and then replayed without tensors, nodes and binding."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from engine import dtypes
from engine.errors import ArgumentError
from engine.func import grad, grad_and_value, hessian, jacrev, jvp, vjp
from engine.func.tree import flatten, leaves_of
from engine.program import Program, Untraceable, trace
from engine.tensor import Tensor, wrap

__all__ = ["Compiled", "compile"]

MOST: Final = 128  # kinds of arguments that are remembered
Build = Callable[[list[Any]], Any]


class _Traced(NamedTuple):
    """What is known of one kind of arguments. program: None where ``why`` says why there is none."""

    program: Program | None
    build: Build | None
    why: str | None = None


class Compiled:
    """A function of tensors and what is derived from it, by programs. Made by ``compile``; threads may share it.

    Called with tensors it answers what the function does; where gradients are to be recorded, it is the function. Its methods take NumPy
    arrays (or tensors) and answer NumPy arrays, bit for bit as the eager run. What cannot be traced runs eagerly: ``why`` says why.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._known: OrderedDict[Any, _Traced] = OrderedDict()
        self._lock = threading.Lock()
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any) -> Any:
        if any(isinstance(t, Tensor) and (type(t) is not Tensor or t.requires_grad) for t in leaves_of(args)):
            return self._function(*args)
        leaves, build = flatten(self._run("value", self._function, args))
        return build([wrap(a) if isinstance(a, (np.ndarray, np.generic)) else a for a in leaves])

    def value(self, *args: Any) -> Any:
        """What the function answers."""
        return self._run("value", self._function, args)

    def grad(self, *args: Any, argnums: int | tuple[int, ...] = 0) -> Any:
        """The gradient of a function that answers one number."""
        return self._run(("grad", argnums), grad(self._function, argnums), args)

    def value_and_grad(self, *args: Any, argnums: int | tuple[int, ...] = 0) -> Any:
        """The value and the gradient."""
        value, gradient = 1, 0  # of what ``grad_and_value`` answers
        found = self._run(("grad_and_value", argnums), grad_and_value(self._function, argnums), args)
        return found[value], found[gradient]

    def vjp(self, args: Sequence[Any], weights: Any) -> Any:
        """The outputs, and their derivative pulled back along weights of them: one array for each argument."""

        def pulled(args: Any, weights: Any) -> Any:
            out, pull = vjp(self._function, *args)
            return out, pull(weights)

        return self._run("vjp", pulled, (tuple(args), weights))

    def jvp(self, args: Sequence[Any], tangents: Sequence[Any]) -> Any:
        """The outputs, and their derivative along tangents of the arguments."""
        return self._run("jvp", lambda a, t: jvp(self._function, a, t), (tuple(args), tuple(tangents)))

    def hvp(self, args: Sequence[Any], tangents: Sequence[Any]) -> Any:
        """The second derivative of a function that answers one number, times tangents: one array for each argument."""
        numbers = tuple(range(len(args)))
        gradient = grad(self._function, numbers)
        return self._run("hvp", lambda a, t: vjp(gradient, *a)[1](t), (tuple(args), tuple(tangents)))

    def jacobian(self, *args: Any, argnums: int | tuple[int, ...] = 0) -> Any:
        """All derivatives of all outputs."""
        return self._run(("jacobian", argnums), jacrev(self._function, argnums), args)

    def hessian(self, *args: Any, argnums: int | tuple[int, ...] = 0) -> Any:
        """All second derivatives of a function that answers one number."""
        return self._run(("hessian", argnums), hessian(self._function, argnums), args)

    def program(self, *args: Any) -> Program | None:
        """The program that answers these arguments; None where the function runs eagerly."""
        self._run("value", self._function, args)
        return self._of("value", args).program

    def why(self, *args: Any) -> str | None:
        """Why these arguments are answered eagerly; None where they are not."""
        self._run("value", self._function, args)
        return self._of("value", args).why

    # -- running -------------------------------------------------------------------------------------------------------

    def _of(self, what: Any, args: Any) -> _Traced:
        return self._known[_key(what, *_taken(args))]

    def _run(self, what: Any, function: Callable[..., Any], args: Any) -> Any:
        leaves, arrays = _taken(args)
        build = flatten(args)[1]

        def placed(tensors: Sequence[Tensor]) -> Any:
            rest = iter(tensors)
            return function(*build([next(rest) if isinstance(v, _ARRAYS) else v for v in leaves]))

        key = _key(what, leaves, arrays)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._learn(key, placed, arrays)
        if known.program is not None:
            assert known.build is not None
            with np.errstate(all="ignore"):
                return known.build([_own(v) for v in known.program.run(arrays)])
        found, shape = flatten(placed([wrap(a) for a in arrays]))
        return shape([np.array(t.detach()._array)[()] if isinstance(t, Tensor) else t for t in found])

    def _learn(self, key: Any, placed: Callable[[Sequence[Tensor]], Any], arrays: list[Any]) -> _Traced:
        trees: list[Any] = []

        def leaves(*tensors: Tensor) -> list[Any]:
            trees.append(placed(tensors))
            return leaves_of(trees[-1])

        try:
            found = _Traced(trace(leaves, arrays)[0], flatten(trees[-1])[1])
        except Untraceable as error:
            found = _Traced(None, None, str(error))
        with self._lock:
            self._known[key] = found
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return found


_ARRAYS: Final = (np.ndarray, np.generic, Tensor)


def _taken(args: Any) -> tuple[list[Any], list[Any]]:
    """The leaves of arguments, and the arrays among them as the engine holds them. Errors: TypeError for a dtype of NumPy's alone."""
    leaves = leaves_of(args)
    arrays = []
    for v in leaves:
        if isinstance(v, _ARRAYS):
            array: Any = v.detach()._array if isinstance(v, Tensor) else np.asarray(v)
            dtypes.of_numpy(array.dtype)
            arrays.append(array if array.ndim else array[()])
    return leaves, arrays


def _key(what: Any, leaves: list[Any], arrays: list[Any]) -> Any:
    plain = tuple([(type(v), repr(v)) for v in leaves if not isinstance(v, _ARRAYS)])
    order = tuple([isinstance(v, _ARRAYS) for v in leaves])
    return what, order, plain, tuple([(a.shape, a.dtype) for a in arrays]), dtypes.get_default_dtype()


def _own(value: Any) -> Any:
    """A result that shares no memory with arguments and constants."""
    owned: Any = np.array(value)
    return owned[()]


def compile(function: Callable[..., Any]) -> Compiled:  # noqa: A001 - PyTorch's name
    """The function, traced for each kind of arguments (shapes, dtypes, plain values) and replayed. Source: torch.compile.

    Errors: TypeError for what is no function.

    >>> import numpy as np
    >>> import engine as torch
    >>> f = torch.compile(lambda x: (x * x).sum())
    >>> f(torch.tensor([1.0, 2.0]))
    tensor(5.)
    >>> f.value_and_grad(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    >>> f.hessian(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 2.]])
    >>> torch.compile(lambda x: x if x.sum() > 0 else -x).why(np.ones(2))
    'the function reads values: its course may depend on them'
    """
    if not callable(function):
        raise ArgumentError(f"compile() takes a function, not {type(function).__name__}", "function")
    return Compiled(function)
