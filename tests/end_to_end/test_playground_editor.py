"""The editor of cells: what a writer of Python expects of keys, completion, brackets and errors, by keyboard and on a phone."""

from __future__ import annotations

import httpx
import pytest

from tests.end_to_end.browser import Playground

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def test_undo_and_redo(playground: Playground) -> None:
    page = playground.write("a = 1").page
    page.keyboard.press("Control+End")
    page.keyboard.type("\nb = 2")
    page.keyboard.press("Control+z")
    assert playground.code() == "a = 1"
    page.keyboard.press("Control+y")
    assert playground.code() == "a = 1\nb = 2"


def test_several_lines_are_indented_and_commented_at_once(playground: Playground) -> None:
    page = playground.write("a = 1\nb = 2").page
    page.keyboard.press("Control+a")
    page.keyboard.press("Tab")
    assert playground.code() == "    a = 1\n    b = 2"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+/")
    assert playground.code() == "# a = 1\n# b = 2"
    page.keyboard.press("Control+/")
    assert playground.code() == "a = 1\nb = 2"


def test_lines_are_indented_as_python_is(playground: Playground) -> None:
    page = playground.write("").page
    page.keyboard.type("for i in range(3):\nif i:\nbreak\nelse:\ny = [\n1,")
    assert (
        playground.code()
        == "for i in range(3):\n    if i:\n        break\n    else:\n        y = [\n            1,\n        ]"
    )
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    for _ in range(2):
        page.keyboard.press("Backspace")  # a level at a time
    page.keyboard.type("z = 1")
    assert playground.code().endswith("]\nz = 1")


def test_brackets_are_closed_and_matched(playground: Playground) -> None:
    page = playground.write("").page
    page.keyboard.type("f(x[0]")
    assert playground.code() == "f(x[0])"
    page.keyboard.press("End")
    assert page.locator(".cm-matchingBracket").all_inner_texts() == ["(", ")"]
    page.keyboard.press("Control+a")
    page.keyboard.type("(")  # around what is selected
    assert playground.code() == "(f(x[0]))"
    page.keyboard.type(
        "y"
    )  # over it; the browser's own way would ask for an inline style, which the policy refuses aloud
    assert playground.code() == "(y)"


def test_names_are_completed_by_keyboard(playground: Playground) -> None:
    page = playground.write("import torch\nweights = torch.ones(2, requires_grad=True)").run_all().page
    page.click(".adders button:has-text('Code')")
    page.keyboard.type("we")
    offers = page.locator(".cm-tooltip-autocomplete li")
    offers.first.wait_for()
    assert page.locator(".code").nth(1).get_attribute("aria-haspopup") == "listbox"
    page.keyboard.press("Tab")
    assert playground.code(1) == "weights"
    page.keyboard.type(".requires_gr")
    page.wait_for_selector(".cm-tooltip-autocomplete li:has-text('requires_grad_')")
    page.keyboard.press("ArrowDown")
    chosen = page.locator(".cm-tooltip-autocomplete li[aria-selected]")
    assert chosen.inner_text() == "requires_grad"
    assert page.locator(".code").nth(1).get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Enter")
    assert playground.code(1) == "weights.requires_grad"
    page.keyboard.type("\ntorch.nn.functional.softma")
    page.wait_for_selector(".cm-tooltip-autocomplete li:has-text('softmax')")
    page.keyboard.press("ArrowDown")
    assert "softmax(Tensor input" in page.locator(".cm-completionInfo").inner_text()
    page.keyboard.press("Escape")
    assert offers.count() == 0
    page.keyboard.press("Enter")  # nothing was chosen, so a new line
    assert playground.code(1).endswith("softma\n")


def test_what_is_offered_is_there(playground: Playground, http: httpx.Client) -> None:
    found = playground.open("new").page.evaluate(
        "async () => { const c = await import('/playground/completion.js'); return [c.MEMBERS, c.OF_TENSORS, c.BUILTINS]; }"
    )
    members, tensors, builtins = found
    lines = [f"{path}.{name}" for path, names in members.items() for name in names]
    lines += [f"torch.ones(1).{name}" for names in tensors.values() for name in names] + builtins
    session = http.post("/v1/sessions").json()["session_id"]
    code = "import torch\nimport math\n" + "\n".join(f"found = {line}" for line in lines)
    assert len(lines) > 150
    answer = http.post(f"/v1/sessions/{session}/run", json={"code": code})
    assert answer.status_code == 200, answer.json()
    http.delete(f"/v1/sessions/{session}")


def test_nothing_is_offered_in_a_comment_or_a_string(playground: Playground) -> None:
    page = playground.write("").page
    for text in ("# torch.su", "'torch.su", "1.5"):
        playground.type("")
        page.keyboard.type(text)
        page.wait_for_timeout(400)
        assert page.locator(".cm-tooltip-autocomplete").count() == 0, text


def test_an_error_stands_in_the_gutter_and_from_its_column_on_until_the_text_is_changed(playground: Playground) -> None:
    page = playground.write("x = 1\ny = x + nope").page
    page.keyboard.press("Control+Enter")
    playground.settled()
    assert page.locator(".wrong-number").inner_text() == "2"
    assert page.locator(".wrong-text").all_inner_texts() == ["nope"]
    told = page.locator(".code").get_attribute("aria-errormessage")
    assert "NameError" in page.inner_text(f"#{told}")
    page.keyboard.press("Control+End")
    page.keyboard.type("2")
    assert page.locator(".wrong-number, .wrong-line, [aria-invalid]").count() == 0
    playground.wrong.clear()  # the browser's own word of the 422


PASTE = """text => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', text);
    document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
}"""


def test_a_long_cell(playground: Playground) -> None:
    page = playground.write("").page
    page.evaluate(PASTE, "total = 0\n" + "total = total + 1\n" * 3000 + "total")
    assert page.locator(".cm-line").count() < 500  # what is seen is drawn
    page.keyboard.press("Control+Enter")
    playground.settled()
    assert playground.outputs()[0].strip() == "3000"


@pytest.mark.context(**PHONE)
def test_the_editor_on_a_phone(playground: Playground) -> None:
    page = playground.open("new").page
    page.locator(".code").tap()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(
        "import torch\na_rather_long_name = torch.arange(3) + torch.arange(3) + torch.arange(3)\n"
    )
    page.keyboard.type("a_ra")
    page.wait_for_selector(".cm-tooltip-autocomplete li")
    page.tap(".cm-tooltip-autocomplete li")
    assert playground.code().endswith("\na_rather_long_name")
    page.tap(".run")
    playground.settled()
    assert playground.outputs()[0].strip() == "tensor([0, 3, 6])"
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
