"""The one table of problems: every error class has its row, every row its page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.errors import EngineError
from service.api.problems import MOST, PAGES, STATUSES, TABLE, kind_of, members_of, problem
from service.steps.errors import LimitExceeded, NotFound, ServiceError, StepFailed, UnknownReference
from service.steps.limits import TooHeavy
from service.wire.errors import WireError


def family(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for sub in root.__subclasses__():
        yield from family(sub)


@pytest.mark.parametrize("root", [EngineError, ServiceError, WireError])
def test_every_class_has_a_row(root: type[Exception]) -> None:
    for cls in family(root):
        kind = next(TABLE[c] for c in cls.__mro__ if c in TABLE)
        assert 400 <= kind.status < 500 or kind.status == 503 or cls is ServiceError, cls


def test_pages_are_complete_and_unique() -> None:
    kinds = {*TABLE.values(), *STATUSES.values()}
    assert {k.slug for k in kinds} == set(PAGES)
    assert len(PAGES) == len({k.slug for k in kinds})
    for kind in kinds:
        assert kind.title
        assert len(kind.explanation) > 20, kind.slug


def test_an_unknown_error_is_internal() -> None:
    assert kind_of(RuntimeError()).status == 500
    assert not issubclass(TooHeavy, ServiceError)


def test_a_failed_step_is_its_cause() -> None:
    error = StepFailed(3, UnknownReference("no tensor", argument="x"))
    assert kind_of(error).slug == "unknown-reference"
    assert members_of(error) == {"argument": "x", "step": 3}
    assert kind_of(StepFailed(0, NotFound("no scope"))).status == 422


def test_documents_are_small_and_carry_their_members() -> None:
    error = LimitExceeded("tensor_bytes", 10, 20, "bytes", "ones()")
    body = json.loads(bytes(problem(kind_of(error), str(error), members_of(error)).body))
    assert (body["limit"], body["value"], body["asked"], body["unit"]) == ("tensor_bytes", 10, 20, "bytes")
    huge = problem(kind_of(error), "x" * 100_000, {"extra": "y" * 100_000})
    assert len(huge.body) <= MOST
    assert json.loads(bytes(huge.body))["status"] == 422
    assert b"\\u0000" not in problem(kind_of(error), "a\x00b").body
