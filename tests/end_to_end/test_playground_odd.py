"""The page before what is odd: lines that cannot be, a page left and brought back, tensors too large or without a finite number."""

from __future__ import annotations

import httpx
import pytest

from tests.end_to_end.browser import Playground


def test_the_inspector_draws_many_values_and_none_that_are_finite(playground: Playground) -> None:
    playground.write(
        "many = torch.linspace(-1, 1, 640_000).reshape(800, 800)\nnone = torch.full((2, 2), float('nan'))"
    ).run_all()
    page = playground.page
    page.click("#tab-tensors")
    page.click(".list button:has-text('many')")
    page.click("[data-choice=heat]")
    assert page.get_attribute("canvas.heat", "aria-label") == "Heat map, 800 by 800, from -1 to 1"
    page.click("[data-choice=histogram]")
    assert page.inner_text(".detail figcaption") == "Histogram of 640000 values from -1 to 1"
    page.click(".list button:has-text('none')")
    page.wait_for_selector(".detail h2:has-text('none')")
    page.click("[data-choice=heat]")
    assert page.inner_text(".detail > p.dim") == "no finite values"


def test_a_page_that_the_browser_brings_back_builds_its_session_again(playground: Playground) -> None:
    playground.open("lesson=accumulation").run_all()
    playground.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    playground.page.locator(".run").nth(2).click()
    playground.settled()
    assert playground.outputs()[2].startswith("tensor([4., 6.])")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("s = torch.tensor(1.0)\n#: contour s s s", "line 2\ns is of shape [] and float32"),
        ("a = torch.arange(3.0)\n#: contour a a a", "line 2\na is of shape [3] and float32"),
        ("a = torch.arange(3.0)\n\n#: contour a b a", "line 3\nThe session holds no tensor b"),
        ("1\n#: contour a b", "line 2\nThis line is written so: #: contour X Y Z path"),
        ("#: repeat 5000\n1", "line 1\nThis line is written so: #: repeat N"),
        ("#: repeat often\n1", "line 1\nThis line is written so: #: repeat N"),
        ("#: serve\n1", "line 1\nThis line is written so: #: serve name"),
        (
            "#: serve f\n#: landscape x 0 y y 0 1\ndef f(x, y):\n    return x * y",
            "line 2\nThis line is written so: #: landscape",
        ),
        ("1\n#: landscape x 0 1 y 0 1", "line 2\nA landscape is drawn of a served function"),
    ],
)
def test_a_line_for_the_page_that_cannot_be_is_told_and_nothing_else_stops(
    playground: Playground, code: str, said: str
) -> None:
    playground.write("import torch\nkept = 7", code, "print(kept)")
    page = playground.page
    page.locator(".run").nth(0).click()
    playground.settled()
    session = playground.session()
    page.locator(".run").nth(1).click()
    page.locator(".run").nth(2).click()
    playground.settled()
    assert playground.outputs()[1].startswith(said)
    assert playground.outputs()[2] == "7"
    assert playground.session() == session
    assert [w for w in playground.wrong if "404" in w] == playground.wrong
    playground.wrong.clear()


def test_other_comments_with_a_colon_are_comments(playground: Playground) -> None:
    playground.write("#: the learning rate\nrate = 0.1\nrate").run_all()
    assert playground.outputs() == ["0.1"]


def test_prose_is_in_the_address_while_it_is_written(playground: Playground) -> None:
    page = playground.open("new").page
    page.click(".adders button:has-text('Prose')")
    page.keyboard.insert_text("In the middle of")
    page.wait_for_url("**/#n=*")
    page.reload()
    page.wait_for_selector(".read:has-text('In the middle of')")


def test_a_link_in_prose_that_leads_elsewhere_is_opened_apart(playground: Playground) -> None:
    page = playground.open("new").page
    page.click(".adders button:has-text('Prose')")
    page.locator(".words").fill("[own](/guide) [double](//example.org/a) [slash](/\\example.org/a)")
    page.keyboard.press("Shift+Enter")
    assert page.locator(".read a").evaluate_all(
        "all => all.map((a) => [a.textContent, a.target, a.origin === location.origin])"
    ) == [
        ["own", "", True],
        ["double", "_blank", False],
        ["slash", "_blank", False],
    ]


def test_tensors_that_cannot_be_asked_for_are_not_none(playground: Playground) -> None:
    playground.write("x = torch.ones(2)").run_all()
    page = playground.page
    page.route("**/tensors?*", lambda route: route.abort())
    page.click("#tab-tensors")
    page.wait_for_selector("#panel-tensors:has-text('cannot be reached')")
    assert [w for w in playground.wrong if "ERR_FAILED" in w] == playground.wrong
    playground.wrong.clear()


def test_a_part_of_an_expired_sessions_graph(playground: Playground) -> None:
    playground.write("x = torch.ones(2, requires_grad=True)\ny = x * 2\nz = y * 2").run_all()
    assert httpx.delete(playground.session()).status_code == 204
    playground.page.select_option("#root", "y")
    playground.page.wait_for_selector("#toast.shown:has-text('The session expired. Run a cell')")
    assert [w for w in playground.wrong if "404" in w] == playground.wrong
    playground.wrong.clear()
