"""The page before servers that really refuse it: one that asks for a key, one whose sessions expire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.auth.api_keys import KeyFile
from tests.end_to_end.browser import Playground
from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy


@contextmanager
def opened(browser: Any, **settings: str) -> Iterator[Playground]:
    """A server of these settings, and the page in a blank browser."""
    port = free_port()
    process = start(port, **settings)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        yield Playground(context.new_page(), url)
        context.close()
    finally:
        stop(process)


def test_a_key_is_asked_for_by_a_real_401(browser: Any, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys")
    _, key = file.create("someone")
    with opened(browser, keys_file=str(tmp_path / "keys")) as playground:
        page = playground.page
        playground.write("x = torch.ones(2, requires_grad=True)\n(x * 3).sum().backward()\nprint(x.grad)")
        page.locator(".run").click()
        page.wait_for_selector("#key[open]")
        assert page.inner_text("#key-detail").startswith("A valid API key is needed")
        assert page.evaluate("document.activeElement.id") == "key-field"
        page.fill("#key-field", "not-a-key")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key-detail:has-text('That key was not accepted')")
        assert page.input_value("#key-field") == ""
        page.fill("#key-field", key)
        page.keyboard.press("Enter")
        playground.settled()
        page.wait_for_selector("svg.graph .node")
        assert playground.outputs()[0].startswith("tensor([3., 3.])")
        page.reload()  # kept in the tab
        page.wait_for_selector(".cell")
        playground.run_all()
        assert page.locator("#key[open]").count() == 0
        assert [w for w in playground.wrong if "401" in w] == playground.wrong
        assert key not in page.evaluate("JSON.stringify(localStorage) + location.href")


def test_what_is_taken_along_reads_the_key_from_the_environment(
    browser: Any, tmp_path: Path, require_tool: Callable[[str], Path]
) -> None:
    file = KeyFile(tmp_path / "keys")
    _, key = file.create("someone")
    with opened(browser, keys_file=str(tmp_path / "keys")) as playground:
        page = playground.page
        playground.open("new")
        page.evaluate("key => sessionStorage.setItem('gradwire-key', key)", key)
        playground.write("print(6 * 7)").run_all()
        page.click("#tab-requests")
        texts = {}
        for language in ("curl", "Python", "JavaScript", "R", "Julia"):
            page.click(f"[data-language={language}]")
            texts[language] = page.inner_text(".snippet pre")
            assert key not in texts[language]
            assert "GRADWIRE_KEY" in texts[language]
        commands = {
            "curl": ["bash", "-c"],
            "Python": [sys.executable, "-c"],
            "JavaScript": [str(require_tool("node")), "--input-type=module", "-e"],
        }
        for language, command in commands.items():
            done = subprocess.run(
                [*command, texts[language]], capture_output=True, text=True, timeout=60, check=True,
                env={**os.environ, "GRADWIRE_KEY": key},
            )  # fmt: skip
            assert json.loads(done.stdout)["stdout"] == "42\n", language


def test_without_a_key_the_cell_says_so(browser: Any, tmp_path: Path) -> None:
    KeyFile(tmp_path / "keys").create("someone")
    with opened(browser, keys_file=str(tmp_path / "keys")) as playground:
        playground.write("print(1)")
        playground.page.locator(".run").click()
        playground.page.wait_for_selector("#key[open]")
        playground.page.click("#key button:has-text('Cancel')")
        playground.settled()
        assert "A valid API key is needed" in playground.page.inner_text("body")


def test_a_session_that_really_expired_is_built_again(browser: Any) -> None:
    with opened(browser, session_ttl="3") as playground:
        playground.open("lesson=accumulation").run_all()
        old = playground.session()
        playground.page.wait_for_timeout(5_000)
        playground.page.click("#tab-tensors")
        playground.page.wait_for_selector("#panel-tensors:has-text('The session expired')")
        playground.page.locator(".run").nth(2).click()
        playground.page.wait_for_selector("#toast.shown:has-text('expired')")
        playground.settled()
        assert "tensor([4., 6.])" in playground.outputs()[2]
        assert playground.session() != old
        assert [w for w in playground.wrong if "404" in w] == playground.wrong
