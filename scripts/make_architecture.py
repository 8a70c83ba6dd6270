"""Draw docs/images/architecture.svg: the parts of a release, and what goes between them.

    .venv/bin/python -m scripts.make_architecture

Names, ports and numbers of pods are those of manifests/ and canary.yml.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from canary.chart.svg import Dot, element, path, picture, rectangle, text
from canary.marks import Variant, variant_name
from canary.plurals import counted
from canary.variants.sizes import variant_replicas

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
WIDTH, HEIGHT = 960, 424
TITLE = "The parts of a canary release"
DESCRIPTION = (
    "Clients send requests to one Service, which passes them to the pods of stable, baseline and canary. The command "
    "canary reads the counts of good and bad answers, compares baseline and canary, lets a gate decide, and promotes "
    "or rejects. Its state is in the cluster."
)
RULES = """
.architecture text { font-size: 13px; }
.architecture text.head { font-size: 15px; font-weight: 600; }
.architecture .box { fill: var(--paper); stroke: var(--quiet); stroke-width: 1.5; }
.architecture .frame { fill: none; stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 6 4; }
.architecture .arrow { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.architecture .tip { fill: var(--ink); }
.architecture .arrow.promote { stroke: var(--promote); stroke-width: 2; }
.architecture .tip.promote { fill: var(--promote); }
.architecture .arrow.reject { stroke: var(--reject); stroke-width: 2; }
.architecture .tip.reject { fill: var(--reject); }
.architecture .box.canary { stroke: var(--canary); stroke-width: 3; }
.architecture .box.baseline { stroke: var(--baseline); stroke-width: 3; stroke-dasharray: 8 3; }
.architecture .box.stable { stroke: var(--stable); stroke-width: 3; }
"""


def draw() -> str:
    """Return the picture, as SVG with its own stylesheet."""
    objects = [
        one for file in sorted((ROOT / "manifests").glob("*.yml")) for one in yaml.safe_load_all(file.read_text())
    ]
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    service = next(one for one in objects if one["kind"] == "Service")
    settings = yaml.safe_load((ROOT / "canary.yml").read_text())
    content = [element("style", RULES), *_parts(deployment, service, int(settings["percentage"]))]
    svg = picture(
        content,
        kind="architecture",
        width=WIDTH,
        height=HEIGHT,
        title=TITLE,
        description=DESCRIPTION,
        standalone=True,
    )
    return f"{svg}\n"


def _parts(deployment: dict[str, Any], service: dict[str, Any], percentage: int) -> Iterator[str]:
    name, stable = deployment["metadata"]["name"], deployment["spec"]["replicas"]
    ports = {one["name"]: one["port"] for one in service["spec"]["ports"]}
    pods = dict.fromkeys(Variant, variant_replicas(stable, percentage)) | {Variant.STABLE: stable}
    versions = {
        Variant.STABLE: "old version, as it is",
        Variant.BASELINE: "old version, started fresh",
        Variant.CANARY: "new version",
    }

    yield rectangle(146, 34, 460, 374, "frame")
    yield text(158, 26, "Kubernetes, one namespace", "quiet")
    yield from _box(10, 152, 108, 60, "clients", "or make load")
    yield from _arrow((118, 182), (160, 182))
    yield from _box(160, 144, 162, 76, "Service", f"{name}, port {ports['http']}", "a pod per connection")
    for row, variant in enumerate(Variant):
        top = 52 + 92 * row
        yield from _arrow((322, 182), (368, top + 36))
        lines = (versions[variant], f"{counted(pods[variant], 'pod')}, metrics on {ports['metrics']}")
        yield from _box(368, top, 226, 72, variant_name(name, variant), *lines, kind=f" {variant}")
    yield from _box(160, 338, 434, 56, "state of the release", "its lock, its counts, and stable as it was before")

    yield rectangle(676, 34, 270, 374, "frame")
    yield text(688, 26, "canary, anywhere: laptop, pipeline, Job", "quiet")
    yield from _box(692, 52, 238, 56, "counts", "from the pods or Prometheus")
    yield from _arrow((811, 108), (811, 138))
    yield from _box(692, 138, 238, 56, "verdict", "canary against baseline")
    yield from _arrow((811, 194), (811, 224))
    yield from _box(692, 224, 238, 56, "gate", "the verdict, a person, a server")
    yield from _box(692, 310, 238, 56, "shown in", "terminal, console, report, chat")

    for top in (164, 256):  # baseline and canary
        yield path([(594, top), (634, top)], "arrow")
    yield from _arrow((634, 256), (634, 80), (692, 80))
    yield from _arrow((692, 242), (656, 242), (656, 62), (594, 62), kind=" promote")
    yield text(612, 56, "promote", "promote")
    yield from _arrow((692, 262), (656, 262), (656, 292), (594, 292), kind=" reject")
    yield text(612, 308, "reject", "reject")
    yield from _arrow((676, 366), (594, 366))
    yield from _arrow((594, 366), (676, 366))


def _box(x: float, y: float, width: float, height: float, head: str, *lines: str, kind: str = "") -> Iterator[str]:
    """Yield a box with a heading and lines below it."""
    yield rectangle(x, y, width, height, f"box{kind}")
    yield text(x + width / 2, y + 23, head, "head middle")
    for number, words in enumerate(lines):
        yield text(x + width / 2, y + 42 + 17 * number, words, "quiet middle")


def _arrow(*places: Dot, kind: str = "") -> Iterator[str]:
    """Yield an arrow through places."""
    yield path(places, f"arrow{kind}")
    (x1, y1), (x2, y2) = places[-2:]
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    along, across = ((x2 - x1) / length, (y2 - y1) / length), (-(y2 - y1) / length, (x2 - x1) / length)
    back = (x2 - 9 * along[0], y2 - 9 * along[1])
    wings = [(back[0] + side * 4.5 * across[0], back[1] + side * 4.5 * across[1]) for side in (1, -1)]
    yield path([(x2, y2), *wings], f"tip{kind}", closed=True)


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw())


if __name__ == "__main__":
    main()
