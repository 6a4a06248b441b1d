"""Every row of the table, tried on its own samples: cases, estimates, derivatives, in-place forms, documentation."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import engine
from engine.apply import run_inplace
from engine.autograd import grad, gradcheck, gradgradcheck
from engine.errors import NoDerivativeError
from engine.op import ROWS, Op, Sample, op
from engine.promotion import estimate
from engine.samples import over
from engine.tensor import Tensor
from tests.engine.rows import (
    PUBLIC,
    TRIED,
    applicable,
    arguments,
    call,
    covered,
    leaves,
    outputs,
    same_bits,
    samples,
    tensor,
    upstream,
)

DOUBLE = {engine.float64, engine.complex128}
SMALL = 40  # elements of inputs and outputs together, up to which whole Jacobians are compared

# Cases that apply by the rule, and are not asked for. row: {case: why}
EXCUSED: dict[str, dict[str, str]] = {"tile": {"negative dim": "its dims are numbers of repeats"}}

# Rows that PyTorch differentiates no more than we do, in some or all that their samples try, and says so in backward.
NO_FIRST = {
    "_rfloordiv", "_rmod", "bincount", "floor_divide", "heaviside", "igamma", "igammac", "multilabel_margin_loss_backward",
    "scatter.reduce", "scatter.value_reduce", "special_zeta", "unique", "unique_consecutive",
}  # fmt: skip

# Rows whose derivative has none of its own, in PyTorch neither.
NO_SECOND = {
    "_ctc_loss", "_ctc_loss_backward", "_pdist_backward", "ctc_loss.IntList", "ctc_loss.Tensor", "multi_margin_loss",
    "multi_margin_loss_backward", "multilabel_margin_loss", "pdist",
}  # fmt: skip
NOT_IMPLEMENTED = r"derivative for '?[\w:]+( \w+)?'? is not implemented\.?$"

# Rows with no slope in fewer than two elements: their deviation is 0, where a square root stands upright.
UPRIGHT = {"corrcoef", "std", "std.dim", "std.correction", "std_mean", "std_mean.dim", "std_mean.correction"}

# Rows that read one triangle of a matrix, and whose derivative speaks of symmetric ones: they get (A + Aᴴ)/2 to read.
HERMITIAN = {"_linalg_eigh", "cholesky", "linalg_cholesky", "linalg_cholesky_ex", "linalg_eigh", "linalg_eigvalsh"}

# Rows whose derivative is that of logits: they get log_softmax of what the sample holds.
LOGITS = {"_ctc_loss", "ctc_loss.IntList", "ctc_loss.Tensor"}

# Rows that read one triangle of this argument, and get one.
TRIANGULAR = {"cholesky_inverse": 0, "cholesky_solve": 1}

# Samples whose slope is not what autograd means by it. row: (which, why)
NO_SLOPE: dict[str, tuple[Callable[[dict[str, Any]], bool], str]] = {
    "as_strided_scatter": (lambda a: True, "PyTorch's gradient of the input is not zero where src stands"),
    "embedding": (
        lambda a: a["padding_idx"] != -1 or a["scale_grad_by_freq"],
        "padding learns nothing, common words less",
    ),
    "embedding.functional": (
        lambda a: a["padding_idx"] is not None or a["scale_grad_by_freq"],
        "padding learns nothing, common words less",
    ),
    "linalg_eig": (lambda a: True, "an eigenvector may be turned by any phase; eigenvalues alone are linalg_eigvals"),
    "linalg_svd": (lambda a: a["full_matrices"], "vectors that belong to no singular value are free to turn"),
    "svd": (lambda a: not a["some"], "vectors that belong to no singular value are free to turn"),
    "_linalg_svd": (lambda a: a["full_matrices"], "vectors that belong to no singular value are free to turn"),
}

by_row = pytest.mark.parametrize("row", TRIED, ids=lambda row: row.id)


# -- cases ------------------------------------------------------------------------------------------------------------


def missing(row: Op) -> set[str]:
    """Cases that apply to a row, are not excused, and that none of its samples covers."""
    found = applicable(row) - EXCUSED.get(row.id, {}).keys()
    for sample in samples(row):
        found -= covered(row, sample)
    return found


def untrue(row: Op) -> set[str]:
    """Tags that a sample has and does not deserve."""
    return {tag for sample in samples(row) for tag in set(sample.tags) - covered(row, sample)}


@pytest.mark.parametrize("row", PUBLIC, ids=lambda row: row.id)
def test_samples_cover_every_case_that_applies(row: Op) -> None:
    assert samples(row), "a row without samples is tried by nobody"
    assert missing(row) == set()
    assert untrue(row) == set()


def test_excuses_are_still_needed() -> None:
    for name, cases in EXCUSED.items():
        row = next(row for row in ROWS if row.id == name)
        uncovered = applicable(row).difference(*(covered(row, sample) for sample in samples(row)))
        assert cases.keys() <= uncovered, name


def declared(line: str, *tried: Sample, kind: Any = "pointwise") -> Op:
    """A row that is taken out of the table at once."""

    def pair(input: Any, other: Any) -> Any:
        return input + other

    def along(input: Any, dim: Any) -> Any:
        return np.flip(input, dim) if input.ndim else input

    kernel: Any = along if "dim" in line else pair
    row = op(line, kind=kind, names=("_declared",), forms="", samples=over(*tried), meta=lambda *args: args[0])(kernel)
    ROWS.remove(row)
    engine.op.OPS.pop("_declared")
    return row


@pytest.mark.parametrize(
    ("line", "kind", "tried", "expected"),
    [
        (
            "f(Tensor input, Tensor other) -> Tensor",
            "pointwise",
            [Sample(np.ones((2, 3)), np.ones((2, 3)))],
            {"0-d", "empty", "broadcast", "non-contiguous"},
        ),
        (
            "f(Tensor input, int dim) -> Tensor",
            "opaque",
            [Sample(np.ones((2, 3)), 0)],
            {"0-d", "empty", "negative dim", "non-contiguous"},
        ),
        (
            "f(Tensor input, int dim) -> Tensor",
            "opaque",
            [Sample(np.ones((2, 3))[:, ::2], -1), Sample(np.ones(()), 0), Sample(np.ones((0, 2)), 0)],
            set(),
        ),
    ],
)
def test_a_case_that_nobody_tries_is_seen(line: str, kind: Any, tried: list[Sample], expected: set[str]) -> None:
    assert missing(declared(line, *tried, kind=kind)) == expected


def test_a_tag_that_is_not_true_is_seen() -> None:
    row = declared("f(Tensor input, int dim) -> Tensor", Sample(np.ones((2, 3)), 0, tags=("empty",)), kind="opaque")
    assert untrue(row) == {"empty"}


# -- estimates --------------------------------------------------------------------------------------------------------


@by_row
@pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
def test_the_estimate_is_what_comes(row: Op, single: bool) -> None:
    for sample in samples(row):
        bound = arguments(row, sample, lambda a: tensor(a, single=single))
        expected = estimate(row, bound)
        got = outputs(call(row, bound))
        if not all(isinstance(o, Tensor) for o in got):
            continue  # a bool or a dtype, which cost nothing
        assert len(expected.outputs) == len(got), sample
        for spec, o in zip(expected.outputs, got, strict=True):
            assert spec.dtype is o.dtype, sample
            if expected.bound:
                assert len(spec.shape) == o.ndim, sample
                assert all(most >= n for most, n in zip(spec.shape, o.shape, strict=True)), sample
            else:
                assert spec.shape == tuple(o.shape), sample
        numbers = [expected.workspace, expected.cost, *(n for spec in expected.outputs for n in spec.shape)]
        assert all(type(n) is int and n >= 0 for n in numbers), sample


# -- derivatives ------------------------------------------------------------------------------------------------------

DIFFERENTIABLE = [row for row in TRIED if row.differentiable]
differentiable = pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.id)


def differentiable_calls(
    row: Op, *, small: bool = True, single: bool = False
) -> list[tuple[Sample, Any, list[Tensor]]]:
    """(sample, function of the leaves, leaves), for samples whose answer can be differentiated."""
    found = []
    names = [p.name for p in row.parameters]
    for sample in samples(row):
        bound = arguments(row, sample, lambda a: tensor(a, single=single))
        wanted = leaves(row, bound)
        if small:
            wanted = [t if t.dtype in DOUBLE else t.requires_grad_(False) for t in wanted]
        wanted = [t for t in wanted if t.requires_grad]
        if not wanted:
            continue
        got = [o for o in outputs(call(row, bound)) if isinstance(o, Tensor)]
        if not any(o.requires_grad for o in got):
            continue
        if small and sum(t.numel() for t in (*wanted, *got)) > SMALL:
            continue
        if small and any(o.dtype not in DOUBLE for o in got if o.requires_grad):
            continue
        if small and row.id in UPRIGHT and wanted[0].numel() < 2:
            continue
        if small and row.id in NO_SLOPE and NO_SLOPE[row.id][0](dict(zip(names, bound, strict=True))):
            continue

        def function(*_: Tensor, row: Op = row, bound: list[Any] = bound) -> tuple[Tensor, ...]:
            if row.id in HERMITIAN:
                bound = [(bound[0] + bound[0].mH) / 2, *bound[1:]]
            if row.id in TRIANGULAR:
                i = TRIANGULAR[row.id]
                bound = [*bound[:i], bound[i].triu() if bound[i + 1] else bound[i].tril(), *bound[i + 1 :]]
            if row.id in LOGITS:
                bound = [engine.log_softmax(bound[0], -1), *bound[1:]]
            return tuple(o for o in outputs(call(row, bound)) if isinstance(o, Tensor) and o.dtype.differentiable)

        found.append((sample, function, wanted))
    return found


@contextmanager
def unless_unimplemented(row: Op, names: set[str]) -> Iterator[None]:
    """Let a missing derivative pass where it is known, and said in PyTorch's words."""
    try:
        yield
    except NoDerivativeError as error:
        if row.id not in names or not re.search(NOT_IMPLEMENTED, str(error)):
            raise


@differentiable
def test_first_derivatives(row: Op) -> None:
    for sample, function, wanted in differentiable_calls(row) if row.id not in NO_FIRST else ():
        with unless_unimplemented(row, NO_SECOND):
            assert gradcheck(function, wanted), sample


@differentiable
def test_second_derivatives(row: Op) -> None:
    for sample, function, wanted in differentiable_calls(row) if row.id not in NO_FIRST else ():
        if all(t.numel() for t in wanted):  # with respect to nothing, PyTorch says 0 or NaN as it comes
            with unless_unimplemented(row, NO_SECOND):
                assert gradgradcheck(function, wanted, rtol=5e-3, atol=5e-5), sample


@pytest.mark.parametrize("name", sorted(NO_FIRST | NO_SECOND))
def test_no_derivative_is_said_to_be_there_where_there_is_one(name: str) -> None:
    row = next(row for row in ROWS if row.id == name)
    said = 0
    for _, function, wanted in differentiable_calls(row, small=False):
        got = [o for o in function() if o.requires_grad]
        try:
            found = grad(got, wanted, upstream(got), create_graph=name in NO_SECOND, allow_unused=True)
            made = [g for g in found if g is not None and g.requires_grad]
            if name in NO_SECOND and made:
                grad(made, wanted, upstream(made), allow_unused=True)
        except NoDerivativeError:
            said += 1
    assert said


def test_most_rows_have_a_small_sample() -> None:
    public = [row for row in DIFFERENTIABLE if row.forms and differentiable_calls(row, small=False)]
    without = [row.id for row in public if not differentiable_calls(row)]
    assert len(without) <= len(public) // 20, without


@differentiable
@pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
def test_rules_on_arrays_and_on_tensors_agree(row: Op, single: bool) -> None:
    for sample, function, wanted in differentiable_calls(row, small=False, single=single):
        got = [o for o in function() if o.requires_grad]
        ups = upstream(got)
        plain: tuple[Any, ...] = ()
        recorded: tuple[Any, ...] = ()
        with unless_unimplemented(row, NO_FIRST | NO_SECOND):
            plain = grad(got, wanted, ups, retain_graph=True, allow_unused=True)
            recorded = grad(got, wanted, ups, create_graph=True, allow_unused=True)
        if not recorded:
            continue
        for leaf, a, b in zip(wanted, plain, recorded, strict=True):
            assert (a is None) == (b is None), sample
            if a is not None and b is not None:
                assert same_bits(a._array, b._array), (sample, a, b)
                assert a.dtype is leaf.dtype, sample
                assert a.shape == leaf.shape, sample


# -- in-place forms ---------------------------------------------------------------------------------------------------

INPLACE = [row for row in TRIED if "inplace" in row.forms]


@pytest.mark.parametrize("row", INPLACE, ids=lambda row: row.id)
def test_the_inplace_form_equals_the_other(row: Op) -> None:
    tried = 0
    for sample in samples(row):
        bound = arguments(row, sample)
        wanted = leaves(row, bound) if row.differentiable and row.id not in NO_FIRST else []
        out = call(row, bound)
        target = bound[row.tensors[0]]
        if not isinstance(target, Tensor) or (out.shape != target.shape and row.kind != "view"):
            continue
        tried += 1
        own = target * 1 if target.dtype.category else tensor(np.asarray(target._array))
        engine.manual_seed(7)
        with np.errstate(all="ignore"):
            answer = run_inplace(row, [own if i == row.tensors[0] else value for i, value in enumerate(bound)])
        assert answer is own
        assert own._version == 1, sample
        if own.dtype is out.dtype:
            assert same_bits(own._array, out._array), sample
        else:
            np.testing.assert_array_equal(
                own._array, np.asarray(out._array).astype(own.dtype.numpy), err_msg=str(sample)
            )
        if not out.requires_grad or not own.requires_grad:
            continue
        ups = upstream([out])
        a, b = (grad([o], wanted, ups, allow_unused=True) for o in (out, own))
        for x, y in zip(a, b, strict=True):
            assert (x is None) == (y is None), sample
            if x is not None and y is not None:
                assert same_bits(x._array, y._array), sample
    assert tried, "no sample of this row can be written into its first argument"


def test_every_inplace_form_is_there() -> None:
    for row in INPLACE:
        for name in row.names:
            if "." not in name:
                assert callable(getattr(Tensor, f"{name}_")), row.id


# -- documentation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", PUBLIC, ids=lambda row: row.id)
def test_a_row_is_documented(row: Op) -> None:
    assert "Source: " in row.doc
    assert ">>> " in row.doc
    if row.vjp:
        assert row.doc.count("Gradient") + row.doc.count("gradient") >= 1, "no word of its gradient"


def passes(test: doctest.DocTest) -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    token = engine.get_default_dtype()
    with np.errstate(all="ignore"):
        result = runner.run(test, out=told.append)
    engine.set_default_dtype(token)
    assert result.failed == 0, "".join(told)


@pytest.mark.parametrize("row", [row for row in ROWS if ">>> " in row.doc], ids=lambda row: row.id)
def test_a_rows_example(row: Op) -> None:
    engine.manual_seed(7)
    passes(doctest.DocTestParser().get_doctest(row.doc, {"torch": engine}, row.id, row.family, 0))


MODULES = ["engine", *(m.name for m in pkgutil.walk_packages(engine.__path__, "engine."))]


@pytest.mark.parametrize("name", [m for m in MODULES if not m.endswith("__main__")])
def test_a_modules_examples(name: str) -> None:
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs={"torch": engine}):
        if name != "engine" or test.name == "engine":  # its functions are the rows, tried above
            passes(test)
