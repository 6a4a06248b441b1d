"""As ``torch.autograd``: backward, grad and the grad modes."""

from __future__ import annotations

from engine.backward import backward, grad
from engine.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from engine.tensor import Tensor as Variable

__all__ = ["Variable", "backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]
