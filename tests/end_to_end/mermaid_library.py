"""What Mermaid's own library makes of our text: ``make mermaid`` fetches it and runs this. No test of every day, as it needs npm.

Each graph of tests/engine/test_picture.py, summarised as the service does, is drawn in a browser, and every label compared with what it
should say.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from engine.picture import summarise, to_mermaid
from engine.picture.labels import describe, rows_of
from tests.end_to_end.browser import CHROMIUM
from tests.engine.test_picture import DRAWN

MOST = 150  # as service.api.drawing has it
DRAW = """async (text) => {
  const { svg } = await mermaid.render("drawn", text);
  const page = new DOMParser().parseFromString(svg, "text/html");
  for (const br of page.querySelectorAll("br")) br.replaceWith("\\n");
  return {
    nodes: [...page.querySelectorAll("g.node .nodeLabel")].map((label) => label.textContent),
    edges: page.querySelectorAll("path.flowchart-link").length,
    scripts: page.querySelectorAll("script, img, a").length,
  };
}"""


def shown(text: str) -> str:
    """A label as it is compared: Mermaid joins runs of white space, and which ones is its own affair."""
    return "".join(text.split())


def main(library: Path) -> int:
    """Draw all; answers the exit status."""
    from playwright.sync_api import sync_playwright

    failed = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.add_script_tag(path=library)
        page.evaluate("mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' })")
        for name, graph in DRAWN.items():
            if not graph.nodes:
                continue
            small = summarise(graph, MOST)
            expected = sorted(shown("".join(_rows(node))) for node in small.nodes)
            try:
                found = page.evaluate(DRAW, to_mermaid(small))
            except Exception as error:  # noqa: BLE001 - told, and counted
                found = {"error": str(error)[:300]}
            good = (
                sorted(map(shown, found.get("nodes", []))) == expected
                and found["edges"] == len(small.edges)
                and not found["scripts"]
            )
            failed += not good
            print(f"{name:<12}{len(small.nodes):>5} nodes {len(small.edges):>5} edges  {'ok' if good else found}")
            if not good:
                print(
                    *(f"  - {a!r}" for a in sorted(set(expected) - set(map(shown, found.get("nodes", []))))), sep="\n"
                )
        browser.close()
    return min(failed, 1)


def _rows(node: object) -> list[str]:
    first, *rest = describe(node)  # type: ignore[arg-type]
    return [
        first.text,
        *rows_of(rest),
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
