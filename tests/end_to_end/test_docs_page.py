"""The documentation page in a real browser: each route's first example, pressed in the order in which they stand, succeeds."""

from __future__ import annotations

from typing import Any

import httpx

from tests.end_to_end.browser import Playground


def test_every_example_succeeds_when_pressed_in_order(browser: Any, live_url: str, http: httpx.Client) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        heard = Playground(context.new_page(), live_url)
        page = heard.page
        page.goto(f"{live_url}/docs")
        page.wait_for_selector(".opblock")
        blocks = page.locator(".opblock")
        operations = sum(len(methods) for methods in http.get("/openapi.json").json()["paths"].values())
        assert blocks.count() == operations > 40
        statuses = {}
        for k in range(operations):
            block = blocks.nth(k)
            method = block.locator(".opblock-summary-method").inner_text()
            path = block.locator(".opblock-summary-path").inner_text().replace("\u200b", "")
            block.locator(".opblock-summary-control").first.click()
            block.locator(".execute").click()
            block.locator(".live-responses-table .response-col_status").last.wait_for(timeout=20_000)
            shown = block.locator(".live-responses-table tbody .response-col_status").first.inner_text()
            statuses[f"{method} {path}"] = shown.split()[0]
            block.locator(".opblock-summary-control").first.click()
        assert {where: s for where, s in statuses.items() if not s.startswith("2")} == {}
        assert heard.wrong == []
    finally:
        context.close()


def test_a_route_says_what_it_does_where_it_is_folded(http: httpx.Client) -> None:
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            assert len(operation["summary"].split()) > 1, (method, path)
            assert "`" not in operation["summary"], (method, path)
            for parameter in operation.get("parameters", ()):
                assert parameter["in"] != "path" or parameter["example"], (method, path)
