"""The answers of a demo as a picture: a row for each variant, a column for a short time, a square for each answer.

A column has the first answers of its time, in the order of their arrival. A filled square is a good answer, an outlined
one a bad answer. Colours come from the stylesheet of the page that shows the picture.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from scripts.demo.load import read_answer
from scripts.demo.screen import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scripts.demo.story import Act

COLUMNS, HIGH = 140, 8  # squares
SIDE, PITCH = 6, 8  # pixels
LEFT, TOP, GAP = 104, 62, 20  # pixels
WIDTH = 1280
FONT = '"Liberation Sans", Arial, Helvetica, sans-serif'  # as the console above it has on Linux

STYLE = f"""
.squares {{ display: block; font: 14px {FONT}; }}
.squares text {{ fill: var(--ink); }}
.squares .quiet {{ fill: var(--quiet); }}
.squares .strong {{ font-weight: 600; }}
.squares .bracket {{ fill: none; stroke: var(--quiet); }}
""" + "".join(
    f".squares .{one} {{ fill: var(--{one}); stroke: var(--{one}); }}\n.squares .bad.{one} {{ fill: none; }}\n"
    for one in VARIANTS
)


@dataclass(frozen=True)
class Square:
    """An answer.

    Attributes:
        at: Unix seconds.
        variant: of the pod that answered.
        good: whether it was good.
    """

    at: float
    variant: str
    good: bool


def squares(lines: Iterable[str]) -> Iterator[Square]:
    """Yield the answers in the lines that the locustfile writes."""
    for line in lines:
        answer = read_answer(line)
        if not answer.failure:
            yield Square(float(line.partition(" ")[0]), answer.variant, answer.good)


def draw(answers: list[Square], acts: list[Act]) -> str:
    """Return the picture as SVG."""
    start, end = answers[0].at, max(act.began + act.seconds for act in acts)
    slice_ = (end - start) / COLUMNS  # seconds
    columns: defaultdict[tuple[str, int], list[Square]] = defaultdict(list)
    for answer in answers:
        columns[answer.variant, int((answer.at - start) / slice_)].append(answer)
    band = HIGH * PITCH + GAP
    below = TOP + len(VARIANTS) * band - GAP + 14

    def x(at: float) -> float:
        return LEFT + (max(at, start) - start) / slice_ * PITCH

    parts = [
        f'<svg class="squares" width="{WIDTH}" height="{below + 92}" xmlns="http://www.w3.org/2000/svg">',
        text(24, 34, f"The {len(answers):,} answers that clients got in these {end - start:.0f} seconds", "strong"),
        text(WIDTH - 24, 34, "filled: good answer · outlined: bad answer", "quiet", end=True),
    ]
    for number, variant in enumerate(VARIANTS):
        top = TOP + number * band
        parts.append(text(24, top + HIGH * PITCH / 2 + 4, variant, "strong"))
        paths: dict[bool, list[str]] = {True: [], False: []}
        for (name, column), answered in columns.items():
            if name == variant:
                for row, answer in enumerate(answered[:HIGH]):
                    corner = f"M{LEFT + column * PITCH + 0.5} {top + (HIGH - 1 - row) * PITCH + 0.5}"
                    paths[answer.good].append(f"{corner}h{SIDE - 1}v{SIDE - 1}h-{SIDE - 1}z")
        for good, drawn in paths.items():
            parts.append(f'<path class="{"good" if good else "bad"} {variant}" d="{"".join(drawn)}"/>')
    for act in acts:
        left, right = x(act.began), x(act.began + act.seconds) - 4
        parts.append(f'<path class="bracket" d="M{left:.0f} {below}v6H{right:.0f}v-6"/>')
        parts.append(text(left, below + 28, act.image, "strong"))
        parts.append(text(left, below + 49, act.outcome, ""))
        parts.append(text(left, below + 70, reason(act), "quiet"))
    return "\n".join([*parts, "</svg>", ""])


def reason(act: Act) -> str:
    """Return the numbers behind the result of an act."""
    if not act.requests.get("baseline"):
        return "the first release"
    canary, baseline = (act.good[one] / act.requests[one] for one in ("canary", "baseline"))
    return f"canary {canary:.0%} good, baseline {baseline:.0%}"


def text(x: float, y: float, words: str, style: str, *, end: bool = False) -> str:
    """Return a line of text that begins or ends at a place."""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}"{anchor}>{escape(words)}</text>'
