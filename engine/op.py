"""The row: one operator overload, declared once by ``@op`` on its kernel, and the table of all rows.

Everything else about an operator derives from its row: Python functions, methods, in-place forms, argument binding and errors, the
REST catalogue, docs, limits, replay and tests.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, overload

from engine import schema as schemas
from engine.errors import ArgumentError

if TYPE_CHECKING:
    from engine.dtypes import dtype
    from engine.plan import Plan
    from engine.schema import Parameter

__all__ = ["OPS", "Estimate", "Op", "Sample", "Spec", "Specs", "find", "op"]

_MOST_RECIPES: Final = 256
Kind = Literal["pointwise", "linear", "view", "reduce", "opaque", "composite", "create"]
Promotion: TypeAlias = Literal["common", "float", "none"] | tuple[str, ...]


class Spec(NamedTuple):
    """What is known of a tensor before it exists: its shape and dtype."""

    shape: tuple[int, ...]
    dtype: dtype

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Specs(Sequence["Spec"]):
    """The outputs of a row that makes many: each is made when it is looked at, so that a number of them may be refused unmade."""

    def __init__(self, count: int, at: Callable[[int], Spec]) -> None:
        self.length = min(count, sys.maxsize)  # as much as ``len`` can say
        self.at = at

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Spec: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Spec, ...]: ...
    def __getitem__(self, index: int | slice) -> Spec | tuple[Spec, ...]:
        places = range(self.length)[index]
        return self.at(places) if isinstance(places, int) else tuple(self.at(i) for i in places)


class Estimate(NamedTuple):
    """What a call will cost, before anything is allocated.

    outputs: shapes and dtypes (an upper bound in the first dim where ``bound``: what depends on values).
    workspace: bytes needed beside inputs, outputs and temporaries of their size (at most five times as much).
    cost: arithmetic, in weighted floating point operations.
    """

    outputs: Sequence[Spec]
    workspace: int = 0
    cost: int = 0
    bound: bool = False


@dataclass(slots=True, eq=False)
class Op:
    """One row of the table."""

    schema: schemas.Schema
    kernel: Callable[..., Any]
    meta: Callable[..., Any] | None
    kind: Kind
    vjp: Mapping[str, Callable[..., Any]] | None
    promote: Promotion
    grad_fn: str
    names: tuple[str, ...]
    forms: frozenset[str]
    samples: Callable[[], Sequence[Sample]] | None
    jvp: Callable[..., Any] | None
    batch: Callable[..., Any] | None
    ufunc: Callable[..., Any] | None
    constant: frozenset[int]  # the outputs that have no derivative
    doc: str
    family: str
    parameters: tuple[Parameter, ...] = ()
    tensors: tuple[int, ...] = ()  # positions of tensor and tensor-list parameters
    lists: bool = False
    defaults: tuple[Any, ...] = ()
    promoting: tuple[int, ...] = ()  # positions of those that are made one dtype
    exact: bool = (
        False  # for inputs of the output's shape and floating dtype the rules answer gradients of that shape and dtype
    )
    spoken: str = ""  # what sentences call it
    plain: bool = False  # a view of one tensor, whose rule asks for nothing but its shape
    plans: dict[int, Plan | None] = field(default_factory=dict)
    recipes: dict[Any, Any] = field(
        default_factory=dict
    )  # how arguments of these types are bound without looking further
    raw_recipes: dict[Any, Any] = field(default_factory=dict)
    choices: dict[Any, Op] = field(
        default_factory=dict
    )  # of a name's first row: which overload arguments of these types take

    def __post_init__(self) -> None:
        self.parameters = self.schema.parameters
        self.spoken = schemas.spoken_name(self.schema.name, self.name)
        self.tensors = tuple(i for i, p in enumerate(self.parameters) if p.is_tensor or p.is_tensor_list)
        self.lists = any(p.is_tensor_list for p in self.parameters)
        names = [p.name for p in self.parameters]
        if isinstance(self.promote, tuple):
            self.promoting = tuple(names.index(n) for n in self.promote)
        else:
            self.promoting = self.tensors if self.promote != "none" else ()
        self.plain = (
            self.kind == "view"
            and self.tensors == (0,)
            and self.schema.returns == ("",)
            and self.vjp is not None
            and not any(
                n in {"input", "result", "result_shape"}
                for f in self.vjp.values()
                for n in inspect.signature(f).parameters
            )
        )
        self.exact = self.ufunc is not None and self.vjp is not None
        self.defaults = tuple(
            None if p.is_tensor or p.default is schemas.MISSING else p.default for p in self.parameters
        )

    @property
    def name(self) -> str:
        """The public name: ``mul``, ``linalg.inv``, ``nn.functional.mse_loss``."""
        return self.names[0]

    @property
    def id(self) -> str:
        """Torch's name with the overload: ``mul.Tensor``."""
        s = self.schema
        return f"{s.name}.{s.overload}" if s.overload else s.name

    @property
    def differentiable(self) -> bool:
        return self.vjp is not None or (self.kind == "composite" and self.schema.returns != ("bool",))

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """Arguments in the row's order, converted. Errors: TypeError in PyTorch's words.

        Types that were bound once as they are need not be looked at again.
        """
        if kwargs:
            return schemas.bind(self.spoken, self.parameters, args, kwargs)
        recipes = self.raw_recipes if schemas.raw_values.get() else self.recipes
        key = tuple(map(type, args))
        recipe = recipes.get(key)
        if recipe is not None:
            for i in recipe[1]:
                if not schemas.plain(args[i]):
                    break
            else:
                return [*args, *recipe[0]]
        bound = schemas.bind(self.spoken, self.parameters, args, kwargs)
        if len(recipes) < _MOST_RECIPES:
            schemas.learn(recipes, self.parameters, key, args, bound)
        return bound

    def __repr__(self) -> str:
        return f"<op {self.id}>"


class Sample:
    """Arguments to try a row on: NumPy arrays (or lists of them) where tensors go, anything else as it is.

    ``tags`` name what the sample covers: "0-d", "empty", "broadcast", "non-contiguous", "negative dim".
    """

    __slots__ = ("args", "kwargs", "tags")

    def __init__(self, *args: Any, tags: tuple[str, ...] = (), **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs
        self.tags = tags

    def __repr__(self) -> str:
        return f"Sample{self.args}{self.kwargs}{self.tags}"


OPS: Final[dict[str, list[Op]]] = {}
"""Every public name and its overloads, in the order in which they are tried."""

ROWS: Final[list[Op]] = []
"""Every row once, in the order of declaration."""


def op(
    line: str,
    *,
    meta: Callable[..., Any] | None = None,
    kind: Kind,
    vjp: Mapping[str, Callable[..., Any]] | None = None,
    promote: Promotion | None = None,
    grad_fn: str | None = None,
    names: Sequence[str] | None = None,
    forms: str = "function method",
    samples: Callable[[], Sequence[Sample]] | None = None,
    jvp: Callable[..., Any] | None = None,
    batch: Callable[..., Any] | None = None,
    ufunc: Callable[..., Any] | None = None,
    constant: Sequence[str] = (),
) -> Callable[[Callable[..., Any]], Op]:
    """Declare a row: the decorated function is its kernel, its docstring the doc.

    line: torch's schema line. meta: Specs → Spec, a tuple of them, or Estimate; raises PyTorch's sentence for what does not fit.
    kind: what forward mode and batching may assume. vjp: {argument or "a, b": rule(g, saved…)}; None: not differentiable.
    promote: "common" (the default of pointwise rows), "float" (integers become the default dtype), "none", or the names of those
    that take part.
    grad_fn: PyTorch's name of the node (default: CamelCase of the name + "Backward0"). names: the public names, first the canonical.
    forms: of "function", "method", "inplace", "property". samples: what the tests try. ufunc: the NumPy ufunc that the kernel is for
    arrays of one floating dtype and default attributes; the short doors call it directly. constant: floating outputs without a derivative.
    jvp: where forward mode is not the transpose of ``vjp``: rule(input_t, …, input, result) → tangent(s); absent tangents are None.
    """
    schema = schemas.parse(line)

    def declare(kernel: Callable[..., Any]) -> Op:
        row = Op(
            schema=schema,
            kernel=kernel,
            meta=meta,
            kind=kind,
            vjp=vjp,
            promote=promote or ("common" if kind == "pointwise" else "none"),
            grad_fn=grad_fn or _camel(schema.name) + "Backward0",
            names=tuple(names or (schema.name,)),
            forms=frozenset(forms.split()),
            samples=samples,
            jvp=jvp,
            batch=batch,
            ufunc=ufunc,
            constant=frozenset(schema.returns.index(name) for name in constant),
            doc=inspect.getdoc(kernel) or "",
            family=kernel.__module__.rpartition(".")[2],
        )
        _check(row)
        for name in row.names:
            OPS.setdefault(name, []).append(row)
        ROWS.append(row)
        return row

    return declare


def _camel(name: str) -> str:
    joined = "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)
    return re.sub(r"(?<=\d)[a-z]", lambda letter: letter[0].upper(), joined)


def _check(row: Op) -> None:
    names = [p.name for p in row.parameters]
    known = set(names) | {f"{n}_shape" for n in names} | {"result", "result0", "result1", "result2", "result_shape"}
    if tuple(inspect.signature(row.kernel).parameters) != tuple(names):
        raise ValueError(
            f"{row.id}: the kernel's parameters {tuple(inspect.signature(row.kernel).parameters)} are not the schema's {names}"
        )
    for key, rule in (row.vjp or {}).items():
        for argument in key.split(", "):
            if argument not in names:
                raise ValueError(f"{row.id}: a rule for {argument!r}, which is no parameter")
        for wanted in list(inspect.signature(rule).parameters)[1:]:
            if wanted not in known:
                raise ValueError(f"{row.id}: the rule for {key!r} asks for {wanted!r}, which nothing provides")


def find(name: str) -> list[Op]:
    """The overloads of a public name. Errors: TypeError where there is none."""
    try:
        return OPS[name]
    except KeyError:
        raise ArgumentError(f"module 'torch' has no attribute '{name}'") from None
