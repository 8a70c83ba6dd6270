"""Elements of an SVG picture as text: escaped, with finite numbers, and without styles, scripts and ids of their own.

So a picture can stand in a page with a strict Content-Security-Policy, as often as you like.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from canary.chart.style import css

Dot = tuple[float, float]
"""A place in a picture: pixels from its left, and from its top."""

PER_CHARACTER = 6.9
"""Pixels of a character at most, on average. A picture cannot measure a text, so it leaves room for wide letters."""

BOLD = 1.17
"""How much wider a bold character is, in a font with wide letters."""


def element(name: str, *content: str, **attributes: str | float) -> str:
    """Return an element. The content is SVG already; attributes are escaped, and `class_` stands for `class`.

    Raises:
        ValueError: a number is not finite.
    """
    parts = [f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value != ""]
    opened = f"<{name}{''.join(parts)}"
    return f"{opened}>{''.join(content)}</{name}>" if content else f"{opened}/>"


def text(x: float, y: float, words: str, class_: str = "", *, whole: str = "") -> str:
    """Return a line of text that begins at x, or ends there with the class `end`.

    Args:
        x: pixels.
        y: pixels, of the line that the letters stand on.
        words: of the text.
        class_: classes of the stylesheet.
        whole: the whole text where `words` are shortened; a pointer that rests on them shows it.
    """
    content = [plain(words)]
    if whole and whole != words:
        content.append(element("title", plain(whole)))
    return element("text", *content, x=x, y=y, class_=class_)


def path(dots: Iterable[Dot], class_: str, *, closed: bool = False) -> str:
    """Return a line through places, or a filled area; nothing without places."""
    places = [f"{number(x)} {number(y)}" for x, y in dots]
    if not places:
        return ""
    return element("path", d=f"M{'L'.join(places)}{'Z' if closed else ''}", class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Return a straight line."""
    return path(((x1, y1), (x2, y2)), class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str) -> str:
    """Return a rectangle."""
    return element("rect", x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=class_)


def picture(
    content: Iterable[str], *, kind: str, width: float, height: float, title: str, description: str, standalone: bool
) -> str:
    """Return a whole picture.

    Args:
        content: its elements, those in front last.
        kind: class of the picture: `funnel`.
        width: pixels.
        height: pixels.
        title: what it shows, in a few words.
        description: what it says, in a sentence, for those who do not see it.
        standalone: whether it has its own stylesheet and paper, for pages that have none.
    """
    own = [element("style", css()), rectangle(0, 0, width, height, "paper")] if standalone else []
    return element(
        "svg",
        element("title", plain(title)),
        element("desc", plain(description)),
        *own,
        *content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        class_=f"chart {kind}",
        role="img",
    )


def plain(words: str) -> str:
    """Return a text for SVG: escaped, with a blank for each character that XML does not have or nobody can see."""
    shown = words if words.isprintable() else "".join(char if char.isprintable() else " " for char in words)
    return escape(shown)


def shortened(words: str, room: float, *, bold: bool = False) -> str:
    """Return a text that is not wider than some pixels: with `…` in place of what is too much."""
    most = max(2, int(room / room_for("m", bold=bold)))
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def fitting(alternatives: Sequence[str], room: float, *, bold: bool = False) -> str:
    """Return the first text that is not wider than some pixels, the last one shortened if none is."""
    found = next((one for one in alternatives if room_for(one, bold=bold) <= room), alternatives[-1])
    return shortened(found, room, bold=bold)


def room_for(words: str, *, bold: bool = False) -> float:
    """Return the pixels that a text needs at most."""
    return len(words) * PER_CHARACTER * (BOLD if bold else 1)


def number(value: float) -> str:
    """Return a number of pixels, to a tenth.

    Raises:
        ValueError: it is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a place in a picture")
    rounded = round(value, 1)
    return f"{rounded:g}" if abs(rounded) < 1e5 else f"{rounded:.1f}"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return plain(value) if isinstance(value, str) else number(value)
