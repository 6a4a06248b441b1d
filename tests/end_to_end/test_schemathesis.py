"""The OpenAPI document against a live server, by schemathesis: every check, over requests made from the document, right and wrong.

Each request goes to a session of its own that the document's examples fit. SCHEMATHESIS_EXAMPLES: how many are made of each operation.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from service.app import create_app
from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy
from tests.end_to_end.test_openapi_examples import BEFORE, CODE, PRELUDE

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "410", "412", "413", "415", "422", "428", "429"]
CONFIG = {
    "checks": {
        # What a document cannot say: whether an id is bound, whether shapes fit, whether a text is a script.
        "positive_data_acceptance": {"expected-statuses": ["2xx", *REFUSALS]},
        "negative_data_rejection": {"expected-statuses": REFUSALS},
    },
}
DOCUMENT = create_app().openapi()
for _methods in DOCUMENT["paths"].values():
    for _operation in _methods.values():  # bodies that are bytes or text are not made from a document
        _content = _operation.get("requestBody", {}).get("content", {})
        for _kind in [k for k in _content if k != "application/json"]:
            del _content[_kind]
KEY = re.compile(r"[!-~]{1,128}")
ENDLESS = {"code": "while True: pass"}
schema = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.config.SchemathesisConfig.from_dict(CONFIG))
statuses: dict[str, set[int]] = defaultdict(set)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    port = free_port()
    process = start(port, sessions="100000", functions="100000", request_cost="200000000", batch_cost="400000000")
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            client.put("/v1/functions/rosenbrock", json={"code": CODE}).raise_for_status()
            yield client
    finally:
        if process.poll() is None:
            stop(process)


def furnished(http: httpx.Client, method: str, path: str) -> str:
    """A new session as the examples of an operation want it."""
    session = str(http.post("/v1/sessions", json={"seed": 1}).json()["session_id"])
    steps = [*PRELUDE, {"op": "mul", "args": ["x", 2], "id": "z"}, *BEFORE.get((method, path), [])]
    http.post(f"/v1/sessions/{session}/batch", json={"steps": steps}).raise_for_status()
    return session


@schema.parametrize()  # type: ignore[untyped-decorator] # schemathesis is Any where it is absent
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_an_operation(case: Any, http: httpx.Client) -> None:
    method, path = case.method.lower(), case.operation.path
    places = dict(case.path_parameters or {})
    if "session_id" in places:
        places["session_id"] = session = furnished(http, method, path)
    if "name" in places and method != "put":
        http.put("/v1/functions/rosenbrock", json={"code": CODE}).raise_for_status()
    case.path_parameters = places
    headers = case.headers if case.headers is not None else {}
    if 0 < _number(headers.get("Request-Timeout")) < 5:
        headers.pop("Request-Timeout")  # rightly answered 503: too little time
    if KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = secrets.token_hex(8)  # one that came before, with another body, is rightly refused
    answer = sent(case, http, session if path.endswith("/run") and method == "delete" else None)
    if method == case.operation.method.lower():
        statuses[f"{method} {path}"].add(answer.status_code)
    case.validate_response(answer)
    if "session_id" in places:
        http.delete(f"/v1/sessions/{session}")


def sent(case: Any, http: httpx.Client, busy: str | None) -> Any:
    """The answer; busy: a session in which a script runs meanwhile, until the request has ended it."""
    url = str(http.base_url)
    if busy is None or case.method != "DELETE":
        return case.call(base_url=url)
    script = threading.Thread(target=lambda: httpx.post(f"{url}/v1/sessions/{busy}/run", json=ENDLESS, timeout=60))
    script.start()
    while (answer := case.call(base_url=url)).status_code == 409 and script.is_alive():
        time.sleep(0.02)
    http.delete(f"/v1/sessions/{busy}/run")
    script.join()
    return answer


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0


def test_every_operation_was_done() -> None:
    """Each has answered a 2xx at least once; one that only ever refuses would pass every check above."""
    operations = {f"{method} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    print(f"{len(operations)} operations, statuses {sorted(set().union(*statuses.values()))}")
    assert statuses.keys() == operations
    assert {name for name, seen in statuses.items() if not any(200 <= s < 300 for s in seen)} == set()
