"""Two tenants on a live server: over every documented operation, what is another's answers exactly as what there never was."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from service.app import create_app
from service.auth.api_keys import KeyFile
from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy
from tests.end_to_end.test_openapi_examples import operations

DOCUMENT = create_app().openapi()
NEVER = "qqnone"
OPERATIONS = [
    (method, path)
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if "{session_id}" in path or "{name}" in path
]
PARTS = {"tensor_id": "x", "op": "exp", "scope_id": "s1"}


class House(NamedTuple):
    """A server with two tenants; the first has a session and a function, whose ids the other knows."""

    owner: httpx.Client
    other: httpx.Client
    session_id: str
    function: str
    keys: KeyFile
    key_ids: dict[str, str]


def furnish(client: httpx.Client, function: str) -> str:
    session_id = str(client.post("/v1/sessions", json={"seed": 1}).json()["session_id"])
    steps = [
        {"op": "ones", "args": [2, 2], "kwargs": {"requires_grad": True}, "id": "x"},
        {"op": "mul", "args": ["x", "x"], "id": "y"},
        {"op": "sum", "args": ["y"], "id": "out"},
    ]
    assert client.post(f"/v1/sessions/{session_id}/batch", json={"steps": steps}).status_code == 200
    assert client.post(f"/v1/sessions/{session_id}/scopes", json={"mode": "no_grad"}).status_code == 201
    made = client.put(f"/v1/functions/{function}", json={"code": "def f(x):\n    return (x * x).sum()\n"})
    assert made.status_code == 201
    return session_id


@pytest.fixture(scope="module", params=["memory", "stored"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    keys = KeyFile(tmp_path_factory.mktemp("keys") / "keys")
    (one, first), (two, second) = keys.create("one"), keys.create("two")
    port = free_port()
    stored = {"data_dir": str(tmp_path_factory.mktemp("data"))} if request.param == "stored" else {}
    process = start(port, keys_file=str(keys.path), tenant_sessions="3", tenant_bytes="14000000", **stored)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process)
        with (
            httpx.Client(base_url=url, timeout=30, headers={"Authorization": f"Bearer {first}"}) as owner,
            httpx.Client(base_url=url, timeout=30, headers={"Authorization": f"Bearer {second}"}) as other,
        ):
            ids = {"one": one.key_id, "two": two.key_id}
            yield House(owner, other, furnish(owner, "qqhers"), "qqhers", keys, ids)
    finally:
        if process.poll() is None:
            stop(process)


def address(path: str, session_id: str, function: str) -> str:
    return re.sub(r"{(\w+)}", lambda m: {**PARTS, "session_id": session_id, "name": function}[m[1]], path)


def body_of(method: str, path: str) -> Any:
    content = DOCUMENT["paths"][path][method].get("requestBody", {}).get("content", {}).get("application/json", {})
    return next((e["value"] for e in content.get("examples", {}).values()), None)


def seen(answer: httpx.Response, *ids: str) -> tuple[int, dict[str, str], bytes]:
    """An answer without what differs by chance, and without the ids that were asked for."""
    headers = {k: v for k, v in answer.headers.items() if k not in {"content-length", "date", "x-request-id"}}
    body = answer.content
    for text in ids:
        body = body.replace(text.encode(), b"ID")
        headers = {k: v.replace(text, "ID") for k, v in headers.items()}
    return answer.status_code, headers, re.sub(rb'"created":[\d.]+', b'"created":0', body)


def state(house: House) -> list[Any]:
    """All that the owner has."""
    session = f"/v1/sessions/{house.session_id}"
    paths = (f"{session}/tensors?data=always", f"{session}/scopes", f"{session}/graph", "/v1/functions", "/v1/sessions")
    return [house.owner.get(path).json() for path in paths] + [
        house.owner.get(f"/v1/functions/{house.function}").json()
    ]


def test_the_operations_are_all_there() -> None:
    assert len(OPERATIONS) >= 30


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_is_anothers_answers_as_what_never_was(house: House, method: str, path: str) -> None:
    before = state(house)
    unknown = secrets.token_urlsafe(24)
    body = body_of(method, path)
    how = {} if body is None else {"json": body}
    foreign = house.other.request(method, address(path, house.session_id, house.function), **how)
    nowhere = house.other.request(method, address(path, unknown, NEVER), **how)
    assert seen(foreign, house.session_id, house.function) == seen(nowhere, unknown, NEVER)
    assert state(house) == before
    if "{session_id}" in path:
        assert foreign.status_code == 404
        assert foreign.content == nowhere.content
    elif method == "put":  # the other tenant's own from now on; hers is as it was
        assert foreign.status_code == 201
        assert house.other.delete(f"/v1/functions/{house.function}").status_code == 204
        assert house.other.delete(f"/v1/functions/{NEVER}").status_code == 204


EXAMPLES = [
    (method, path, name, how)
    for method, path, _, name, how in operations(DOCUMENT)
    if ("{session_id}" in path or "{name}" in path) and not (method == "put" and "{name}" in path)
]
EVERY_FORMAT = ("application/x-npy", "application/vnd.safetensors", "text/html")


@pytest.mark.parametrize(("method", "path", "name", "how"), EXAMPLES, ids=lambda v: v if isinstance(v, str) else "")
def test_no_example_in_any_format_tells_them_apart(house: House, method: str, path: str, name: str, how: Any) -> None:
    """Every documented body (JSON, text, binary), an Idempotency-Key, each format of an answer, and a pinned version of a function."""
    del name
    before = state(house)
    version = house.owner.get(f"/v1/functions/{house.function}").json()["version"]
    for number, accept in enumerate(EVERY_FORMAT):
        unknown = secrets.token_urlsafe(24)
        headers = {**how.get("headers", {}), "Accept": accept}
        mine, none = (house.function, NEVER) if number else (f"{house.function}@{version}", f"{NEVER}@{version}")
        asked = []
        for session_id, function in ((house.session_id, mine), (unknown, none)):
            headers["Idempotency-Key"] = secrets.token_hex(8)
            asked.append(
                house.other.request(method, address(path, session_id, function), **{**how, "headers": headers})
            )
        foreign, nowhere = asked
        assert foreign.status_code < 500
        assert seen(foreign, house.session_id, mine) == seen(nowhere, unknown, none)
        if "{session_id}" in path:
            assert (foreign.status_code, foreign.content) == (404, nowhere.content)
    assert state(house) == before


def test_a_body_names_no_session_of_another(house: House) -> None:
    def asked(session_id: str) -> httpx.Response:
        body = {"from_session": session_id, "inputs": ["x"], "outputs": "out"}
        return house.other.put("/v1/functions/mine", json=body)

    foreign, nowhere = asked(house.session_id), asked(secrets.token_urlsafe(24))
    assert foreign.status_code in (404, 422)
    assert seen(foreign) == seen(nowhere)


def test_lists_show_ones_own(house: House) -> None:
    assert house.other.get("/v1/sessions").json()["sessions"] == []
    assert house.other.get("/v1/functions").json()["functions"] == []
    assert [s["session_id"] for s in house.owner.get("/v1/sessions").json()["sessions"]] == [house.session_id]


def test_an_idempotency_key_is_ones_own(house: House) -> None:
    answers = [
        c.post("/v1/sessions", headers={"Idempotency-Key": "same"}) for c in (house.other, house.owner, house.other)
    ]
    assert [a.status_code for a in answers] == [201] * 3
    ids = [a.json()["session_id"] for a in answers]
    assert ids[0] == ids[2] != ids[1]
    assert house.other.delete(f"/v1/sessions/{ids[0]}").status_code == 204
    assert house.owner.delete(f"/v1/sessions/{ids[1]}").status_code == 204


def test_a_tenant_that_is_full_leaves_room_for_others(house: House) -> None:
    opened = [house.other.post("/v1/sessions") for _ in range(4)]
    assert [a.status_code for a in opened] == [201, 201, 201, 429]
    assert opened[3].json()["limit"] == "tenant_sessions"
    assert opened[3].headers["retry-after"]
    one_more = house.owner.post("/v1/sessions")
    assert one_more.status_code == 201
    house.owner.delete(f"/v1/sessions/{one_more.json()['session_id']}")
    for answer in opened[:3]:
        house.other.delete(f"/v1/sessions/{answer.json()['session_id']}")


def test_what_a_tenant_holds_is_counted_over_its_sessions_and_given_back(house: House) -> None:
    def sessions() -> list[str]:
        return [f"/v1/sessions/{house.other.post('/v1/sessions').json()['session_id']}" for _ in range(2)]

    def filled(session: str) -> httpx.Response:
        return house.other.post(f"{session}/tensors", json={"id": "big", "op": "ones", "args": [1_000_000]})

    first, second = sessions()
    assert [filled(first).status_code, filled(second).status_code] == [201, 201]
    for _ in range(20):  # what is forgotten makes room, though nobody has measured it yet
        assert filled(first).status_code == 201
    over = house.other.post(f"{second}/batch", json={"steps": [{"op": "ones", "args": [2_000_000], "id": "more"}]})
    assert (over.status_code, over.json()["limit"], over.json()["type"]) == (429, "tenant_bytes", "/errors/quota")
    assert over.headers["retry-after"]
    assert (
        house.owner.post(f"/v1/sessions/{house.session_id}/ops/ones", json={"args": [1_000_000], "id": "b"}).status_code
        == 200
    )
    house.owner.delete(f"/v1/sessions/{house.session_id}/tensors/b")
    assert house.other.delete(first).status_code == 204
    assert filled(second).status_code == 201
    assert house.other.delete(second).status_code == 204


def test_a_revoked_key_ends_at_once(house: House) -> None:
    _, text = house.keys.create("two")
    mine = {"Authorization": f"Bearer {text}"}
    key_id = house.keys.all()[-1].key_id
    assert house.other.get("/v1/ops/mul", headers=mine).status_code == 200
    house.keys.revoke(key_id)
    assert house.other.get("/v1/ops/mul", headers=mine).status_code == 401
    assert house.other.get("/v1/ops/mul").status_code == 200


def test_no_body_is_read_without_a_key(house: House) -> None:
    """32 MiB are announced, none is sent, and the answer is there."""
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer none\r\nContent-Length: 33554432\r\n\r\n"
    with socket.create_connection(
        (house.other.base_url.host, house.other.base_url.port or 80), timeout=10
    ) as connection:
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))  # until the server closes
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer
