"""The funnel says what its numbers say: places of lines and marks follow from the axes, whatever the numbers are."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from canary.chart.funnel import Funnel, Point, draw_funnel
from canary.verdict.comparison import Decision

SVG = "{http://www.w3.org/2000/svg}"

CLOSING_IN = tuple(Point(1e9 + 10 * n, -0.01, -0.01 - 0.4 / (n + 1), -0.01 + 0.4 / (n + 1)) for n in range(60))


def test_a_funnel_names_the_side_of_each_decision_and_the_tolerance() -> None:
    root = ET.fromstring(draw_funnel(Funnel(CLOSING_IN, 0.05), title="success of web"))
    texts = [found.text for found in root.iter(f"{SVG}text")]
    assert {"▲ PROMOTE", "▼ REJECT", "tolerance", "5 points"} <= set(texts)


def test_a_funnel_says_in_a_sentence_what_it_shows() -> None:
    funnel = Funnel(CLOSING_IN, 0.05, decided=(1e9 + 270, Decision.PROMOTE), acted=(1e9 + 300, "promoted by ada"))
    root = ET.fromstring(draw_funnel(funnel, title="success of web"))
    assert root.findtext(f"{SVG}title") == "success of web"
    assert root.findtext(f"{SVG}desc") == (
        "The canary is 1.0 points worse than the baseline (interval: −1.7 to −0.3 points). The tolerance is 5 points: "
        "PROMOTE needs the whole interval on the better side of it, REJECT on the worse side. PROMOTE after 4 min 30 "
        "s. promoted by ada after 5 min."
    )
