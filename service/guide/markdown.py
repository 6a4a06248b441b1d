"""Markdown to HTML: the part of CommonMark and its tables that the guide is written in, and nothing that could carry HTML through.

Blocks: headings, paragraphs, fenced code, lists of one level, tables, and a line ``{{name}}`` alone, which stands for a generated part.
Inline: code, links, strong, emphasis. Everything else is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Final

__all__ = ["NOT_RUN", "Page", "anchor", "fences", "inline", "read"]

NOT_RUN: Final = {"go": "Go", "julia": "Julia", "matlab": "MATLAB", "r": "R", "sh": "a shell"}
"""Languages of blocks that no test runs, with their names."""
RUN: Final = {"bash": "Shell", "js": "JavaScript", "python": "Python"}

_FENCE: Final = re.compile(r"```(\w*)$")
_HEADING: Final = re.compile(r"(#{1,3}) (.+)$")
_PART: Final = re.compile(r"\{\{(\w+)\}\}$")
_ITEM: Final = re.compile(r"(?:-|\d+\.) +(.+)$")
_CELL: Final = re.compile(r"(?<!\\)\|")
_INLINE: Final = re.compile(
    r"(?P<code>(?P<ticks>`+)(?P<text>.+?)(?P=ticks))|\[(?P<label>[^\]]+)\]\((?P<to>[^)\s]+)\)"
    r"|\*\*(?P<strong>.+?)\*\*|(?<!\w)\*(?P<em>[^*\s][^*]*)\*(?!\w)"
)
_LINK: Final = re.compile(r"(?:https://|/|#)[\w./#?=&%{}~+-]*$")


@dataclass(slots=True)
class Page:
    """A page: its title, its headings of the second level (anchor, text), and its body in HTML."""

    title: str = ""
    headings: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""


def anchor(text: str) -> str:
    """The anchor of a heading.

    >>> anchor("What `grad` is, and isn't")
    'what-grad-is-and-isn-t'
    """
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")


def inline(text: str) -> str:
    """One run of text. Links that are neither of this site nor https stay text.

    >>> inline("see `a < b` and [the page](/docs)")
    'see <code>a &lt; b</code> and <a href="/docs">the page</a>'
    """
    out: list[str] = []
    at = 0
    for found in _INLINE.finditer(text):
        out.append(escape(text[at : found.start()], quote=False))
        at = found.end()
        if found["code"]:
            out.append(f"<code>{escape(found['text'].strip(), quote=False)}</code>")
        elif found["label"] and _LINK.match(found["to"]):
            out.append(f'<a href="{escape(found["to"])}">{inline(found["label"])}</a>')
        elif found["strong"]:
            out.append(f"<strong>{inline(found['strong'])}</strong>")
        elif found["em"]:
            out.append(f"<em>{inline(found['em'])}</em>")
        else:
            out.append(escape(found[0], quote=False))
    return "".join([*out, escape(text[at:], quote=False)])


def fences(text: str) -> list[tuple[str, str]]:
    r"""The fenced blocks: language and text.

    >>> fences("a\n```js\n1\n```\n")
    [('js', '1\n')]
    """
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def read(text: str, parts: Mapping[str, str]) -> Page:
    r"""A page. parts: the HTML that ``{{name}}`` stands for. Errors: KeyError for a part that is not there.

    >>> read("# Title\n\nText.", {}).body
    '<h1 id="title">Title</h1>\n<p>Text.</p>'
    """
    page = Page()
    page.body = "\n".join(_blocks(text.splitlines(), parts, page))
    return page


def _blocks(lines: list[str], parts: Mapping[str, str], page: Page) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        if not line:
            at += 1
        elif found := _FENCE.match(line):
            end = next(k for k in range(at + 1, len(lines)) if lines[k].rstrip() == "```")
            yield _code(found[1], "\n".join(lines[at + 1 : end]))
            at = end + 1
        elif found := _HEADING.match(line):
            yield _heading(len(found[1]), found[2], page)
            at += 1
        elif found := _PART.match(line):
            yield parts[found[1]]
            at += 1
        else:
            end = next((k for k in range(at, len(lines)) if not lines[k].strip() or _FENCE.match(lines[k])), len(lines))
            yield _block([text.rstrip() for text in lines[at:end]])
            at = end


def _block(lines: list[str]) -> str:
    if lines[0].startswith("|"):
        return _table(lines)
    if _ITEM.match(lines[0]):
        items: list[str] = []
        for line in lines:
            if found := _ITEM.match(line):
                items.append(found[1])
            else:
                items[-1] += " " + line.strip()
        kind = "ol" if lines[0][0].isdigit() else "ul"
        return f"<{kind}>" + "".join(f"<li>{inline(item)}</li>" for item in items) + f"</{kind}>"
    return f"<p>{inline(' '.join(line.strip() for line in lines))}</p>"


def _heading(level: int, text: str, page: Page) -> str:
    name = anchor(text)
    if level == 1:
        page.title = text
    elif level == 2:
        page.headings.append((name, text))
    link = f'<a class="here" href="#{name}" aria-label="Link to this section">#</a>' if level > 1 else ""
    return f'<h{level} id="{name}">{inline(text)}{link}</h{level}>'


def _code(language: str, text: str) -> str:
    told = RUN.get(language, "")
    if language in NOT_RUN:
        told = "Shell" if language == "sh" else NOT_RUN[language]
        told += " · not run by the tests"
    kind = {"output": "answer", "": "drawing", "text": "drawing"}.get(language, "code")
    caption = f"<figcaption>{told}</figcaption>" if told else ""
    return f'<figure class="{kind}">{caption}<pre tabindex="0"><code>{escape(text, quote=False)}</code></pre></figure>'


def _table(lines: list[str]) -> str:
    rows = [[cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1]] for line in lines]
    head = "".join(f"<th>{inline(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{inline(cell)}</td>" for cell in row) + "</tr>" for row in rows[2:])
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
