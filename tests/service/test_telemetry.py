"""Metrics and logs: what is counted, under which labels, and what is never written."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest

from service.app import create_app
from service.auth.api_keys import KeyFile
from service.journal.memory import MemoryJournal
from service.settings import Settings
from service.telemetry.logs import LineFormatter, configure
from service.telemetry.metrics import BUCKETS, MOST, Metrics

SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?(\d+(\.\d+)?(e[+-]?\d+)?|Inf|NaN)\Z')


def test_the_text_of_a_request() -> None:
    metrics = Metrics()
    metrics.count("GET", '/x"\n\\', 200, 0.25, 7, 3)
    metrics.count("GET", '/x"\n\\', 404, 100.0, 0, 3)
    lines = [line for line in metrics.text().splitlines() if "gradwire" in line]
    where = r'method="GET",route="/x\"\n\\"'
    assert lines == [
        "# HELP gradwire_requests_total Requests by method, route and status.",
        "# TYPE gradwire_requests_total counter",
        f'gradwire_requests_total{{{where},status="200"}} 1.0',
        f'gradwire_requests_total{{{where},status="404"}} 1.0',
        "# HELP gradwire_request_seconds How long requests took.",
        "# TYPE gradwire_request_seconds histogram",
        *(f'gradwire_request_seconds_bucket{{le="{edge}",{where}}} {float(edge >= 0.25)}' for edge in BUCKETS),
        f'gradwire_request_seconds_bucket{{le="+Inf",{where}}} 2.0',
        f"gradwire_request_seconds_count{{{where}}} 2.0",
        f"gradwire_request_seconds_sum{{{where}}} 100.25",
        "# HELP gradwire_received_bytes_total Bytes of bodies that came.",
        "# TYPE gradwire_received_bytes_total counter",
        "gradwire_received_bytes_total 7.0",
        "# HELP gradwire_sent_bytes_total Bytes of bodies that went.",
        "# TYPE gradwire_sent_bytes_total counter",
        "gradwire_sent_bytes_total 6.0",
    ]


def test_labels_are_bounded() -> None:
    metrics = Metrics()
    for i in range(MOST + 50):
        metrics.count("GET", str(i), 200, 0.1, 0, 0)
    lines = [line for line in metrics.text().splitlines() if line.startswith("gradwire_requests_total{")]
    assert len(lines) == MOST + 1
    assert 'gradwire_requests_total{method="other",route="other",status="other"} 50.0' in lines


def test_applications_have_metrics_of_their_own() -> None:
    """None is in the library's own registry, so a second one neither fails nor counts what the first was asked."""
    one, other = Metrics(), Metrics()
    one.count("GET", "/healthz", 200, 0.1, 0, 0)
    assert 'route="/healthz"' in one.text()
    assert 'route="/healthz"' not in other.text()
    assert "gradwire" not in generate_latest().decode()


def test_requests_are_counted_by_template_and_logged_without_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = KeyFile(tmp_path / "keys").create("school")
    monkeypatch.setattr(logging.getLogger("gradwire"), "propagate", True)
    caplog.set_level(logging.INFO, "gradwire.access")

    async def scenario() -> tuple[str, str]:
        app = create_app(Settings(keys_file=str(tmp_path / "keys")))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", headers={"Authorization": f"Bearer {key}"}
            ) as http:
                session = (await http.post("/v1/sessions")).json()["session_id"]
                trace = {
                    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                    "X-Request-Id": "mine",
                }
                body = {"data": 73571.25, "id": "hidden"}
                await http.post(f"/v1/sessions/{session}/tensors", json=body, headers=trace)
                await http.get("/v1/ops/mul")
                await http.get("/a%0Ab/c?secret=1")
                await http.get("/v1/ops/mul", headers={"Authorization": "Bearer wrong"})
                return session, (await http.get("/metrics")).text

    session, text = asyncio.run(scenario())
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(SAMPLE.match(line) for line in samples), samples
    assert (
        'gradwire_requests_total{method="POST",route="/v1/sessions/{session_id}/tensors",status="201"} 1.0' in samples
    )
    assert 'gradwire_requests_total{method="GET",route="/v1/ops/{op}",status="401"} 1.0' in samples
    assert 'gradwire_requests_total{method="GET",route="elsewhere",status="404"} 1.0' in samples
    assert "gradwire_sessions 1.0" in samples
    assert session not in text

    lines = [LineFormatter().format(r) for r in caplog.records if r.name == "gradwire.access"]
    found = [json.loads(line) for line in lines]
    assert len(found) == 6
    made = found[1]
    assert (made["request_id"], made["tenant"], made["session"]) == ("mine", "school", session[:8])
    assert (made["route"], made["status"]) == ("/v1/sessions/{session_id}/tensors", 201)
    assert made["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert made["bytes_in"] > 0
    whole = "".join(lines)
    for secret in (session, key, "73571", "hidden", "secret", "wrong", "\n"):
        assert secret not in whole
    assert all(len(line) <= 1_024 for line in lines)


def test_a_service_that_cannot_begin_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("service.app.stored_by_tenant", fails)
    configure(requests=False)

    async def begin() -> None:
        app = create_app(Settings(), MemoryJournal())
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(RuntimeError):
        asyncio.run(begin())
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (line["level"], line["error"]) == ("error", "RuntimeError")
    assert "could not begin" in line["message"]
    assert "secret" not in str(line)
