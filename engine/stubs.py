"""Type stubs from the operator table: ``python -m engine.stubs`` writes them, ``--check`` only says which are stale.

Type checkers and editors know an operator by these files; nothing reads them at run time. They name what ``bind`` puts on the module, its
submodules and Tensor, and nothing else: a name that is written by hand has its types where it is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import engine
from engine import bind
from engine.op import OPS, Op
from engine.schema import Parameter
from engine.tensor import Tensor

__all__ = ["main", "stubs"]

WIDTH: Final = 120
HEAD: Final = """\
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
"""
TYPES: Final = {
    "Tensor": "_Tensor",
    "Tensor|Scalar": "_Tensor | _Number",
    "Tensor[]": "_Sequence[_Tensor]",
    "Tensor?[]": "_Sequence[_Tensor | None]",
    "Scalar": "_Number",
    "Scalar[]": "_Sequence[_Number]",
    "int": "_int",
    "int[]": "_Sequence[_int]",
    "float": "_float",
    "float[]": "_Sequence[_float]",
    "bool": "_bool",
    "bool[]": "_Sequence[_bool]",
    "str": "_str",
    "ScalarType": "_dtype | _type[_Any]",
    "Generator": "_Generator",
    "Any": "_Any",
}
MODULES: Final = {
    "": "functions.pyi",
    "fft": "fft.pyi",
    "linalg": "linalg.pyi",
    "nn.functional": "nn/functional.pyi",
    "special": "special.pyi",
}
ABOVE: Final = "from engine.generator "
NAMED: Final = {"linalg": "from engine.errors import LinAlgError as LinAlgError\n"}  # beside the table's
NOT_A_FIELD: Final = {"count", "index"}  # a tuple has them


class _Call(NamedTuple):
    """One way to call a name: the parameters as they are written, and what comes back."""

    parameters: tuple[str, ...]
    answer: str


def _type(kind: str) -> str:
    found = TYPES.get(kind)
    if found is None:  # int[1], float[2], …: one number stands for a list
        element = TYPES[kind.partition("[")[0]]
        found = f"{element} | _Sequence[{element}]"
    return found


def _written(p: Parameter, star: str = "") -> str:
    kind = _type(p.kind)
    if (p.optional or p.default is None) and kind != "_Any":
        kind += " | None"
    return f"{star}{p.name}: {kind}" + ("" if p.required or star else " = ...")


def _answer(op: Op, results: dict[str, tuple[str, ...]]) -> str:
    text = op.schema.line.rpartition("->")[2].strip()
    if not text.startswith("("):
        return "tuple[_Tensor, ...]" if text == "Tensor[]" else _type(text)
    kinds, names = zip(*(f"{piece.strip()} ".split(" ")[:2] for piece in text.strip("()").split(",")), strict=True)
    types = tuple("tuple[_Tensor, ...]" if k == "Tensor[]" else _type(k) for k in kinds)
    if not all(names) or len(set(names)) < len(names) or not NOT_A_FIELD.isdisjoint(names):
        return f"tuple[{', '.join(types)}]"
    name = "_" + "".join(part[:1].upper() + part[1:] for n in names for part in n.split("_"))
    results[name] = tuple(f"{n}: {t}" for n, t in zip(names, types, strict=True))
    return name


def _listed(parameters: Sequence[Parameter], spread: str | None = None) -> tuple[str, ...]:
    """Parameters as they are written; ``spread`` is taken as ``*spread``, and all after it by keyword."""
    out: list[str] = []
    starred = False
    for p in parameters:
        if p.name == spread:
            starred = True
            out.append(f"*{p.name}: {'_int' if p.kind == 'int[]' else '_Tensor'}")
            continue
        if p.keyword_only and not starred:
            starred = True
            out.append("*")
        out.append(_written(p))
    return tuple(out)


def _calls(overloads: Iterable[Op], results: dict[str, tuple[str, ...]], *, method: bool) -> list[_Call]:
    """Every way to call a name, once each, in the order in which they are tried."""
    found: list[_Call] = []
    for op in overloads:
        parameters = op.parameters
        if method and not (parameters and parameters[0].is_tensor):
            continue
        rest = parameters[1:] if method else parameters
        answer = _answer(op, results)
        spreads: list[str | None] = [None]
        ints = next((p.name for p in rest if p.kind == "int[]" and not p.keyword_only), None)
        if ints is not None:
            spreads.append(ints)
        if rest and rest[0].kind == "Tensor[]" and not method:
            spreads.append(rest[0].name)
        for spread in spreads:
            call = _Call((*(("self",) if method else ()), *_listed(rest, spread)), answer)
            if call not in found:
                found.append(call)
    return found


def _definition(name: str, call: _Call, indent: str) -> str:
    line = f"{indent}def {name}({', '.join(call.parameters)}) -> {call.answer}: ..."
    if len(line) <= WIDTH:
        return line
    inner = f"{indent}    {', '.join(call.parameters)}"
    if len(inner) > WIDTH:
        inner = "\n".join(f"{indent}    {p}," for p in call.parameters)
    return f"{indent}def {name}(\n{inner}\n{indent}) -> {call.answer}: ..."


def _defined(name: str, calls: Sequence[_Call], indent: str = "") -> Iterator[str]:
    for call in calls:
        if len(calls) > 1:
            yield f"{indent}@_overload"
        yield _definition(name, call, indent)


def _bound(owner: Any, name: str) -> bool:
    """Whether ``bind`` put the name there, and nobody wrote it by hand."""
    found = vars(owner).get(name)
    return getattr(found.fget if isinstance(found, property) else found, "__module__", None) == "engine"


def _module(path: str) -> str:
    owner = bind._submodule(engine, path)
    results: dict[str, tuple[str, ...]] = {}
    lines: list[str] = []
    for full in sorted(OPS):
        place, _, name = full.rpartition(".")
        if place != path:
            continue
        overloads = OPS[full]
        forms = frozenset[str]().union(*(op.forms for op in overloads))
        if "function" in forms and _bound(owner, name):
            lines += _defined(name, _calls(overloads, results, method=False))
        if {"function", "inplace"} <= forms and f"{full}_" not in OPS and _bound(owner, f"{name}_"):
            lines += _defined(f"{name}_", _in_place(overloads, results, method=False))
    return _file(results, lines, NAMED.get(path, ""))


def _in_place(overloads: Iterable[Op], results: dict[str, tuple[str, ...]], *, method: bool) -> list[_Call]:
    return _calls([op for op in overloads if "inplace" in op.forms], results, method=method)


def _methods() -> str:
    results: dict[str, tuple[str, ...]] = {}
    found: dict[str, list[str]] = {}
    for name in OPS:
        if "." in name:
            continue
        overloads = OPS[name]
        forms = frozenset[str]().union(*(op.forms for op in overloads))
        calls = _calls(overloads, results, method=True)
        if "method" in forms and "property" not in forms and calls and _bound(Tensor, name):
            found[name] = list(_defined(name, calls, "    "))
        if "property" in forms and calls and _bound(Tensor, name):
            found[name] = ["    @property", _definition(name, _Call(("self",), calls[0].answer), "    ")]
        if "inplace" in forms and f"{name}_" not in found and _bound(Tensor, f"{name}_"):
            found[f"{name}_"] = list(_defined(f"{name}_", _in_place(overloads, results, method=True), "    "))
    for symbol, parameters in _symbols():
        found[symbol] = [_definition(symbol, _Call(("self", *parameters), "_Tensor"), "    ")]
    lines = [line for name in sorted(found) for line in found[name]]
    return _file(results, ["class TensorMethods:", *(lines or ["    pass"])])


def _symbols() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Python's operators on Tensor, and what they take beside self."""
    for symbol, name in (*bind.BINARY.items(), *bind.REFLECTED.items(), *bind.REFLECTED_BY_ROW.items()):
        other = "other: _Tensor" if "matmul" in (symbol, name) else "other: _Tensor | _Number"
        for prefix in ("", "i", "r"):
            full = f"__{prefix}{symbol}__"
            if full in vars(Tensor) and (prefix or symbol not in ("eq", "ne")):
                yield full, (other,)
            elif full in vars(Tensor):
                yield full, ("other: _Any",)
    for symbol, name in bind.UNARY.items():
        if name in OPS:
            yield f"__{symbol}__", ()


def _file(results: dict[str, tuple[str, ...]], lines: Sequence[str], named: str = "") -> str:
    classes = [
        "\n".join([f"class {name}(_NamedTuple):", *(f"    {field}" for field in results[name]), ""])
        for name in sorted(results)
    ]
    return "\n".join([HEAD.replace(ABOVE, named + ABOVE), *classes, *lines, ""])


def stubs() -> dict[str, str]:
    """The text of every stub, by its path under the engine's folder. Errors: LookupError for a row whose module has no stub."""
    homeless = {name.rpartition(".")[0] for name, rows in OPS.items() if rows[0].forms} - set(MODULES)
    if homeless:
        raise LookupError(f"no stub for {sorted(homeless)}: name its file in MODULES")
    return {"methods.pyi": _methods(), **{file: _module(path) for path, file in MODULES.items()}}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0, or 1 where ``--check`` found a stale file."""
    parser = argparse.ArgumentParser(prog="python -m engine.stubs", description="Write type stubs from the table.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is stale")
    check = parser.parse_args(arguments).check
    folder = Path(__file__).parent
    stale = [
        (folder / name, text)
        for name, text in stubs().items()
        if not (folder / name).is_file() or (folder / name).read_text() != text
    ]
    for path, text in stale:
        sys.stdout.write(f"{path.relative_to(folder.parent)}: {'stale; run `make stubs`' if check else 'written'}\n")
        if not check:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
