"""The colours can be read on their paper, by everybody, and are never the only difference."""

from __future__ import annotations

import re

import pytest

from canary.chart.style import DARK, LIGHT, css

Colours = dict[str, str]

schemes = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def over(colour: str, opacity: float, paper: str) -> str:
    """Return the colour of a transparent one on paper."""
    pairs = zip(*([int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in (colour, paper)), strict=True)
    return "#" + "".join(f"{round(opacity * top + (1 - opacity) * below):02x}" for top, below in pairs)


def band(colours: Colours, below: str) -> str:
    opacity = re.search(r"\.interval \{[^}]*fill-opacity: ([.\d]+)", css())
    assert opacity
    return over(colours["canary"], float(opacity[1]), colours[below])


@schemes
def test_texts_have_the_contrast_that_wcag_asks_for(colours: Colours) -> None:
    for text in ("ink", "quiet", "canary", "baseline", "stable", "promote", "reject"):
        assert contrast(colours[text], colours["paper"]) >= 4.5, text
    for text in ("ink", "quiet", "promote", "reject"):
        assert contrast(colours[text], colours["promote-side"]) >= 4.5, text


@schemes
def test_lines_and_marks_can_be_seen_on_everything_that_they_cross(colours: Colours) -> None:
    papers = [colours["paper"], colours["promote-side"], band(colours, "paper"), band(colours, "promote-side")]
    for line in ("ink", "canary", "promote", "reject"):
        for paper in papers:
            assert contrast(colours[line], paper) >= 3, (line, paper)
    for line in ("canary", "baseline", "stable"):
        assert contrast(colours[line], colours["paper"]) >= 3


def test_variants_differ_in_their_dashes_too() -> None:
    dashes = {
        variant: re.search(rf"\.line\.{variant} \{{ stroke-dasharray: ([^;]+);", css())
        for variant in ("canary", "baseline", "stable")
    }
    assert len({found and found[1] for found in dashes.values()}) == 3


def test_print_is_always_dark_on_white() -> None:
    sheet = css()
    [dark] = re.findall(r"@media [^{]*\{", sheet)
    assert dark == "@media screen and (prefers-color-scheme: dark) {"
    assert sheet.startswith(f":root {{ color-scheme: light; --paper: {LIGHT['paper']};")


def test_each_colour_has_one_name_and_both_schemes_have_all_of_them() -> None:
    assert LIGHT.keys() == DARK.keys()
    rules = css().partition("@media")[2].partition("\n}")[2]
    assert not re.search(r"#[0-9a-f]{3}", rules)
    assert set(re.findall(r"var\(--([-a-z]+)\)", rules)) <= LIGHT.keys()
