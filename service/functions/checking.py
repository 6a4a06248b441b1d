"""The check of a function's derivatives against finite differences, in double precision."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.dtypes import default_dtype, float64
from engine.errors import AutogradError
from engine.generator import default_generator
from engine.gradcheck import GradcheckError, gradcheck, gradgradcheck
from engine.tensor import Tensor, wrap
from service.functions.call import Answer

if TYPE_CHECKING:
    from service.functions.derivatives import Course

__all__ = ["checked"]

DOUBLE: Final = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}


def checked(course: Course) -> Answer:
    """Whether gradients are what central differences say: ``{"ok", "detail"}``, with both Jacobians in the detail where they differ.

    All inputs and constants of floating point or complex dtype are made double first; order 2 also checks the gradients of the gradients.
    """
    call = course.call
    arrays = [np.array(a, DOUBLE.get(a.dtype.kind, a.dtype)) for a in call.arrays]
    tensors = [wrap(a if a.ndim else np.array(a)) for a in arrays]
    points = tuple(tensors[k].requires_grad_() for k in call.wrt)

    def function(*given: Tensor) -> tuple[Tensor, ...]:
        default_generator().manual_seed(call.seed)
        leaves = list(tensors)
        for k, t in zip(call.wrt, given, strict=True):
            leaves[k] = t
        return tuple(t for t in course.run(leaves).values() if t.dtype.differentiable)

    options = {name: call.options[name] for name in ("eps", "atol", "rtol")}
    detail = None
    dtype = default_dtype.set(float64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gradcheck(function, points, **options)
            if call.options["order"] == 2:
                gradgradcheck(function, points, **options)
    except GradcheckError as error:
        detail = str(error)[:4_000]
    except AssertionError as error:
        raise AutogradError(str(error)) from error
    finally:
        default_dtype.reset(dtype)
    return {
        "ok": detail is None,
        "detail": detail,
        "wrt": [call.paths[k] for k in call.wrt],
        "order": call.options["order"],
        **options,
    }
