"""Printing: texts chosen by hand, then thousands of random tensors compared with the real PyTorch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy import inf, nan

from engine.printing import format_tensor, get_printoptions, printoptions, set_printoptions

Array = np.ndarray[Any, np.dtype[Any]]
NOT_COMPLEX = ["float16", "float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64"]
DTYPES = [*NOT_COMPLEX, "complex64", "complex128"]


def f16(data: Any) -> Array:
    return np.array(data, np.float16)


def f32(data: Any) -> Array:
    return np.array(data, np.float32)


def f64(data: Any) -> Array:
    return np.array(data, np.float64)


def c64(data: Any) -> Array:
    return np.array(data, np.complex64)


def c128(data: Any) -> Array:
    return np.array(data, np.complex128)


def i64(data: Any) -> Array:
    return np.array(data, np.int64)


def count(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape)


class Case(NamedTuple):
    """One printed tensor; ``grad`` is requires_grad, or the name of the function that made it."""

    name: str
    array: Array | np.generic
    text: str
    grad: bool | str = False
    default: str = "float32"
    options: Mapping[str, Any] = MappingProxyType({})


def ours(case: Case) -> str:
    with printoptions(profile="default"), printoptions(**case.options):
        return format_tensor(
            case.array,
            requires_grad=case.grad is True,
            grad_fn_name=case.grad if isinstance(case.grad, str) else None,
            default_dtype=case.default,
        )


# The texts stand as they print; the line break after the opening quotes is not part of them
# fmt: off
CASES = [
    # 0-d
    Case("scalar whole", f32(3), "tensor(3.)"),
    Case("scalar fraction", f32(2.5), "tensor(2.5000)"),
    Case("scalar negative zero", f32(-0.0), "tensor(-0.)"),
    Case("scalar nan", f32(nan), "tensor(nan)"),
    Case("scalar -inf", f32(-inf), "tensor(-inf)"),
    Case("scalar int", i64(-7), "tensor(-7)"),
    Case("scalar bool", np.array(True), "tensor(True)"),
    Case("scalar NumPy float", np.float32(0.1), "tensor(0.1000)"),
    Case("scalar NumPy int8", np.int8(-128), "tensor(-128, dtype=torch.int8)"),
    Case("scalar complex", c64(1 - 2j), "tensor(1.-2.j)"),
    Case("scalar large", f32(123456789), "tensor(1.2346e+08)"),
    Case("scalar small", f32(0.00001), "tensor(1.0000e-05)"),
    Case("scalar double", f64(1 / 3), "tensor(0.3333, dtype=torch.float64)"),
    Case("scalar half", f16(65504), "tensor(65504., dtype=torch.float16)"),
    # Whole numbers
    Case("whole", f32([1, 2, 3]), "tensor([1., 2., 3.])"),
    Case("whole negative", f32([-1, 20, 300]), "tensor([ -1.,  20., 300.])"),
    Case("zeros", f32([0, 0]), "tensor([0., 0.])"),
    Case("negative zeros", f32([0.0, -0.0]), "tensor([0., -0.])"),
    Case("negative zero among ones", f32([-0.0, 1]), "tensor([-0., 1.])"),
    Case("whole and nan", f32([1, nan]), "tensor([1., nan])"),
    Case("whole and inf", f32([100, inf, -inf]), "tensor([100.,  inf, -inf])"),
    Case("zero and nan", f32([0, nan]), "tensor([0., nan])"),
    Case("nan only", f32([nan, inf]), "tensor([nan, inf])"),
    Case("whole up to 1e8", f64([1e8, 1e6]), "tensor([100000000.,   1000000.], dtype=torch.float64)"),
    Case("whole past 1e8", f64([100000001, 1000000]), "tensor([1.0000e+08, 1.0000e+06], dtype=torch.float64)"),
    Case("whole ratio 1000", f32([1, 1000]), "tensor([   1., 1000.])"),
    Case("whole ratio over 1000", f32([1, 1001]), "tensor([1.0000e+00, 1.0010e+03])"),
    Case("float32 not exact", f32([16777217, 16777216]), "tensor([16777216., 16777216.])"),
    # Fractions
    Case("fractions", f32([0.1, 0.25, -1.5]), "tensor([ 0.1000,  0.2500, -1.5000])"),
    Case("fraction among whole", f32([1, 2.5, 100]), "tensor([  1.0000,   2.5000, 100.0000])"),
    Case("zero among fractions", f32([0, 0.5, -0.0]), "tensor([0.0000, 0.5000, -0.0000])"),
    Case("fractions and nan", f32([0.5, nan, -inf]), "tensor([0.5000,    nan,   -inf])"),
    Case("rounds up", f32([0.99999]), "tensor([1.0000])"),
    Case("rounds to even", f64([0.00005, 0.5]), "tensor([5.0000e-05, 5.0000e-01], dtype=torch.float64)"),
    Case("ratio 1000", f64([0.5, 500]), "tensor([  0.5000, 500.0000], dtype=torch.float64)"),
    Case("ratio over 1000", f64([0.5, 501]), "tensor([5.0000e-01, 5.0100e+02], dtype=torch.float64)"),
    Case("below 1e-4", f64([0.00009]), "tensor([9.0000e-05], dtype=torch.float64)"),
    Case("at 1e-4", f64([0.0001]), "tensor([0.0001], dtype=torch.float64)"),
    Case("float32 1e-4 is below", f32([0.0001]), "tensor([1.0000e-04])"),
    Case("zero does not count", f32([0, 0.001]), "tensor([0.0000, 0.0010])"),
    # Scientific
    Case("mixed magnitudes", f32([1e-12, 1, 1e12]), "tensor([1.0000e-12, 1.0000e+00, 1.0000e+12])"),
    Case("scientific with nan", f32([1e-5, nan, inf, 0]), "tensor([1.0000e-05,        nan,        inf, 0.0000e+00])"),
    Case("scientific negative", f32([-1e10, 1]), "tensor([-1.0000e+10,  1.0000e+00])"),
    Case("subnormal", f32([1e-45]), "tensor([1.4013e-45])"),
    Case("smallest double", f64([5e-324, 1e308]), "tensor([4.9407e-324, 1.0000e+308], dtype=torch.float64)"),
    Case("exponent of three digits", f64([1e100, 1e5]), "tensor([1.0000e+100,  1.0000e+05], dtype=torch.float64)"),
    Case("half subnormal", f16([6e-8, 1]), "tensor([5.9605e-08, 1.0000e+00], dtype=torch.float16)"),
    Case("half max", f16([65504, 0.5]), "tensor([6.5504e+04, 5.0000e-01], dtype=torch.float16)"),
    Case("half thirds", f16([1 / 3, 2 / 3]), "tensor([0.3333, 0.6665], dtype=torch.float16)"),
    # Integers and bools
    Case("ints", i64([1, -2, 300]), "tensor([  1,  -2, 300])"),
    Case("int64 extremes", i64([-(2**63), 2**63 - 1]), "tensor([-9223372036854775808,  9223372036854775807])"),
    Case("int32", np.array([1, 2], np.int32), "tensor([1, 2], dtype=torch.int32)"),
    Case("int16", np.array([[-1]], np.int16), "tensor([[-1]], dtype=torch.int16)"),
    Case("int8", np.array([-128, 127], np.int8), "tensor([-128,  127], dtype=torch.int8)"),
    Case("uint8", np.array([0, 255], np.uint8), "tensor([  0, 255], dtype=torch.uint8)"),
    Case("bools", np.array([True, False]), "tensor([ True, False])"),
    Case("true only", np.array([[True], [True]]), text="""
tensor([[True],
        [True]])"""),
    # Complex
    Case("complex whole", c64([1 + 2j, -3 - 4j]), "tensor([ 1.+2.j, -3.-4.j])"),
    Case("complex fractions", c64([0.5 + 2j, 10 - 0.25j]), "tensor([ 0.5000+2.0000j, 10.0000-0.2500j])"),
    Case("complex parts apart", c64([1 + 0.5j, 2 + 0.25j]), "tensor([1.+0.5000j, 2.+0.2500j])"),
    Case("complex zero", c64([0j]), "tensor([0.+0.j])"),
    Case("complex nan", c64([complex(nan, -inf), 1j]), "tensor([nan-infj, 0.+1.j])"),
    Case("complex negative zero", c64([complex(-0.0, -0.0), 1]), "tensor([-0.-0.j, 1.+0.j])"),
    Case("complex scientific", c64([1e-6 + 1j, 1e6j]), "tensor([1.0000e-06+1.0000e+00j, 0.0000e+00+1.0000e+06j])"),
    Case("complex128", c128([1 + 1j]), "tensor([1.+1.j], dtype=torch.complex128)"),
    Case("complex wraps", c64(np.arange(8) * (1 - 10j)),
         "tensor([0.+0.j, 1.-10.j, 2.-20.j, 3.-30.j, 4.-40.j, 5.-50.j, 6.-60.j, 7.-70.j])"),
    # Empty
    Case("empty", f32([]), "tensor([])"),
    Case("empty int64", i64([]), "tensor([], dtype=torch.int64)"),
    Case("empty bool", np.array([], bool), "tensor([], dtype=torch.bool)"),
    Case("empty complex", c64([]), "tensor([], dtype=torch.complex64)"),
    Case("empty 0x3", np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
    Case("empty 2x0x1 double", np.zeros((2, 0, 1)), "tensor([], size=(2, 0, 1), dtype=torch.float64)"),
    Case("empty requires grad", f32([]), "tensor([], requires_grad=True)", grad=True),
    # More dims
    Case("2-d", f32([[1, 2], [3, 4]]), text="""
tensor([[1., 2.],
        [3., 4.]])"""),
    Case("2-d one column width", f32([[1, 2.5], [-3, nan]]), text="""
tensor([[ 1.0000,  2.5000],
        [-3.0000,     nan]])"""),
    Case("3-d", count(2, 2, 2), text="""
tensor([[[0, 1],
         [2, 3]],

        [[4, 5],
         [6, 7]]])"""),
    Case("4-d", count(2, 1, 2, 2), text="""
tensor([[[[0, 1],
          [2, 3]]],


        [[[4, 5],
          [6, 7]]]])"""),
    Case("5-d", count(1, 2, 1, 2, 1), text="""
tensor([[[[[0],
           [1]]],


         [[[2],
           [3]]]]])"""),
    Case("ones in shape", f32([[[1]]]), "tensor([[[1.]]])"),
    Case("transposed", count(2, 3).T, text="""
tensor([[0, 3],
        [1, 4],
        [2, 5]])"""),
    # Wrapping
    Case("row of 20", count(20), text="""
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19])"""),
    Case("row of 21 halves", f32(np.arange(21) / 2), text="""
tensor([ 0.0000,  0.5000,  1.0000,  1.5000,  2.0000,  2.5000,  3.0000,  3.5000,
         4.0000,  4.5000,  5.0000,  5.5000,  6.0000,  6.5000,  7.0000,  7.5000,
         8.0000,  8.5000,  9.0000,  9.5000, 10.0000])"""),
    Case("2-d rows wrap", count(2, 25), text="""
tensor([[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
         18, 19, 20, 21, 22, 23, 24],
        [25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
         43, 44, 45, 46, 47, 48, 49]])"""),
    Case("rows wrap by depth", count(1, 1, 1, 9), "tensor([[[[0, 1, 2, 3, 4, 5, 6, 7, 8]]]])", options={"linewidth": 37}),
    # Summaries
    Case("1001", count(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    Case("widths of what is shown", np.where(count(2000) == 1000, -123456, 1), "tensor([1, 1, 1,  ..., 1, 1, 1])"),
    Case("form of what is shown", np.where(count(2000) == 1000, 0.5, 1.0),
         "tensor([1., 1., 1.,  ..., 1., 1., 1.], dtype=torch.float64)"),
    Case("2-d summary", count(40, 50), text="""
tensor([[   0,    1,    2,  ...,   47,   48,   49],
        [  50,   51,   52,  ...,   97,   98,   99],
        [ 100,  101,  102,  ...,  147,  148,  149],
        ...,
        [1850, 1851, 1852,  ..., 1897, 1898, 1899],
        [1900, 1901, 1902,  ..., 1947, 1948, 1949],
        [1950, 1951, 1952,  ..., 1997, 1998, 1999]])"""),
    Case("2-d summary of one dim", count(2, 600), text="""
tensor([[   0,    1,    2,  ...,  597,  598,  599],
        [ 600,  601,  602,  ..., 1197, 1198, 1199]])"""),
    Case("2-d narrow summary", count(600, 2), text="""
tensor([[   0,    1],
        [   2,    3],
        [   4,    5],
        ...,
        [1194, 1195],
        [1196, 1197],
        [1198, 1199]])"""),
    Case("3-d summary", count(3, 2, 4), options={"threshold": 5, "edgeitems": 1}, text="""
tensor([[[ 0,  ...,  3],
         [ 4,  ...,  7]],

        ...,

        [[16,  ..., 19],
         [20,  ..., 23]]])"""),
    Case("complex summary", c64(np.arange(1001) * 1j), "tensor([0.+0.j, 0.+1.j, 0.+2.j,  ..., 0.+998.j, 0.+999.j, 0.+1000.j])"),
    # What follows the values
    Case("requires grad", f32([1]), "tensor([1.], requires_grad=True)", grad=True),
    Case("grad_fn", f32([[1, 2], [3, 4]]), grad="CloneBackward0", text="""
tensor([[1., 2.],
        [3., 4.]], grad_fn=<CloneBackward0>)"""),
    Case("dtype and grad_fn", f64([1]), "tensor([1.], dtype=torch.float64, grad_fn=<CloneBackward0>)", grad="CloneBackward0"),
    Case("suffix fits", f32([1.5, 2.5, 3.5, 4.5, 5.5, 6.5]),
         "tensor([1.5000, 2.5000, 3.5000, 4.5000, 5.5000, 6.5000], requires_grad=True)", grad=True),
    Case("suffix fits just", f32([1, 2]), "tensor([1., 2.], requires_grad=True)", grad=True, options={"linewidth": 37}),
    Case("suffix just does not fit", f32([1, 2]), grad=True, options={"linewidth": 36}, text="""
tensor([1., 2.],
       requires_grad=True)"""),
    Case("suffix moves", f32([1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]), grad=True, text="""
tensor([1.5000, 2.5000, 3.5000, 4.5000, 5.5000, 6.5000, 7.5000],
       requires_grad=True)"""),
    Case("second suffix moves", f64([1.5, 2.5, 3.5, 4.5]), grad="CloneBackward0", text="""
tensor([1.5000, 2.5000, 3.5000, 4.5000], dtype=torch.float64,
       grad_fn=<CloneBackward0>)"""),
    Case("both move", f64([1.5, 2.5, 3.5, 4.5, 5.5, 6.5]), grad="CloneBackward0", text="""
tensor([1.5000, 2.5000, 3.5000, 4.5000, 5.5000, 6.5000], dtype=torch.float64,
       grad_fn=<CloneBackward0>)"""),
    Case("grad_fn after a summary", np.ones((1001, 1), np.float32), grad="CloneBackward0", text="""
tensor([[1.],
        [1.],
        [1.],
        ...,
        [1.],
        [1.],
        [1.]], grad_fn=<CloneBackward0>)"""),
    # The default dtype
    Case("double by default", f64([1]), "tensor([1.])", default="float64"),
    Case("float when double is", f32([1]), "tensor([1.], dtype=torch.float32)", default="float64"),
    Case("complex128 when double is", c128([1j]), "tensor([0.+1.j])", default="float64"),
    Case("complex64 when double is", c64([1j]), "tensor([0.+1.j], dtype=torch.complex64)", default="float64"),
    Case("half by default", f16([1]), "tensor([1.])", default="float16"),
    Case("complex64 when half is", c64([1j]), "tensor([0.+1.j])", default="float16"),
    Case("empty double by default", f64([]), "tensor([])", default="float64"),
    # Options
    Case("precision 2", f32([1.12345]), "tensor([1.12])", options={"precision": 2}),
    Case("precision 0", f32([0.5, 2.25]), "tensor([0, 2])", options={"precision": 0}),
    Case("precision in scientific", f32([1e-9]), "tensor([1.0e-09])", options={"precision": 1}),
    Case("sci_mode on", f32([1, 20]), "tensor([1.0000e+00, 2.0000e+01])", options={"sci_mode": True}),
    Case("sci_mode on, zeros", f32([0, nan]), "tensor([0., nan])", options={"sci_mode": True}),
    Case("sci_mode off", f64([1e-9, 1e9]),
         "tensor([         0.0000, 1000000000.0000], dtype=torch.float64)", options={"sci_mode": False}),
    Case("sci_mode off, fraction", f64([1e-9, 1.5e9, 0.5]), options={"sci_mode": False}, text="""
tensor([         0.0000, 1500000000.0000,          0.5000],
       dtype=torch.float64)"""),
    Case("threshold 5", count(10), "tensor([0, 1, 2,  ..., 7, 8, 9])", options={"threshold": 5}),
    Case("edgeitems 1", count(5, 5), options={"threshold": 5, "edgeitems": 1}, text="""
tensor([[ 0,  ...,  4],
        ...,
        [20,  ..., 24]])"""),
    Case("edgeitems 0", count(10), "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], size=(10,))", options={"edgeitems": 0}),
    Case("edgeitems 0, summary", count(2, 5), "tensor([...], size=(2, 5))", options={"edgeitems": 0, "threshold": 5}),
    Case("threshold 0, 0-d", f32(1.5), "tensor(1.5000)", options={"threshold": 0}),
    Case("linewidth 20", count(12), options={"linewidth": 20}, text="""
tensor([ 0,  1,  2,
         3,  4,  5,
         6,  7,  8,
         9, 10, 11])"""),
    Case("linewidth 1", f32([1, 2]), grad=True, options={"linewidth": 1}, text="""
tensor([1.,
        2.],
       requires_grad=True)"""),
    Case("linewidth -1", count(2), options={"linewidth": -1}, text="""
tensor([0,
        1])"""),
    Case("profile short", f32(np.arange(1001) / 7),
         "tensor([  0.00,   0.14,  ..., 142.71, 142.86])", options={"profile": "short"}),
    Case("profile short, precision 3", f32([1 / 3]), "tensor([0.333])", options={"profile": "short", "precision": 3}),
    Case("profile full, edgeitems 1", count(1001),
         "tensor([   0,  ..., 1000])", options={"profile": "full", "edgeitems": 1, "threshold": 999}),
    Case("profile unknown", f32([0.5]), "tensor([0.5000])", options={"profile": "large"}),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_text(case: Case) -> None:
    assert ours(case) == case.text.removeprefix("\n")


def test_type_name_sets_the_indent() -> None:
    assert format_tensor(f32([[1], [2]]), type_name="Mask") == "Mask([[1.],\n      [2.]])"


def test_not_native_byte_order() -> None:
    assert format_tensor(np.array([1.5], ">f4")) == "tensor([1.5000])"


def test_1000_elements_are_shown_and_1001_are_summarised() -> None:
    assert format_tensor(count(1000)).count(",") == 999
    assert "..." in format_tensor(count(1001))
    with printoptions(profile="full"):
        assert format_tensor(count(1001)).count(",") == 1000


def test_summary_reads_only_what_it_shows() -> None:
    huge = np.broadcast_to(f32(1), (10**6, 10**6, 10**3))
    assert format_tensor(huge).count("1.") == 6**3


def test_options_are_kept_and_put_back() -> None:
    before = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
    assert get_printoptions() == before
    with printoptions(precision=2, sci_mode=True):
        assert get_printoptions() == before | {"precision": 2, "sci_mode": True}
        with printoptions(linewidth=40):
            assert get_printoptions() == before | {"precision": 2, "linewidth": 40}, "each call sets sci_mode"
        assert get_printoptions()["sci_mode"] is True
        set_printoptions(profile="short", sci_mode=False)
        set_printoptions(profile="full")
        assert get_printoptions() == before | {"threshold": inf}
    assert get_printoptions() == before


def test_options_are_put_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), printoptions(precision=2):
        raise ZeroDivisionError
    assert get_printoptions()["precision"] == 4


def test_each_thread_and_task_has_its_own_options() -> None:
    seen = []

    async def change() -> None:
        set_printoptions(precision=1)

    async def main() -> None:
        await asyncio.create_task(change())
        seen.append(get_printoptions()["precision"])

    with printoptions(precision=7):
        thread = threading.Thread(target=lambda: seen.append(get_printoptions()["precision"]))
        thread.start()
        thread.join()
        asyncio.run(main())
    assert seen == [4, 7]


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"precision": -1}, ValueError, "precision must not be negative, but got -1"),
        ({"precision": 2.5}, TypeError, "float"),
        ({"edgeitems": -3}, ValueError, "edgeitems must not be negative, but got -3"),
        ({"threshold": "all"}, TypeError, "threshold must be a number, but got str"),
        ({"linewidth": inf}, ValueError, "linewidth must be finite, but got inf"),
    ],
)
def test_refused_options_change_nothing(options: dict[str, Any], error: type[Exception], sentence: str) -> None:
    before = get_printoptions()
    with pytest.raises(error, match=sentence):
        set_printoptions(**options)
    assert get_printoptions() == before


# The real PyTorch


@pytest.fixture(name="torch")
def real_torch() -> Iterator[ModuleType]:
    reason = "needs torch 2.13.0: make conformance"
    torch = pytest.importorskip("torch", reason=reason)
    if torch.__version__.partition("+")[0] != "2.13.0":
        pytest.skip(reason)
    yield torch
    torch.set_default_dtype(torch.float32)
    torch.set_printoptions(profile="default")


def theirs(torch: Any, case: Case) -> str:
    torch.set_default_dtype(getattr(torch, case.default))
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**case.options)
    tensor = torch.from_numpy(np.array(case.array))
    if case.grad:
        tensor.requires_grad_()
    return repr(tensor.clone() if isinstance(case.grad, str) else tensor)


def test_the_table_is_pytorchs(torch: ModuleType) -> None:
    assert [theirs(torch, case) for case in CASES] == [case.text.removeprefix("\n") for case in CASES]


@pytest.mark.parametrize("seed", range(50))
def test_random_tensors_print_as_pytorch_prints_them(torch: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        case = random_case(rng)
        assert ours(case) == theirs(torch, case), case


SPECIAL = [0.0, -0.0, nan, inf, -inf]
EDGES = [1e-4, 9.9999e-5, 0.1, 0.5, 0.99999, 0.99995, 1, 1000, 1001, 1e8, 1.0001e8, 5e-324, 1e-310, 1e-45, 6e-8, 1e308]
REALS = [
    lambda rng, shape: np.zeros(shape),
    lambda rng, shape: rng.standard_normal(shape),
    lambda rng, shape: rng.standard_normal(shape) * 10.0 ** rng.integers(-12, 13),
    lambda rng, shape: 10.0 ** rng.uniform(-12, 12, shape) * rng.choice([-1, 1], shape),
    lambda rng, shape: rng.integers(-20, 20, shape) * 1.0,
    lambda rng, shape: rng.integers(-200, 200, shape) / 2,
    lambda rng, shape: np.round(10.0 ** rng.uniform(0, rng.choice([3, 5, 8, 9, 16]), shape)),
    lambda rng, shape: rng.choice(EDGES, shape),
    lambda rng, shape: rng.choice([*SPECIAL, 1], shape),
    lambda rng, shape: rng.choice(SPECIAL, shape),
]
CHOICES: dict[str, list[Any]] = {
    "precision": [0, 1, 2, 6, 10],
    "threshold": [0, 5, 20, 1000, inf],
    "edgeitems": [0, 1, 2, 5],
    "linewidth": [1, 20, 40, 79, 80, 81, 120.5],
    "profile": ["default", "short", "full", "unknown"],
    "sci_mode": [None, True, False],
}


def pick(rng: np.random.Generator, choices: list[Any]) -> Any:
    return choices[rng.integers(len(choices))]


def random_reals(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    values = np.asarray(pick(rng, REALS)(rng, shape))
    if rng.random() < 0.3:
        values = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), values)
    return values


def random_array(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < rng.random())
    if dtype.kind in "iu":
        limits, reach = np.iinfo(dtype), 2 ** int(rng.integers(dtype.itemsize * 8))
        return np.asarray(rng.integers(max(limits.min, -reach), min(limits.max, reach), shape, dtype, endpoint=True))
    array = np.zeros(shape, dtype)
    with np.errstate(over="ignore"):
        array.real = random_reals(rng, shape)
        if dtype.kind == "c":
            array.imag = random_reals(rng, shape)
    return array


def random_case(rng: np.random.Generator) -> Case:
    dims = int(rng.integers(6))
    low, high = pick(rng, [(0, 3), (1, [0, 2000, 60, 14, 9, 7][dims]), *[(1, [0, 40, 9, 5, 4, 3][dims])] * 6])
    shape = tuple(map(int, rng.integers(low, high, dims))) if dims else ()
    dtype = np.dtype(pick(rng, DTYPES))
    array = random_array(rng, dtype, shape)
    if rng.random() < 0.2:
        array = array.T
    return Case(
        "random",
        array[()] if rng.random() < 0.2 else array,
        "",
        grad=pick(rng, [False, True, "CloneBackward0"]) if dtype.kind in "fc" else False,
        default=pick(rng, ["float32", "float32", "float32", "float64", "float16"]),
        options={k: pick(rng, v) for k, v in CHOICES.items() if rng.random() < 0.4} if rng.random() < 0.5 else {},
    )
