"""The playground as a person uses it, in a real browser on a live server; a word in the console or to another host fails the test."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.browser import Playground

LESSONS: dict[str, list[list[str]]] = {  # what each code cell of a lesson shows
    "autograd": [
        ["[1., 1.]], requires_grad=True)"],
        ["grad_fn=<MulBackward0>", "tensor(27., grad_fn=<MeanBackward0>)"],
        ["tensor([[4.5000, 4.5000],\n        [4.5000, 4.5000]])", "Step through backward"],
    ],
    "tensors": [
        ["torch.Size([2, 3]) torch.float32"],
        ["[14., 25., 36.]", "[ 8.0000, 10.0000, 12.0000]"],
        ["[14., 32.]", "tensor([5., 7., 9.])", "tensor([5., 6.])", "[5., 6.]])"],
        ["tensor([0, 1, 2, 3, 4, 5]) torch.int64", "torch.float32 torch.float64"],
        ["tensor("],
    ],
    "functions": [
        ["MulBackward0", "ExpBackward0"],
        ["MulBackward0\nExpBackward0\nSinBackward0\ntorch::autograd::AccumulateGrad"],
        ["3 tensor(13.5000, grad_fn=<MulBackward0>) tensor(27.)"],
    ],
    "gradients": [
        ["tensor([2., 4., 6.])"],
        ["line 3", "RuntimeError: grad can be implicitly created only for scalar outputs"],
        ["tensor([3.0000, 1.2000, 0.2700])"],
        ["[ 3.,  0.,  0.]", "[ 0.,  0., 27.]"],
    ],
    "accumulation": [
        ["tensor([3., 3.])\ntensor([6., 6.])"],
        ["tensor([3., 3.])"],
        ["tensor([4., 6.])"],
        ["tensor([4., 8.])"],
    ],
    "detach": [
        ["True False"],
        ["tensor([1., 4.])\ntensor([3., 8.])"],
        ["tensor([0.7000, 1.2000], requires_grad=True) True"],
        ["RuntimeError: a leaf Variable that requires grad is being used in an in-place operation"],
    ],
    "double": [
        ["tensor(32., grad_fn=<MulBackward0>)"],
        ["tensor(48., grad_fn=<MulBackward0>)\ntensor(48.)"],
        ["0: x = 2.107843, slope = 91.000000", "5: x = 1.13"],
    ],
    "inplace": [
        ["0\n1 tensor([2., 3., 4.], grad_fn=<AddBackward0>)"],
        ["tensor([1., 1., 1.])"],
        ["line 3", "modified by an inplace operation"],
        ["tensor([ 0.,  5., 10.,  0.]", "tensor([5., 5., 0.])"],
    ],
    "network": [[], [], ["40 of 40 runs, the last value 0.00"], ["-3.00  data", "network"]],
    "descent": [
        ["Served at /v1/functions/valley with x, y", "Adam: 159 steps, at (0.9"],
        [],
        ["Z over X and Y, 200 steps", "20 of 20 runs"],
    ],
}  # fmt: skip


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_and_shows_the_right_numbers(playground: Playground, lesson: str) -> None:
    playground.open(f"lesson={lesson}").run_all()
    shown = playground.outputs()
    assert len(shown) == len(LESSONS[lesson])
    for text, expected in zip(shown, LESSONS[lesson], strict=True):
        for words in expected:
            assert words in text, text
    mistakes = sum(any("Error" in words for words in cell) or "line 3" in cell for cell in LESSONS[lesson])
    assert playground.page.locator(".result .error").count() == mistakes


def test_every_lesson_is_tested(playground: Playground) -> None:
    playground.open("lesson=autograd")
    listed = playground.page.eval_on_selector_all("#lesson optgroup option", "options => options.map((o) => o.value)")
    assert listed == list(LESSONS)


def test_the_loss_is_drawn_as_it_falls(playground: Playground) -> None:
    playground.open("lesson=network")
    for k in range(2):
        playground.page.locator(".run").nth(k).click()
    playground.page.locator(".run").nth(2).click()
    caption = playground.page.locator(".code-cell").nth(2).locator("figcaption")
    counts: set[int] = set()
    while len(counts) < 4:
        counts.add(int(caption.inner_text().split()[0]))
        assert max(counts) <= 40
        playground.page.wait_for_timeout(20)
    playground.page.locator(".code-cell").nth(2).locator(".run").click()  # it stops
    playground.page.wait_for_selector(".busy", state="detached")
    playground.settled()
    playground.wrong[:] = [w for w in playground.wrong if "409" not in w]  # it may just have ended by itself


# -- the graph ---------------------------------------------------------------------------------------------------------


def test_the_graph_is_the_sessions(playground: Playground) -> None:
    playground.open("lesson=detach").run_all()
    graph = httpx.get(f"{playground.session()}/graph").json()
    assert playground.nodes() == {n["id"]: n["kind"] for n in graph["nodes"]}
    drawn = playground.page.eval_on_selector_all(
        "svg.graph .edge", "edges => edges.map((e) => [e.dataset.from, e.dataset.to, Number(e.dataset.input)])"
    )
    assert sorted(drawn) == sorted([e["from"], e["to"], e["input"]] for e in graph["edges"])
    assert set(playground.nodes().values()) == {"leaf", "op", "output", "unrecorded"}
    told = str(playground.page.locator("svg.graph").text_content())
    for words in ("quiet = mul", "d = detach", "grad [3., 8.]", "freed other, input", "[2] float32"):
        assert words in told
    freed = {n["id"] for n in graph["nodes"] if n["freed"]}
    assert freed
    assert playground.page.locator("svg.graph .freed").count() == len(freed)


def test_a_node_tells_its_values(playground: Playground) -> None:
    playground.open("lesson=autograd").run_all()
    playground.page.hover("svg.graph .node.leaf")
    card = playground.page.locator(".card").inner_text()
    for words in ("leaf tensor", "[2, 2] float32", "[[1., 1.],", "[4.5000, 4.5000]]"):
        assert words in card
    playground.page.dblclick("svg.graph .node.leaf")
    assert playground.page.locator(".detail h2").inner_text() == "x"


def test_one_root(playground: Playground) -> None:
    playground.open("lesson=autograd").run_all()
    assert len(playground.nodes()) == 6
    playground.page.select_option("#root", "y")
    playground.page.wait_for_selector("svg.graph .node.output:has-text('y')")
    assert sorted(playground.nodes().values()) == ["leaf", "op", "output"]


def test_many_nodes_are_folded(playground: Playground) -> None:
    loop = "x = torch.ones(2, requires_grad=True)\ny = x\nfor i in range(600):\n    y = torch.sin(y) if i % 2 else y * 1.01"
    playground.write(loop).run_all()
    kinds = list(playground.nodes().values())
    assert "group" in kinds
    assert len(kinds) < 20
    assert "several, folded" in playground.page.locator(".legend").inner_text()


def test_the_picture_is_saved(playground: Playground, tmp_path: Path) -> None:
    playground.open("lesson=autograd").run_all()
    with playground.page.expect_download() as found:
        playground.page.click("button[aria-label='Save as SVG']")
    found.value.save_as(tmp_path / "graph.svg")
    root = ET.parse(tmp_path / "graph.svg").getroot()
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("MulBackward0") == 2
    assert "27." in texts
    shapes = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("class") == "shape"]
    assert len(shapes) == 6
    assert all(str(e.get("fill")).startswith("rgb") for e in shapes)  # it stands without the style sheet


# -- backward, step by step --------------------------------------------------------------------------------------------


def test_stepping_is_the_trace(playground: Playground) -> None:
    playground.open("lesson=autograd").run_all()
    (walk,) = playground.answers[-1].json()["traces"]
    trace: list[dict[str, Any]] = walk["trace"]
    assert [e["name"] for e in trace] == [
        "MeanBackward0",
        "MulBackward0",
        "MulBackward0",
        "AddBackward0",
        "AccumulateGrad",
    ]
    page = playground.page
    page.click(".through")
    arriving = ["1", "all 0.25", "all 0.75", "all 4.5", "all 4.5"]
    for k, event in enumerate(trace):
        assert f"Step {k + 1} of 5" in page.locator(".place").inner_text()
        assert page.get_attribute("svg.graph .node.current", "data-node") == event["node"]
        number = arriving[k].split()[-1]
        assert number in page.locator(".step .part").first.locator("pre").first.inner_text()
        carried = page.locator("svg.graph .carries").count()
        assert carried == sum(p["to"] is not None for e in trace[: k + 1] for p in e["produced"])
        if event["accumulated"]:
            assert "accumulates in x.grad" in page.locator(".step").inner_text()
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert "g divided by the number of elements, expanded" in page.locator(".step").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".step:has-text('g·other for input, g·input for other')")
    page.keyboard.press("Escape")
    assert not page.is_visible(".stepper")
    assert page.locator("svg.graph .current, svg.graph .carries").count() == 0


def test_stepping_shows_what_no_name_leads_to(playground: Playground) -> None:
    playground.write("x = torch.tensor([3.0], requires_grad=True)\n(x.exp() * 2).sum().backward()").run_all()
    page = playground.page
    assert list(playground.nodes().values()) == ["leaf"]
    page.click(".through")
    page.wait_for_selector("svg.graph .node.current")
    assert sorted(playground.nodes().values()) == ["leaf", "op", "op", "op"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".step:has-text('with what was saved: result')")
    assert page.locator("svg.graph .carries").count() == 3
    page.keyboard.press("Escape")
    page.wait_for_selector("svg.graph .node.op", state="detached")


# -- cells -------------------------------------------------------------------------------------------------------------


def test_an_error_stands_at_its_line_and_what_came_before_is_kept(playground: Playground) -> None:
    playground.write("a = torch.ones(2)\nprint(a)\nb = a @ torch.ones(3)\nprint(b)", "print(a + 1)").run_all()
    page = playground.page
    first, second = playground.outputs()
    assert "tensor([1., 1.])" in first
    assert "line 3" in first
    assert "RuntimeError" in first
    assert page.locator(".wrong-number").inner_text() == "3"
    assert page.locator(".wrong-line").inner_text() == "b = a @ torch.ones(3)"
    assert page.locator(".code").first.get_attribute("aria-invalid") == "true"
    assert second == ""  # Run all ends at a mistake that is no lesson's
    page.locator(".run").nth(1).click()
    playground.settled()
    assert playground.outputs()[1].strip() == "tensor([2., 2.])"


def test_a_syntax_error_too(playground: Playground) -> None:
    playground.write("x = 1\ny = 2 +\n")
    playground.page.locator(".run").click()
    playground.page.wait_for_selector(".result .error")
    assert playground.outputs() == ["line 2\nSyntaxError: invalid syntax"]
    assert playground.page.locator(".wrong-number").inner_text() == "2"
    assert [w for w in playground.wrong if "422" in w] == playground.wrong  # the browser's own word of the answer
    playground.wrong.clear()


def test_an_expired_session_is_built_again(playground: Playground) -> None:
    playground.open("lesson=accumulation").run_all()
    old = playground.session()
    assert httpx.delete(old).status_code == 204
    playground.page.locator(".run").nth(2).click()
    playground.page.wait_for_selector("#toast.shown:has-text('expired')")
    playground.settled()
    assert "tensor([4., 6.])" in playground.outputs()[2]
    assert playground.session() != old
    assert [w for w in playground.wrong if "404" in w] == playground.wrong
    playground.wrong.clear()


def test_what_is_edited_is_in_the_address_and_a_link_carries_it(playground: Playground, browser: Any) -> None:
    playground.write("x = torch.tensor([1.5, -2.5])  # ünïcode, 漢\nx")
    playground.page.wait_for_timeout(900)
    playground.page.click("#share")
    link = playground.page.evaluate("() => location.href")
    assert "#n=" in link
    context = browser.new_context()
    other = Playground(context.new_page(), playground.url)
    other.open(link.partition("#")[2])
    assert other.code() == "x = torch.tensor([1.5, -2.5])  # ünïcode, 漢\nx"
    assert other.run_all().outputs()[0].strip() == "tensor([ 1.5000, -2.5000])"
    assert other.wrong == []
    context.close()


def test_a_link_that_is_no_notebook(playground: Playground) -> None:
    playground.open("n=notanotebook")
    assert "no notebook" in playground.page.inner_text("#toast")
    assert playground.page.locator(".code-cell").count() == 3


def test_an_address_with_a_lesson_and_one_without(playground: Playground) -> None:
    playground.open("detach")
    assert playground.page.input_value("#lesson") == "detach"
    playground.page.goto("about:blank")
    playground.open("nothing-of-that-name")
    assert "no lesson" in playground.page.inner_text("#toast")


def test_all_of_a_wide_graph_is_seen(playground: Playground) -> None:
    wide = "import torch\nx = torch.ones(2, requires_grad=True)\nys = [x.sin().exp() * k for k in range(50)]\nsum(ys).sum().backward()"
    page = playground.write(wide).run_all().page
    page.wait_for_selector("svg.graph .node")
    page.click("[aria-label^=Fit]")
    fits = "e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight"
    assert page.locator(".stage").evaluate(fits)


def test_long_output_scrolls_in_its_box_and_an_endless_loop_is_guessed(playground: Playground) -> None:
    playground.write("for k in range(200):\n    print(k)", "while True:\n    pass").run_all()
    assert "a loop that does not end?" in playground.outputs()[1]
    box = playground.page.locator(".stdout")
    assert box.evaluate("e => e.clientHeight < 600 && e.scrollHeight > 2000 && e.tabIndex === 0")


def test_a_key_is_asked_for_and_kept_in_the_tab(playground: Playground) -> None:
    page = playground.page
    refused = '{"type": "/errors/unauthorized", "title": "Unauthorized", "status": 401, "detail": "This service needs a key."}'

    def guard(route: Any) -> None:
        if route.request.headers.get("authorization") == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/problem+json", body=refused)

    page.route("**/v1/**", guard)
    playground.write("print(1 + 1)")
    page.locator(".run").click()
    page.wait_for_selector("#key[open]")
    assert page.inner_text("#key-detail") == "This service needs a key."
    page.fill("#key-field", "sesame")
    page.keyboard.press("Enter")
    playground.settled()
    assert playground.outputs()[0].strip() == "2"
    assert [w for w in playground.wrong if "401" in w] == playground.wrong
    playground.wrong.clear()


def test_without_webassembly_the_service_draws(playground: Playground) -> None:
    playground.page.route(
        "**/vendor/graphviz.js", lambda route: route.fulfill(status=200, body="throw new Error('none')")
    )
    playground.open("lesson=autograd").run_all()
    picture = playground.page.locator(".stage img.drawn")
    assert picture.get_attribute("alt") == "Computation graph: 6 nodes"
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalHeight)") > 400
    playground.wrong.clear()


def test_another_lesson_in_the_middle_of_a_run(playground: Playground) -> None:
    page = playground.open("lesson=network").page
    page.click("#run-all")
    page.wait_for_selector(".code-cell figcaption")
    page.select_option("#lesson", "double")
    playground.settled()
    assert playground.outputs() == ["", "", ""]
    assert page.locator("svg.graph").count() == 0
    playground.run_all()
    assert "tensor(32., grad_fn=<MulBackward0>)" in playground.outputs()[0]
    playground.wrong.clear()  # the run that was left is told to end, and says so


# -- tensors, functions, requests --------------------------------------------------------------------------------------


def test_the_inspector(playground: Playground) -> None:
    code = "torch.manual_seed(0)\nw = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()\n(w * w).sum().backward()"
    playground.write(code).run_all()
    page = playground.page
    page.click("#tab-tensors")
    page.click(".list button:has-text('w')")
    assert "[2, 3, 4] · float32 · requires grad · leaf" in page.inner_text(".detail .facts")
    assert page.locator(".values td:not(:empty)").all_inner_texts() == [str(v) for v in range(12)]
    page.fill(".dim-of input", "1")
    page.keyboard.press("Enter")
    assert page.locator(".values td:not(:empty)").all_inner_texts() == [str(v) for v in range(12, 24)]
    page.click("[data-choice=grad]")
    assert page.locator(".values td:not(:empty)").all_inner_texts()[-1] == "46"
    page.click("[data-choice=heat]")
    assert page.get_attribute("canvas.heat", "aria-label") == "Heat map, 3 by 4, from 24 to 46"
    page.click("[data-choice=histogram]")
    assert "24 values from 0 to 46" in page.inner_text(".detail figcaption")


def test_a_function_is_called_by_its_form(playground: Playground) -> None:
    playground.write("#: serve hill\ndef hill(x, y):\n    return -(x ** 2) - 2 * y ** 2").run_all()
    page = playground.page
    page.click(".served button")
    page.fill("#in-x", "1.5")
    page.fill("#in-y", "0.5")
    page.click(".call button")
    page.wait_for_selector(".answer h2")
    told = "".join(page.inner_text(".answer").split())
    assert told == 'outputs{"output":-2.75}gradients{"x":-3,"y":-2}'
    page.fill("#in-x", "one")
    page.click(".call button")
    assert "x is not JSON" in page.inner_text(".answer [role=alert]")
    httpx.delete(f"{playground.url}/v1/functions/hill")


def test_a_function_and_its_derivatives_are_drawn(playground: Playground) -> None:
    playground.write("#: serve hill\ndef hill(x, y):\n    return (-(x ** 2) - 2 * y ** 2).sum()").run_all()
    page = playground.page
    page.click(".served button")
    page.fill("#in-x", "[1, 2, 3, 4]")
    words = {"value": "function", "grad": "gradient", "vjp": "vjp", "jvp": "jvp", "jacobian": "Jacobian"}
    for of, told in {**words, "hvp": "second derivative"}.items():
        page.click(f"[data-of={of}]")
        page.wait_for_selector(f"[data-of={of}][aria-pressed=true]")
        picture = page.wait_for_selector(f".drawn img[alt*='{told}']")
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    page.fill("#in-y", "[1, 2]")
    page.fill("#in-x", "[1, 2, 3]")
    page.click("[data-of=value]")
    page.wait_for_selector(".drawn [role=alert]")
    assert "must match the size of tensor b" in page.inner_text(".drawn [role=alert]")
    page.click("#tab-requests")
    assert "/v1/functions/hill/graph" in page.inner_text("#panel-requests")
    assert [w for w in playground.wrong if "422" in w] == playground.wrong
    playground.wrong.clear()
    httpx.delete(f"{playground.url}/v1/functions/hill")


def test_the_help_begins_at_its_beginning(playground: Playground) -> None:
    page = playground.open("lesson=autograd").page
    page.set_viewport_size({"width": 390, "height": 700})
    page.click("#helped")
    assert page.evaluate("document.querySelector('#help').scrollTop") == 0
    page.keyboard.press("Escape")
    assert page.locator("#help[open]").count() == 0


def test_newton_needs_a_handful_of_steps(playground: Playground) -> None:
    page = playground.open("lesson=descent").page
    page.locator(".run").first.click()
    page.wait_for_selector(".landscape")
    page.locator(".landscape select").select_option("Newton's method")
    page.wait_for_selector(".landscape figcaption:has-text('at (1, 1), height 0')")
    assert int(page.inner_text(".landscape figcaption").split()[2]) < 10


QUOTES = r"""name = 'it\'s "quoted" \\'
print(name)
x = torch.ones(2) * 3
x"""
"""Text that each language has to quote with care."""


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript", "R", "Julia"])
def test_a_request_is_taken_along(playground: Playground, language: str) -> None:
    playground.write(QUOTES).run_all()
    page = playground.page
    page.click("#tab-requests")
    page.click(f"[data-language={language}]")
    text = page.inner_text(".snippet pre")
    assert f"{playground.session()}/run" in text
    answer = ran(text, language, page)
    if answer is not None:
        found = json.loads(answer)
        assert found["stdout"] == 'it\'s "quoted" \\\n'
        assert found["value"]["data"] == [3.0, 3.0]
        playground.wrong.clear()  # the JavaScript prints into the console


def ran(text: str, language: str, page: Any) -> str | None:
    """What a text prints where it is run; None where its language is not at hand."""
    if language == "JavaScript":
        with page.expect_console_message() as message:
            page.evaluate(f"async () => {{ {text} }}")
        return str(message.value.text)
    command = {"curl": ["bash", "-c", text], "Python": [sys.executable, "-c", text]}.get(language)
    if command is None:
        return None
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
