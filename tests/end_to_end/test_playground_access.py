"""The playground for everyone: by keyboard alone, on a narrow phone, in the dark, with little motion; text that can be read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.browser import Playground

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
CONTRASTS = """() => {
    const parse = (text) => {
        const found = text.match(/[\\d.]+/g).map(Number);
        if (text.startsWith('color(srgb')) return [...found.slice(0, 3).map((v) => v * 255), found[3] ?? 1];
        return [...found.slice(0, 3), found[3] ?? 1];
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
    const ground = (element) => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) {
            const shape = e.classList.contains('node') && e.querySelector('.shape');
            const fill = shape ? getComputedStyle(shape).fill : getComputedStyle(e).backgroundColor;
            const colour = parse(fill);
            if (colour[3] > 0) layers.push(colour);
            if (colour[3] === 1) break;
        }
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        if (element.closest('textarea, option, noscript, button:disabled, .offscreen, .skip, #toast')) continue;
        const style = getComputedStyle(element);
        const below = ground(element);
        const text = parse(element instanceof SVGElement ? style.fill : style.color);
        const [a, b] = [light(over(text, below)), light(below)].sort((p, q) => q - p);
        found.push([(a + 0.05) / (b + 0.05), walker.currentNode.data.trim().slice(0, 40), element.className.baseVal ?? element.className]);
    }
    return found.sort((p, q) => p[0] - q[0]);
}"""
NAMELESS = """() => [...document.querySelectorAll('button, select, input, textarea, summary, a, [role=tab], [role=button]')]
    .filter((e) => e.checkVisibility())
    .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length || e.getAttribute('aria-labelledby')))
    .map((e) => e.outerHTML)"""


def focused(page: Any) -> str:
    return str(
        page.evaluate(
            "() => { const e = document.activeElement; return e.id || (e.className.baseVal ?? e.className); }"
        )
    )


def tab_to(page: Any, wanted: str, most: int = 40) -> None:
    for _ in range(most):
        if wanted in focused(page).split():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted}")


def test_by_keyboard_alone(playground: Playground) -> None:
    page = playground.open("new").page
    page.keyboard.press("Tab")
    assert focused(page) == "skip"
    tab_to(page, "code")
    page.keyboard.press("Control+a")
    page.keyboard.type("def f(x):\nreturn x * 2\ny = f(torch.ones(2, requires_grad=True))\ny.sum().backward()\ny")
    # Enter indents after the colon and comes back after the return.
    assert playground.code().startswith("def f(x):\n    return x * 2\ny = f(")
    page.keyboard.press("Control+Enter")
    playground.settled()
    assert "tensor([2., 2.], grad_fn=<MulBackward0>)" in playground.outputs()[0]
    assert "code" in focused(page).split()
    page.keyboard.press("Tab")  # indents
    assert playground.code().endswith("y   ")  # to the next column of four
    page.keyboard.press("Control+z")
    assert playground.code().endswith("\ny")
    page.keyboard.press("Control+/")
    assert playground.code().endswith("\n# y")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")  # leaves
    assert "code" not in focused(page).split()
    tab_to(page, "through")
    page.keyboard.press("Enter")
    page.wait_for_selector(".stepper")
    page.keyboard.press("ArrowRight")
    assert "Step 2 of 3" in page.inner_text(".place")
    page.keyboard.press("Escape")
    page.wait_for_selector(".stepper", state="hidden")
    assert "through" in focused(page).split()
    page.wait_for_selector("svg.graph .node.output")  # the session's graph again
    page.focus("#tab-graph")
    tab_to(page, "node")
    page.keyboard.press("ArrowDown")
    assert "MulBackward0" in page.inner_text(".card")
    page.keyboard.press("Enter")
    assert page.inner_text(".detail h2") == "y"
    page.wait_for_function("document.activeElement.matches('.detail')")
    page.focus("#tab-tensors")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-functions", "aria-selected") == "true"


def test_the_skip_link_keeps_the_notebook(playground: Playground) -> None:
    page = playground.write("kept = 1").page
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "notebook"
    assert playground.code() == "kept = 1"


def test_shift_enter_goes_on(playground: Playground) -> None:
    page = playground.open("lesson=autograd").page
    page.locator(".code").first.focus()
    for _ in range(3):
        page.keyboard.press("Shift+Enter")
    playground.settled()
    assert "4.5000" in playground.outputs()[2]
    assert page.locator(".count").all_inner_texts() == ["1", "2", "3"]


def test_what_has_focus_is_seen(playground: Playground) -> None:
    page = playground.open("lesson=autograd").run_all().page
    page.keyboard.press("Tab")
    for _ in range(30):
        page.keyboard.press("Tab")
        marked = page.evaluate(
            """() => { const e = document.activeElement; const s = getComputedStyle(e);
            const sheet = e.closest('.editor') && getComputedStyle(e.closest('.editor')).boxShadow !== 'none';
            const shape = e.querySelector?.('.shape') && getComputedStyle(e.querySelector('.shape')).strokeWidth === '2.6px';
            return e === document.body || s.outlineStyle !== 'none' || sheet || shape || e.outerHTML.slice(0, 200); }"""
        )
        assert marked is True


@pytest.mark.context(**PHONE)
@pytest.mark.parametrize("lesson", ["gradients", "descent"])
def test_on_a_phone(playground: Playground, lesson: str) -> None:
    page = playground.open(f"lesson={lesson}").run_all().page
    for view in ("notebook", "graph", "tensors", "functions", "requests"):
        page.tap(f"#views [data-view={view}]")
        page.wait_for_timeout(100)
        assert page.evaluate("() => document.documentElement.scrollWidth") == 360, view
        assert page.is_visible("#notebook") is (view == "notebook")
        small = page.eval_on_selector_all(
            "button, select, summary",
            "all => all.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.id)",
        )
        assert small == [], view


@pytest.mark.context(**PHONE)
def test_on_a_phone_a_lesson_is_read_first(playground: Playground) -> None:
    page = playground.open("lesson=gradients").page
    page.tap("#views [data-view=graph]")
    page.select_option("#lesson", "detach")
    assert page.is_visible("#notebook")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(browser: Any, live_url: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    playground = Playground(context.new_page(), live_url).open("lesson=gradients").run_all()
    page = playground.page
    assert (page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)") is (
        scheme == "dark"
    )
    page.locator(".through").first.click()
    for view in ("graph", "tensors", "functions", "requests"):
        page.click(f"#tab-{view}")
        page.wait_for_timeout(100)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 40
        assert [row for row in found if row[0] < 4.5] == [], view
        assert page.evaluate(NAMELESS) == [], view
    assert playground.wrong == []
    context.close()


@pytest.mark.context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
def test_little_motion(playground: Playground) -> None:
    page = playground.open("lesson=autograd").page
    durations = page.evaluate(
        "() => [...document.querySelectorAll('*')].map(getComputedStyle).flatMap((s) => [s.animationDuration, s.transitionDuration])"
    )
    assert {float(d.removesuffix("s")) < 0.01 for d in durations} == {True}
