"""What a script may take from a tensor: the methods and properties of the engine's table, and a closed list of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.op import OPS, Estimate, Spec
from engine.tensor import Tensor
from service.scripts.tensors import call_row, settled
from service.scripts.values import Native, Run

__all__ = ["METHODS", "PROPERTIES", "callback", "get_property", "kept", "set_property"]

ROWS: Final = {"where": "_where_method", "polygamma": "_polygamma_method"}
PLAIN: Final = frozenset({
    "data", "device", "dtype", "grad", "grad_fn", "is_cuda", "is_leaf", "itemsize", "nbytes", "ndim", "output_nr", "requires_grad",
    "retains_grad", "shape", "_version", "_base",
})  # fmt: skip
BY_ROW: Final = frozenset(n for n, rows in OPS.items() if "." not in n and any("property" in r.forms for r in rows))
PROPERTIES: Final = PLAIN | BY_ROW
SETTABLE: Final = frozenset({"data", "grad", "requires_grad"})
QUIET: Final = (
    "dim element_size is_complex is_contiguous is_floating_point is_inference is_same_size is_signed item ndimension nelement numel "
    "requires_grad_ retain_grad size stride detach detach_ _is_view"
)


_OVERRIDDEN: Final = frozenset(
    {"_is_view", "detach", "detach_", "is_contiguous", "item", "requires_grad_", "retain_grad", "stride"}
)
"""What tensors that are mapped over, or hollow, have of their own."""


def callback(run: Run, function: Any) -> Callable[..., Any]:
    """A script's function as the engine calls it: what it answers is looked at before the engine walks through it."""
    from service.scripts.calls import call
    from service.scripts.operators import tree_size

    def called(*args: Any, **kwargs: Any) -> Any:
        found = call(run, function, args, kwargs)
        tree_size(run, found)
        return found

    return called


def kept(function: Any) -> Callable[..., Any]:
    """A script's function that outlives the run, as a hook does: it is called within whatever run there is then."""
    from service.scripts.values import Bound, ScriptFunction, ScriptObject

    if not isinstance(function, (ScriptFunction, Bound, ScriptObject, Native)):
        raise TypeError("a hook must be a function")
    return function


def _quiet(name: str) -> Callable[..., Any]:
    own = getattr(Tensor, name)
    overridden = name in _OVERRIDDEN

    def method(run: Run, self: Tensor, *args: Any, **kwargs: Any) -> Any:
        run.budget.hold(name, 64)
        found = getattr(self, name)(*args, **kwargs) if overridden else own(self, *args, **kwargs)
        if not isinstance(found, Tensor):
            return found
        if name == "detach":
            run.left_out.note(name, found, (self,))
        return settled(run, name, found)

    return method


def _backward(
    run: Run,
    self: Tensor,
    gradient: Any = None,
    retain_graph: Any = None,
    create_graph: Any = False,
    inputs: Any = None,
) -> None:
    run.budget.walk([self], bool(create_graph))
    if run.traces is None:
        self.backward(gradient, retain_graph, bool(create_graph), inputs)
    else:
        run.traces.walk(self, gradient, retain_graph, bool(create_graph), inputs)


def _tolist(run: Run, self: Tensor) -> Any:
    run.budget.make(32 * self.numel())
    return self.tolist()


def _register(name: str) -> Callable[..., Any]:
    def method(run: Run, self: Tensor, hook: Any) -> Any:
        run.budget.hold(name, 256)
        return getattr(self, name)(kept(hook))

    return method


def _numpy(run: Run, self: Tensor, **kwargs: Any) -> Any:
    raise NotImplementedError("NumPy is not available in scripts yet; it follows later. Use tolist(), item() or print")


def _by_row(name: str, *, inplace: bool) -> Callable[..., Any]:
    def method(run: Run, self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return call_row(run, name, (self, *args), kwargs, inplace=inplace)

    return method


CLASSES: Final = {
    "float16": "Half", "float32": "Float", "float64": "Double", "complex64": "ComplexFloat", "complex128": "ComplexDouble", "int8": "Char",
    "int16": "Short", "int32": "Int", "int64": "Long", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip


def _type(run: Run, self: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The name of the old tensor class, or the tensor in another dtype."""
    if not args and not kwargs:
        return f"torch.{CLASSES[self.dtype.name]}Tensor"
    return call_row(run, "type", (self, *args), kwargs)


def _apply(run: Run, self: Tensor, function: Any) -> Tensor:
    raise NotImplementedError("apply_ calls Python for each element; write it with operators instead")


def _methods() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for name, rows in OPS.items():
        if "." in name or name.startswith("_"):
            continue
        forms = frozenset[str]().union(*(r.forms for r in rows))
        if "method" in forms:
            found[name] = _by_row(ROWS.get(name, name), inplace=False)
        if "inplace" in forms:
            found[f"{name}_"] = _by_row(name, inplace=True)
    found.update({name: _quiet(name) for name in QUIET.split()})
    found.update(
        backward=_backward, tolist=_tolist, numpy=_numpy, apply_=_apply, type=_type, register_hook=_register("register_hook"),
        register_post_accumulate_grad_hook=_register("register_post_accumulate_grad_hook"),
        cpu=lambda run, self: self, cuda=_cuda, get_device=lambda run, self: -1,
    )  # fmt: skip
    return found


def _cuda(run: Run, self: Tensor, *args: Any) -> Any:  # noqa: ARG001 - a method's parameters
    raise RuntimeError("Found no NVIDIA driver on your system: tensors live on the CPU here")


METHODS: Final = _methods()


def get_property(run: Run, t: Tensor, name: str) -> Any:
    """A property's value."""
    if name in BY_ROW:
        return call_row(run, name, (t,), {})
    if name == "data":
        run.budget.hold("data", 64)
        return settled(run, "data", t.data)
    return getattr(t, name)


def set_property(run: Run, t: Tensor, name: str, value: Any) -> None:
    """Set one of the few properties that can be set. Errors: AttributeError."""
    if name not in SETTABLE:
        if name in PROPERTIES:
            raise AttributeError(f"attribute '{name}' of 'torch._C.TensorBase' objects is not writable")
        raise AttributeError(f"'Tensor' object has no attribute '{name}'")
    if name == "data" and not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    run.budget.admit(name, Estimate((Spec((), t.dtype),), 0, 1))
    setattr(t, name, value)
