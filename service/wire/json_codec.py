"""Strict JSON: UTF-8, bounded depth (measured before parsing), no NaN or Infinity, no key twice, no number that would be changed.

Keys given twice are looked for in bodies up to 64 KiB (long runs of numbers apart); in larger ones the last wins.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from service.wire.errors import InvalidJson, UnsupportedMediaType
from service.wire.numbers import MANY, dumped, extracted, restored

__all__ = ["Strictness", "array_to_json", "check_depth", "decode", "json_bytes", "parse", "quickly", "render"]

SMALL: Final = 64 * 2**10
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(c for c in range(256) if c not in b"[]{}")
_LONG: Final = re.compile(rb"(?<![\d.])\d{19}|[eE]\+?\d{3}")
_EXPONENT: Final = re.compile(rb"[eE]\+?\d{3}")
_FEW: Final = 24
_SHORT: Final = 1_024
_NO_DIGIT: Final = re.compile(rb"[^0]")
_DIGITS: Final = b"0" * 19
_TO_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_KEY: Final = 128


class Strictness(NamedTuple):
    """How deep a document may be nested, and how many members its objects may have, all together."""

    depth: int = 64
    members: int = 200_000


def decode(body: bytes, content_type: str | None = None, most: Strictness = Strictness()) -> Any:  # noqa: B008 - immutable
    """A JSON document as Python data.

    Errors: UnsupportedMediaType for another content type, InvalidJson for anything that is not strict JSON.
    """
    if content_type is not None and content_type != "application/json":
        kind = content_type.partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise UnsupportedMediaType("the body must be application/json")
    check_depth(body, most.depth)
    whole = body
    body, numbers = extracted(whole)
    if (
        len(body) > most.members and body.count(b":") > most.members
    ):  # each member has one: many objects would hold the interpreter
        raise InvalidJson(
            f"the body has more than json_members allows: {most.members:,} members of objects, counted by colons"
        )
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = _place(whole) if numbers else error
        raise InvalidJson(
            f"the body is not JSON: {place.msg.partition(':')[0]} at line {place.lineno}, column {place.colno}"
        ) from None
    if len(body) <= SMALL and not _is_plain(body, found):
        json.loads(body, object_pairs_hook=_unique, parse_int=_integer, parse_float=_float)
    elif len(body) > SMALL and _LONG.search(body):
        json.loads(body, parse_int=_integer, parse_float=_float)
    return restored(found, numbers) if numbers else found


def _place(body: bytes) -> orjson.JSONDecodeError:
    """What is wrong with a document, told of the whole of it."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return error
    raise AssertionError("a document is wrong only without its numbers")


def _is_plain(body: bytes, found: Any) -> bool:
    """Whether a document surely has no key twice (it has as many colons as what was read), none too long and no number out of range.

    First it is looked at whole; what looks wrong may stand in a string, and is looked at again without them.
    """
    if b"\\" in body:
        return False
    if len(body) <= _SHORT:
        pieces = body.split(b'"')  # every other one stands between strings
        if len(max(pieces[1::2], key=len, default=b"")) > _KEY:
            return False
        if orjson.dumps(found) == body:  # nothing was lost
            return True
        bare = b"".join(pieces[::2])
        return _has_plain_numbers(bare) and bare.count(b":") == _keys(found, bare.count(b"{"))
    if _longest_string(body) > _KEY:
        return False
    if _has_plain_numbers(body) and _has_each_key_once(body, found):
        return True
    bare = b"".join(body.split(b'"')[::2])
    if not _has_plain_numbers(bare):
        return False
    again = orjson.dumps(found).split(b'"')
    return bare.count(b":") == b"".join(again[::2]).count(b":")


def _longest_string(body: bytes) -> int:
    """Bytes of the longest string, of a document without backslashes."""
    quotes: Any = _places(body, b'"')
    if quotes is None:
        quotes = np.flatnonzero(np.frombuffer(body, np.uint8) == ord('"'))
        return int((quotes[1::2] - quotes[::2]).max()) - 1
    return max((b - a for a, b in zip(quotes[::2], quotes[1::2], strict=True)), default=1) - 1


def _has_plain_numbers(text: bytes) -> bool:
    """Whether no number has so many digits, or so large an exponent, that it may be out of range."""
    return not _has_huge_exponent(text) and not _has_long_whole(text.translate(_TO_DIGITS))


def _has_each_key_once(body: bytes, found: Any) -> bool:
    """Whether what was read has as many colons as the document. False may also mean that a string has some."""
    objects = _count(body, b"{")
    if objects > _FEW:
        return body.count(b":") == orjson.dumps(found).count(b":")
    return _count(body, b":") == _keys(found, objects)


# In a document that is mostly numbers the marks are few: finding each is faster than counting, which looks at every byte by itself.


def _places(text: bytes, mark: bytes) -> list[int] | None:
    """Where a mark stands; None where it stands often."""
    at = text.find(mark)
    if at < 0:
        return []
    found: list[int] = []
    while at >= 0:
        if len(found) == _FEW:
            return None
        found.append(at)
        at = text.find(mark, at + 1)
    return found


def _count(text: bytes, mark: bytes) -> int:
    if len(text) <= _SHORT:
        return text.count(mark)
    found = _places(text, mark)
    return text.count(mark) if found is None else len(found)


def _has_huge_exponent(bare: bytes) -> bool:
    """Whether an exponent has three digits, and is not negative."""
    if len(bare) <= _SHORT:
        return (b"e" in bare or b"E" in bare) and _EXPONENT.search(bare) is not None
    for mark in (b"e", b"E"):
        found = _places(bare, mark)
        if found is None:
            return _EXPONENT.search(bare) is not None
        if any(_EXPONENT.match(bare, at) for at in found):
            return True
    return False


def _has_long_whole(bare: bytes) -> bool:
    """Whether a run of 19 digits stands where no point is before it. All digits are 0 here."""
    at = bare.find(_DIGITS)
    while at >= 0:
        if bare[at - 1 : at] != b".":
            return True
        end = _NO_DIGIT.search(bare, at)
        at = -1 if end is None else bare.find(_DIGITS, end.start())
    return False


def _keys(found: Any, objects: int) -> int:
    """How many keys the objects of a document have. objects: how many there should be; after that many nothing is looked for."""
    keys = 0
    waiting: list[Any] = [found]
    lists: list[Any] = []
    while waiting or lists:
        value = waiting.pop() if waiting else lists.pop()
        if type(value) is dict:
            keys += len(value)
            objects -= 1
            value = value.values()
        elif not objects:
            break
        elif type(value) is not list:
            continue
        for part in value:
            if type(part) is dict:
                waiting.append(part)
            elif type(part) is list:
                lists.append(part)
    return keys


def check_depth(body: bytes, most: int) -> None:
    """Refuse a document nested deeper than ``most``, without parsing it."""
    if len(body) <= most:
        return
    if _count(body, b"[") + _count(body, b"{") <= most:
        return
    bare = _STRING.sub(b"", body) if b"\\" in body else b"".join(body.split(b'"')[::2])
    brackets = np.frombuffer(bare.translate(None, _NOT_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    if steps.size and int(np.cumsum(steps).max()) > most:
        raise InvalidJson(f"the body is nested deeper than json_depth allows: {most} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidJson("the body gives a key twice in one object")
    if any(len(k) > _KEY for k in found):
        raise InvalidJson(f"the body has a key of more than {_KEY} characters")
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise InvalidJson("the body has an integer of more than 64 bits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise InvalidJson('the body has a number past float64; infinities are written "Infinity" and "-Infinity"')
    return value


def array_to_json(array: np.ndarray[Any, Any]) -> Any:
    """Values as something that ``render`` writes: shortest round trip for their dtype, non-finite ones as strings, complex as pairs."""
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    if array.size == 0:
        return array.tolist()
    if array.size > MANY and array.ndim:
        return orjson.Fragment(dumped(array, _spelled))
    if array.dtype.kind == "f":
        few = array.size <= _FEW
        if not (all(map(math.isfinite, array.ravel().tolist())) if few else np.isfinite(array).all()):
            return _spelled(array)
    if array.ndim == 0:
        return array[()] if array.dtype.kind == "f" else array.item()
    return np.ascontiguousarray(array)


def json_bytes(array: Any, *, base64: bool = False) -> int:
    """About how many bytes the text of an array's values takes, before it is written: of whole numbers as many digits as the longest has.

    >>> json_bytes(np.zeros(1000)), json_bytes(np.arange(10)), json_bytes(np.zeros(3), base64=True)
    (20000, 30, 32)
    """
    if base64:
        return int(array.nbytes + 2) // 3 * 4
    kind, size = array.dtype.kind, int(array.size)
    if kind == "b":
        return 6 * size
    if kind in "iu":
        longest = max(-int(array.min()), int(array.max())) if size else 0
        return (len(str(longest)) + 2) * size
    single = array.dtype.itemsize // (2 if kind == "c" else 1)
    return (_WIDTHS[single] * 2 + 2 if kind == "c" else _WIDTHS[single]) * size


_WIDTHS: Final = {2: 8, 4: 12, 8: 20}  # characters of a number, with what stands between two


def _spelled(array: np.ndarray[Any, Any]) -> Any:
    """Nested lists with "NaN", "Infinity" and "-Infinity" where they stand."""
    words = {True: "Infinity", False: "-Infinity"}
    cells = np.empty(array.shape, dtype=object)
    cells.ravel()[:] = [v if np.isfinite(v) else "NaN" if v != v else words[bool(v > 0)] for v in array.ravel()]  # noqa: PLR0124
    return cells.tolist() if array.ndim else cells.item()


def quickly(tree: Any) -> bytes | None:
    """``render`` of a tree with arrays as they are, where that is right: none is long, and every value is finite. None: it is not.

    No None may be in the tree: what is not finite is found as the null that the encoder makes of it.
    """
    try:
        content = orjson.dumps(tree, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError:
        return None
    return None if b"null" in content else content


def render(value: Any) -> bytes:
    """Plain data, NumPy arrays in C order and NumPy numbers among it, as JSON."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def parse(content: bytes) -> Any:
    """Plain data from JSON that ``render`` wrote. Errors: ValueError."""
    return orjson.loads(content)
