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

import math
import sys
import warnings

from engine import autograd as autograd
from engine import dtypes
from engine import errors as errors
from engine import fft as fft
from engine import linalg as linalg
from engine import nn as nn
from engine import ops as _ops
from engine import special as special
from engine.autograd import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from engine.autograd import is_anomaly_enabled as is_anomaly_enabled
from engine.bind import install as _install
from engine.dtypes import complex64 as complex64
from engine.dtypes import complex128 as complex128
from engine.dtypes import dtype as dtype
from engine.dtypes import float16 as float16
from engine.dtypes import float32 as float32
from engine.dtypes import float64 as float64
from engine.dtypes import get_default_dtype as get_default_dtype
from engine.dtypes import int8 as int8
from engine.dtypes import int16 as int16
from engine.dtypes import int32 as int32
from engine.dtypes import int64 as int64
from engine.dtypes import promote_types as promote_types
from engine.dtypes import set_default_dtype as set_default_dtype
from engine.dtypes import uint8 as uint8
from engine.generator import Generator as Generator
from engine.generator import get_rng_state as get_rng_state
from engine.generator import initial_seed as initial_seed
from engine.generator import manual_seed as manual_seed
from engine.generator import seed as seed
from engine.generator import set_rng_state as set_rng_state
from engine.grad_mode import enable_grad as enable_grad
from engine.grad_mode import inference_mode as inference_mode
from engine.grad_mode import is_grad_enabled as is_grad_enabled
from engine.grad_mode import is_inference_mode_enabled as is_inference_mode_enabled
from engine.grad_mode import no_grad as no_grad
from engine.grad_mode import set_grad_enabled as set_grad_enabled
from engine.layout import FORMATS as _FORMATS
from engine.layout import Size as Size
from engine.layout import device as device
from engine.layout import memory_format as memory_format
from engine.layout import strided as _strided
from engine.printing import set_printoptions as set_printoptions
from engine.tensor import Tensor as Tensor
from engine.tensor import from_numpy as from_numpy

assert _ops.families

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
e = math.e
inf = math.inf
nan = math.nan
newaxis = None
pi = math.pi
strided = _strided
contiguous_format = _FORMATS["contiguous_format"]
preserve_format = _FORMATS["preserve_format"]
channels_last = _FORMATS["channels_last"]
channels_last_3d = _FORMATS["channels_last_3d"]

from engine.functions import *  # noqa: E402, F403 - typed by functions.pyi; filled from the table

_install(sys.modules[__name__])

from engine import func as func  # noqa: E402 - it calls what the line above installs
from engine import optim as optim  # noqa: E402
from engine.compiling import compile as compile  # noqa: A004, E402 - PyTorch's name
from engine.func import vmap as vmap  # noqa: E402
from engine.nn import gradients as _gradients  # noqa: E402
from engine.nn import vectors as _vectors  # noqa: E402
from engine.questions import as_tensor as as_tensor  # noqa: E402
from engine.questions import asarray as asarray  # noqa: E402
from engine.questions import broadcast_shapes as broadcast_shapes  # noqa: E402
from engine.questions import can_cast as can_cast  # noqa: E402
from engine.questions import finfo as finfo  # noqa: E402
from engine.questions import get_num_threads as get_num_threads  # noqa: E402
from engine.questions import iinfo as iinfo  # noqa: E402
from engine.questions import is_complex as is_complex  # noqa: E402
from engine.questions import is_floating_point as is_floating_point  # noqa: E402
from engine.questions import is_inference as is_inference  # noqa: E402
from engine.questions import is_nonzero as is_nonzero  # noqa: E402
from engine.questions import is_same_size as is_same_size  # noqa: E402
from engine.questions import is_tensor as is_tensor  # noqa: E402
from engine.questions import numel as numel  # noqa: E402
from engine.questions import result_type as result_type  # noqa: E402
from engine.questions import typename as typename  # noqa: E402

for _module in (_gradients, _vectors):
    vars(nn.utils).update({_name: getattr(_module, _name) for _name in _module.__all__})
