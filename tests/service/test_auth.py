"""Keys: shown once, kept as hashes, revoked at once; who is asked for one, and who asks too often without."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.__main__ import main
from service.api.authentication import PAGES
from service.app import create_app
from service.auth import principal
from service.auth.api_keys import KeyFile, KeyFileError, NoSuchKey
from service.auth.throttle import ADDRESSES, Throttle
from service.functions import manager as functions
from service.settings import GUARDABLE, Settings


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys")
    assert file.all() == ()
    key, text = file.create("school", "class 7")
    assert file.required is True
    content = file.path.read_text()
    assert text not in content
    assert text.removeprefix("gw_") not in content
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    found = file.find(text)
    assert found == principal.Principal("school", key.key_id)
    assert file.find(text + "x") is None
    assert file.find(text[:-1]) is None
    assert file.find("") is None
    assert file.find(text + "x" * 300) is None


def test_another_process_revokes_at_once(tmp_path: Path) -> None:
    serving, operator = KeyFile(tmp_path / "keys"), KeyFile(tmp_path / "keys")
    (one, first), (_, second) = operator.create("a"), operator.create("b")
    assert serving.find(first) is not None
    operator.revoke(one.key_id)
    assert serving.find(first) is None
    assert serving.find(second) == principal.Principal("b", operator.all()[0].key_id)
    with pytest.raises(NoSuchKey):
        operator.revoke(one.key_id)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"keys": [{}]}', b'{"keys": [{"key_id": 1}]}', b'{"keys": 3}', b"\xff"]
)
def test_a_damaged_file_admits_nobody(tmp_path: Path, content: bytes) -> None:
    file = KeyFile(tmp_path / "keys")
    _, text = file.create("a")
    assert file.find(text) is not None
    file.path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(KeyFileError):
            file.find(text)
    assert file.required is True


def test_a_file_that_goes_admits_nobody(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys")
    _, text = file.create("a")
    file.path.unlink()
    assert file.find(text) is None
    assert file.required is True


@pytest.mark.parametrize("tenant", ["", "A", "a b", "-a", "a" * 64, "a/b", "@a"])
def test_what_no_tenant_is_called(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(ValueError, match="a tenant is called"):
        KeyFile(tmp_path / "keys").create(tenant)


def test_failures_are_counted_by_address() -> None:
    now = [0.0]
    throttle = Throttle(3, lambda: now[0])
    assert [throttle.failed("10.0.0.1") for _ in range(4)] == [None, None, None, 61]
    assert throttle.failed("10.0.0.2") is None
    now[0] = 59.5
    assert throttle.failed("10.0.0.1") == 1
    now[0] = 60.0
    assert throttle.failed("10.0.0.1") is None
    for i in range(5):
        throttle.failed(f"2001:db8::{i}")
    assert throttle.failed("2001:db8::ffff") is not None
    assert throttle.failed("2001:db8:0:1::1") is None
    for i in range(ADDRESSES + 10):
        throttle.failed(str(i))
    assert len(throttle._failures) == ADDRESSES


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--keys-file", str(tmp_path / "keys")]
    assert main(["keys", "create", "--tenant", "school", "--note", "class 7", *where]) == 0
    text = capsys.readouterr().out.strip()
    assert main(["keys", "list", *where]) == 0
    listed = capsys.readouterr().out
    assert "school" in listed
    assert text not in listed
    key_id = listed.split()[0]
    assert KeyFile(tmp_path / "keys").find(text) is not None
    assert main(["keys", "revoke", key_id, *where]) == 0
    assert KeyFile(tmp_path / "keys").find(text) is None
    assert main(["keys", "revoke", key_id, *where]) == 2
    assert main(["keys", "list"]) == 2
    assert "say where keys are kept" in capsys.readouterr().err


def test_an_open_address_needs_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "0.0.0.0"]) == 1
    assert "no API key is asked for" in capsys.readouterr().err
    assert main(["serve", "--keys-file", str(tmp_path / "none")]) == 1
    assert "gradwire keys create" in capsys.readouterr().err


def test_the_names_of_pages_and_of_the_tenant_agree() -> None:
    assert PAGES.keys() == GUARDABLE
    assert principal.DEFAULT_TENANT == functions.DEFAULT_TENANT
    with pytest.raises(ValueError, match="guarded must name"):
        Settings(guarded="docs,wiki")


def ask(settings: Settings, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
    async def answers() -> list[httpx.Response]:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                return [await http.request(method, path, **how) for method, path, how in requests]

    return asyncio.run(answers())


def bearer(text: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {text}"}}


def basic(text: str) -> dict[str, Any]:
    return {"headers": {"Authorization": "Basic " + base64.b64encode(f"any:{text}".encode()).decode()}}


def test_who_is_asked_for_a_key(tmp_path: Path) -> None:
    _, text = KeyFile(tmp_path / "keys").create("school")
    answers = ask(
        Settings(keys_file=str(tmp_path / "keys"), auth_failures=1_000),
        [
            ("GET", "/healthz", {}),
            ("GET", "/readyz", {}),
            ("GET", "/docs", {}),
            ("GET", "/openapi.json", {}),
            ("GET", "/errors/unauthorized", {}),
            ("GET", "/v1/ops", bearer(text)),
            ("POST", "/v1/sessions", bearer(text)),
            ("POST", "/v1/sessions", {}),
            ("POST", "/v1/sessions", {"content": b"{"}),
            ("POST", "/v1/sessions", bearer(text + "x")),
            ("POST", "/v1/sessions", basic(text)),
            ("POST", "/v1/sessions", {"headers": {"Authorization": text}}),
            ("GET", f"/v1/ops?api_key={text}", {}),
            ("GET", "/v1/nowhere", {}),
            ("GET", "/metrics", {}),
            ("GET", "/docsx", {}),
            ("GET", "/compat/nothing", basic("wrong")),
            ("GET", "/compat/nothing", basic(text)),
            ("GET", "/compat/nothing", bearer(text)),
        ],
    )
    assert [a.status_code for a in answers] == [200] * 6 + [201] + [401] * 10 + [404, 404]
    for answer in answers[7:17]:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] in ('Bearer realm="gradwire"', 'Basic realm="gradwire"')
        assert answer.json()["type"] == "/errors/unauthorized"
        assert text not in answer.text
    assert answers[16].headers["www-authenticate"].startswith("Basic")


def test_pages_that_are_guarded_by_choice(tmp_path: Path) -> None:
    _, text = KeyFile(tmp_path / "keys").create("school")
    asked = [("GET", path, how) for path in ("/docs", "/openapi.json") for how in ({}, bearer(text))]
    answers = ask(Settings(keys_file=str(tmp_path / "keys"), guarded="docs, metrics"), asked)
    assert [a.status_code for a in answers] == [401, 200, 401, 200]


def test_a_valid_key_is_never_throttled(tmp_path: Path) -> None:
    _, text = KeyFile(tmp_path / "keys").create("school")
    wrong, right = ("GET", "/v1/ops", bearer("gw_wrong")), ("GET", "/v1/ops/mul", bearer(text))
    answers = ask(Settings(keys_file=str(tmp_path / "keys")), [*[wrong] * 20, right, wrong, right, right])
    assert [a.status_code for a in answers] == [401] * 20 + [200, 429, 200, 200]
    assert 1 <= int(answers[21].headers["retry-after"]) <= 61
    assert json.loads(answers[21].text)["type"] == "/errors/too-many-attempts"


def test_without_a_file_nobody_is_asked(tmp_path: Path) -> None:
    answers = ask(Settings(data_dir=str(tmp_path)), [("POST", "/v1/sessions", {}), ("GET", "/v1/ops/mul", {})])
    assert [a.status_code for a in answers] == [201, 200]
