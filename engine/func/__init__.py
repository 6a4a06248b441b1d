"""Functions of functions, as ``torch.func``: derivatives and vmap that take a function and answer one."""

from __future__ import annotations

from engine.func.transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from engine.func.vmap import vmap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp", "vmap"]
