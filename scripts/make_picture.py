"""Draw docs/images/demo.svg from a real run of the demo. Each square is one answer that a client received.

    .venv/bin/python -m scripts.make_picture

A column has the first answers of a short time, in the order of their arrival.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from rich.console import Console

from scripts.demo.children import Children, Interrupts
from scripts.demo.load import read_answer
from scripts.demo.places import Localcluster
from scripts.demo.screen import VARIANTS, Screen
from scripts.demo.story import ROOT, Act, Demo

if TYPE_CHECKING:
    from collections.abc import Iterable

PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS, HIGH = 130, 10  # squares
SIDE, PITCH = 5, 7  # pixels
LEFT, TOP, GAP = 96, 92, 22  # pixels
FONT = "ui-sans-serif, system-ui, Helvetica, Arial, sans-serif"
HUES = {"sampleapp:10": "#2f6fd0", "sampleapp:20": "#1a9850", "sampleapp:5": "#d9480f"}


@dataclass(frozen=True)
class Square:
    """An answer.

    Attributes:
        at: Unix seconds.
        variant: of the pod that answered.
        version: image of that pod.
        good: whether it was good.
    """

    at: float
    variant: str
    version: str
    good: bool


def record() -> tuple[list[Square], list[Act]]:
    """Play the demo; returns all answers and acts."""
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as name:
        screen = Screen(Console())
        children = Children(Path(name), screen.command, Interrupts())
        place = Localcluster(children, Path(name) / "localcluster")
        demo = Demo(place, screen, children, Path(name))
        try:
            demo.play()
        finally:
            children.end()
            place.down()
        lines = (Path(name) / "answers").read_text().splitlines()
    return list(squares(lines, demo.acts)), demo.acts


def squares(lines: Iterable[str], acts: list[Act]) -> Iterable[Square]:
    """Yield each answer with its version: the image of the release in which its ReplicaSet first answered."""
    versions: dict[str, str] = {}
    for line in lines:
        at, status, pod = line.split(" ", 2)
        variant = read_answer(line).variant
        replica_set = pod.rpartition("-")[0]
        if variant and replica_set not in versions:
            number = max(i for i, act in enumerate(acts) if act.began <= float(at))
            versions[replica_set] = acts[number - 1 if variant == "baseline" else number].image
        if variant:
            yield Square(float(at), variant, versions[replica_set], good=status == "200")


def draw(answers: list[Square], acts: list[Act]) -> str:
    """Return the picture as SVG."""
    start, end = answers[0].at, max(act.began + act.seconds for act in acts)
    slice_ = (end - start) / COLUMNS  # seconds
    columns: defaultdict[tuple[str, int], list[Square]] = defaultdict(list)
    for answer in answers:
        columns[answer.variant, int((answer.at - start) / slice_)].append(answer)
    width = LEFT + COLUMNS * PITCH + 24
    band = HIGH * PITCH + GAP
    height = TOP + len(VARIANTS) * band + 84

    def x(at: float) -> float:
        return LEFT + (max(at, start) - start) / slice_ * PITCH

    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size} font-family="{FONT}">',
        f'<rect {size} rx="8" fill="#fff" stroke="#d0d7de"/>',
        text(20, 30, "Three releases of one service, decided by its answers", size=17, weight=600),
        text(20, 52, f"A recorded run of make demo: {len(answers):,} answers in {end - start:.0f} seconds", grey=True),
    ]
    parts += legend(width)
    for number, variant in enumerate(VARIANTS):
        top = TOP + number * band
        parts.append(text(20, top + HIGH * PITCH / 2 + 4, variant, weight=600))
        paths: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
        for (name, column), answered in columns.items():
            if name == variant:
                for row, answer in enumerate(answered[:HIGH]):
                    corner = f"M{LEFT + column * PITCH} {top + (HIGH - 1 - row) * PITCH}"
                    paths[answer.version, answer.good].append(f"{corner}h{SIDE}v{SIDE}h-{SIDE}z")
        for (version, good), drawn in paths.items():
            parts.append(f'<path fill="{HUES[version]}" opacity="{1 if good else 0.16}" d="{"".join(drawn)}"/>')
    below = TOP + len(VARIANTS) * band - GAP + 16
    for act in acts:
        left, right = x(act.began), x(act.began + act.seconds) - 4
        parts.append(f'<path d="M{left:.0f} {below}v6H{right:.0f}v-6" fill="none" stroke="{HUES[act.image]}"/>')
        parts.append(text(left, below + 26, act.image, weight=600, colour=HUES[act.image]))
        for number, line in enumerate(reason(act)):
            parts.append(text(left, below + 45 + 18 * number, line))
    return "\n".join([*parts, "</svg>", ""])


def legend(width: float) -> list[str]:
    """Return the legend of the colours, at the top right."""
    parts, left = [], width - 24.0
    for version, hue in reversed(HUES.items()):
        left -= 132
        parts.append(text(left + 34, 52, version))
        for offset, opacity in ((0, 1), (14, 0.16)):
            parts.append(f'<rect x="{left + offset}" y="42" width="11" height="11" fill="{hue}" opacity="{opacity}"/>')
    return [*parts, text(left, 30, "solid: good answer, pale: bad answer", grey=True)]


def reason(act: Act) -> list[str]:
    """Return the result of an act and the numbers behind it."""
    if not act.requests.get("baseline"):
        return [act.outcome]
    canary, baseline = (act.good[one] / act.requests[one] for one in ("canary", "baseline"))
    return [f"{act.outcome}: {canary:.0%} good, baseline {baseline:.0%}", f"on {sum(act.requests.values())} requests"]


def text(
    x: float, y: float, words: str, *, size: int = 13, weight: int = 400, grey: bool = False, colour: str = ""
) -> str:
    """Return a line of text."""
    fill = colour or ("#59636e" if grey else "#1f2328")
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" fill="{fill}">{escape(words)}</text>'
    )


def main() -> None:
    """Record, draw, write."""
    os.chdir(ROOT)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(draw(*record()))


if __name__ == "__main__":
    main()
