"""A real browser on the playground. Whatever it says in the console, whatever it asks of another host, is kept to fail the test."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["CHROMIUM", "Playground"]

CHROMIUM: Final = "chromium"
"""What .ci/run installs."""


class Playground:
    """One page of the playground: ``page`` is Playwright's; ``wrong`` is what should not have happened."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.wrong: list[str] = []
        self.answers: list[Any] = []
        page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("response", self._heard)
        page.context.route("**/*", self._asked)

    def _asked(self, route: Any) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(self.url).netloc:
            route.continue_()
        else:
            self.wrong.append(f"asked elsewhere: {route.request.url}")
            route.abort()

    def _heard(self, response: Any) -> None:
        if response.request.method == "POST" and response.url.endswith("/run"):
            self.answers.append(response)

    def open(self, fragment: str) -> Playground:
        self.page.goto(f"{self.url}/#{fragment}")
        self.page.wait_for_selector(".cell")
        return self

    def write(self, *codes: str) -> Playground:
        """A blank notebook with these cells."""
        self.open("new")
        for k, code in enumerate(codes):
            if k:
                self.page.click(".adders button:has-text('Code')")
            self.type(code, k)
        return self

    def type(self, code: str, k: int = 0) -> None:
        """Replace the text of a cell's editor by this, as a keyboard or a paste would."""
        self.page.locator(".code").nth(k).focus()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(code)

    def code(self, k: int = 0) -> str:
        """The text of a cell's editor."""
        lines = self.page.locator(".code").nth(k).locator(".cm-line")
        return "\n".join(lines.evaluate_all("all => all.map((line) => line.textContent)"))

    def run_all(self) -> Playground:
        self.page.click("#run-all")
        self.settled()
        return self

    def settled(self) -> None:
        """Wait until every cell has run and the graph is drawn."""
        self.page.wait_for_selector(".notebook[aria-busy=false]")

    def outputs(self) -> list[str]:
        return [str(text) for text in self.page.locator(".code-cell .result").all_inner_texts()]

    def session(self) -> str:
        """The address of the page's session."""
        title = str(self.page.get_attribute("#session", "title"))
        return f"{self.url}/v1/sessions/{title.split()[1].rstrip(',')}"

    def nodes(self) -> dict[str, str]:
        """What is drawn: the kind of each node by its id."""
        found = self.page.eval_on_selector_all(
            "svg.graph .node", "nodes => nodes.map((n) => [n.dataset.node, n.getAttribute('class').split(' ')[1]])"
        )
        return dict(found)
