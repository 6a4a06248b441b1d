"""Many numbers in JSON, read and written in pieces: the interpreter is free for others between two of them, and no list of them is made.

A long run of numbers and brackets in a body is read by itself when it is a regular grid, as tensors are; anything else is left to the
ordinary reader, which says what is wrong with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

__all__ = ["LONG", "MANY", "Numbers", "dumped", "extracted", "restored"]

LONG: Final = 128 * 2**10
"""Bytes of JSON from which on a run of numbers is read in pieces."""
MANY: Final = 4_096
"""Numbers that are written in one piece."""
_PIECE: Final = 32 * 2**10
_SLICE: Final = 2**20
_TRIES: Final = 16  # how many lists of a run are tried as a grid
_DEEP: Final = 64  # NumPy's most dims
_NOT_FRAME: Final = bytes(c for c in range(256) if c not in b"[],")
_BLANKS: Final = b" \t\r\n"
_TO_SPACES: Final = bytes.maketrans(b"[]", b"  ")
_MARK: Final = "\ue000numbers\ue000"
_QUOTED: Final = b'"' + _MARK.encode() + b'"'


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What nested lists of numbers say, already as an array: int64, uint64 or float64, as NumPy reads lists."""

    array: np.ndarray[Any, Any]

    @property
    def nbytes(self) -> int:
        return int(self.array.nbytes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def rows(self) -> list[Any]:
        """The outermost list: numbers of a flat one, else what is below."""
        return self.array.tolist() if self.array.ndim == 1 else [Numbers(row) for row in self.array]


# --- read -------------------------------------------------------------------------------------------------------------


def extracted(body: bytes) -> tuple[bytes, list[Numbers]]:
    """A document with its long regular runs of numbers replaced by marks (see ``restored``), and those runs in order."""
    if len(body) < LONG or b"\\" in body or _QUOTED in body:
        return body, []
    found: list[Numbers] = []
    segments = body.split(b'"')  # every other one stands between strings
    for i in range(0, len(segments), 2):
        if len(segments[i]) >= LONG:
            segments[i] = _without_grids(segments[i], found)
    return (b'"'.join(segments) if found else body), found


def _without_grids(text: bytes, found: list[Numbers]) -> bytes:
    """What stands between two strings, with its large grids replaced; the outermost list that is one is taken."""
    pieces: list[bytes] = []
    at = 0
    start = text.find(b"[")
    for _ in range(_TRIES):
        if start < 0 or len(text) - start < LONG:
            break
        stop = start + _closing(text, start)
        numbers = _grid(text[start:stop]) if stop - start >= LONG else None
        if numbers is not None:
            pieces += (text[at:start], _QUOTED)
            found.append(numbers)
            at = stop
        start = text.find(b"[", start + 1 if numbers is None else stop)
    return b"".join((*pieces, text[at:]))


def restored(value: Any, found: list[Numbers]) -> Any:
    """What was read from a document with marks, with the numbers in their places. The order of a dict is that of the document."""
    waiting = iter(found)

    def put(item: Any) -> Any:
        if type(item) is dict:
            return {k: put(v) for k, v in item.items()}
        if type(item) is list:
            return [put(v) for v in item]
        return next(waiting) if item == _MARK else item

    return put(value)


def _closing(text: bytes, start: int) -> int:
    """How long the list is that begins at ``start``; 0 where it does not end."""
    codes = np.frombuffer(text, np.uint8, offset=start)
    brackets = np.flatnonzero((codes == ord("[")) | (codes == ord("]")))
    depth = np.cumsum(np.where(codes[brackets] == ord("["), 1, -1))
    ends = np.flatnonzero(depth == 0)
    return int(brackets[ends[0]]) + 1 if ends.size else 0


def _grid(text: bytes) -> Numbers | None:
    """Nested lists of one length at each level; None for anything else."""
    shape = _shape(_less(text, _NOT_FRAME))
    if shape is None or not _stand_right(text):
        return None
    flat = _read(text)
    if flat is not None and flat.dtype.kind == "f" and not (np.abs(flat) < 2.0**63).all():
        flat = _read(text, exactly=True)  # one may have been an integer of more than 64 bits, or past float64
    return None if flat is None else Numbers(flat.reshape(shape))


def _less(text: bytes, characters: bytes) -> bytes:
    """A text without some characters."""
    return b"".join(text[i : i + _SLICE].translate(None, characters) for i in range(0, len(text), _SLICE))


def _shape(frame: bytes) -> tuple[int, ...] | None:
    """The shape whose brackets and commas are these; None where no shape has them."""
    depth = len(frame) - len(frame.lstrip(b"["))
    first = frame.find(b"]")
    if first < 0 or depth > _DEEP:
        return None
    shape = [first - depth + 1]
    block = shape[0] + 1
    whole = b"[" + b"," * (shape[0] - 1) + b"]"
    for level in range(2, depth + 1):
        stop = frame.find(b"]" * level)
        if stop < 0:
            return None
        count, rest = divmod(stop + level - (depth - level) - 1, block + 1)
        if rest or count < 1 or count * (block + 1) >= len(frame):
            return None
        shape.append(count)
        whole = b"[" + b",".join([whole] * count) + b"]"
        block = len(whole)
    return tuple(reversed(shape)) if whole == frame else None


def _stand_right(text: bytes) -> bool:
    """Whether every list begins after a bracket or a comma and ends before one, and none is empty."""
    codes = np.frombuffer(_less(text, _BLANKS) if any(c in text for c in _BLANKS) else text, np.uint8)
    opening = np.flatnonzero(codes == ord("["))
    before, after = codes[opening[1:] - 1], codes[np.flatnonzero(codes == ord("]"))[:-1] + 1]
    return bool(
        ((before == ord("[")) | (before == ord(","))).all()
        and ((after == ord("]")) | (after == ord(","))).all()
        and (codes[opening + 1] != ord("]")).all()
    )


def _read(text: bytes, *, exactly: bool = False) -> np.ndarray[Any, Any] | None:
    """The numbers of a text that has them between commas; None where the ordinary reader should say what is wrong."""
    pieces: list[np.ndarray[Any, Any]] = []
    at = 0
    while at < len(text):
        stop = text.find(b",", at + _PIECE) if len(text) - at > _PIECE else -1
        piece = b"[" + (text[at:] if stop < 0 else text[at:stop]).translate(_TO_SPACES) + b"]"
        try:
            array = np.array(_exact(piece) if exactly else orjson.loads(piece))
        except (ValueError, OverflowError):
            return None
        if array.dtype.kind not in "iuf" or not array.size:
            return None
        pieces.append(array)
        at = len(text) if stop < 0 else stop + 1
    kinds = {p.dtype for p in pieces}
    if len(kinds) > 1 and np.dtype(np.uint64) in kinds:
        return None
    return np.concatenate(pieces)


def _exact(piece: bytes) -> list[Any]:
    """A piece with large numbers, read by Python. Errors: ValueError for an integer of more than 64 bits and for what is past float64."""
    values: list[Any] = json.loads(piece)
    if any(abs(v) == np.inf if type(v) is float else not -(2**63) <= v < 2**64 for v in values):
        raise ValueError
    return values


# --- written ----------------------------------------------------------------------------------------------------------


def dumped(array: np.ndarray[Any, Any], words: Any) -> bytes:
    """An array of at least one dim as JSON. words: gives the nested lists of a piece that has numbers which JSON has not."""
    pieces: list[bytes] = []
    _dump(np.ascontiguousarray(array), words, pieces)
    return b"".join(pieces)


def _dump(array: np.ndarray[Any, Any], words: Any, pieces: list[bytes]) -> None:
    row = array.size // max(len(array), 1)
    pieces.append(b"[")
    if row > MANY and array.ndim > 1:
        for i, part in enumerate(array):
            if i:
                pieces.append(b",")
            _dump(part, words, pieces)
    else:
        step = max(MANY // max(row, 1), 1)
        for at in range(0, len(array), step):
            part = array[at : at + step]
            finite = part.dtype.kind != "f" or bool(np.isfinite(part).all())
            text = orjson.dumps(part if finite else words(part), option=orjson.OPT_SERIALIZE_NUMPY)
            if at:
                pieces.append(b",")
            pieces.append(text[1:-1])
    pieces.append(b"]")
