"""Gradwire's engine: autograd on NumPy with PyTorch's words and behaviour. ``import engine as torch`` runs an autograd tutorial unchanged.

>>> import engine as torch
>>> x = torch.ones(2, 2, requires_grad=True)
>>> y = x + 2
>>> out = (y * y * 3).mean()
>>> out.backward()
>>> x.grad
tensor([[4.5000, 4.5000],
        [4.5000, 4.5000]])
"""

from __future__ import annotations

import sys
import warnings

from engine import autograd, dtypes, errors, fft, linalg, nn, special
from engine import ops as _ops
from engine.bind import install
from engine.dtypes import (
    complex64,
    complex128,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from engine.dtypes import dtype as dtype
from engine.generator import Generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from engine.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from engine.printing import set_printoptions
from engine.tensor import Size, Tensor

# NumPy warns where PyTorch is silent (a division by zero, say). The filter touches warnings raised in the engine only.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"engine(\.|$)")

bool = dtypes.bool_  # noqa: A001 - PyTorch's name
float = float32  # noqa: A001 - PyTorch's name
double = float64
half = float16
cfloat = complex64
cdouble = complex128
short = int16
int = int32  # noqa: A001 - PyTorch's name
long = int64

from engine.functions import *  # noqa: E402, F403 - typed by functions.pyi; filled from the table

install(sys.modules[__name__])
