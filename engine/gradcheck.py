"""Derivatives compared with finite differences: ``autograd.gradcheck`` and ``gradgradcheck``.

Every element of every input is moved by eps both ways (by eps and by eps·i where it is complex), and the whole Jacobian is compared. A
complex output is checked as two real ones. Source: torch.autograd.gradcheck, torch.autograd.gradgradcheck.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from engine.backward import grad
from engine.errors import GradcheckError, InvalidValueError, TensorError
from engine.forward_check import check_forward
from engine.rules import rules
from engine.tensor import Tensor, array_of, wrap

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Array: TypeAlias = "np.ndarray[Any, Any]"
SEED: Final = 1789  # of what gradgradcheck puts in as gradients: the same at every call


class _Limits(NamedTuple):
    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_grad_dtypes: bool


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,  # noqa: ARG001 - PyTorch's signature
    masked: bool | None = None,  # noqa: ARG001 - PyTorch's signature
) -> bool:
    """Whether the gradients of a function are those that finite differences give.

    func: takes the inputs, answers a tensor or a tuple of them. inputs: tensors in double precision; those that require grad are
    checked. check_forward_ad: compare what forward mode gives, too, and with check_batched_forward_grad a batch of directions at once with
    each alone. fast_mode and masked are accepted: the whole Jacobian is always compared. Errors: GradcheckError (a RuntimeError) that shows
    both Jacobians, or the answer False where ``raise_exception`` is False; ValueError where no input requires grad.
    Source: torch.autograd.gradcheck.

    >>> import engine as torch
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x * x, x)
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    limits = _Limits(eps, atol, rtol, nondet_tol, check_grad_dtypes)
    try:
        with np.errstate(all="ignore"):
            given = _as_tuple(inputs)
            _check_inputs(given)
            if check_forward_ad:
                check_forward(func, given, eps=eps, atol=atol, rtol=rtol, batches=check_batched_forward_grad)
            if check_backward_ad:
                _check(func, given, limits, undefined=check_undefined_grad, batched=check_batched_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the gradients of a function's gradients are those that finite differences give.

    grad_outputs: the upstream gradients, drawn in [-1, 1) where none are given. The rest is as in ``gradcheck``.
    Source: torch.autograd.gradgradcheck.

    >>> import engine as torch
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x * x * x, x)
    True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_undefined_grad=True requires check_rev_over_rev to be True")
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_batched_grad=True requires check_rev_over_rev to be True")
    given = _as_tuple(inputs)
    if grad_outputs is None:
        upstream = _drawn(_differentiable(func(*given)), strided=gen_non_contig_grad_outputs)
    else:
        upstream = _as_tuple(grad_outputs)
    count = len(upstream)
    wanted = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        outputs = _differentiable(func(*args[:-count]))
        found = grad(outputs, [args[i] for i in wanted], args[-count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*given, *upstream),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


# -- the parts of a check ----------------------------------------------------------------------------------------------


def _check(
    func: Callable[..., Any], inputs: tuple[Any, ...], limits: _Limits, *, undefined: bool, batched: bool
) -> None:
    answer = _as_tuple(func(*inputs))
    outputs = _differentiable(answer)
    if any(o.is_complex() for o in answer):
        complex_ones = [i for i, o in enumerate(outputs) if o.is_complex()]
        for part, view in (("imaginary", rules.imag), ("real", rules.real)):
            _compare(_part_of(func, view), inputs, limits, complex_ones, part)
    else:
        _compare(func, inputs, limits, [], "")
    for i, o in enumerate(outputs) if batched else ():
        _check_batched(inputs, o, i)
    if outputs:
        _check_zeros(outputs, inputs)
    if undefined:
        _check_undefined(_differentiable(func(*inputs)), inputs)


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    found = False
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            found = found or any(True for _ in _tensors(x))
            continue
        if x.dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely fail if "
                "all the inputs are not of double precision floating point or complex. ",
                stacklevel=4,
            )
        if x.numel() and any(s == 0 and n > 1 for s, n in zip(array_of(x).strides, x.shape, strict=True)):
            raise TensorError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able to "
                "compute the numerical gradients correctly. You should call .contiguous on the input before passing it to gradcheck."
            )
        found = True
    if not found:
        raise InvalidValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )


def _compare(
    func: Callable[..., Any], inputs: tuple[Any, ...], limits: _Limits, complex_ones: Sequence[int], part: str
) -> None:
    """Both Jacobians of every pair of an input and an output."""
    answer = _as_tuple(func(*inputs))
    checked = [k for k, o in enumerate(answer) if o.requires_grad]
    numerical = [_numerical(func, inputs, x, limits.eps) for x in _tensors(inputs)]
    if not checked:
        if any(np.any(j != 0) for jacobians in numerical for j in jacobians):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for number, k in enumerate(checked):
        for i, (analytical, jacobians) in enumerate(
            zip(_analytical(answer[k], inputs, limits), numerical, strict=True)
        ):
            if not np.allclose(analytical, jacobians[k], limits.rtol, limits.atol):
                prefix = (
                    f"While considering the {part} part of complex outputs only, " if number in complex_ones else ""
                )
                raise GradcheckError(
                    f"{prefix}Jacobian mismatch for output {number} with respect to input {i},\n"
                    f"numerical:{wrap(jacobians[k])}\nanalytical:{wrap(analytical)}\n"
                )


def _numerical(func: Callable[..., Any], inputs: tuple[Any, ...], x: Tensor, eps: float) -> list[Array]:
    """For each output the matrix (elements of x, elements of the output) of central differences."""
    array = array_of(x)
    rows: list[list[Any]] = []

    def outputs() -> list[Array]:
        return [np.array(o._array) for o in _as_tuple(func(*inputs))]

    for place in np.ndindex(*array.shape):
        before = array[place].copy()
        differences: list[Any] = []
        for step in (eps, eps * 1j) if array.dtype.kind == "c" else (eps,):
            try:
                array[place] = before - step
                low = outputs()
                array[place] = before + step
                high = outputs()
            finally:
                array[place] = before
            for a, b in zip(low, high, strict=True):
                _check_alike(a, b, eps)
            differences.append([((b - a) / (2 * eps)).reshape(-1) for a, b in zip(low, high, strict=True)])
        if len(differences) == 2:
            rows.append([dx + 1j * dy for dx, dy in zip(*differences, strict=True)])
        else:
            rows.append(differences[0])
    if not rows:
        return [np.zeros((0, o.size)) for o in outputs()]
    return [np.stack(columns) for columns in zip(*rows, strict=True)]


def _check_alike(a: Array, b: Array, eps: float) -> None:
    for what, one, other in (("shape", list(a.shape), list(b.shape)), ("dtype", a.dtype.name, b.dtype.name)):
        if one != other:
            raise AssertionError(
                f"Expected `func` to return outputs with the same {what} when inputs are perturbed by {eps}, but got: "
                f"{what}s {one} and {other}."
            )


def _analytical(output: Tensor, inputs: tuple[Any, ...], limits: _Limits) -> list[Array]:
    """For each input the matrix (elements of it, elements of the output) of gradients, computed twice."""
    wanted = list(_tensors(inputs))
    first, second = (_rows(output, wanted, limits) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        if a.size and np.abs(a - b).max() > limits.nondet_tol:
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different "
                f"values, although analytical gradient matches numerical gradient.The tolerance for nondeterminism was {limits.nondet_tol}."
            )
    return first


def _rows(output: Tensor, wanted: list[Tensor], limits: _Limits) -> list[Array]:
    shape, d = output._array.shape, output._array.dtype
    jacobians = [np.zeros((x.numel(), output.numel()), x._array.dtype) for x in wanted]
    for column, place in enumerate(np.ndindex(*shape)):
        upstream = np.zeros(shape, d)
        upstream[place] = 1
        found = grad(output, wanted, wrap(upstream), retain_graph=True, allow_unused=True)
        for g, x, jacobian in zip(found, wanted, jacobians, strict=True):
            if g is None:
                continue
            if g._array.shape != x._array.shape:
                raise GradcheckError("Analytical gradient has incorrect size")
            if limits.check_grad_dtypes and g._array.dtype != x._array.dtype:
                raise GradcheckError("Gradient has dtype mismatch")
            jacobian[:, column] = g._array.reshape(-1)
    return jacobians


def _check_zeros(outputs: tuple[Tensor, ...], inputs: tuple[Any, ...]) -> None:
    """A gradient of zeros goes in, so zeros must come out: backward multiplies by what it is given."""
    wanted = list(_tensors(inputs))
    found = grad(
        outputs, wanted, [wrap(np.zeros_like(array_of(o))) for o in outputs], retain_graph=True, allow_unused=True
    )
    for g, x in zip(found, wanted, strict=True):
        if g is None:
            continue
        if np.any(g._array != 0):
            raise GradcheckError("backward not multiplied by grad_output")
        if g._array.dtype != x._array.dtype:
            raise GradcheckError("grad is incorrect type")
        if g._array.shape != x._array.shape:
            raise GradcheckError("grad is incorrect size")


def _check_undefined(outputs: tuple[Tensor, ...], inputs: tuple[Any, ...]) -> None:
    """With the gradient of one output missing, and zeros for the others, zeros or nothing come out."""
    wanted = list(_tensors(inputs))
    for k in range(len(outputs)) if len(outputs) > 1 else ():
        others = [o for i, o in enumerate(outputs) if i != k]
        zeros = [wrap(np.zeros_like(array_of(o))) for o in others]
        try:
            found = grad(others, wanted, zeros, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(
                'Expected backward function to handle undefined output grads. Please look at "Notes about undefined output gradients" in '
                '"tools/autograd/derivatives.yaml"'
            ) from error
        if any(g is not None and np.any(g._array != 0) for g in found):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero. Please look at "
                '"Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
            )


def _check_batched(inputs: tuple[Any, ...], output: Tensor, number: int) -> None:
    """Several upstream gradients at once give what each gives on its own."""
    wanted = list(_tensors(inputs))
    upstream = [_drawn((output,), salt=k)[0].detach() for k in range(2)]
    single = [grad(output, wanted, g, retain_graph=True, allow_unused=True) for g in upstream]
    stacked = wrap(np.stack([array_of(g) for g in upstream]))
    try:
        together = grad(output, wanted, stacked, retain_graph=True, allow_unused=True, is_grads_batched=True)
    except RuntimeError as error:
        raise GradcheckError(f"While computing batched gradients, got: {error}") from error
    for i, (got, pieces) in enumerate(zip(together, zip(*single, strict=True), strict=True)):
        if got is None:
            continue
        expected = np.stack([np.zeros_like(array_of(wanted[i])) if p is None else array_of(p) for p in pieces])
        if not np.allclose(got._array, expected):
            raise GradcheckError(
                f"For output {number} and input {i}:\n\nGot:\n{got}\n\nExpected:\n{wrap(expected)}".strip()
            )


# -- tensors among arguments -------------------------------------------------------------------------------------------


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors that require grad, at any depth of lists."""
    if isinstance(value, Tensor):
        if value.requires_grad:
            yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def _differentiable(answer: Any) -> tuple[Tensor, ...]:
    return tuple(o for o in _as_tuple(answer) if isinstance(o, Tensor) and o.requires_grad)


def _part_of(func: Callable[..., Any], view: Callable[[Any], Any]) -> Callable[..., Any]:
    def part(*args: Any) -> tuple[Any, ...]:
        return tuple(view(o) if o.is_complex() else o for o in _as_tuple(func(*args)))

    return part


def _drawn(outputs: tuple[Tensor, ...], *, strided: bool = False, salt: int = 0) -> tuple[Tensor, ...]:
    """Upstream gradients for outputs, fixed numbers in [-1, 1), which require grad."""
    draw = np.random.Generator(np.random.Philox(SEED + salt))
    found = []
    for o in outputs:
        shape = (*o.shape[:-1], 2 * o.shape[-1]) if strided and o.ndim else tuple(o.shape)
        values = draw.uniform(-1, 1, shape)
        if o.is_complex():
            values = values + 1j * draw.uniform(-1, 1, shape)
        array = np.asarray(values).astype(o._array.dtype)
        found.append(wrap(array[..., ::2] if strided and o.ndim else array).requires_grad_())
    return tuple(found)
