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
from engine.errors import LinAlgError as LinAlgError
from engine.generator import Generator as _Generator
from engine.tensor import Tensor as _Tensor

_Number: _TypeAlias = _bool | _int | _float | _complex

class _EigenvaluesEigenvectors(_NamedTuple):
    eigenvalues: _Tensor
    eigenvectors: _Tensor

class _InverseInfo(_NamedTuple):
    inverse: _Tensor
    info: _Tensor

class _LInfo(_NamedTuple):
    L: _Tensor
    info: _Tensor

class _LUPivots(_NamedTuple):
    LU: _Tensor
    pivots: _Tensor

class _LUPivotsInfo(_NamedTuple):
    LU: _Tensor
    pivots: _Tensor
    info: _Tensor

class _PLU(_NamedTuple):
    P: _Tensor
    L: _Tensor
    U: _Tensor

class _QR(_NamedTuple):
    Q: _Tensor
    R: _Tensor

class _ResultInfo(_NamedTuple):
    result: _Tensor
    info: _Tensor

class _SignLogabsdet(_NamedTuple):
    sign: _Tensor
    logabsdet: _Tensor

class _SolutionResidualsRankSingularValues(_NamedTuple):
    solution: _Tensor
    residuals: _Tensor
    rank: _Tensor
    singular_values: _Tensor

class _USVh(_NamedTuple):
    U: _Tensor
    S: _Tensor
    Vh: _Tensor

def cholesky(input: _Tensor, *, upper: _bool = ...) -> _Tensor: ...
def cholesky_ex(input: _Tensor, *, upper: _bool = ..., check_errors: _bool = ...) -> _LInfo: ...
def cond(input: _Tensor, p: _Any = ...) -> _Tensor: ...
def cross(input: _Tensor, other: _Tensor, *, dim: _int = ...) -> _Tensor: ...
def det(A: _Tensor) -> _Tensor: ...
def diagonal(A: _Tensor, *, offset: _int = ..., dim1: _int = ..., dim2: _int = ...) -> _Tensor: ...
def eig(input: _Tensor) -> _EigenvaluesEigenvectors: ...
def eigh(input: _Tensor, UPLO: _str = ...) -> _EigenvaluesEigenvectors: ...
def eigvals(input: _Tensor) -> _Tensor: ...
def eigvalsh(input: _Tensor, UPLO: _str = ...) -> _Tensor: ...
def householder_product(input: _Tensor, tau: _Tensor) -> _Tensor: ...
def inv(A: _Tensor) -> _Tensor: ...
def inv_ex(A: _Tensor, *, check_errors: _bool = ...) -> _InverseInfo: ...
def lstsq(
    input: _Tensor, b: _Tensor, rcond: _float | None = ..., *, driver: _str | None = ...
) -> _SolutionResidualsRankSingularValues: ...
def lu(A: _Tensor, *, pivot: _bool = ...) -> _PLU: ...
def lu_factor(A: _Tensor, *, pivot: _bool = ...) -> _LUPivots: ...
def lu_factor_ex(A: _Tensor, *, pivot: _bool = ..., check_errors: _bool = ...) -> _LUPivotsInfo: ...
def lu_solve(LU: _Tensor, pivots: _Tensor, B: _Tensor, *, left: _bool = ..., adjoint: _bool = ...) -> _Tensor: ...
def matrix_exp(input: _Tensor) -> _Tensor: ...
@_overload
def matrix_norm(
    input: _Tensor,
    ord: _Any = ...,
    dim: _Sequence[_int] = ...,
    keepdim: _bool = ...,
    *,
    dtype: _dtype | _type[_Any] | None = ...,
) -> _Tensor: ...
@_overload
def matrix_norm(
    input: _Tensor, ord: _Any = ..., *dim: _int, keepdim: _bool = ..., dtype: _dtype | _type[_Any] | None = ...
) -> _Tensor: ...
def matrix_power(input: _Tensor, n: _int) -> _Tensor: ...
def matrix_rank(
    input: _Tensor,
    tol: _float | None = ...,
    hermitian: _bool = ...,
    *,
    atol: _float | None = ...,
    rtol: _float | None = ...,
) -> _Tensor: ...
@_overload
def multi_dot(tensors: _Sequence[_Tensor]) -> _Tensor: ...
@_overload
def multi_dot(*tensors: _Tensor) -> _Tensor: ...
def norm(
    input: _Tensor,
    ord: _Any = ...,
    dim: _int | _Sequence[_int] | None = ...,
    keepdim: _bool = ...,
    *,
    dtype: _dtype | _type[_Any] | None = ...,
) -> _Tensor: ...
@_overload
def pinv(
    input: _Tensor, *, atol: _float | None = ..., rtol: _float | None = ..., hermitian: _bool = ...
) -> _Tensor: ...
@_overload
def pinv(
    input: _Tensor, *, atol: _Tensor | None = ..., rtol: _Tensor | None = ..., hermitian: _bool = ...
) -> _Tensor: ...
@_overload
def pinv(input: _Tensor, rcond: _float, hermitian: _bool = ...) -> _Tensor: ...
def qr(A: _Tensor, mode: _str = ...) -> _QR: ...
def slogdet(A: _Tensor) -> _SignLogabsdet: ...
def solve(A: _Tensor, B: _Tensor, *, left: _bool = ...) -> _Tensor: ...
def solve_ex(A: _Tensor, B: _Tensor, *, left: _bool = ..., check_errors: _bool = ...) -> _ResultInfo: ...
def solve_triangular(
    input: _Tensor, B: _Tensor, *, upper: _bool, left: _bool = ..., unitriangular: _bool = ...
) -> _Tensor: ...
def svd(A: _Tensor, full_matrices: _bool = ..., *, driver: _str | None = ...) -> _USVh: ...
def svdvals(A: _Tensor, *, driver: _str | None = ...) -> _Tensor: ...
def tensorinv(input: _Tensor, ind: _int = ...) -> _Tensor: ...
@_overload
def tensorsolve(input: _Tensor, other: _Tensor, dims: _Sequence[_int] | None = ...) -> _Tensor: ...
@_overload
def tensorsolve(input: _Tensor, other: _Tensor, *dims: _int) -> _Tensor: ...
def vander(x: _Tensor, *, N: _int | None = ...) -> _Tensor: ...
def vecdot(x: _Tensor, y: _Tensor, *, dim: _int = ...) -> _Tensor: ...
def vector_norm(
    input: _Tensor,
    ord: _Number = ...,
    dim: _int | _Sequence[_int] | None = ...,
    keepdim: _bool = ...,
    *,
    dtype: _dtype | _type[_Any] | None = ...,
) -> _Tensor: ...
