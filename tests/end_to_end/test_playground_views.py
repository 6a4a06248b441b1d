"""What the page shows and how: prose in Markdown, graphs that can be read at any size of the window, names in any writing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.end_to_end.browser import Playground

PROSE = """## Heading with `code`

Some **strong *and* emphasised** text, a [page](/guide), [another](https://example.org/a?b=c#d).
Still the same; 2 * 3 * 4, snake_case and **not closed.

- one
- two
  goes on
- <img src=x onerror=alert(1)>

3. three
4. four

> quoted
> text

```python
x = **2
```

[no link](javascript:alert(1)) and [none](data:text/html,x)"""


def wrote_prose(playground: Playground, text: str) -> Any:
    page = playground.open("new").page
    page.click(".adders button:has-text('Prose')")
    page.locator(".words").fill(text)
    page.keyboard.press("Shift+Enter")
    return page.locator(".read").last


def test_prose_is_markdown_and_nothing_else(playground: Playground) -> None:
    read = wrote_prose(playground, PROSE)
    assert read.locator("h2").inner_html() == "Heading with <code>code</code>"
    assert read.locator("p").first.inner_html() == (
        'Some <strong>strong <em>and</em> emphasised</strong> text, a <a href="/guide">page</a>, '
        '<a href="https://example.org/a?b=c#d" target="_blank" rel="noopener noreferrer">another</a>.\n'
        "Still the same; 2 * 3 * 4, snake_case and **not closed."
    )
    assert read.locator("ul li").all_inner_texts() == ["one", "two goes on", "<img src=x onerror=alert(1)>"]
    assert read.locator("ol").get_attribute("start") == "3"
    assert read.locator("blockquote p").inner_text() == "quoted text"
    assert read.locator("pre code").inner_text() == "x = **2"
    assert read.locator("p").last.inner_text() == "[no link](javascript:alert(1)) and [none](data:text/html,x)"
    assert read.locator("a").count() == 2
    assert read.locator("img").count() == 0


def test_prose_made_to_be_slow_is_not(playground: Playground) -> None:
    read = wrote_prose(playground, "**a `b [c *d " * 3000 + "\n\n" + "> " * 3000 + "deep")
    assert read.locator("blockquote").count() == 8


def test_the_numbers_that_json_lacks_in_a_form(playground: Playground) -> None:
    playground.write(
        "#: serve limits\ndef limits(x):\n    return torch.where(x.isnan(), 0.0, x).clamp(-1, 2)"
    ).run_all()
    page = playground.page
    page.click(".served button")
    page.fill("#in-x", "[nan, inf, -Infinity, 0.5]")
    page.select_option("#verb", "value")
    page.click(".call button")
    page.wait_for_selector(".answer pre")
    assert "[0, 2, -1, 0.5]" in page.inner_text(".answer pre")
    page.fill("#in-x", '[[NaN], ["Infinity"], nano]')
    page.click(".call button")
    page.wait_for_selector(".answer [role=alert]")
    assert "x is not JSON" in page.inner_text(".answer [role=alert]")
    httpx.delete(f"{playground.url}/v1/functions/limits")


def test_a_function_may_have_any_python_name(playground: Playground) -> None:
    playground.write("#: serve größe_漢\ndef f(x):\n    return (x ** 2).sum()").run_all()
    page = playground.page
    page.click(".served button")
    page.fill("#in-x", "[1, 2]")
    page.click(".call button")
    page.wait_for_selector(".answer pre")
    assert "[2, 4]" in page.inner_text(".answer")
    httpx.delete(f"{playground.url}/v1/functions/größe_漢")


# -- the graph ---------------------------------------------------------------------------------------------------------


def scale(playground: Playground) -> float:
    found = playground.page.eval_on_selector("svg.graph", "g => g.clientWidth / g.viewBox.baseVal.width")
    return float(found)


def test_a_graph_is_drawn_large_enough_to_be_read(playground: Playground) -> None:
    page = playground.open("lesson=double").run_all().page
    assert scale(playground) >= 0.749
    # what nothing joins stands below one another rather than ever smaller
    tops = {name: page.locator(f"svg.graph .leaf[aria-label^='{name} ']").bounding_box()["y"] for name in ("x", "m")}
    assert abs(tops["x"] - tops["m"]) > 100
    page.click("[aria-label^=Fit]")
    assert scale(playground) < 0.749
    assert page.is_hidden(".minimap")


def test_a_wide_graph_has_a_map(playground: Playground) -> None:
    playground.write(
        "x = torch.ones(1, requires_grad=True)\nys = [x * k for k in range(30)]\ntotal = sum(ys).sum()"
    ).run_all()
    page = playground.page
    assert scale(playground) >= 0.749
    box = page.locator(".minimap svg").bounding_box()
    frame = page.locator(".minimap .frame")
    before = frame.get_attribute("x")
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    expect(frame).not_to_have_attribute("x", before)
    assert float(frame.get_attribute("x")) > float(before)
    assert page.locator("svg.graph .output").bounding_box()["y"] < 800
    # the picture can be taken hold of
    stage = page.locator(".stage").bounding_box()
    at = page.evaluate("() => document.querySelector('.stage').scrollLeft")
    page.mouse.move(stage["x"] + 40, stage["y"] + 8)
    page.mouse.down()
    page.mouse.move(stage["x"] + 140, stage["y"] + 8)
    page.mouse.up()
    assert page.evaluate("() => document.querySelector('.stage').scrollLeft") < at


@pytest.mark.context(viewport={"width": 640, "height": 400}, device_scale_factor=2)
def test_at_twice_the_size_the_walk_leaves_the_graph_room(playground: Playground) -> None:
    page = playground.open("lesson=gradients").run_all().page
    page.locator(".through").first.click()
    page.wait_for_selector(".stepper")
    stage, stepper = (page.locator(what).bounding_box() for what in (".stage", ".stepper"))
    assert stage["height"] > 200
    assert stage["width"] > 300
    assert stepper["x"] >= stage["x"] + stage["width"] - 1
    assert page.evaluate("() => document.documentElement.scrollWidth") == 640


@pytest.mark.context(viewport={"width": 320, "height": 256}, device_scale_factor=4)
def test_at_four_times_the_size_everything_is_reached(playground: Playground) -> None:
    page = playground.open("lesson=gradients").run_all().page
    page.locator(".through").first.click()
    page.wait_for_selector(".stepper")
    assert page.locator(".stage").bounding_box()["height"] > 140
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320
    page.locator(".step").scroll_into_view_if_needed()
    assert page.locator(".step").bounding_box()["y"] < 256


def test_labels_of_any_writing_fit_their_boxes(playground: Playground) -> None:
    names = ("величина", "重み行列", "العدد", "संख्या", "가중치", "μ_σ")
    lines = [f"{name} = torch.ones(2, requires_grad=True)" for name in names]
    playground.write("\n".join([*lines, f"合計 = ({' + '.join(names)}).sum()", "合計"])).run_all()
    found = playground.page.eval_on_selector_all(
        "svg.graph .node",
        "all => all.map((e) => [e.querySelector('.title').textContent, e.querySelector('.shape').getBBox().width,"
        " Math.max(...[...e.querySelectorAll('text')].map((t) => t.getComputedTextLength()))])",
    )
    assert {*names, "合計"} <= {title for title, *_ in found}
    assert [row for row in found if row[2] > row[1] - 8] == []


def test_every_lesson_fits_the_usual_window(playground: Playground) -> None:
    page = playground.open("lesson=network").page
    for lesson in page.eval_on_selector_all("#lesson optgroup option", "all => all.map((o) => o.value)"):
        page.select_option("#lesson", lesson)
        page.wait_for_selector(".code")
        cut = page.eval_on_selector_all(
            ".cm-scroller", "all => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)"
        )
        assert cut == [], lesson
