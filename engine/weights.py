"""Rows whose elements take longer than a few nanoseconds each, and how many: a factor of their arithmetic.

Measured by ``make calibrate`` and rounded; what an operation costs by itself stands with its row.
"""

from __future__ import annotations

from typing import Final

__all__ = ["WEIGHTS"]

_CLASSES: Final = {
    4: (
        "argsort", "argsort.stable", "argwhere", "atan2", "bitwise_left_shift.Tensor", "bitwise_right_shift.Tensor", "cartesian_prod",
        "cauchy", "clamp.Tensor", "col2im", "complex", "cos", "cosh", "cumprod", "erf", "erfc", "exponential", "fmod.Tensor", "gelu",
        "geometric", "kl_div", "log_normal", "lu_unpack", "multilabel_margin_loss_backward", "nonzero", "normal.Tensor_Tensor",
        "one_hot", "remainder.Scalar", "remainder.Scalar_Tensor", "sigmoid", "silu", "sin", "sinh", "special_ndtr", "tan", "topk",
    ),
    8: (
        "cross_entropy_loss", "cummax", "cummin", "digamma", "erfinv", "float_power", "gcd", "grid_sampler", "lgamma", "lcm",
        "nextafter", "poisson", "sinc", "special_erfcx", "special_log_ndtr", "special_ndtri", "special_xlog1py", "split_copy.Tensor",
        "tril_indices", "triu_indices", "unsafe_split.Tensor", "xlogy.Tensor",
    ),
    16: (
        "_bag_places", "div.Tensor_mode", "floor_divide", "hypot", "lerp.Scalar", "linalg_vander", "logaddexp", "logaddexp2", "polar",
        "polygamma", "remainder.Tensor", "vander",
    ),
    24: ("_adaptive_avg", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d", "linalg_lstsq"),
    50: ("i0", "special_i0e", "special_i1", "special_i1e"),
    200: ("igamma", "igammac"),
    400: ("special_zeta",),
}  # fmt: skip
WEIGHTS: Final[dict[str, int]] = {row: weight for weight, rows in _CLASSES.items() for row in rows}
"""The factor of each row that has one."""
