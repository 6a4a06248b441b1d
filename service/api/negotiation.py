"""Content-Type and Accept ↔ wire formats: a request's JSON part and arrays, whatever format they came in, and an answer in the best one.

A route reads a body with ``read_sent``: arrays of a binary body arrive by name beside the JSON part, or grafted into it at dotted paths
(``inputs.x``). It answers with ``wanted(request).write(tree)``: a tree of plain data with arrays as leaves, as JSON or as a format
with the arrays under their paths. Every format of ``service.wire`` takes part; nothing here names one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from fastapi import Request, Response

from service.api.exchange import JSON, LARGE, Encoding, Ready, body_of, checked_object, content_type_of, encoding, parts
from service.steps.limits import too_much_to_say
from service.wire.errors import InvalidBinary, NotAcceptable, UnsupportedMediaType
from service.wire.json_codec import array_to_json, json_bytes, quickly, render
from service.wire.numbers import MANY
from service.wire.registry import Array, Bounds, Contents, Format, format_of, formats
from service.wire.values import typed_value

__all__ = ["Answer", "Sent", "Wanted", "bounds", "grafted", "media_type", "read_sent", "wanted"]

T = TypeVar("T")
_ANYTHING: Final = (("*/*", 1.0),)
_VARY: Final = {"Vary": "Accept"}
_VARIES: Final = ((b"vary", b"Accept"),)
MOST_RANGES: Final = 32
_PARAMETER: Final = re.compile(
    r';\s*([!#$%&\'*+.^_`|~\w-]{1,64})=(?:"([^"\\]{0,1024})"|([!#$%&\'*+.^_`|~\w-]{0,1024}))\s*'
)
_QUALITY: Final = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A media type or range in lower case, and its parameters.

    >>> media_type('Application/JSON; charset="utf-8"')
    ('application/json', {'charset': 'utf-8'})
    """
    name, mark, rest = header.partition(";")
    found = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(mark + rest)}
    return name.strip().lower(), found


# --- in ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request's body says: its JSON part and its arrays by name (a format for one array names it ``""``)."""

    fields: dict[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)


async def read_sent(request: Request, fields: Collection[str] | None, *, several: bool) -> Sent:
    """The body in any format; no body is an empty object. ``several``: take formats that name their arrays, else those of one.

    fields: what the JSON part may have; None: any. A large body is read in a thread.
    Errors: UnsupportedMediaType, InvalidJson, InvalidBinary, BeyondBounds, InvalidInput.
    """
    header = content_type_of(request)
    most = parts(request).strictness
    kind, parameters = (JSON, {}) if header is None or header == JSON else media_type(header)
    format_ = None if kind == JSON else format_of(kind)
    body = await body_of(request)
    if format_ is None or format_.several != several:
        if kind != JSON and not kind.endswith("+json"):
            raise UnsupportedMediaType(f"the body must be one of {', '.join(_taken(several))}")
        return Sent(await _aside(body, lambda: checked_object(body, header, fields, most)))
    query = {k: v for k, v in request.query_params.items() if k in format_.parameters}
    bound = bounds(request)
    contents = await _aside(body, lambda: format_.read(body, {**parameters, **query}, bound))
    if contents.text is None:
        return Sent({}, contents.arrays)
    text = contents.text.encode("utf-8", "surrogatepass")
    return Sent(checked_object(text, JSON, fields, most), contents.arrays)


async def _aside(body: bytes, read: Callable[[], T]) -> T:
    return await asyncio.to_thread(read) if len(body) > LARGE else read()


def bounds(request: Request) -> Bounds:
    """What an array of a body may declare."""
    settings = parts(request).settings
    return Bounds(settings.tensor_elements, settings.tensor_bytes, settings.tensor_dims)


def _taken(several: bool) -> list[str]:
    return [JSON, *(f.media_type for f in formats().values() if f.several == several)]


def grafted(sent: Sent, roots: Collection[str]) -> dict[str, Any]:
    """The JSON part with each array put where its name says: ``inputs.x`` becomes ``{"inputs": {"x": array}}``.

    roots: the fields under which arrays may come. Errors: InvalidBinary for a name elsewhere, or where something stands already.
    """
    body = dict(sent.fields)
    made: set[int] = set()
    for name, array in sent.arrays.items():
        *path, last = name.split(".")
        if not path or path[0] not in roots or not all((*path, last)):
            raise InvalidBinary(
                f"the arrays of a body are named {' or '.join(f'{r}.x' for r in sorted(roots))}; one was not"
            )
        place = body
        for part in path:
            below = place.get(part, {})
            if not isinstance(below, dict):
                raise InvalidBinary(f"the array '{name}' lies below something that is no object")
            if id(below) not in made:  # what the client sent is not written into
                below = dict(below)
                made.add(id(below))
                place[part] = below
            place = below
        if last in place:
            raise InvalidBinary(f"'{name}' is given twice: in the JSON part and as an array")
        place[last] = array
    return body


# --- out --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the client would like its answer in. Made before the work is begun, asked when the answer's dtypes are known."""

    ranges: tuple[tuple[str, float], ...]
    encoding: Encoding
    most: int = 2**62  # bytes of an answer

    def quality(self, kind: str) -> float:
        """How welcome a media type is: the quality of the most specific range that covers it (RFC 9110, 12.5.1)."""
        best, found = -1, 0.0
        for pattern, quality in self.ranges:
            rank = (
                2
                if pattern == kind
                else 1
                if pattern == f"{kind.partition('/')[0]}/*"
                else 0
                if pattern == "*/*"
                else -1
            )
            if rank > best:
                best, found = rank, quality
        return found

    @property
    def prefers_json(self) -> bool:
        """Whether nothing can be more welcome than JSON."""
        return self.ranges is _ANYTHING or 0 < self.quality(JSON) >= max(quality for _, quality in self.ranges)

    def choose(self, arrays: Iterable[Array], *, several: bool) -> Format | None:
        """The format for these arrays; None is JSON, which stands first among equals. Errors: NotAcceptable."""
        arrays = list(arrays)
        able = [f for f in formats().values() if f.can_hold(arrays, several=several)]
        offers: list[tuple[str, Format | None]] = [(JSON, None), *((f.media_type, f) for f in able)]
        kind, chosen = max(offers, key=lambda offer: self.quality(offer[0]))
        if self.quality(kind) <= 0:
            raise NotAcceptable(f"the answer can be had as {', '.join(name for name, _ in offers)}")
        return chosen

    def cost(self, array: Any) -> int:
        """What writing an array takes, in the operations of a kernel."""
        if self.choose((np.asarray(array),), several=False) is not None:
            return 2 * int(array.nbytes) // 8
        return int(4 * array.nbytes if self.encoding == "base64" else 30 * array.size)

    def write(self, tree: Mapping[str, Any]) -> Answer:
        """A tree of plain data and arrays: in a format of several arrays under their dotted paths, or as JSON. Errors: NotAcceptable."""
        if self.prefers_json:
            self._fits(tree)
            quick = quickly(tree) if self.encoding == "json" and _is_short(tree) else None
            if quick is not None:
                return Answer(JSON, quick)
            return Answer(JSON, render(_in_json(tree, self.encoding)))
        arrays: dict[str, Array] = {}
        rest = _parted(tree, "", arrays)
        chosen = self.choose(arrays.values(), several=True)
        if chosen is None:
            self._fits(tree)
            return Answer(JSON, render(_in_json(tree, self.encoding)))
        self._check(sum(a.nbytes for a in arrays.values()))
        return Answer(*chosen.write(Contents(arrays, render(rest).decode())))

    def write_one(self, array: Any, described: Mapping[str, Any]) -> Answer:
        """One array: its bytes alone in a format of one, or named by ``id`` in a format of several; in JSON with what describes it.

        Errors: NotAcceptable.
        """
        array = np.asarray(array)
        chosen = self.choose((array,), several=False)
        if chosen is not None:
            self._check(array.nbytes)
            return Answer(*chosen.write(Contents({str(described["id"]) if chosen.several else "": array})))
        self._fits(array)
        values = typed_value(array) if self.encoding == "base64" else {"data": array_to_json(array)}
        return Answer(JSON, render({**described, **values}))

    def _fits(self, tree: Any) -> None:
        """Refuse a tree whose JSON would be too long. Errors: LimitExceeded."""
        self._check(_json_bytes(tree, base64=self.encoding == "base64"))

    def _check(self, size: int) -> None:
        if size > self.most:
            raise too_much_to_say(self.most, size)


def _json_bytes(tree: Any, *, base64: bool) -> int:
    if isinstance(tree, (np.ndarray, np.generic)):
        return json_bytes(tree, base64=base64)
    if isinstance(tree, Mapping):
        return sum(_json_bytes(value, base64=base64) for value in tree.values())
    if isinstance(tree, (list, tuple)):
        return sum(_json_bytes(value, base64=base64) for value in tree)
    return 0


class Answer(NamedTuple):
    """A content type and the bytes."""

    content_type: str
    content: bytes

    def response(self, status: int = 200) -> Response:
        """The answer as HTTP sends it; caches are told that it depends on Accept."""
        if self.content_type == JSON:
            return Ready(self.content, status, more=_VARIES)
        return Response(self.content, status, {"Content-Type": self.content_type, **_VARY})


def wanted(request: Request) -> Wanted:
    """What the request's Accept and ``encoding`` say; without Accept, JSON. Errors: InvalidInput."""
    most = parts(request).settings.answer_bytes
    for name, value in request.scope["headers"]:
        if name == b"accept" and value != b"*/*":
            break
    else:
        return Wanted(_ANYTHING, encoding(request), most)
    found = []
    for text in ",".join(request.headers.getlist("accept")).split(",")[:MOST_RANGES]:
        kind, parameters = media_type(text)
        quality = parameters.get("q", "1")
        if kind and _QUALITY.match(quality):
            found.append((kind, float(quality)))
    return Wanted(tuple(found) or _ANYTHING, encoding(request), most)


def _parted(tree: Any, path: str, arrays: dict[str, Array]) -> Any:
    """The tree with null in the place of each array; they are gathered under their paths."""
    if isinstance(tree, (np.ndarray, np.generic)):
        arrays[path] = np.asarray(tree)
        return None
    above = f"{path}." if path else ""
    if isinstance(tree, Mapping):
        return {key: _parted(value, f"{above}{key}", arrays) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_parted(value, f"{above}{i}", arrays) for i, value in enumerate(tree)]
    return tree


def _is_short(tree: Any) -> bool:
    """Whether no array in a tree is long, and nothing is null."""
    kind = type(tree)
    if kind is np.ndarray:
        return bool(0 < tree.size <= MANY and tree.flags.c_contiguous)
    if kind is dict:
        tree = tree.values()
    elif kind is not list and kind is not tuple:
        return tree is not None
    for part in tree:  # noqa: SIM110 - a generator would take twice as long
        if not _is_short(part):
            return False
    return True


def _in_json(tree: Any, encoding: Encoding) -> Any:
    kind = type(tree)
    if kind is dict:
        return {key: _in_json(value, encoding) for key, value in tree.items()}
    if kind is list or kind is tuple:
        return [_in_json(value, encoding) for value in tree]
    if isinstance(tree, (np.ndarray, np.generic)):
        array = np.asarray(tree)
        return typed_value(array) if encoding == "base64" else array_to_json(array)
    if isinstance(tree, Mapping):
        return _in_json(dict(tree), encoding)
    return tree
