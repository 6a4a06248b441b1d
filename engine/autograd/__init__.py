"""As ``torch.autograd``: backward, grad, the grad modes, custom functions, anomaly detection, checks by finite differences."""

from __future__ import annotations

from engine import grad_mode
from engine.autograd import forward_ad, function, functional, graph
from engine.autograd.anomaly import (
    detect_anomaly,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_multithreading_enabled,
    set_detect_anomaly,
    set_multithreading_enabled,
)
from engine.autograd.function import Function
from engine.backward import backward, grad
from engine.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from engine.gradcheck import gradcheck, gradgradcheck
from engine.tensor import Tensor as Variable

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "is_multithreading_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
