"""The page before what is odd: lines that cannot be, a page left and brought back, tensors too large or without a finite number."""

from __future__ import annotations

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
