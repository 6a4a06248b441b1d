"""Activations that may be written into their input: PyTorch's functions with ``inplace``. The plain rows are tried before these."""

from __future__ import annotations

from typing import Any

from engine.op import Op, Sample, find, op
from engine.promotion import estimate
from engine.rules import rules, written
from engine.samples import unary

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _plain(name: str) -> Op:
    return find(f"nn.functional.{name}")[0]


def _meta(name: str) -> Any:
    """The estimate of the plain row, for its arguments and ``inplace``."""
    return lambda *args: estimate(_plain(name), list(args[:-1]))


def _samples(*more: Any) -> Any:
    return lambda: [Sample(*s.args, *more, False, tags=s.tags) for s in unary()()]


@op(
    "leaky_relu.inplace(Tensor input, Scalar negative_slope=0.01, bool inplace=False) -> Tensor",
    meta=_meta("leaky_relu"),
    kind="composite",
    names=("nn.functional.leaky_relu",),
    forms="function",
    samples=_samples(0.1),
)
def leaky_relu(input: Any, negative_slope: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.leaky_relu.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.leaky_relu(x, inplace=True)
    tensor([ 0.2500, -0.0100])
    >>> x
    tensor([ 0.2500, -0.0100])
    """
    return written(_plain("leaky_relu"), input, negative_slope) if inplace else rules.leaky_relu(input, negative_slope)


@op(
    "elu.inplace(Tensor input, Scalar alpha=1.0, bool inplace=False) -> Tensor",
    meta=_meta("elu"),
    kind="composite",
    names=("nn.functional.elu",),
    forms="function",
    samples=_samples(0.7),
)
def elu(input: Any, alpha: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.elu.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.elu(x, inplace=True)
    tensor([ 0.2500, -0.6321])
    >>> x
    tensor([ 0.2500, -0.6321])
    """
    return written(_plain("elu"), input, alpha, 1, 1) if inplace else rules.elu(input, alpha)


@op(
    "selu.inplace(Tensor input, bool inplace=False) -> Tensor",
    meta=_meta("selu"),
    kind="composite",
    names=("nn.functional.selu",),
    forms="function",
    samples=_samples(),
)
def selu(input: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.selu.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.selu(x, inplace=True)
    tensor([ 0.2627, -1.1113])
    >>> x
    tensor([ 0.2627, -1.1113])
    """
    return written(_plain("elu"), input, SELU_ALPHA, SELU_SCALE, 1) if inplace else rules.selu(input)


@op(
    "celu.inplace(Tensor input, Scalar alpha=1.0, bool inplace=False) -> Tensor",
    meta=_meta("celu"),
    kind="composite",
    names=("nn.functional.celu",),
    forms="function",
    samples=_samples(0.7),
)
def celu(input: Any, alpha: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.celu.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.celu(x, inplace=True)
    tensor([ 0.2500, -0.6321])
    >>> x
    tensor([ 0.2500, -0.6321])
    """
    return written(_plain("celu"), input, alpha) if inplace else rules.celu(input, alpha)


@op(
    "silu.inplace(Tensor input, bool inplace=False) -> Tensor",
    meta=_meta("silu"),
    kind="composite",
    names=("nn.functional.silu",),
    forms="function",
    samples=_samples(),
)
def silu(input: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.silu.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.silu(x, inplace=True)
    tensor([ 0.1405, -0.2689])
    >>> x
    tensor([ 0.1405, -0.2689])
    """
    return written(_plain("silu"), input) if inplace else rules.silu(input)


@op(
    "mish.inplace(Tensor input, bool inplace=False) -> Tensor",
    meta=_meta("mish"),
    kind="composite",
    names=("nn.functional.mish",),
    forms="function",
    samples=_samples(),
)
def mish(input: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.mish.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.mish(x, inplace=True)
    tensor([ 0.1696, -0.3034])
    >>> x
    tensor([ 0.1696, -0.3034])
    """
    return written(_plain("mish"), input) if inplace else rules.mish(input)


@op(
    "hardtanh.inplace(Tensor input, Scalar min_val=-1, Scalar max_val=1, bool inplace=False) -> Tensor",
    meta=_meta("hardtanh"),
    kind="composite",
    names=("nn.functional.hardtanh",),
    forms="function",
    samples=_samples(-0.5, 0.7),
)
def hardtanh(input: Any, min_val: Any, max_val: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.hardtanh.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.hardtanh(x, inplace=True)
    tensor([ 0.2500, -1.0000])
    >>> x
    tensor([ 0.2500, -1.0000])
    """
    return written(_plain("hardtanh"), input, min_val, max_val) if inplace else rules.hardtanh(input, min_val, max_val)


@op(
    "relu6.inplace(Tensor input, bool inplace=False) -> Tensor",
    meta=_meta("relu6"),
    kind="composite",
    names=("nn.functional.relu6",),
    forms="function",
    samples=_samples(),
)
def relu6(input: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.relu6.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.relu6(x, inplace=True)
    tensor([0.2500, 0.0000])
    >>> x
    tensor([0.2500, 0.0000])
    """
    return written(_plain("hardtanh"), input, 0, 6) if inplace else rules.relu6(input)


@op(
    "hardsigmoid.inplace(Tensor input, bool inplace=False) -> Tensor",
    meta=_meta("hardsigmoid"),
    kind="composite",
    names=("nn.functional.hardsigmoid",),
    forms="function",
    samples=_samples(),
)
def hardsigmoid(input: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.hardsigmoid.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.hardsigmoid(x, inplace=True)
    tensor([0.5417, 0.3333])
    >>> x
    tensor([0.5417, 0.3333])
    """
    return written(_plain("hardsigmoid"), input) if inplace else rules.hardsigmoid(input)


@op(
    "hardswish.inplace(Tensor input, bool inplace=False) -> Tensor",
    meta=_meta("hardswish"),
    kind="composite",
    names=("nn.functional.hardswish",),
    forms="function",
    samples=_samples(),
)
def hardswish(input: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.hardswish.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.hardswish(x, inplace=True)
    tensor([ 0.1354, -0.3333])
    >>> x
    tensor([ 0.1354, -0.3333])
    """
    return written(_plain("hardswish"), input) if inplace else rules.hardswish(input)


@op(
    "threshold.inplace(Tensor input, Scalar threshold, Scalar value, bool inplace=False) -> Tensor",
    meta=_meta("threshold"),
    kind="composite",
    names=("nn.functional.threshold",),
    forms="function",
    samples=_samples(0.5, 9.0),
)
def threshold(input: Any, threshold: Any, value: Any, inplace: Any) -> Any:
    """As without ``inplace``, or written into the input, which is answered.

    Errors: RuntimeError for a leaf that requires grad. Source: torch.nn.functional.threshold.

    >>> x = torch.tensor([0.25, -1.0])
    >>> torch.nn.functional.threshold(x, 0.5, 9.0, True)
    tensor([9., 9.])
    >>> x
    tensor([9., 9.])
    """
    return (
        written(_plain("threshold"), input, threshold, value) if inplace else rules.threshold(input, threshold, value)
    )
