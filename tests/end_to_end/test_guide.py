"""The guide: every block is run where its language is, what it says is answered is answered, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.api.problems import PAGES as PROBLEMS
from service.api.routes.guide import HOST
from service.guide.markdown import NOT_RUN, fences, read
from service.guide.pages import PAGES, source
from service.settings import describe
from tests.end_to_end.browser import Playground

ROOT = Path(__file__).parents[2]
RUN = {"bash", "js", "python"}
DEFAULT = "http://127.0.0.1:8000"


def code(name: str, url: str, *languages: str) -> list[tuple[str, str]]:
    return [(language, text.replace(DEFAULT, url)) for language, text in fences(source(name)) if language in languages]


def run(command: list[str], folder: Path, text: str) -> str:
    done = subprocess.run(
        command, input=text, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_every_block_runs_and_answers_what_it_says(
    name: str, live_url: str, tmp_path: Path, require_tool: Callable[[str], Path]
) -> None:
    require_tool("curl")
    told = []
    script = [text for _, text in code(name, live_url, "bash")]
    if script:
        told.append(run(["bash", "-s"], tmp_path, "set -euo pipefail\n" + "\n".join(script)))
    told += [run([sys.executable, "-"], tmp_path, text) for _, text in code(name, live_url, "python")]
    for _, text in code(name, live_url, "js"):
        told.append(run([str(require_tool("node")), "--input-type=module", "-"], tmp_path, text))
    said = "\n".join(told)
    for language, expected in fences(source(name)):
        if language == "output":
            assert expected.strip() in said, said


def test_blocks_are_of_languages_that_are_run_or_said_not_to_be() -> None:
    for name in PAGES:
        assert {language for language, _ in fences(source(name))} <= RUN | set(NOT_RUN) | {"output", "text"}, name


def test_what_is_not_run_says_so(http: httpx.Client) -> None:
    page = http.get("/guide/languages").text
    for told in ("Go", "Julia", "MATLAB", "R"):
        assert f"<figcaption>{told} · not run by the tests</figcaption>" in page
    assert "<figcaption>JavaScript</figcaption>" in page


def test_an_answer_follows_a_block_that_gives_it() -> None:
    for name in PAGES:
        languages = [language for language, _ in fences(source(name))]
        assert all(languages[k - 1] in RUN for k, language in enumerate(languages) if language == "output"), name


def test_every_link_leads_somewhere(http: httpx.Client) -> None:
    anchors: dict[str, set[str]] = {}
    links: list[tuple[str, str]] = []
    for name in PAGES:
        text = http.get(f"/guide/{name}").text
        found = re.findall(r'\bid="([^"]+)"', text)
        assert len(found) == len(set(found)), f"{name} has an anchor twice"
        anchors[f"/guide/{name}"] = set(found)
        links += [(f"/guide/{name}", to) for to in re.findall(r'(?:href|src)="([^"]+)"', text)]
    for page, to in sorted(set(links)):
        parts = urlsplit(to)
        path = parts.path or page
        if parts.scheme or path.startswith("/v1/ops/"):
            continue
        assert http.get(path).status_code == 200, (page, to)
        if parts.fragment:
            assert parts.fragment in anchors[path], (page, to)


def test_operators_settings_and_problems_are_all_there(http: httpx.Client) -> None:
    settings, problems, operators = (http.get(f"/guide/{name}").text for name in ("settings", "errors", "operators"))
    for name, variable, _, unit, _ in describe():
        entry = settings[settings.index(f'<dt id="{name}">') :].partition("</dd>")[0]
        assert variable in entry
        assert f"--{name.replace('_', '-')}" in entry
        assert unit in entry
    assert "default <code>33554432</code> (32 MiB)" in settings
    for slug in PROBLEMS:
        assert f'<dt id="{slug}">' in problems
        assert http.get(f"/errors/{slug}", headers={"Accept": "text/html"}).text.count(f"/guide/errors#{slug}") == 1
    for found in http.get("/v1/ops").json()["ops"]:
        assert f'<dt id="{found["name"]}">' in operators


def test_the_first_page_is_the_guide_and_others_are_not_found(http: httpx.Client) -> None:
    assert http.get("/guide").text == http.get("/guide/first-gradient").text
    missing = http.get("/guide/nothing")
    assert (missing.status_code, missing.json()["type"]) == (404, "/errors/not-found")
    tag = http.get("/guide").headers["ETag"]
    assert http.get("/guide", headers={"If-None-Match": tag}).status_code == 304


def test_code_names_the_address_that_was_asked(http: httpx.Client, live_url: str) -> None:
    page = http.get("/guide/languages").text
    assert f'const url = "{live_url}/v1"' in page
    assert DEFAULT not in page
    for host in ("localhost", "localhost:8443", "[::1]:9000"):
        assert f"URL=http://{host}/v1" in http.get("/guide/scripts", headers={"Host": host}).text


def test_what_is_no_address_is_not_written_into_a_page() -> None:
    for host in ("grad.example", "grad.example:8443", "10.0.0.1:80", "[fe80::1]"):
        assert HOST.fullmatch(host), host
    for host in ("", "<b>", "a b", "$(id)", "a';b", 'a"', "a&b", "[::1", "a:b", "a/b", "a\n", "x" * 300):
        assert not HOST.fullmatch(host), host


def test_no_page_runs_a_script_or_asks_elsewhere(http: httpx.Client) -> None:
    for name in PAGES:
        answer = http.get(f"/guide/{name}")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert "<script" not in answer.text
        assert not re.search(r'(?:src|<link[^>]*href)="https?:', answer.text)
        assert " style=" not in answer.text


def test_markdown_carries_no_html_through() -> None:
    page = read(
        "# <b>\n\n<script>x</script> [a](javascript:x) `<i>` **&**\n\n- one\n  two\n- three\n\n| a |\n| - |\n| b |", {}
    )
    assert "<script" not in page.body
    assert "javascript:x" in page.body
    assert 'href="javascript' not in page.body
    assert "<code>&lt;i&gt;</code> <strong>&amp;</strong>" in page.body
    assert "<ul><li>one two</li><li>three</li></ul>" in page.body
    assert "<td>b</td>" in page.body


LIGHT: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


@pytest.mark.parametrize("options", [LIGHT, PHONE], ids=["desktop", "phone"])
def test_pages_are_readable_and_fit(browser: Any, live_url: str, options: dict[str, Any]) -> None:
    context = browser.new_context(**options)
    try:
        page = Playground(context.new_page(), live_url)
        for name in PAGES:
            page.page.goto(f"{live_url}/guide/{name}")
            assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert page.page.evaluate("document.fonts.ready.then((f) => [...f].some((x) => x.status === 'loaded'))"), (
                name
            )
        light = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert light == ("rgb(251, 250, 247)" if options is LIGHT else "rgb(20, 22, 26)")
        assert page.wrong == []
    finally:
        context.close()
