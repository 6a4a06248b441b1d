"""Text from values: f-strings, ``str.format`` and ``%``. Widths and precisions are bounded before anything is made of them."""

from __future__ import annotations

import re
import string
from typing import Any, Final

from engine.tensor import Tensor
from service.scripts.showing import repr_of, text_of
from service.scripts.values import MISSING, Run, ScriptObject

__all__ = ["converted", "format_text", "formatted", "percent"]

WIDEST: Final = 1_000
_DIGITS: Final = re.compile(r"\d+")
_PERCENT: Final = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?(?P<flags>[-+ #0]*)(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?[hlL]?(?P<type>.)?",
    re.DOTALL,
)
_FIELD: Final = re.compile(r"\.([^.\[\]]+)|\[([^\]]+)\]")


def formatted(run: Run, value: Any, spec: str) -> str:
    """``format(value, spec)``. Errors: ValueError for a width or precision of more than 1,000."""
    for number in _DIGITS.findall(spec):
        if len(number) > 4 or int(number) > WIDEST:
            raise ValueError(f"Too many decimal digits in format string: a width or precision is at most {WIDEST} here")
    if isinstance(value, Tensor):
        if value.ndim == 0:
            return format(value.item(), spec)
        if spec:
            raise TypeError("unsupported format string passed to Tensor.__format__")
        return text_of(run, value)
    if type(value) is ScriptObject and (found := value.cls.find("__format__")) is not MISSING:
        return str(found(value, spec))
    if not spec:
        return text_of(run, value)
    if type(value) in (int, float, bool, complex, str):
        run.budget.make(len(value) if type(value) is str else 16)
        return format(value, spec)
    from service.scripts.operators import type_name

    raise TypeError(f"unsupported format string passed to {type_name(value)}.__format__")


def converted(run: Run, value: Any, conversion: str | None) -> Any:
    """What ``!r``, ``!s`` and ``!a`` make of a value."""
    if conversion in (None, ""):
        return value
    if conversion == "r":
        return repr_of(run, value)
    if conversion == "s":
        return text_of(run, value)
    if conversion == "a":
        return ascii(repr_of(run, value) if type(value) is not str else value)
    raise ValueError(f"Unknown conversion specifier {conversion!r}")


def format_text(
    run: Run, text: str, args: tuple[Any, ...], kwargs: dict[str, Any], depth: int = 0, at: list[int] | None = None
) -> str:
    """``text.format(*args, **kwargs)``: fields reach what the script itself could reach."""
    if depth > 1:
        raise ValueError("Max string recursion exceeded")
    at = [0] if at is None else at
    run.budget.make(len(text))
    pieces: list[str] = []
    for literal, field, spec, conversion in string.Formatter().parse(text):
        run.budget.tick()
        pieces.append(literal)
        if field is None:
            continue
        value = _field(run, field, args, kwargs, at)
        inner = format_text(run, spec or "", args, kwargs, depth + 1, at) if spec and "{" in spec else spec or ""
        piece = formatted(run, converted(run, value, conversion), inner)
        run.budget.make(len(piece))
        pieces.append(piece)
    return "".join(pieces)


def _field(run: Run, field: str, args: tuple[Any, ...], kwargs: dict[str, Any], at: list[int]) -> Any:
    from service.scripts.calls import get_attribute, get_item

    head = re.match(r"[^.\[]*", field)
    assert head is not None
    name = head[0]
    if name == "":
        if at[0] < 0:
            raise ValueError("cannot switch from manual field specification to automatic field numbering")
        name, at[0] = str(at[0]), at[0] + 1
    elif name.isdigit():
        if at[0] > 0:
            raise ValueError("cannot switch from automatic field numbering to manual field specification")
        at[0] = -1
    if name.isdigit():
        if len(name) > 6 or int(name) >= len(args):
            raise IndexError(f"Replacement index {name[:6]} out of range for positional args tuple")
        value = args[int(name)]
    else:
        if name not in kwargs:
            raise KeyError(name)
        value = kwargs[name]
    end = head.end()
    while end < len(field):
        found = _FIELD.match(field, end)
        if found is None:
            raise ValueError("Only '.' or '[' may follow ']' in format field specifier")
        if found[1] is not None:
            value = get_attribute(run, value, found[1])
        else:
            value = get_item(run, value, int(found[2]) if found[2].isdigit() and len(found[2]) < 10 else found[2])
        end = found.end()
    return value


def percent(run: Run, text: str, values: Any) -> str:
    """``text % values``."""
    run.budget.make(len(text))
    given = values if isinstance(values, tuple) else (values,)
    at = 0
    pieces: list[str] = []
    last = 0

    def following() -> Any:
        nonlocal at
        if at >= len(given):
            raise TypeError("not enough arguments for format string")
        at += 1
        return given[at - 1]

    for found in _PERCENT.finditer(text):
        run.budget.tick()
        pieces.append(text[last : found.start()])
        last = found.end()
        kind = found["type"]
        if kind is None:
            raise ValueError("incomplete format")
        if kind == "%" and found["key"] is None:
            pieces.append("%")
            continue
        width = following() if found["width"] == "*" else found["width"]
        precision = following() if found["precision"] == "*" else found["precision"]
        for n in (width, precision):
            if n not in (None, "") and (len(str(n)) > 4 or int(n) > WIDEST):
                raise ValueError(f"width too big: a width or precision is at most {WIDEST} here")
        if found["key"] is not None:
            if not isinstance(values, dict):
                raise TypeError("format requires a mapping")
            value = values[found["key"]]
        else:
            value = following()
        spec = f"%{found['flags']}{width}{'' if precision is None else f'.{precision}'}"
        piece = _one(run, spec, kind, value)
        run.budget.make(len(piece))
        pieces.append(piece)
    pieces.append(text[last:])
    if at < len(given) and not isinstance(values, (dict, Tensor)):
        raise TypeError("not all arguments converted during string formatting")
    return "".join(pieces)


def _one(run: Run, spec: str, kind: str, value: Any) -> str:
    if kind in "sra":
        text = text_of(run, value) if kind == "s" else converted(run, value, kind)
        return f"{spec}s" % text
    if kind not in "diouxXeEfFgGc":
        raise ValueError(f"unsupported format character {kind!r} ({ord(kind):#x})")
    if isinstance(value, Tensor):
        value = value.item()
    if type(value) not in (int, float, bool) and not (kind == "c" and type(value) is str):
        if kind == "c":
            raise TypeError("%c requires int or char")
        wanted = "a real number is required" if kind in "diu" else "must be real number"
        from service.scripts.operators import type_name

        raise TypeError(
            f"%{kind} format: {wanted}, not {type_name(value)}"
            if kind in "diu"
            else f"{wanted}, not {type_name(value)}"
        )
    shown: str = f"{spec}{kind}" % value
    return shown
