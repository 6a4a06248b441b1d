"""The SVG's colours and type, light and dark. Contrast of every text on its ground is at least 4.5 to 1."""

from __future__ import annotations

__all__ = ["STYLE"]

LOOKS = {  # kind: (fill, stroke, text) in light, then in dark
    "leaf": ("#e3f4e8", "#1f7a48", "#123c26", "#12331f", "#4fbf7f", "#d6f5e2"),
    "op": ("#e6effc", "#2c5fae", "#14305c", "#14284a", "#6ea3f2", "#dbe8ff"),
    "output": ("#f2e7fb", "#7a3bb0", "#3d1a5c", "#2f1a44", "#c08bf0", "#f0e1ff"),
    "unrecorded": ("#f4f3ee", "#6b6b63", "#3a3a35", "#2a2a27", "#a5a59b", "#e4e4dc"),
    "group": ("#eceff3", "#52606f", "#26303a", "#232b35", "#93a3b5", "#e3e9f0"),
    "freed": ("#f5f5f5", "#8a8a8a", "#636363", "#1d2126", "#7d858e", "#a7afb8"),
}
GRAD = ("#a8410a", "#ffb37a")
LINE = ("#5d6b7a", "#8b9aab")
PAPER = ("#ffffff", "#0f1620")
NOTE = ("#46525f", "#aab7c4")


def _colours(dark: bool) -> str:
    at = 3 if dark else 0
    rules = [f".paper{{fill:{PAPER[dark]}}}"]
    for kind, look in LOOKS.items():
        fill, stroke, text = look[at : at + 3]
        rules.append(f".{kind} .shape{{fill:{fill};stroke:{stroke}}}")
        rules.append(f".{kind} .inner,.{kind} .rule{{stroke:{stroke}}}")
        rules.append(f".{kind} text{{fill:{text}}}")
    rules += [
        f".node .row.grad{{fill:{GRAD[dark]}}}",
        f".edge .line{{stroke:{LINE[dark]}}}",
        f".edge .head,.edge .input{{fill:{LINE[dark]}}}",
        f".legend .note,.legend .node .label{{fill:{NOTE[dark]}}}",
    ]
    return "".join(f".gradwire-graph {rule.replace(',.', ',.gradwire-graph .')}" for rule in rules)


_FORM = "".join(
    f".gradwire-graph {rule}"
    for rule in (
        "text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace}",
        ".title,.gradwire-graph .type,.gradwire-graph .contents{text-anchor:middle}",
        ".title{font-size:14px;font-weight:700}",
        ".key{font-style:italic;opacity:.8}",
        ".row.grad{font-weight:700}",
        ".input{font-size:9.5px}",
        ".shape{stroke-width:1.6}",
        ".inner{fill:none;stroke-width:1}",
        ".rule{fill:none;stroke-width:1;opacity:.35}",
        ".line{fill:none;stroke-width:1.5}",
        ".unrecorded .shape{stroke-dasharray:1.5 4;stroke-linecap:round;stroke-width:2}",
        ".edge.unrecorded .line{stroke-dasharray:1.5 4;stroke-linecap:round}",
        ".freed .shape{stroke-dasharray:6 4}",
    )
)

STYLE = f"{_FORM}{_colours(False)}@media (prefers-color-scheme:dark){{{_colours(True)}}}"
