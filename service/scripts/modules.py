"""The modules that a script may import, name by name. Operators come from the engine's table; everything else is listed here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import engine as torch
from engine.autograd import function as custom
from engine.autograd import functional
from engine.dtypes import DTYPES, dtype
from engine.generator import current_generator
from engine.layout import Size, device
from engine.op import OPS
from engine.tensor import Tensor
from service.scripts.operators import INT_BITS, tree_size, type_name
from service.scripts.optimizers import optim, utils
from service.scripts.tensor_names import callback, kept
from service.scripts.tensors import call_row, settled
from service.scripts.values import MISSING, Kind, Module, Native, Run

__all__ = ["LATER", "MODULES", "TENSOR", "find_module"]

LATER: Final = {
    "numpy": "numpy follows later: scripts compute with torch and math",
    "torch.nn.Module": "torch.nn.Module follows later: hold parameters in tensors with requires_grad=True, and use torch.nn.functional",
}
ALIASES: Final = {
    "FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "LongTensor": "int64", "IntTensor": "int32",
    "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8", "BoolTensor": "bool",
}  # fmt: skip


def _row(name: str) -> Native:
    return Native(f"torch.{name}", lambda run, *args, **kwargs: call_row(run, name, _data(run, args), kwargs))


def _data(run: Run, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments whose lists are looked at before the engine walks through them; sequences of the script's are lists to it."""
    for a in args:
        if isinstance(a, (list, tuple, dict)):
            tree_size(run, a)
    return args


def _rows(path: str) -> Callable[[str], Any]:
    prefix = f"{path}." if path else ""

    def load(name: str) -> Any:
        rows = OPS.get(prefix + name)
        if rows is not None and any("function" in r.forms for r in rows):
            return _row(prefix + name)
        if not path and name.endswith("_") and (rows := OPS.get(name[:-1])) and any("inplace" in r.forms for r in rows):
            return Native(
                f"torch.{name}", lambda run, *args, **kwargs: call_row(run, name[:-1], args, kwargs, inplace=True)
            )
        return MISSING

    return load


def _tensor(run: Run, *args: Any, **kwargs: Any) -> Any:
    """``torch.Tensor(...)``: data in the default dtype, or sizes."""
    if kwargs:
        raise TypeError("new() received an invalid combination of arguments")
    if len(args) == 1 and isinstance(args[0], (list, tuple)) and not isinstance(args[0], Size):
        return _from_data(run, args[0], torch.get_default_dtype())
    if len(args) == 1 and isinstance(args[0], Tensor):
        return call_row(run, "alias", (args[0],), {}) if "alias" in OPS else args[0]
    sizes = args[0] if len(args) == 1 and isinstance(args[0], Size) else args
    return call_row(run, "zeros", (list(sizes) if sizes else [0],), {})


def _from_data(run: Run, data: Any, kind: dtype) -> Any:
    run.budget.admit_size("tensor", tree_size(run, data), kind.itemsize)
    return call_row(run, "tensor", (data,), {"dtype": kind})


def _typed(name: str) -> Native:
    def make(run: Run, *args: Any) -> Any:
        kind = DTYPES[name]
        if len(args) == 1 and isinstance(args[0], (list, tuple)):
            return _from_data(run, args[0], kind)
        return call_row(run, "zeros", (list(args) if args else [0],), {"dtype": kind})

    return Native(f"torch.{name}", make)


def _as_tensor(run: Run, data: Any, dtype: Any = None, device: Any = None) -> Any:
    """``torch.as_tensor``: a tensor itself where nothing has to change, else a new one of the data."""
    given = {} if dtype is None else {"dtype": dtype}
    if not isinstance(data, Tensor):
        return call_row(run, "tensor", (data,), given if device is None else {**given, "device": device})
    return data if dtype is None or dtype is data.dtype else call_row(run, "to", (data,), given)


TENSOR: Final = Kind("torch.Tensor", (Tensor,), _tensor)


def _mode(name: str) -> Native:
    own = getattr(torch, name)

    def make(run: Run, *args: Any, **kwargs: Any) -> Any:
        from service.scripts.calls import call
        from service.scripts.values import ScriptFunction

        if len(args) == 1 and isinstance(args[0], (ScriptFunction, Native)):
            return call(run, own(), args, {})
        return own(*args, **kwargs)

    return Native(f"torch.{name}", make)


def _manual_seed(run: Run, seed: Any) -> None:  # noqa: ARG001 - as every native
    if isinstance(seed, Tensor):
        seed = seed.item()
    current_generator.get()
    torch.manual_seed(seed)


def _plain(name: str, function: Callable[..., Any]) -> Native:
    return Native(f"torch.{name}", lambda run, *args, **kwargs: function(*args, **kwargs))


# --- autograd ---------------------------------------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, Tensor) else [v for v in value if isinstance(v, Tensor)]


def _grad(run: Run, outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    _data(run, (outputs, inputs))
    create = kwargs.get("create_graph", args[2] if len(args) > 2 else False)
    run.budget.walk(_listed(outputs), bool(create))
    return settled(run, "grad", torch.autograd.grad(outputs, inputs, *args, **kwargs))


def _backward(run: Run, tensors: Any, *args: Any, **kwargs: Any) -> None:
    _data(run, (tensors,))
    run.budget.walk(_listed(tensors), bool(kwargs.get("create_graph", False)))
    torch.autograd.backward(tensors, *args, **kwargs)


def _counted(run: Run, function: Any, squared: bool) -> Callable[..., Any]:
    """A function whose Jacobian is taken: once its outputs are known, the rows of the walk and their size are admitted."""
    inner = callback(run, function)

    def called(*args: Any, **kwargs: Any) -> Any:
        before = run.budget.steps
        out = inner(*args, **kwargs)
        ins = sum(a.numel() for a in args if isinstance(a, Tensor))
        outs = sum(o.numel() for o in (out if isinstance(out, (tuple, list)) else (out,)) if isinstance(o, Tensor))
        rows = outs * max(ins, 1) if squared else max(ins, outs)
        run.budget.admit_size("jacobian", ins * (ins if squared else outs), 8)
        run.budget.charge("jacobian", rows * (20 * (ins + outs) + 100 * (run.budget.steps - before)))
        return out

    return called


def _derivative(module: Any, name: str) -> Native:
    own = getattr(module, name)
    path = "torch" if name == "vmap" else module.__name__.replace("engine", "torch", 1)
    whole = name in ("jacobian", "jacrev", "jacfwd", "hessian")

    def make(run: Run, function: Any, *args: Any, **kwargs: Any) -> Any:
        _data(run, args)
        inner = _counted(run, function, name == "hessian") if whole else callback(run, function)
        found = own(inner, *args, **kwargs)
        if not callable(found) or isinstance(found, Tensor):
            return _answer(run, found)
        how = (own_native, (function, *args), kwargs)
        return Native(name, lambda run, *a, **k: _answer(run, found(*_data(run, a), **k)), made=how)

    own_native = Native(f"{path}.{name}", make)
    return own_native


def _answer(run: Run, found: Any) -> Any:
    """What a transform answers; a function among it (``vjp``'s) becomes one of the interpreter's."""
    if isinstance(found, Tensor):
        return settled(run, "func", found)
    if type(found) is tuple:
        return tuple(_answer(run, f) for f in found)
    if callable(found) and not isinstance(found, Native):
        return Native("vjp_fn", lambda run, *a, **k: _answer(run, found(*_data(run, a), **k)))
    return found


FUNCTIONS: Final = ("grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp", "vmap")


def _refused(text: str) -> Native:
    def refuse(run: Run, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(text)

    return Native("refused", refuse)


def _function(run: Run, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - as above
    raise RuntimeError("autograd.Function is a base for classes with forward and backward; call apply of one of them")


def _once(run: Run, function: Any) -> Native:  # noqa: ARG001 - as every native
    wrapped = custom.once_differentiable(kept(function))
    return Native("backward", wrapped, plain=True, made=(_ONCE, (function,), {}))


_ONCE: Final = Native("torch.autograd.function.once_differentiable", _once)


def _autograd() -> Module:
    members: dict[str, Any] = {
        "grad": Native("torch.autograd.grad", _grad),
        "backward": Native("torch.autograd.backward", _backward),
        "Function": Kind("torch.autograd.Function", (custom.Function,), _function),
        "Variable": Kind("torch.autograd.Variable", (Tensor,), _variable),
        **{n: _mode(n) for n in ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode")},
        "gradcheck": _derivative(torch.autograd, "gradcheck"),
        "gradgradcheck": _derivative(torch.autograd, "gradgradcheck"),
        "detect_anomaly": _refused("anomaly detection is the whole process's, so it is not available in scripts"),
        "set_detect_anomaly": _refused("anomaly detection is the whole process's, so it is not available in scripts"),
        "functional": Module("torch.autograd.functional", {n: _derivative(functional, n) for n in functional.__all__}),
        "function": Module("torch.autograd.function", {"once_differentiable": _ONCE}),
        "grad_mode": Module("torch.autograd.grad_mode", {n: _mode(n) for n in ("no_grad", "enable_grad")}),
    }
    members["function"].members["Function"] = members["Function"]
    members["variable"] = Module("torch.autograd.variable", {"Variable": members["Variable"]})
    return Module("torch.autograd", members)


def _variable(run: Run, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:  # noqa: ARG001 - old PyTorch's
    if not isinstance(data, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type_name(data)}")
    found = data.detach() if requires_grad or data.grad_fn is None else data
    return settled(run, "Variable", found.requires_grad_() if requires_grad else found)


# --- torch ------------------------------------------------------------------------------------------------------------


def _nn() -> Module:
    later = Native("torch.nn.Module", _refused(LATER["torch.nn.Module"]).function)
    members: dict[str, Any] = {
        "functional": Module("torch.nn.functional", {}, _rows("nn.functional")),
        "utils": utils(),
    }

    def load(name: str) -> Any:
        return later if name[:1].isupper() or name in ("Module", "init") else MISSING

    return Module("torch.nn", members, load)


def _torch() -> Module:
    members: dict[str, Any] = {
        "Tensor": TENSOR,
        "Size": Kind("torch.Size", (Size,), lambda run, value: Size(_data(run, (value,))[0])),
        "device": Kind("torch.device", (device,), lambda run, *args: device(*args)),
        "dtype": Kind("torch.dtype", (dtype,), _function),
        "manual_seed": Native("torch.manual_seed", _manual_seed),
        "initial_seed": _plain("initial_seed", torch.initial_seed),
        "as_tensor": Native("torch.as_tensor", _as_tensor),
        "is_inference": _plain("is_inference", torch.is_inference),
        "is_tensor": _plain("is_tensor", lambda value: isinstance(value, Tensor)),
        "numel": _plain("numel", lambda input: input.numel()),
        "is_grad_enabled": _plain("is_grad_enabled", torch.is_grad_enabled),
        "is_inference_mode_enabled": _plain("is_inference_mode_enabled", torch.is_inference_mode_enabled),
        "get_default_dtype": _plain("get_default_dtype", torch.get_default_dtype),
        "set_default_dtype": _plain("set_default_dtype", torch.set_default_dtype),
        "promote_types": _plain("promote_types", torch.promote_types),
        "set_printoptions": _plain("set_printoptions", torch.set_printoptions),
        **{n: _mode(n) for n in ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode")},
        **{n: _typed(t) for n, t in ALIASES.items()},
        **{n: getattr(torch, n) for n in (
            "float16", "float32", "float64", "complex64", "complex128", "int8", "int16", "int32", "int64", "uint8",
            "bool", "float", "double",
            "half", "cfloat", "cdouble", "short", "int", "long", "contiguous_format", "preserve_format", "channels_last",
        )},
        "strided": "torch.strided",
        "pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan,
        "autograd": _autograd(), "optim": optim(), "nn": _nn(),
        "func": Module("torch.func", {n: _derivative(torch.func, n) for n in FUNCTIONS}),
        "vmap": _derivative(torch.func, "vmap"),
        "linalg": Module("torch.linalg", {}, _rows("linalg")), "fft": Module("torch.fft", {}, _rows("fft")),
        "special": Module("torch.special", {}, _rows("special")),
        "cuda": Module("torch.cuda", {
            "is_available": _plain("is_available", lambda: False), "device_count": _plain("device_count", lambda: 0),
            "manual_seed": _plain("manual_seed", lambda seed: None), "manual_seed_all": _plain("manual_seed_all", lambda seed: None),
        }),
    }  # fmt: skip
    members["from_numpy"] = _refused(LATER["numpy"])
    return Module("torch", members, _rows(""))


# --- math -------------------------------------------------------------------------------------------------------------

MATH: Final = (
    "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh degrees dist erf erfc exp exp2 expm1 fabs floor fmod frexp fsum "
    "gamma hypot isclose isfinite isinf isnan isqrt ldexp lgamma log log10 log1p log2 modf nextafter radians remainder sin "
    "sinh sqrt tan tanh trunc ulp"
)


def _math(name: str) -> Native:
    own = getattr(math, name)

    def function(run: Run, *args: Any, **kwargs: Any) -> Any:
        def plain(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.item()
            if isinstance(value, (list, tuple)) and name in ("fsum", "dist"):
                tree_size(run, value)
                return [plain(v) for v in value]
            if type(value) not in (int, float, bool):
                raise TypeError(f"must be real number, not {type_name(value)}")
            return value

        return own(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})

    return Native(f"math.{name}", function)


def _whole(name: str) -> Native:
    own = getattr(math, name)

    def function(run: Run, *args: Any) -> Any:
        if any(type(a) is not int for a in args):
            raise TypeError(f"'{type_name(args[0])}' object cannot be interpreted as an integer")
        most = 1_500 if name in ("factorial", "perm", "comb") else 1 << INT_BITS
        if any(abs(a) > most for a in args):
            raise OverflowError(
                f"{name}() takes numbers up to {most:,} here" if most < 10_000 else f"{name}(): too long a number"
            )
        if sum(a.bit_length() for a in args) > INT_BITS:
            raise OverflowError(f"{name}(): too long a number")
        run.budget.tick(16)
        return own(*args)

    return Native(f"math.{name}", function)


def _modules() -> dict[str, Module]:
    top = _torch()
    mathematics = Module("math", {n: _math(n) for n in MATH.split()})
    mathematics.members.update({n: _whole(n) for n in ("factorial", "perm", "comb", "gcd", "lcm")})
    mathematics.members.update(pi=math.pi, e=math.e, inf=math.inf, nan=math.nan, tau=math.tau)
    from service.scripts.natives import prod

    mathematics.members["prod"] = Native("math.prod", prod)
    found = {"torch": top, "math": mathematics}
    stack = [top]
    while stack:
        for member in stack.pop().members.values():
            if isinstance(member, Module):
                found[member.name] = member
                stack.append(member)
    return found


MODULES: Final[dict[str, Module]] = {}


def find_module(name: str) -> Module:
    """A module by its dotted name. Errors: ModuleNotFoundError in Python's words, with what follows later said so."""
    if not MODULES:
        MODULES.update(_modules())
    found = MODULES.get(name)
    if found is None:
        later = LATER.get(name.partition(".")[0])
        text = f"No module named '{name}'"
        known = "torch, its autograd, func, linalg, nn.functional, optim, and math can be imported here"
        raise ModuleNotFoundError(f"{text}: {later or known}")
    return found
