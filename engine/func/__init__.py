"""Functions of functions, as ``torch.func``: derivatives and vmap that take a function and answer one."""

from __future__ import annotations

from engine.func.forward import hessian, jacfwd, jvp, linearize
from engine.func.transforms import grad, grad_and_value, jacrev, vjp
from engine.func.unwrapped import debug_unwrap, functionalize
from engine.func.vmap import vmap

__all__ = [
    "debug_unwrap",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
    "vmap",
]
