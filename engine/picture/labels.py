"""What a node says, line by line, and text made safe and short. Every picture format says the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

from engine.picture.graph import GraphNode

__all__ = ["Line", "cells", "clean", "describe", "elide", "rows_of"]

Role = Literal["title", "type", "tensor", "value", "saved", "grad", "contents"]

LONGEST = 40  # cells of a line before it is cut
TALLEST = 6  # lines of a value before it is cut

_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufff9-\uffff]")
_WIDTHLESS = frozenset({"Cf", "Me", "Mn"})  # joiners, marks
_SPACE = re.compile(r"\s+")
_ALIGNMENT = re.compile(r"^\s+|\s{2,}")


class Line(NamedTuple):
    """One line of a node: its role and its text. A value of several lines repeats its role."""

    role: Role
    text: str


def clean(text: str) -> str:
    r"""One line of text that every format and XML 1.0 can hold: what cannot be printed shows as the replacement mark.

    >>> clean("a\x00b \n c") == "a\N{REPLACEMENT CHARACTER}b c"
    True
    """
    text = _UNPRINTABLE.sub("\ufffd", _BIDI.sub("", text))
    return _SPACE.sub(" ", text).strip()


def cells(text: str) -> float:
    """The width of a line in cells of a monospaced font: wide characters take more, combining ones nothing.

    >>> cells("ab"), cells("漢") > 1, cells("e\N{COMBINING ACUTE ACCENT}")
    (2, True, 1)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in _WIDTHLESS else 1.75 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def elide(text: str, longest: int = LONGEST) -> str:
    """The text, cut with an ellipsis where it is wider than ``longest`` cells.

    >>> elide("abcdef", 4)
    'abc…'
    """
    if cells(text) <= longest:
        return text
    kept, width = 0, 1.0
    for character in text:
        width += cells(character)
        if width > longest:
            break
        kept += 1
    return text[:kept] + "…"


def _shape_text(node: GraphNode) -> str:
    """Shape and dtype as one line.

    >>> _shape_text(GraphNode("x", "leaf", "x", None, "x", (2, 3), "float32"))
    '[2, 3] · float32'
    """
    shape = f"[{', '.join(map(str, node.shape))}]" if node.shape else "scalar"
    return f"{shape} · {clean(node.dtype)}" if node.dtype else shape


def describe(node: GraphNode) -> tuple[Line, ...]:
    """The lines of a node, the title first.

    >>> describe(GraphNode("1", "op", "ExpBackward0", "exp", "y", (), "float32", ("result",), freed=True))[2:]
    (Line(role='tensor', text='y'), Line(role='saved', text='result (freed)'))
    """
    lines = [Line("title", elide(clean(node.name) or "unnamed"))]
    if node.kind == "group":
        return (*lines, *(Line("contents", elide(clean(row))) for row in (node.value or "").split("\n") if row))
    lines.append(Line("type", elide(_shape_text(node))))
    if node.tensor is not None and node.tensor != node.name:
        lines.append(Line("tensor", elide(clean(node.tensor))))
    lines += _block("value", node.value)
    if node.saved or node.freed:
        saved = ", ".join(map(clean, node.saved)) or "values"
        lines.append(Line("saved", elide(saved, LONGEST - 8) + (" (freed)" if node.freed else "")))
    lines += _block("grad", node.grad)
    return tuple(lines)


def rows_of(lines: Sequence[Line]) -> list[str]:
    """What stands under a title, as text alone: each value after its role, which a value of several lines has once.

    >>> [row.replace("\u00a0", "·") for row in rows_of([Line("value", "[[1.],"), Line("value", " [2.]]")])]
    ['value [[1.],', '······ [2.]]']
    """
    rows = []
    before = ""
    for role, text in lines:
        word = "" if role in ("type", "contents") else f"{role} "
        rows.append("\u00a0" * len(word) + text if role == before else word + text)
        before = role
    return rows


def _block(role: Role, text: str | None) -> list[Line]:
    """A value of one or more lines; the spaces that align a matrix are kept as no-break spaces."""
    if text is None:
        return []
    rows = text.expandtabs().splitlines() or [""]
    if len(rows) > TALLEST:
        rows = [*rows[: TALLEST - 1], "…"]
    lines = []
    for row in rows:
        body = _UNPRINTABLE.sub("\ufffd", _BIDI.sub("", row)).rstrip()
        lines.append(Line(role, elide(_ALIGNMENT.sub(lambda spaces: "\u00a0" * len(spaces[0]), body))))
    return lines
