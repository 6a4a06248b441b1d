"""Metrics and logs: what is counted, under which labels, and what is never written."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.auth.api_keys import KeyFile
from service.settings import Settings
from service.telemetry.logs import LineFormatter
from service.telemetry.metrics import MOST, Counter, Histogram, Registry

SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? (\d+(\.\d+)?(e-\d+)?|\+Inf)\Z')


def test_the_text_of_a_histogram_and_of_labels() -> None:
    counter, histogram = Counter("c_total", "Counts.", ("a",)), Histogram("h", "Times.", buckets=(1, 2))
    counter.add('x"\n\\')
    histogram.observe(1)
    histogram.observe(5)
    assert Registry(counter, histogram).text().splitlines() == [
        "# HELP c_total Counts.",
        "# TYPE c_total counter",
        'c_total{a="x\\"\\n\\\\"} 1',
        "# HELP h Times.",
        "# TYPE h histogram",
        'h_bucket{le="1"} 1',
        'h_bucket{le="2"} 1',
        'h_bucket{le="+Inf"} 2',
        "h_sum 6",
        "h_count 2",
    ]


def test_labels_are_bounded() -> None:
    counter = Counter("c_total", "Counts.", ("a",))
    for i in range(MOST + 50):
        counter.add(str(i))
    lines = list(counter.samples())
    assert len(lines) == MOST + 1
    assert 'c_total{a="other"} 50' in lines


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
    assert 'gradwire_requests_total{method="POST",route="/v1/sessions/{session_id}/tensors",status="201"} 1' in samples
    assert 'gradwire_requests_total{method="GET",route="/v1/ops/{op}",status="401"} 1' in samples
    assert 'gradwire_requests_total{method="GET",route="elsewhere",status="404"} 1' in samples
    assert "gradwire_sessions 1" in samples
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
