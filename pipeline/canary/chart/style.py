"""The stylesheet of the pictures, and the only place of their colours: console and report use the same variables.

Each colour stands for one thing. A shape, a dash or a word says the same again, so no picture needs its colours.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2330",
    "quiet": "#566070",
    "rule": "#d5dae2",
    "canary": "#0b5fc0",
    "baseline": "#a04a00",
    "stable": "#5d6673",
    "promote": "#00695a",
    "reject": "#b0123f",
    "promote-side": "#dff3ed",
}
"""Colours on white paper, by the name of their variable. Texts are in `ink` or `quiet`, thin lines in `rule`."""

DARK = {
    "paper": "#10151d",
    "ink": "#e8edf4",
    "quiet": "#a3adbb",
    "rule": "#333d4b",
    "canary": "#6bb1ff",
    "baseline": "#f2a65a",
    "stable": "#a9b3c0",
    "promote": "#4fd1ae",
    "reject": "#ff8ba3",
    "promote-side": "#12332f",
}
"""The same colours on a dark screen."""

FONT = 'system-ui, -apple-system, "Segoe UI", "Liberation Sans", Roboto, Helvetica, Arial, sans-serif'

_RULES = """
.chart { display: block; max-width: 100%; height: auto; font-family: FONT; }
.chart text { font-size: 12px; fill: var(--ink); }
.chart .quiet { fill: var(--quiet); }
.chart text.strong { font-weight: 600; }
.chart .paper { fill: var(--paper); }
.chart .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4; stroke-linejoin: round; }
.chart .grid { stroke: var(--rule); }
.chart .axis { stroke: var(--quiet); }
.chart .middle { text-anchor: middle; }
.chart .end { text-anchor: end; }
.chart .line, .chart .bound, .chart .grid, .chart .axis, .chart .tolerance, .chart .bar, .chart .moment { fill: none; }
.chart .promote-side { fill: var(--promote-side); }
.chart text.promote { fill: var(--promote); }
.chart text.reject { fill: var(--reject); }
.chart .interval { fill: var(--canary); fill-opacity: .2; }
.chart .bound { stroke: var(--canary); stroke-width: 1.25; }
.chart .bar { stroke: var(--canary); stroke-width: 2; }
.chart .line { stroke-width: 2; stroke-linejoin: round; }
.chart .expected { stroke-dasharray: 4 4; }
.chart .tolerance { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 9 3; }
.chart .moment { stroke: var(--ink); stroke-dasharray: 1 3; stroke-width: 1.5; }
.chart .mark { stroke: var(--paper); stroke-width: 1.5; }
.chart .sign { fill: none; stroke: var(--paper); stroke-width: 2; }
.chart .hollow { fill: var(--paper); stroke-width: 2; }
"""

_VARIANTS = "".join(
    f".chart .line.{one} {{ stroke: var(--{one}); }}\n"
    f".chart .mark.{one}, .chart .good.{one}, .chart text.{one} {{ fill: var(--{one}); }}\n"
    f".chart .bad.{one} {{ fill: var(--paper); stroke: var(--{one}); stroke-width: 1.5; }}\n"
    for one in ("canary", "baseline", "stable")
)

_DECISIONS = "".join(
    f".chart .mark.{one} {{ fill: var(--{one}); }}\n.chart .hollow.{one} {{ stroke: var(--{one}); }}\n"
    for one in ("promote", "reject")
)

_DASHES = ".chart .line.baseline { stroke-dasharray: 7 3; }\n.chart .line.stable { stroke-dasharray: 2 3; }\n"


def css() -> str:
    """Return the stylesheet: the colours as variables, for light, dark and print, and the rules of the pictures."""
    rules = _RULES.replace("FONT", FONT) + _VARIANTS + _DECISIONS + _DASHES
    dark = f"@media screen and (prefers-color-scheme: dark) {{\n:root {{ color-scheme: dark; {_variables(DARK)} }}\n}}"
    return f":root {{ color-scheme: light; {_variables(LIGHT)} }}\n{dark}\n{rules.strip()}\n"


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
