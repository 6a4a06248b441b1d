# Written by `make stubs` from the operator table: change a row, not this file.
from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from builtins import str as _str
from collections.abc import Sequence as _Sequence
from typing import Any as _Any
from typing import NamedTuple as _NamedTuple
from typing import TypeAlias as _TypeAlias
from typing import overload as _overload

from engine.dtypes import dtype as _dtype
from engine.generator import Generator as _Generator
from engine.tensor import Tensor as _Tensor

_Number: _TypeAlias = _bool | _int | _float | _complex

def exp2(input: _Tensor) -> _Tensor: ...
def expit(input: _Tensor) -> _Tensor: ...
def expm1(input: _Tensor) -> _Tensor: ...
def log1p(input: _Tensor) -> _Tensor: ...
def logit(input: _Tensor, eps: _float | None = ...) -> _Tensor: ...
@_overload
def round(input: _Tensor) -> _Tensor: ...
@_overload
def round(input: _Tensor, *, decimals: _int) -> _Tensor: ...
def sinc(input: _Tensor) -> _Tensor: ...
