"""PyTorch's tensors and the engine's, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

import engine
from engine.dtypes import DTYPES

__all__ = ["Mismatch", "close", "to_engine", "to_numpy"]

TOLERANCE = {
    "float64": (1e-7, 1e-8),
    "float32": (1e-4, 1e-5),
    "complex128": (1e-7, 1e-8),
    "complex64": (1e-4, 1e-5),
    "float16": (1e-2, 1e-3),
}


class Mismatch(Exception):
    """The engine differs from PyTorch."""


def to_numpy(t: Any) -> np.ndarray[Any, Any]:
    """Values, without conjugate or negative bits."""
    if isinstance(t, engine.Tensor):
        return np.asarray(t._array)
    return t.detach().resolve_conj().resolve_neg().numpy(force=True)  # type: ignore[no-any-return]


def to_engine(value: Any) -> Any:
    """A structure of PyTorch's values as the engine's: strides and the memory around kept, leaves made anew.

    Errors: TypeError for what the engine does not have: another device, a sparse tensor, a dtype it lacks.
    """
    import torch

    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, torch.dtype):
        name = str(value).removeprefix("torch.")
        if name not in DTYPES:
            raise TypeError(f"no dtype {name}")
        return DTYPES[name]
    if isinstance(value, torch.memory_format):
        return getattr(engine, str(value).removeprefix("torch."))
    if isinstance(value, torch.device) and value.type == "cpu":
        return engine.device("cpu")
    if isinstance(value, (torch.layout, torch.device, torch.Generator)):
        raise TypeError(f"no {type(value).__name__}")
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, list):
        return [to_engine(v) for v in value]
    if isinstance(value, tuple):
        return tuple(to_engine(v) for v in value)
    if isinstance(value, dict):
        return {k: to_engine(v) for k, v in value.items()}
    if isinstance(value, torch.nn.PairwiseDistance):
        return lambda a, b: engine.nn.functional.pairwise_distance(a, b, value.norm, value.eps, value.keepdim)
    return value


def _tensor(t: Any) -> engine.Tensor:
    import torch

    name = str(t.dtype).removeprefix("torch.")
    if t.layout is not torch.strided or t.device.type != "cpu" or name not in DTYPES:
        raise TypeError(f"no tensor of {name} on {t.device} with {t.layout}")
    source = t.detach().resolve_conj().resolve_neg()
    itemsize = source.element_size()
    strides = tuple(s * itemsize for s in source.stride())
    if source.numel() and 0 not in source.stride():
        numel = source.untyped_storage().nbytes() // itemsize
        memory = np.array(source.as_strided((numel,), (1,), 0).numpy(), DTYPES[name].numpy)
        array = np.lib.stride_tricks.as_strided(memory[source.storage_offset() :], tuple(source.shape), strides)
    else:
        array = np.array(source.numpy())
    made = engine.from_numpy(array)
    return made.requires_grad_() if t.requires_grad else made


def close(what: str, theirs: Any, ours: Any, *, factor: float = 1.0, values: bool = True) -> None:
    """Errors: Mismatch where dtype, shape or values differ."""
    import torch

    if not isinstance(theirs, torch.Tensor):
        if isinstance(ours, engine.Tensor) or (theirs != ours and not (theirs is None and ours is None)):
            raise Mismatch(f"{what} is {str(ours)[:60]}, PyTorch's {str(theirs)[:60]}")
        return
    if not isinstance(ours, engine.Tensor):
        raise Mismatch(f"{what} is a {type(ours).__name__}, not a tensor")
    name = str(theirs.dtype).removeprefix("torch.")
    if ours.dtype.name != name:
        raise Mismatch(f"{what} has dtype {ours.dtype.name}, PyTorch's {name}")
    if tuple(ours.shape) != tuple(theirs.shape):
        raise Mismatch(f"{what} has shape {tuple(ours.shape)}, PyTorch's {tuple(theirs.shape)}")
    if not values:
        return
    a, b = to_numpy(ours), to_numpy(theirs)
    rtol, atol = TOLERANCE.get(name, (0, 0))
    scale = max(1.0, float(np.nanmax(np.abs(b[np.isfinite(b)]))) if b.size and np.isfinite(b).any() else 1.0)
    if not np.allclose(a, b, rtol * factor, atol * factor * scale, equal_nan=True):
        worst = np.nanmax(np.abs(a.astype(np.complex128) - b.astype(np.complex128)))
        raise Mismatch(f"{what} differs by {worst:.3g}")
