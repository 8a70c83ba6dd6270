"""The Markdown of reports: what a renderer makes of it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from canary.errors import ExitCode
from canary.events import Decided, Judged, KeepsWatching, Looked, Note, Rejected, Started, VariantState
from canary.marks import Variant
from canary.printable import printable
from canary.report.collector import Collector
from canary.report.markdown import report_as_markdown
from canary.report.report import Context
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare

ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


def rendered(text: str) -> ET.Element:
    """Return the HTML of a Markdown text. It must be well-formed."""
    return ET.fromstring(f"<html>{MarkdownIt('gfm-like', {'linkify': False}).render(text)}</html>")


def report(anything: str) -> str:
    """Return the Markdown of a report in which everything from outside is this text."""
    collect = Collector(lambda: 1_800_000_000.0)
    verdict = combine(
        [compare(Evidence(90, 100), Evidence(90, 100), tolerance=0.05, metric=anything, workload=anything)] * 2
    )
    state = VariantState(Variant.CANARY, anything, 1, 1, 90, 100, images=(anything, anything))
    collect(Started("reject", (anything,), "shop", (anything,)))
    collect(Looked(1_800_000_000.0, 0, (state,), verdict))
    collect(Judged(verdict))
    collect(Note(anything, warning=True))
    collect(KeepsWatching(by=anything, reason=anything))
    collect(Decided(promote=False, by=anything, reason=anything))
    collect(Rejected(anything, anything, (anything,), anything))
    context = Context(
        "1.0", "reject", "shop", (anything,), ExitCode.CLUSTER, anything, {}, next=(f"{anything}: canary {anything}",)
    )
    return report_as_markdown(collect.report(context))


PLAIN = [element.tag for element in rendered(report("shop")).iter()]


@settings(max_examples=50)
@given(
    st.text(alphabet=st.sampled_from("<>&|`*_~[]()#+-=.!\\@/:\"' \n\r\t0a1bäß1"), min_size=1, max_size=12).filter(
        str.strip
    )
)
@example("<img src=x onerror=alert(1)>")
@example("</details><script>alert(1)</script>")
@example("<!-- a")
@example("<script a")
@example("a | b | c")
@example("[a](javascript:alert(1))")
@example("`` ` ```")
@example("1. a")
@example("- a")
@example("# a")
@example("&lt;b&gt;")
@example("\\|")
@example("$(rm -rf /)")
def test_text_from_outside_adds_neither_elements_nor_cells_to_a_report(anything: str) -> None:
    assert [element.tag for element in rendered(report(anything)).iter()] == PLAIN


@settings(max_examples=50)
@given(st.text(alphabet=st.sampled_from("<>&|`*_~[]()#+-=.!\\@/:\"'0a1bä "), min_size=1, max_size=12).filter(str.strip))
def test_text_from_outside_is_shown_as_it_is(anything: str) -> None:
    html = rendered(report(anything))
    [quote] = html.iter("blockquote")
    shown = "".join(quote.itertext()).replace(ZERO_WIDTH_SPACE, "")
    assert " ".join(shown.split()) == " ".join(printable(anything).split())


def test_a_name_after_an_at_sign_mentions_nobody() -> None:
    assert f"ask @{ZERO_WIDTH_SPACE}ada, see #{ZERO_WIDTH_SPACE}12" in "".join(
        rendered(report("ask @ada, see #12")).itertext()
    )
    assert "ada@laptop" in report("ada@laptop")  # mentions nobody anyway


@pytest.mark.parametrize(
    "text",
    [
        "see https:|//evil.example/x",
        "(HTTP:|//evil.example)",
        "_www|.evil.example",
        "WWW|.evil.example",
        "octo/repo#|12",
        "fixes GH-|7",
        "gh-|7",
        "!|12",
        "ada@|mail.example",
        "ada.b@|mail.example",
    ],
)
def test_what_github_would_make_a_link_has_a_zero_width_space(text: str) -> None:
    shown = "".join(rendered(report(text.replace("|", ""))).itertext())
    assert text.replace("|", ZERO_WIDTH_SPACE) in shown


@pytest.mark.parametrize("text", ["registry.example:5000/app:2", "a // b", "5 # of 10", "www", "wow!", "GH-"])
def test_other_text_of_a_report_stays_as_it_is(text: str) -> None:
    assert ZERO_WIDTH_SPACE not in "".join(rendered(report(text)).itertext())


def test_the_timeline_says_who_kept_watching() -> None:
    collect = Collector(lambda: 1_800_000_000.0)
    collect(Started("release", ("app",), "shop"))
    collect(KeepsWatching("ada@laptop", "PROMOTE, 2.0 points better", "too early"))
    context = Context("1.0", "release", "shop", ("app",), ExitCode.INTERRUPTED, "interrupted", {})
    text = report_as_markdown(collect.report(context))
    assert "decided to keep watching, by ada@laptop: too early (verdict: PROMOTE, 2.0 points better)" in text
