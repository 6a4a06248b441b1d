"""The parts of the guide that nobody writes: settings, problems and operators, each from the one place that holds them, as HTML."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import engine
from engine.graph import graph_of
from engine.picture import to_svg
from service.api.catalogue import catalogue, entry
from service.api.problems import PAGES, Kind
from service.guide.markdown import anchor, inline
from service.settings import describe, option

__all__ = ["operators", "parts", "problems", "settings", "tutorial_picture"]

FAMILIES: Final[dict[str, str]] = {
    "create": "Making tensors",
    "pointwise": "Element by element",
    "reduce": "Reductions",
    "shape": "Shape",
    "index": "Indexing",
    "verbs": "Verbs: steps that are not operators",
}
"""Families that come first (verbs: last), and their titles; the others follow by name."""
SHORT: Final = {"ctc": "CTC", "lu": "LU"}


def settings() -> str:
    """Every setting: its sentence, environment variable, option, unit and default."""
    return _entries([
        (name, f"<code>{name}</code>", inline(sentence), _facts(name, variable, default, unit))
        for name, variable, default, unit, sentence in describe()
    ])  # fmt: skip


def _facts(name: str, variable: str, default: Any, unit: str) -> str:
    shown = "true" if default is True else "false" if default is False else "none" if default == "" else default
    much = f" ({default // 2**20:,} MiB)" if unit == "bytes" and default >= 2**20 and default % 2**20 == 0 else ""
    told = f"default <code>{escape(str(shown))}</code>{much}"
    return f"<code>{variable}</code> · <code>{option(name)}</code> · {escape(unit)} · {told}"


def problems() -> str:
    """Every kind of problem, by status: its page, title, and what to do."""
    kinds = sorted(PAGES.values(), key=lambda kind: (kind.status, kind.slug))
    return _entries([(k.slug, _problem_title(k), inline(k.explanation), "") for k in kinds])


def _problem_title(kind: Kind) -> str:
    page = f'<a href="/errors/{kind.slug}"><code>/errors/{kind.slug}</code></a>'
    return f"{kind.status} · {escape(kind.title)} · {page}"


def operators() -> str:
    """The catalogue by family: each operator's schema lines and first sentence."""
    families: dict[str, list[dict[str, Any]]] = {}
    for found in catalogue():
        families.setdefault(str(found["family"]), []).append(found)
    order = sorted(
        families, key=lambda f: (f == "verbs", list(FAMILIES).index(f) if f in FAMILIES else len(FAMILIES), f)
    )
    out = [" · ".join(f'<a href="#family-{anchor(f)}">{_title(f)}</a> ({len(families[f])})' for f in order)]
    for family in order:
        rows = [(str(found["name"]), *_operator(found)) for found in families[family]]
        out.append(f'<h2 id="family-{anchor(family)}">{_title(family)}</h2>{_entries(rows, "entries compact")}')
    return "\n".join(["<p>" + out[0] + "</p>", *out[1:]])


def _title(family: str) -> str:
    return FAMILIES.get(family, SHORT.get(family, family.replace("_", " ").capitalize()))


def _operator(found: dict[str, Any]) -> tuple[str, str, str]:
    full = entry(str(found["name"]))
    assert full is not None
    lines = "".join(f"<br><code>{escape(str(o['schema']))}</code>" for o in full["overloads"])
    rows = full["overloads"]
    known = ""
    if found["kind"] == "operator":
        known = "has a derivative" if any(o["differentiable"] for o in rows) else "no derivative"
        known += " · also in place" * any(o["inplace"] for o in rows) + " · a view" * all(o["view"] for o in rows)
    title = f'<a href="/v1/ops/{found["name"]}"><code>{found["name"]}</code></a>'
    return title, inline(str(found["summary"])), known + lines


def _entries(rows: list[tuple[str, str, str, str]], kind: str = "entries") -> str:
    """A list of entries: anchor, title, sentence, facts (the last three as HTML)."""
    out = []
    for name, title, sentence, facts in rows:
        below = f'<span class="facts">{facts.removeprefix("<br>")}</span>' if facts else ""
        out.append(f'<dt id="{escape(name)}">{title}</dt><dd>{sentence}{below}</dd>')
    return f'<dl class="{kind}">{"".join(out)}</dl>'


def tutorial_picture() -> bytes:
    """The tutorial's graph after backward, drawn by the engine itself."""
    x = engine.ones(2, 2, requires_grad=True)
    y = x + 2
    z = y * y * 3
    out = z.mean()
    out.backward()
    return to_svg(graph_of({"out": out}, {"x": x, "y": y, "z": z})).encode()


def parts() -> dict[str, str]:
    """What stands for ``{{name}}`` in a page."""
    picture = '<figure class="picture"><img src="/guide/tutorial.svg" alt="The graph of the tutorial, after backward"></figure>'
    return {"settings": settings(), "problems": problems(), "operators": operators(), "picture": picture}
