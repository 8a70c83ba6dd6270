"""Reads a picture as a person does: texts, and where lines are by the values written on the axes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

NAMESPACE = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Picture:
    """An SVG picture, parsed as XML."""

    root: ET.Element

    @classmethod
    def of(cls, svg: str) -> Picture:
        return cls(ET.fromstring(svg))

    @property
    def description(self) -> str:
        return self.root.findtext(f"{NAMESPACE}desc") or ""

    @property
    def texts(self) -> list[str]:
        return [one.text or "" for one in self.root.iter(f"{NAMESPACE}text")]

    def all(self, *classes: str) -> list[ET.Element]:
        return [one for one in self.root.iter() if set(classes) <= set(one.get("class", "").split())]

    def paths(self, *classes: str) -> list[list[tuple[float, float]]]:
        """Return the places of each line of these classes, without the samples of the key."""
        samples = {one for group in self.root.iter(f"{NAMESPACE}g") for one in group.iter()}
        return [
            places(one.get("d", "")) for one in self.all(*classes) if one.tag.endswith("path") and one not in samples
        ]

    def value(self, y: float) -> float:
        """Return the value at a pixel, by two of the values on the left."""
        return _between([(float(one.get("y", "")) - 4, _number(one.text)) for one in self.all("quiet", "end")], y)

    def log_value(self, y: float) -> float:
        """Return the same on a logarithmic axis."""
        known = [(float(one.get("y", "")) - 4, math.log(_number(one.text))) for one in self.all("quiet", "end")]
        return math.exp(_between(known, y))

    def time(self, x: float) -> float:
        """Return the time at a pixel, by two of the times below the plot, in their unit."""
        found = [one for one in self.all("quiet", "middle") if re.fullmatch(r"[\d.]+", one.text or "")]
        return _between([(float(one.get("x", "")), _number(one.text)) for one in found], x)


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def _number(text: str | None) -> float:
    return float((text or "").replace("−", "-").replace(",", "").removesuffix(" %").removesuffix("x"))


def _between(known: list[tuple[float, float]], pixel: float) -> float:
    (first, low), (last, high) = known[0], known[-1]
    return low + (pixel - first) / (last - first) * (high - low)
