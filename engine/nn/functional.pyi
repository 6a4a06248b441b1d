# Written by `make stubs` from the operator table: change a row, not this file.
from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from builtins import str as _str
from builtins import type as _type
from collections.abc import Sequence as _Sequence
from typing import Any as _Any
from typing import NamedTuple as _NamedTuple
from typing import TypeAlias as _TypeAlias
from typing import overload as _overload

from engine.dtypes import dtype as _dtype
from engine.generator import Generator as _Generator
from engine.tensor import Tensor as _Tensor

_Number: _TypeAlias = _bool | _int | _float | _complex

class _ValuesIndices(_NamedTuple):
    values: _Tensor
    indices: _Tensor

def adaptive_avg_pool1d(input: _Tensor, output_size: _int | _Sequence[_int]) -> _Tensor: ...
def adaptive_avg_pool2d(input: _Tensor, output_size: _Any) -> _Tensor: ...
def adaptive_avg_pool3d(input: _Tensor, output_size: _Any) -> _Tensor: ...
def adaptive_max_pool1d(
    input: _Tensor, output_size: _int | _Sequence[_int], return_indices: _bool = ...
) -> _Tensor: ...
def adaptive_max_pool2d(input: _Tensor, output_size: _Any, return_indices: _bool = ...) -> _Tensor: ...
def adaptive_max_pool2d_with_indices(input: _Tensor, output_size: _Any) -> _ValuesIndices: ...
def adaptive_max_pool3d(input: _Tensor, output_size: _Any, return_indices: _bool = ...) -> _Tensor: ...
def adaptive_max_pool3d_with_indices(input: _Tensor, output_size: _Any) -> _ValuesIndices: ...
@_overload
def affine_grid(theta: _Tensor, size: _Sequence[_int], align_corners: _bool | None = ...) -> _Tensor: ...
@_overload
def affine_grid(theta: _Tensor, *size: _int, align_corners: _bool | None = ...) -> _Tensor: ...
def alpha_dropout(input: _Tensor, p: _float = ..., training: _bool = ..., inplace: _bool = ...) -> _Tensor: ...
def avg_pool1d(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
    count_include_pad: _bool = ...,
) -> _Tensor: ...
def avg_pool2d(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
    count_include_pad: _bool = ...,
    divisor_override: _int | None = ...,
) -> _Tensor: ...
def avg_pool3d(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
    count_include_pad: _bool = ...,
    divisor_override: _int | None = ...,
) -> _Tensor: ...
def batch_norm(
    input: _Tensor,
    running_mean: _Tensor | None,
    running_var: _Tensor | None,
    weight: _Tensor | None = ...,
    bias: _Tensor | None = ...,
    training: _bool = ...,
    momentum: _float = ...,
    eps: _float = ...,
) -> _Tensor: ...
def bilinear(input1: _Tensor, input2: _Tensor, weight: _Tensor, bias: _Tensor | None = ...) -> _Tensor: ...
def binary_cross_entropy(
    input: _Tensor, target: _Tensor, weight: _Tensor | None = ..., *, reduction: _str = ...
) -> _Tensor: ...
def binary_cross_entropy_with_logits(
    input: _Tensor,
    target: _Tensor,
    weight: _Tensor | None = ...,
    *,
    pos_weight: _Tensor | None = ...,
    reduction: _str = ...,
) -> _Tensor: ...
@_overload
def celu(input: _Tensor, alpha: _Number = ...) -> _Tensor: ...
@_overload
def celu(input: _Tensor, alpha: _Number = ..., inplace: _bool = ...) -> _Tensor: ...
def channel_shuffle(input: _Tensor, groups: _int) -> _Tensor: ...
@_overload
def conv1d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    groups: _int = ...,
) -> _Tensor: ...
@_overload
def conv1d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _str = ...,
    dilation: _int | _Sequence[_int] = ...,
    groups: _int = ...,
) -> _Tensor: ...
@_overload
def conv2d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    groups: _int = ...,
) -> _Tensor: ...
@_overload
def conv2d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _str = ...,
    dilation: _int | _Sequence[_int] = ...,
    groups: _int = ...,
) -> _Tensor: ...
@_overload
def conv3d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    groups: _int = ...,
) -> _Tensor: ...
@_overload
def conv3d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _str = ...,
    dilation: _int | _Sequence[_int] = ...,
    groups: _int = ...,
) -> _Tensor: ...
def conv_transpose1d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    output_padding: _int | _Sequence[_int] = ...,
    groups: _int = ...,
    dilation: _int | _Sequence[_int] = ...,
) -> _Tensor: ...
def conv_transpose2d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    output_padding: _int | _Sequence[_int] = ...,
    groups: _int = ...,
    dilation: _int | _Sequence[_int] = ...,
) -> _Tensor: ...
def conv_transpose3d(
    input: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = ...,
    stride: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    output_padding: _int | _Sequence[_int] = ...,
    groups: _int = ...,
    dilation: _int | _Sequence[_int] = ...,
) -> _Tensor: ...
def cosine_embedding_loss(
    input1: _Tensor, input2: _Tensor, target: _Tensor, margin: _float = ..., *, reduction: _str = ...
) -> _Tensor: ...
def cosine_similarity(x1: _Tensor, x2: _Tensor, dim: _int = ..., eps: _float = ...) -> _Tensor: ...
def cross_entropy(
    input: _Tensor,
    target: _Tensor,
    weight: _Tensor | None = ...,
    *,
    ignore_index: _int = ...,
    reduction: _str = ...,
    label_smoothing: _float = ...,
) -> _Tensor: ...
@_overload
def ctc_loss(
    log_probs: _Tensor,
    targets: _Tensor,
    input_lengths: _Sequence[_int],
    target_lengths: _Sequence[_int],
    blank: _int = ...,
    reduction: _str = ...,
    zero_infinity: _bool = ...,
) -> _Tensor: ...
@_overload
def ctc_loss(
    log_probs: _Tensor,
    targets: _Tensor,
    *input_lengths: _int,
    target_lengths: _Sequence[_int],
    blank: _int = ...,
    reduction: _str = ...,
    zero_infinity: _bool = ...,
) -> _Tensor: ...
@_overload
def ctc_loss(
    log_probs: _Tensor,
    targets: _Tensor,
    input_lengths: _Tensor,
    target_lengths: _Tensor,
    blank: _int = ...,
    reduction: _str = ...,
    zero_infinity: _bool = ...,
) -> _Tensor: ...
def dropout(input: _Tensor, p: _float = ..., training: _bool = ..., inplace: _bool = ...) -> _Tensor: ...
def dropout1d(input: _Tensor, p: _float = ..., training: _bool = ..., inplace: _bool = ...) -> _Tensor: ...
def dropout2d(input: _Tensor, p: _float = ..., training: _bool = ..., inplace: _bool = ...) -> _Tensor: ...
def dropout3d(input: _Tensor, p: _float = ..., training: _bool = ..., inplace: _bool = ...) -> _Tensor: ...
@_overload
def elu(input: _Tensor, alpha: _Number = ..., *, scale: _Number = ..., input_scale: _Number = ...) -> _Tensor: ...
@_overload
def elu(input: _Tensor, alpha: _Number = ..., inplace: _bool = ...) -> _Tensor: ...
def embedding(
    input: _Tensor,
    weight: _Tensor,
    padding_idx: _int | None = ...,
    max_norm: _float | None = ...,
    norm_type: _float = ...,
    scale_grad_by_freq: _bool = ...,
    sparse: _bool = ...,
) -> _Tensor: ...
def embedding_bag(
    input: _Tensor,
    weight: _Tensor,
    offsets: _Tensor | None = ...,
    max_norm: _float | None = ...,
    norm_type: _float = ...,
    scale_grad_by_freq: _bool = ...,
    mode: _str = ...,
    sparse: _bool = ...,
    per_sample_weights: _Tensor | None = ...,
    include_last_offset: _bool = ...,
    padding_idx: _int | None = ...,
) -> _Tensor: ...
def feature_alpha_dropout(input: _Tensor, p: _float = ..., training: _bool = ..., inplace: _bool = ...) -> _Tensor: ...
def fold(
    input: _Tensor,
    output_size: _int | _Sequence[_int],
    kernel_size: _int | _Sequence[_int],
    dilation: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    stride: _int | _Sequence[_int] = ...,
) -> _Tensor: ...
def gaussian_nll_loss(
    input: _Tensor,
    target: _Tensor,
    var: _Tensor | _Number,
    full: _bool = ...,
    eps: _float = ...,
    *,
    reduction: _str = ...,
) -> _Tensor: ...
def gelu(input: _Tensor, *, approximate: _str = ...) -> _Tensor: ...
def glu(input: _Tensor, dim: _int = ...) -> _Tensor: ...
def grid_sample(
    input: _Tensor, grid: _Tensor, mode: _str = ..., padding_mode: _str = ..., align_corners: _bool | None = ...
) -> _Tensor: ...
def group_norm(
    input: _Tensor, num_groups: _int, weight: _Tensor | None = ..., bias: _Tensor | None = ..., eps: _float = ...
) -> _Tensor: ...
def hardshrink(input: _Tensor, lambd: _Number = ...) -> _Tensor: ...
@_overload
def hardsigmoid(input: _Tensor) -> _Tensor: ...
@_overload
def hardsigmoid(input: _Tensor, inplace: _bool = ...) -> _Tensor: ...
@_overload
def hardswish(input: _Tensor) -> _Tensor: ...
@_overload
def hardswish(input: _Tensor, inplace: _bool = ...) -> _Tensor: ...
@_overload
def hardtanh(input: _Tensor, min_val: _Number = ..., max_val: _Number = ...) -> _Tensor: ...
@_overload
def hardtanh(input: _Tensor, min_val: _Number = ..., max_val: _Number = ..., inplace: _bool = ...) -> _Tensor: ...
def hinge_embedding_loss(
    input: _Tensor, target: _Tensor, margin: _float = ..., *, reduction: _str = ...
) -> _Tensor: ...
@_overload
def huber_loss(input: _Tensor, target: _Tensor, reduction: _str = ..., delta: _float = ...) -> _Tensor: ...
@_overload
def huber_loss(
    input: _Tensor, target: _Tensor, reduction: _str = ..., delta: _float = ..., *, weight: _Tensor
) -> _Tensor: ...
def instance_norm(
    input: _Tensor,
    running_mean: _Tensor | None = ...,
    running_var: _Tensor | None = ...,
    weight: _Tensor | None = ...,
    bias: _Tensor | None = ...,
    use_input_stats: _bool = ...,
    momentum: _float = ...,
    eps: _float = ...,
) -> _Tensor: ...
def interpolate(
    input: _Tensor,
    size: _Any = ...,
    scale_factor: _Any = ...,
    mode: _str = ...,
    align_corners: _bool | None = ...,
    recompute_scale_factor: _bool | None = ...,
    antialias: _bool = ...,
) -> _Tensor: ...
def kl_div(input: _Tensor, target: _Tensor, *, reduction: _str = ..., log_target: _bool = ...) -> _Tensor: ...
@_overload
def l1_loss(input: _Tensor, target: _Tensor, *, reduction: _str = ...) -> _Tensor: ...
@_overload
def l1_loss(input: _Tensor, target: _Tensor, *, reduction: _str = ..., weight: _Tensor) -> _Tensor: ...
def layer_norm(
    input: _Tensor,
    normalized_shape: _int | _Sequence[_int],
    weight: _Tensor | None = ...,
    bias: _Tensor | None = ...,
    eps: _float = ...,
) -> _Tensor: ...
@_overload
def leaky_relu(input: _Tensor, negative_slope: _Number = ...) -> _Tensor: ...
@_overload
def leaky_relu(input: _Tensor, negative_slope: _Number = ..., inplace: _bool = ...) -> _Tensor: ...
def linear(input: _Tensor, weight: _Tensor, bias: _Tensor | None = ...) -> _Tensor: ...
def linear_cross_entropy(
    input: _Tensor,
    linear_weight: _Tensor,
    target: _Tensor,
    *,
    linear_bias: _Tensor | None = ...,
    weight: _Tensor | None = ...,
    reduction: _str = ...,
    ignore_index: _int | None = ...,
    label_smoothing: _float = ...,
    options: _Any = ...,
) -> _Tensor: ...
def local_response_norm(
    input: _Tensor, size: _int, alpha: _float = ..., beta: _float = ..., k: _float = ...
) -> _Tensor: ...
def log_softmax(
    input: _Tensor, dim: _int | None = ..., _stacklevel: _int = ..., dtype: _dtype | _type[_Any] | None = ...
) -> _Tensor: ...
def logsigmoid(input: _Tensor) -> _Tensor: ...
def margin_ranking_loss(
    input1: _Tensor, input2: _Tensor, target: _Tensor, margin: _float = ..., *, reduction: _str = ...
) -> _Tensor: ...
def max_pool1d(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
    return_indices: _bool = ...,
) -> _Tensor: ...
def max_pool2d(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
    return_indices: _bool = ...,
) -> _Tensor: ...
def max_pool2d_with_indices(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
) -> _ValuesIndices: ...
def max_pool3d(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
    return_indices: _bool = ...,
) -> _Tensor: ...
def max_pool3d_with_indices(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    dilation: _int | _Sequence[_int] = ...,
    ceil_mode: _bool = ...,
) -> _ValuesIndices: ...
@_overload
def max_unpool1d(
    input: _Tensor,
    indices: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    output_size: _Sequence[_int] | None = ...,
) -> _Tensor: ...
@_overload
def max_unpool1d(
    input: _Tensor,
    indices: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    *output_size: _int,
) -> _Tensor: ...
@_overload
def max_unpool2d(
    input: _Tensor,
    indices: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    output_size: _Sequence[_int] | None = ...,
) -> _Tensor: ...
@_overload
def max_unpool2d(
    input: _Tensor,
    indices: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    *output_size: _int,
) -> _Tensor: ...
@_overload
def max_unpool3d(
    input: _Tensor,
    indices: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    output_size: _Sequence[_int] | None = ...,
) -> _Tensor: ...
@_overload
def max_unpool3d(
    input: _Tensor,
    indices: _Tensor,
    kernel_size: _int | _Sequence[_int],
    stride: _int | _Sequence[_int] | None = ...,
    padding: _int | _Sequence[_int] = ...,
    *output_size: _int,
) -> _Tensor: ...
@_overload
def mish(input: _Tensor) -> _Tensor: ...
@_overload
def mish(input: _Tensor, inplace: _bool = ...) -> _Tensor: ...
@_overload
def mse_loss(input: _Tensor, target: _Tensor, *, reduction: _str = ...) -> _Tensor: ...
@_overload
def mse_loss(input: _Tensor, target: _Tensor, *, reduction: _str = ..., weight: _Tensor) -> _Tensor: ...
def multi_margin_loss(
    input: _Tensor,
    target: _Tensor,
    p: _int = ...,
    margin: _float = ...,
    weight: _Tensor | None = ...,
    *,
    reduction: _str = ...,
) -> _Tensor: ...
def multilabel_margin_loss(input: _Tensor, target: _Tensor, *, reduction: _str = ...) -> _Tensor: ...
def multilabel_soft_margin_loss(
    input: _Tensor, target: _Tensor, weight: _Tensor | None = ..., *, reduction: _str = ...
) -> _Tensor: ...
def native_channel_shuffle(input: _Tensor, groups: _int) -> _Tensor: ...
def nll_loss(
    input: _Tensor, target: _Tensor, weight: _Tensor | None = ..., *, ignore_index: _int = ..., reduction: _str = ...
) -> _Tensor: ...
def normalize(input: _Tensor, p: _float = ..., dim: _int | _Sequence[_int] = ..., eps: _float = ...) -> _Tensor: ...
def one_hot(input: _Tensor, num_classes: _int = ...) -> _Tensor: ...
@_overload
def pad(input: _Tensor, pad: _Sequence[_int], mode: _str = ..., value: _float | None = ...) -> _Tensor: ...
@_overload
def pad(input: _Tensor, *pad: _int, mode: _str = ..., value: _float | None = ...) -> _Tensor: ...
def pairwise_distance(
    x1: _Tensor, x2: _Tensor, p: _float = ..., eps: _float = ..., keepdim: _bool = ...
) -> _Tensor: ...
def pdist(input: _Tensor, p: _float = ...) -> _Tensor: ...
def pixel_shuffle(input: _Tensor, upscale_factor: _int) -> _Tensor: ...
def pixel_unshuffle(input: _Tensor, downscale_factor: _int) -> _Tensor: ...
def poisson_nll_loss(
    input: _Tensor,
    target: _Tensor,
    log_input: _bool = ...,
    full: _bool = ...,
    *,
    eps: _float = ...,
    reduction: _str = ...,
) -> _Tensor: ...
def prelu(input: _Tensor, weight: _Tensor) -> _Tensor: ...
def relu(input: _Tensor, inplace: _bool = ...) -> _Tensor: ...
@_overload
def relu6(input: _Tensor) -> _Tensor: ...
@_overload
def relu6(input: _Tensor, inplace: _bool = ...) -> _Tensor: ...
def rms_norm(
    input: _Tensor, normalized_shape: _int | _Sequence[_int], weight: _Tensor | None = ..., eps: _float | None = ...
) -> _Tensor: ...
def rrelu(
    input: _Tensor,
    lower: _Number = ...,
    upper: _Number = ...,
    training: _bool = ...,
    generator: _Generator | None = ...,
) -> _Tensor: ...
def scaled_dot_product_attention(
    query: _Tensor,
    key: _Tensor,
    value: _Tensor,
    attn_mask: _Tensor | None = ...,
    dropout_p: _float = ...,
    is_causal: _bool = ...,
    *,
    scale: _float | None = ...,
    enable_gqa: _bool = ...,
) -> _Tensor: ...
@_overload
def selu(input: _Tensor) -> _Tensor: ...
@_overload
def selu(input: _Tensor, inplace: _bool = ...) -> _Tensor: ...
def sigmoid(input: _Tensor) -> _Tensor: ...
@_overload
def silu(input: _Tensor) -> _Tensor: ...
@_overload
def silu(input: _Tensor, inplace: _bool = ...) -> _Tensor: ...
def smooth_l1_loss(input: _Tensor, target: _Tensor, *, reduction: _str = ..., beta: _float = ...) -> _Tensor: ...
def soft_margin_loss(input: _Tensor, target: _Tensor, *, reduction: _str = ...) -> _Tensor: ...
def softmax(
    input: _Tensor, dim: _int | None = ..., _stacklevel: _int = ..., dtype: _dtype | _type[_Any] | None = ...
) -> _Tensor: ...
@_overload
def softmin(input: _Tensor, dim: _int, *, dtype: _dtype | _type[_Any] | None = ...) -> _Tensor: ...
@_overload
def softmin(
    input: _Tensor, dim: _int | None = ..., _stacklevel: _int = ..., dtype: _dtype | _type[_Any] | None = ...
) -> _Tensor: ...
def softplus(input: _Tensor, beta: _Number = ..., threshold: _Number = ...) -> _Tensor: ...
def softshrink(input: _Tensor, lambd: _Number = ...) -> _Tensor: ...
def softsign(input: _Tensor) -> _Tensor: ...
def tanh(input: _Tensor) -> _Tensor: ...
def tanhshrink(input: _Tensor) -> _Tensor: ...
@_overload
def threshold(input: _Tensor, threshold: _Number, value: _Number) -> _Tensor: ...
@_overload
def threshold(input: _Tensor, threshold: _Number, value: _Number, inplace: _bool = ...) -> _Tensor: ...
def triplet_margin_loss(
    anchor: _Tensor,
    positive: _Tensor,
    negative: _Tensor,
    margin: _float = ...,
    p: _float = ...,
    eps: _float = ...,
    swap: _bool = ...,
    *,
    reduction: _str = ...,
) -> _Tensor: ...
def triplet_margin_with_distance_loss(
    anchor: _Tensor,
    positive: _Tensor,
    negative: _Tensor,
    *,
    distance_function: _Any = ...,
    margin: _float = ...,
    swap: _bool = ...,
    reduction: _str = ...,
) -> _Tensor: ...
def unfold(
    input: _Tensor,
    kernel_size: _int | _Sequence[_int],
    dilation: _int | _Sequence[_int] = ...,
    padding: _int | _Sequence[_int] = ...,
    stride: _int | _Sequence[_int] = ...,
) -> _Tensor: ...
def upsample(
    input: _Tensor, size: _Any = ..., scale_factor: _Any = ..., mode: _str = ..., align_corners: _bool | None = ...
) -> _Tensor: ...
def upsample_bilinear(input: _Tensor, size: _Any = ..., scale_factor: _Any = ...) -> _Tensor: ...
def upsample_nearest(input: _Tensor, size: _Any = ..., scale_factor: _Any = ...) -> _Tensor: ...
