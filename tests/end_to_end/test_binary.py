"""Binary bodies and answers against a live server: every format in and out, what is negotiated, and hostile bodies that change nothing."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.wire.registry import Bounds, Contents, formats
from service.wire.values import DTYPES
from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy

NPY, RAW, SAFETENSORS = "application/x-npy", "application/octet-stream", "application/vnd.safetensors"
BOUNDS = Bounds(4 * 2**20, 32 * 2**20, 64)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def header(descr: str, shape: str, rest: bytes = b"") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + rest


@pytest.fixture
def session(http: httpx.Client) -> str:
    return f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"


@pytest.mark.parametrize("name", sorted(DTYPES))
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_dtype_in_and_out_of_every_format(http: httpx.Client, session: str, name: str, order: str) -> None:
    raw = bytes(range(1, 255)) * 4
    count = 6 * DTYPES[name].itemsize
    raw = bytes(b & 1 for b in raw[:count]) if name == "bool" else raw[-count:]
    array = np.asarray(np.frombuffer(raw, DTYPES[name]).reshape(2, 3), order=order)  # type: ignore[call-overload]
    sent = http.post(f"{session}/tensors", params={"id": "n"}, content=npy(array), headers={"content-type": NPY})
    assert sent.status_code == 201, sent.text
    assert sent.headers["location"] == f"{session}/tensors/n"
    assert (sent.json()["shape"], sent.json()["dtype"]) == ([2, 3], name)
    query = {"id": "r", "dtype": name, "shape": "2,3"}
    sent = http.post(f"{session}/tensors", params=query, content=array.tobytes(), headers={"content-type": RAW})
    assert sent.status_code == 201, sent.text
    typed = {"id": "b", "dtype": name, "shape": [2, 3], "base64": base64.b64encode(array.tobytes()).decode()}
    assert http.post(f"{session}/tensors", json=typed).status_code == 201
    for tensor in ("n", "r", "b"):
        for media_type, format_ in formats().items():
            got = http.get(f"{session}/tensors/{tensor}/data", headers={"accept": media_type})
            if name not in format_.holds:
                assert got.status_code == 406
                continue
            assert got.headers["vary"] == "Accept"
            assert got.headers["content-type"].startswith(media_type)
            (back,) = format_.read(got.content, {"dtype": name, "shape": "2,3"}, BOUNDS).arrays.values()
            assert back.dtype.name == name
            assert back.tobytes() == array.tobytes()
        shown = http.get(f"{session}/tensors/{tensor}/data", params={"encoding": "base64"}).json()
        assert base64.b64decode(shown["base64"]) == array.tobytes()
        assert (shown["dtype"], shown["shape"], shown["id"]) == (name, [2, 3], tensor)


def test_a_leaf_from_bytes_and_its_gradient(http: httpx.Client, session: str) -> None:
    x = np.array([1.0, -0.0, 3.0])
    query = {"id": "x", "requires_grad": "true"}
    made = http.post(f"{session}/tensors", params=query, content=npy(x), headers={"content-type": NPY}).json()
    assert (made["requires_grad"], made["is_leaf"], made["dtype"]) == (True, True, "float64")
    empty = http.get(f"{session}/tensors/x/grad", headers={"accept": NPY})
    assert (empty.status_code, empty.content) == (204, b"")
    steps = [
        {"op": "pow", "args": ["x", 2], "id": "y"},
        {"op": "sum", "args": ["y"], "id": "s"},
        {"op": "backward", "args": ["s"]},
    ]
    assert http.post(f"{session}/batch", json={"steps": steps}).status_code == 200
    grad = http.get(f"{session}/tensors/x/grad", headers={"accept": NPY})
    assert np.load(io.BytesIO(grad.content), allow_pickle=False).tobytes() == (2 * x).tobytes()
    named = http.get(f"{session}/tensors/x/grad", headers={"accept": SAFETENSORS})
    assert list(formats()[SAFETENSORS].read(named.content, {}, BOUNDS).arrays) == ["x.grad"]
    written = http.post(f"{session}/ops/mul_", json={"args": ["x.data", 2]})  # the array of a body is the tensor's own
    assert written.json()["data"] == [2.0, 0.0, 6.0]
    shown = http.get(f"{session}/tensors/x/grad", params={"encoding": "base64"}).json()
    assert base64.b64decode(shown["base64"]) == (2 * x).tobytes()


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/x-npy", NPY),
        ("application/x-npy;q=0.5, application/json;q=0.4", NPY),
        ("application/x-npy;q=0.5, application/json", "application/json"),
        ("application/json;q=0, */*", NPY),
        ("application/vnd.safetensors, application/x-npy;q=0.9", SAFETENSORS),
        ("text/html, application/octet-stream;q=0.1", RAW),
        ("APPLICATION/X-NPY", NPY),
        ("nonsense, application/x-npy", NPY),
        ("text/html", None),
        ("*/*;q=0", None),
        ("application/x-npy;q=0", None),
        (", ".join(["text/html"] * 200), None),
    ],
)
def test_accept(http: httpx.Client, session: str, accept: str | None, answered: str | None) -> None:
    http.post(f"{session}/tensors", json={"id": "x", "data": [1.0]})
    request = http.build_request("GET", f"{session}/tensors/x/data")
    request.headers.pop("accept")
    if accept is not None:
        request.headers["accept"] = accept
    answer = http.send(request)
    if answered is None:
        assert answer.status_code == 406
        assert answer.headers["content-type"] == "application/problem+json"
        assert "application/json, application/x-npy" in answer.json()["detail"]
    else:
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == answered


def test_raw_answers_say_what_they_are(http: httpx.Client, session: str) -> None:
    http.post(f"{session}/tensors", json={"id": "x", "data": [[1.0, 2.0]]})
    answer = http.get(f"{session}/tensors/x/data", headers={"accept": RAW})
    assert answer.headers["content-type"] == 'application/octet-stream; dtype=float32; shape="1,2"'
    again = http.post(
        f"{session}/tensors",
        params={"id": "y"},
        content=answer.content,
        headers={"content-type": answer.headers["content-type"]},
    )
    assert again.json()["data"] == [[1.0, 2.0]]


def test_what_is_not_taken(http: httpx.Client, session: str) -> None:
    body = npy(np.ones(2))
    for content_type in ("application/x-npz", "text/plain", SAFETENSORS, "multipart/form-data; boundary=x", ""):
        answer = http.post(f"{session}/tensors", content=body, headers={"content-type": content_type})
        assert answer.status_code == 415, content_type
        assert "application/x-npy" in answer.json()["detail"]
    for encoding in ("gzip", "br", "deflate, gzip"):
        headers = {"content-type": NPY, "content-encoding": encoding}
        assert http.post(f"{session}/tensors", content=body, headers=headers).status_code == 415
    wrong: list[dict[str, str]] = [{"id": "a.b"}, {"id": "lambda"}, {"requires_grad": "1"}, {"encoding": "gzip"}]
    for query in wrong:
        answer = http.post(f"{session}/tensors", params=query, content=body, headers={"content-type": NPY})
        assert answer.status_code == 422, query
    for dtype in ("int64", "bool"):
        answer = http.post(
            f"{session}/tensors",
            params={"requires_grad": "true"},
            content=npy(np.ones(2, dtype)),
            headers={"content-type": NPY},
        )
        assert answer.status_code == 422
    assert http.get(f"{session}/tensors").json()["tensors"] == []


HOSTILE: dict[str, tuple[str, dict[str, str], bytes]] = {
    "nothing": (NPY, {}, b""),
    "cut off": (NPY, {}, npy(np.ones(9))[:-1]),
    "too long": (NPY, {}, npy(np.ones(9)) + b"\0"),
    "objects": (NPY, {}, header("|O", "(1,)", bytes(8))),
    "big-endian": (NPY, {}, header(">f8", "(1,)", bytes(8))),
    "text": (NPY, {}, header("<U4", "(1,)", bytes(16))),
    "dates": (NPY, {}, header("<M8[s]", "(1,)", bytes(8))),
    "a negative size": (NPY, {}, header("<f8", "(-1,)", bytes(8))),
    "a huge size": (NPY, {}, header("<f8", "(99999999999,)")),
    "sizes past 64 bits": (NPY, {}, header("<f8", "(4294967296, 4294967296)")),
    "an empty array with a huge dim": (NPY, {}, header("<f8", "(0, 99999999999)")),
    "4 Mi elements that do not come": (NPY, {}, header("<f4", "(4194304,)", bytes(64))),
    "65 dims": (NPY, {}, header("|u1", f"({'1, ' * 65})", b"\0")),
    "a header of 4 GiB": (NPY, {}, b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"),
    "a pickle": (NPY, {}, b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x94"),
    "a wrong bool": (NPY, {}, header("|b1", "(2,)", b"\x01\x02")),
    "raw without a dtype": (RAW, {}, bytes(8)),
    "raw of objects": (RAW, {"dtype": "object"}, bytes(8)),
    "raw of a negative shape": (RAW, {"dtype": "float32", "shape": "-1,-2"}, bytes(8)),
    "raw of a huge shape": (RAW, {"dtype": "float32", "shape": "99999999999"}, bytes(8)),
    "raw of another length": (RAW, {"dtype": "float32", "shape": "3"}, bytes(8)),
}


def state(http: httpx.Client, session: str) -> Any:
    return http.get(f"{session}/tensors").json(), {
        k: v for k, v in http.get(session).json().items() if k != "expires_in_seconds"
    }


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_bodies(http: httpx.Client, session: str, name: str) -> None:
    http.post(f"{session}/tensors", json={"id": "x", "data": [1.0]})
    before = state(http, session)
    media_type, query, body = HOSTILE[name]
    answer = http.post(f"{session}/tensors", params=query, content=body, headers={"content-type": media_type})
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4096
    assert state(http, session) == before


@pytest.fixture
def own_server() -> Iterator[tuple[httpx.Client, int]]:
    port = free_port()
    process = start(port)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client, process.pid
    finally:
        stop(process)


def peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("needs /proc to read another process's memory")
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def test_hostile_bodies_take_no_memory(own_server: tuple[httpx.Client, int]) -> None:
    client, pid = own_server
    session = f"/v1/sessions/{client.post('/v1/sessions').json()['session_id']}"
    client.post(f"{session}/tensors", content=npy(np.ones(9)), headers={"content-type": NPY})
    before = peak(pid)
    for media_type, query, body in HOSTILE.values():
        client.post(f"{session}/tensors", params=query, content=body, headers={"content-type": media_type})
    assert peak(pid) - before < 16 * 2**20  # the smallest array that a body here declares and does not send has 16 MiB


def test_many_numbers_over_http(http: httpx.Client, session: str) -> None:
    array = np.random.default_rng(1).standard_normal((200, 500))
    array[3, 4] = -0.0
    body = {"id": "x", "dtype": "float64", "requires_grad": True, "data": array.tolist()}
    made = http.post(f"{session}/tensors", json=body)
    assert made.status_code == 201
    assert made.json()["data_omitted"] is True
    for query in ({"data": "always"}, {}):
        path = "/tensors/x" if query else "/tensors/x/data"
        got = http.get(session + path, params=query).json()
        assert np.array(got["data"]).tobytes() == array.tobytes()
    read = http.get(f"{session}/tensors/x/data", headers={"accept": NPY})
    assert np.load(io.BytesIO(read.content), allow_pickle=False).tobytes() == array.tobytes()
    whole = json.dumps({"id": "i", "data": list(range(50_000))})
    made = http.post(f"{session}/tensors", content=whole, headers={"content-type": "application/json"})
    assert made.json()["dtype"] == "int64"
    whole = json.dumps({"id": "f", "data": list(range(50_000)), "requires_grad": True})
    made = http.post(f"{session}/tensors", content=whole, headers={"content-type": "application/json"})
    assert made.json()["dtype"] == "float32"
    summed = http.post(f"{session}/ops/sum", json={"args": [array.tolist()]})
    assert summed.json()["dtype"] == "float32"
    up = http.post(f"{session}/tensors/x/backward", json={"gradient": np.ones((200, 500)).tolist()})
    assert up.status_code == 200, up.text
    assert np.array_equal(
        np.array(http.get(f"{session}/tensors/x/grad?data=always").json()["data"]), np.ones((200, 500))
    )


def test_binary_bodies_and_long_lists_are_kept_across_a_restart(tmp_path: Path) -> None:
    """Also through an Idempotency-Key, whose digest is of the bytes."""
    array = np.random.default_rng(2).standard_normal((200, 300))
    array[0, :2] = np.frombuffer(bytes.fromhex("0100000000 00f07f 0000000000000080".replace(" ", "")), np.float64)
    port = free_port()
    for second in (False, True):
        process = start(port, data_dir=str(tmp_path))
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                if not second:
                    session = f"/v1/sessions/{client.post('/v1/sessions').json()['session_id']}"
                headers = {"content-type": NPY, "idempotency-key": "one"}
                made = [
                    client.post(f"{session}/tensors", params={"id": "n"}, content=npy(array), headers=headers)
                    for _ in range(2)
                ]
                assert [m.status_code for m in made] == [201, 201]
                assert made[0].content == made[1].content
                other = client.post(f"{session}/tensors", params={"id": "n"}, content=npy(array[1:]), headers=headers)
                assert other.status_code == 422
                if not second:
                    body = {"id": "j", "dtype": "float64", "data": array[1:].tolist()}
                    assert client.post(f"{session}/tensors", json=body).status_code == 201
                for name, expected in (("n", array), ("j", array[1:])):
                    read = client.get(f"{session}/tensors/{name}/data", headers={"accept": NPY})
                    assert np.load(io.BytesIO(read.content), allow_pickle=False).tobytes() == expected.tobytes()
                if second:
                    assert client.post(f"{session}/ops/add_", json={"args": ["n", 1]}).status_code == 200
        finally:
            stop(process)


def named(arrays: dict[str, np.ndarray[Any, Any]], request: dict[str, Any] | None = None) -> bytes:
    body = formats()[SAFETENSORS].write(Contents(arrays, None if request is None else json.dumps(request)))[1]
    length = int.from_bytes(body[:8], "little")
    head = body[8 : 8 + length].replace(b'"answer"', b'"request"').rstrip()
    return len(head).to_bytes(8, "little") + head + body[8 + length :]


def test_functions_take_and_answer_arrays_by_name(http: httpx.Client) -> None:
    code = "def weighted(x, w):\n    return {'loss': (w * x**2).sum(), 'parts': w * x}\n"
    spec = {"dtype": "float64", "shape": ["n"]}
    assert http.put("/v1/functions/weighted", json={"code": code, "inputs": {"x": spec, "w": spec}}).is_success
    x, w = np.array([1.0, -0.0, 3.0]), np.array([0.5, 1.0, 2.0])
    url, headers = "/v1/functions/weighted/vjp", {"content-type": SAFETENSORS}
    sent = {"inputs.x": x, "inputs.w": w, "cotangents.loss": np.array(1.0), "cotangents.parts": np.zeros(3)}
    body = named(sent, {"wrt": ["x"]})
    shown = http.post(url, content=body, headers=headers)
    assert shown.status_code == 200, shown.text
    assert shown.json()["gradients"] == {"x": [1.0, 0.0, 12.0]}
    assert shown.headers["vary"] == "Accept"
    found = http.post(url, content=body, headers={**headers, "accept": SAFETENSORS})
    assert found.headers["content-type"] == SAFETENSORS
    arrays = formats()[SAFETENSORS].read(found.content, {}, BOUNDS).arrays
    assert set(arrays) == {"outputs.loss", "outputs.parts", "gradients.x"}
    assert arrays["gradients.x"].tobytes() == (2 * w * x + 0.0 * w).tobytes()
    mixed = named({"inputs.x": x}, {"inputs": {"w": w.tolist()}, "wrt": ["x"]})
    assert http.post(
        "/v1/functions/weighted/value", content=named({"inputs.x": x, "inputs.w": w}), headers=headers
    ).json()
    both = http.post(
        "/v1/functions/weighted/value", content=named({"inputs.x": x}, {"inputs": {"w": [1, 2, 3]}}), headers=headers
    )
    assert both.json()["outputs"]["parts"] == [1.0, -0.0, 9.0]
    for hostile, status in (
        (named({"x": x}), 400),
        (named({"outputs.x": x}), 400),
        (named({"inputs.": x}), 400),
        (named({"inputs.x": x}, {"inputs": {"x": [1]}}), 400),
        (named({"inputs.x": x}, {"inputs": [1]}), 400),
        (named({"inputs.x": x.astype(np.float32), "inputs.w": w}), 422),
        (named({"inputs.x": x[:2], "inputs.w": w}), 422),
        (mixed[:-1], 400),
    ):
        refused = http.post("/v1/functions/weighted/value", content=hostile, headers=headers)
        assert refused.status_code == status, refused.text
        assert refused.headers["content-type"] == "application/problem+json"
    assert http.post(url, content=npy(x), headers={"content-type": NPY}).status_code == 415
    assert http.put("/v1/functions/other", content=body, headers=headers).status_code == 415


def test_complex128_has_no_word_in_safetensors(http: httpx.Client) -> None:
    spec = {"code": "def same(x):\n    return x\n", "inputs": {"x": {"dtype": "complex128"}}}
    assert http.put("/v1/functions/same", json=spec).is_success
    value = {"dtype": "complex128", "data": [[1.0, 2.0]]}
    refused = http.post("/v1/functions/same/value", json={"inputs": {"x": value}}, headers={"accept": SAFETENSORS})
    assert refused.status_code == 406, refused.text
    either = {"accept": f"{SAFETENSORS}, application/json;q=0.1"}
    assert http.post("/v1/functions/same/value", json={"inputs": {"x": value}}, headers=either).status_code == 200
