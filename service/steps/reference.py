"""References: the strings that name tensors in arguments. ``x``, ``x.grad``, ``x.data``, ``x[1:, 0]``, and chains of them.

An index is Python's syntax (ints, slices, ``...``, ``None``, True and False, ids of index or mask tensors, lists of ints), parsed here and
never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from service.steps.errors import InvalidInput, UnknownReference

__all__ = ["parse_index", "resolve"]

_MOST: Final = 1024  # characters of a reference
_FAR: Final = 10**18  # a slice that goes farther goes there
_NAME: Final = r"[^\W0-9][^\x00-/:-@\[-^`{-\x7f\s]{0,63}"  # what may be an identifier; whether it is, isidentifier says
_TOKEN: Final = re.compile(rf"\s*(?:(?P<int>-?[0-9]+)|(?P<name>{_NAME})|(?P<dots>\.\.\.)|(?P<mark>[\[\],:]))")
_HEAD: Final = re.compile(_NAME)
_PROPERTY: Final = re.compile(r"\.(grad|data)(?![A-Za-z0-9_])")

Lookup = Callable[[str], Any]


def resolve(text: str, lookup: Lookup, argument: str | None = None) -> Any:
    """The tensor that a reference names.

    lookup: id → tensor, raises for one that is unknown. Errors: InvalidInput for a malformed reference or a gradient that is None.
    """
    if len(text) <= 64 and text.isidentifier():
        return _known(lookup, text, argument)
    head = _HEAD.match(text)
    if head is None or len(text) > _MOST or not head[0].isidentifier():
        raise InvalidInput(
            "a tensor is named by its id, with .grad, .data or an index after it: x, x.grad, x[1:, 0]",
            argument=argument,
        )
    value = _known(lookup, head[0], argument)
    at = head.end()
    while at < len(text):
        found = _PROPERTY.match(text, at)
        if found is not None:
            value = getattr(value, found[1])
            if value is None:
                raise InvalidInput("the gradient is None: no backward has reached this tensor", argument=argument)
            at = found.end()
        elif text[at] == "[":
            stop = _closing(text, at, argument)
            value = value[parse_index(text[at + 1 : stop], lookup, argument)]
            at = stop + 1
        else:
            raise InvalidInput("after an id come .grad, .data or an index in brackets", argument=argument)
    return value


def _known(lookup: Lookup, name: str, argument: str | None) -> Any:
    """What an id names. Errors: UnknownReference says at which argument, and repeats nothing."""
    try:
        return lookup(name)
    except UnknownReference as error:
        if argument is not None:
            error.members["argument"] = argument
        raise


def _closing(text: str, at: int, argument: str | None) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == "[") - (text[i] == "]")
        if depth == 0:
            return i
    raise InvalidInput("an index is not closed: ']' is missing", argument=argument)


def parse_index(text: str, lookup: Lookup, argument: str | None = None) -> Any:
    """What stands between the brackets, as Python would hand it to ``__getitem__``.

    >>> parse_index("1:, ::2", lambda name: None)
    (slice(1, None, None), slice(None, None, 2))
    """
    tokens = _tokens(text, argument)
    items, _ = _items(tokens, 0, lookup, argument, closing=None)
    if not items:
        raise InvalidInput("an index must not be empty", argument=argument)
    if len(items) == 1 and not text.rstrip().endswith(","):
        return items[0]
    return tuple(items)


def _tokens(text: str, argument: str | None) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None or (found["name"] and not found["name"].isidentifier()):
            raise InvalidInput(
                f"an index has ints, slices, ..., None and ids; character {at + 1} is none of these", argument=argument
            )
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


def _items(
    tokens: list[tuple[str, str]], at: int, lookup: Lookup, argument: str | None, closing: str | None
) -> tuple[list[Any], int]:
    items: list[Any] = []
    while at < len(tokens) and tokens[at][1] != closing:
        if tokens[at][1] in (",", "]"):
            raise InvalidInput("an index has an empty place", argument=argument)
        item, at = _item(tokens, at, lookup, argument, nested=closing is not None)
        items.append(item)
        if at < len(tokens) and tokens[at][1] == ",":
            at += 1
        elif at < len(tokens) and tokens[at][1] != closing:
            raise InvalidInput("a comma is missing in an index", argument=argument)
    return items, at


def _item(
    tokens: list[tuple[str, str]], at: int, lookup: Lookup, argument: str | None, nested: bool
) -> tuple[Any, int]:
    kind, text = tokens[at]
    if text == "[" and nested:
        raise InvalidInput("a list in an index holds ints or booleans only", argument=argument)
    if text == "[":
        items, at = _items(tokens, at + 1, lookup, argument, closing="]")
        if at >= len(tokens):
            raise InvalidInput("a list in an index is not closed", argument=argument)
        if any(isinstance(i, (list, slice)) or i is None or i is Ellipsis for i in items):
            raise InvalidInput("a list in an index holds ints or booleans only", argument=argument)
        return items, at + 1
    if kind == "dots":
        return Ellipsis, at + 1
    if kind == "name" and text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text], at + 1
    parts: list[Any] = [None]
    slicing = False
    while at < len(tokens) and tokens[at][1] not in (",", "]"):
        kind, text = tokens[at]
        if text == ":":
            slicing = True
            parts.append(None)
        elif parts[-1] is None and kind in ("int", "name"):
            parts[-1] = max(-_FAR, min(int(text), _FAR)) if kind == "int" else _known(lookup, text, argument)
        else:
            raise InvalidInput("an index is not in Python's form", argument=argument)
        at += 1
    return _made(parts, slicing, argument), at


def _made(parts: list[Any], slicing: bool, argument: str | None) -> Any:
    """A slice, or what stands alone."""
    if len(parts) > 3:
        raise InvalidInput("a slice has at most start, stop and step", argument=argument)
    if slicing and any(p is not None and not isinstance(p, int) for p in parts):
        raise InvalidInput("a slice has ints only", argument=argument)
    if not slicing and type(parts[0]) is int and abs(parts[0]) == _FAR:
        raise InvalidInput("Overflow when unpacking long long: an index has at most 18 digits", argument=argument)
    return slice(*parts) if slicing else parts[0]
