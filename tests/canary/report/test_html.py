"""The HTML of reports: what a browser makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canary.chart.funnel import Point
from canary.errors import ExitCode
from canary.events import Decided, HandedOver, Judged, Note, Promoted, Recalled, Rejected, Undone
from canary.printable import printable
from canary.report.html import LIMIT, Rows, report_as_html
from canary.report.report import Progress
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.looks import Counts, Look
from canary.verdict.tolerance import Multiple
from tests.canary.report.made_up import BEGAN, MadeUp, of_texts

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page, its texts, and what is wrong with it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def tags(self, *, pictures: bool = False) -> list[tuple[str, tuple[str, ...]]]:
        """Return the elements; those of pictures are as many as their texts need lines."""
        drawn = ("svg", "title", "desc", "text", "path", "rect", "circle", "g", "line", "tspan")
        return [one for one in self.elements if pictures or one[0] not in drawn]


PLAIN = Page(report_as_html(of_texts("shop")))

NASTY = [
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onload='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "]]><svg onload=alert(1)>",
    "<!--",
    "&lt;b&gt;",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    "\x00\x1b[31mred",
    "\ud800",
    "a" * 5000,
]


@pytest.mark.parametrize("anything", NASTY)
def test_no_text_from_outside_adds_an_element_or_an_attribute(anything: str) -> None:
    page = Page(report_as_html(of_texts(anything)))
    assert page.tags() == PLAIN.tags()
    names = {name for _, names in page.tags(pictures=True) for name in names}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert "script" not in {tag for tag, _ in page.elements}


@settings(max_examples=40)
@given(
    st.text(alphabet=st.one_of(st.sampled_from("<>&\"'`/={}%#;:!-[] \n\taß"), st.characters()), min_size=1, max_size=12)
    .filter(str.strip)
    .filter(lambda text: printable(text).strip() != "")
)
@example("{{x}}")
@example("\N{LEFT-TO-RIGHT ISOLATE}x")
def test_any_text_is_shown_as_it_is_and_adds_nothing(anything: str) -> None:
    html = report_as_html(of_texts(anything))
    page = Page(html)
    assert page.tags() == PLAIN.tags()
    assert " ".join(printable(anything).split()) in page.text
    assert not [char for char in html if not char.isprintable() and char != "\n"]


def test_a_page_asks_nobody_for_anything() -> None:
    page = Page(report_as_html(of_texts("https://evil.example/x")))
    targets = [value for name, value in page.attributes if name in ("href", "src", "action", "xlink:href", "data")]
    assert targets == ["report.md", "report.json"]
    policy = next(value for _, value in page.attributes if value and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "script-src" not in policy


def worse() -> MadeUp:
    made = MadeUp({("app", "success"): 0.8})
    made.deploy()
    verdict = made.look(60)
    made.tell(Judged(verdict), Decided(promote=False, by="auto", verdict="REJECT"))
    return made


def first_words(html: str) -> str:
    return Page(html).text[:400]


def test_a_rejected_release_begins_with_outcome_verdict_and_who_decided() -> None:
    made = worse()
    made.tell(Rejected("app", "because", ("app-canary",)), after=2)
    report = made.report(ExitCode.REJECTED)
    words = first_words(report_as_html(report))
    assert words.startswith("Rejected the canary of app Rejected the canary of app REJECT canary 7")
    assert "Decided to reject by auto at 2027-01-15 08:05:06 UTC" in words


def test_the_answers_of_canary_and_baseline_stand_below_their_names() -> None:
    text = Page(report_as_html(of_texts("x"))).text
    assert "Tolerance Canary Baseline x x" in text
    assert "40.0 % good of 100 90.0 % good of 100" in text


def test_a_heading_has_the_colour_of_its_outcome_and_says_how_long_it_took() -> None:
    promoted, rejected = MadeUp(), worse()
    promoted.look(2)
    failed = report_as_html(promoted.report(ExitCode.CLUSTER, "nobody answers"))
    promoted.tell(Promoted("app", ("app:2",)))
    rejected.tell(Rejected("app", "because", ("app-canary",)), after=2)
    pages = failed, report_as_html(promoted.report()), report_as_html(rejected.report(ExitCode.REJECTED))
    colours = [page.partition('<header class="')[2].partition('"')[0] for page in pages]
    assert colours == ["open", "promote", "reject"]
    took = [Page(page).text.partition(" Took ")[2].partition(" Exit code")[0] for page in pages]
    assert took == ["10s", "10s", "5m8s"]


def test_the_funnel_marks_the_decision_and_who_acted() -> None:
    made = worse()
    made.tell(Rejected("app", "because", ("app-canary",)), after=2)
    page = Page(report_as_html(made.report(ExitCode.REJECTED)))
    assert "rejected by auto" in page.text
    assert "REJECT after" in page.text
    kinds = [value for name, value in page.attributes if name == "class" and value and value.startswith("chart")]
    assert [kind.split()[-1] for kind in kinds] == ["funnel", "funnel", "lines", "answers", "lines"]


@pytest.mark.parametrize(
    ("code", "error", "heading"),
    [
        (
            ExitCode.INTERRUPTED,
            "interrupted. To continue: canary watch app",
            "The canary release of app was interrupted",
        ),
        (ExitCode.BUG, "KeyError: 'x'", "The canary release of app failed"),
        (ExitCode.CLUSTER, "the API server does not answer", "The canary release of app failed"),
    ],
)
def test_a_report_of_a_release_that_did_not_end_says_so_first(code: ExitCode, error: str, heading: str) -> None:
    made = MadeUp()
    made.deploy()
    made.look(3)
    page = Page(report_as_html(made.report(code, error)))
    assert page.text.startswith(f"{heading} {heading} UNDECIDED")
    assert error in page.text
    assert code.meaning in page.text


def test_a_failure_before_anything_was_known_leaves_a_page_too() -> None:
    page = Page(report_as_html(MadeUp({}, images=()).report(ExitCode.CLUSTER, "no cluster")))
    assert page.text.startswith("The canary release of namespace shop failed")
    assert "svg" not in {tag for tag, _ in page.elements}


def test_an_undone_promote_says_why() -> None:
    made = MadeUp(command="promote")
    made.tell(Undone("app", "its pods did not start"))
    text = Page(report_as_html(made.report(ExitCode.NOT_PROMOTED, "undone"))).text
    assert text.startswith("The promote of app failed and was undone")
    assert "Undone: app is as it was before, because its pods did not start" in text


def test_a_decision_that_another_driver_carried_out_names_it() -> None:
    made = MadeUp(command="promote")
    made.tell(HandedOver(("app",), promote=True, to="ada@laptop"))
    assert "Carried out by the driver that waited at its gate: ada@laptop" in Page(report_as_html(made.report())).text


def test_a_first_release_has_no_pictures_and_says_that_nothing_was_compared() -> None:
    made = MadeUp({})
    made.tell(Note("nothing to compare"), Promoted("app", ("app:2",)))
    page = Page(report_as_html(made.report()))
    assert "svg" not in {tag for tag, _ in page.elements}


def test_a_verdict_without_saved_looks_has_its_numbers_and_no_pictures() -> None:
    made = MadeUp(command="promote")
    verdict = MadeUp().look(3)
    made.tell(Recalled(BEGAN - 60, (), verdict, {}), Decided(promote=True, by="ada"))
    page = Page(report_as_html(made.report()))
    assert "success UNDECIDED" in page.text
    assert "svg" not in {tag for tag, _ in page.elements}
    assert "not drawn" not in page.text


def test_every_metric_of_every_workload_has_its_pictures_the_worst_first() -> None:
    made = MadeUp({("app", "success"): 0.97, ("app", "paid"): 0.7, ("api", "success"): 0.96})
    made.deploy()
    made.look(40)
    page = Page(report_as_html(made.report()))
    titles = [text for text in page.texts if text.endswith(" over time") and ":" not in text]
    assert titles == ["app paid over time", "api success over time", "app success over time"]


def test_a_relative_tolerance_is_drawn_and_told_as_a_ratio() -> None:
    made = MadeUp({("app", "success"): 0.8}, tolerance=Multiple(2.0))
    made.look(60)
    text = Page(report_as_html(made.report())).text
    assert "times the errors" in text
    assert "the canary's errors ÷ the baseline's" in text


def test_settings_that_were_set_come_first_and_defaults_are_folded_away() -> None:
    html = report_as_html(MadeUp().report())
    assert html.index("canary.yml:3") < html.index("<details>") < html.index("min-duration") < html.index("</details>")
    text = Page(html).text
    assert "interval 5s canary.yml:3" in text
    assert "min-duration 5m default" in text
    assert "3 settings with the default value" in text


def test_images_have_their_digests_and_next_steps_their_commands() -> None:
    made = MadeUp()
    made.look(2)
    text = Page(report_as_html(made.report(next_=("delete canary and baseline: canary reject app -n shop",)))).text
    assert f"registry.example/app:2 registry.example/app@sha256:{'b' * 64}" in text
    assert "What you can do now delete canary and baseline: canary reject app -n shop" in text


def test_ten_hours_with_ten_metrics_fit_and_the_page_says_that_points_are_added_up() -> None:
    sums, looks, points = [0] * 6, [], []
    for look in range(7200):
        for side in (0, 2, 4):
            total = 20 + (look * 7 + side) % 31
            sums[side] += total - (look + side) % 3
            sums[side + 1] += total
        at = BEGAN + 5 * look
        looks.append(Look(at, Evidence(*sums[:2]), Evidence(*sums[2:4]), Evidence(*sums[4:])))
        points.append(Point(at, 0.01, -1 / (look + 1), 0.01 + 1 / (look + 2)))
    names = [f"metric-{n}" for n in range(10)]
    counts = tuple(Counts("app", name, 0.001, 0.05, 10, tuple(looks)) for name in names)
    progress = {("app", name): Progress(tuple(points), (BEGAN, Decision.UNDECIDED)) for name in names}
    html = report_as_html(replace(MadeUp({}).report(), counts=counts, progress=progress))
    assert len(html.encode()) < LIMIT
    page = Page(html)
    assert page.text.count("7,200 looks. The pictures show fewer points") == 10
    assert "not drawn" not in page.text


def test_of_too_many_rows_the_first_and_the_last_are_shown() -> None:
    assert Rows.of(range(10), 4) == Rows([0, 1, None, 8, 9], left_out=6)
    assert Rows.of(range(4), 4) == Rows(range(4), left_out=0)


def test_more_than_fits_is_left_out_and_counted() -> None:
    made = MadeUp({(f"app-{n}", "success"): 0.97 for n in range(60)})
    made.look(30)
    for _ in range(1000):
        made.tell(Note("x" * 3000, warning=True))
    html = report_as_html(made.report())
    assert len(html.encode()) < LIMIT
    text = Page(html).text
    assert "more metrics not drawn, to keep this page below a megabyte" in text
    assert "events in between left out here; report.json has all" in text


def test_a_page_stays_small_whatever_people_and_containers_write(tmp_path: Path) -> None:
    nasty = '"<&' * 2000
    many = tuple(f"{n}{nasty}" for n in range(300))
    (tmp_path / "pods.json").write_text(
        json.dumps(
            [{"variant": "canary", "name": nasty, "containers": [{"name": nasty, "restartCount": 1}] * 50}],
        )
    )
    for n in range(9):
        (tmp_path / f"{n}.log").write_text(nasty * 10)
    report = of_texts(nasty, str(tmp_path))
    report = replace(
        report,
        rejected=tuple(Rejected(name, name, (), str(tmp_path)) for name in many),
        undone=tuple(Undone(name, name) for name in many),
        timeline=report.timeline * 100,
        variants=report.variants * 300,
        context=replace(report.context, next=tuple(f"{name}: canary {name}" for name in many), workloads=many),
    )
    html = report_as_html(report)
    assert len(html.encode()) < LIMIT
    assert "more workloads left out here; report.json has all" in Page(html).text


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Give the evidence of a canary whose container died."""
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    pods = [
        {
            "variant": "canary",
            "name": "app-canary-1",
            "containers": [{"name": "app", "restartCount": 2, "state": {"running": {}}, "lastState": ended}],
        },
        {"variant": "canary", "name": "app-canary-0", "containers": [{"name": "app", "restartCount": 0}]},
        {"variant": "baseline", "name": "app-baseline-0", "containers": [{"name": "app", "restartCount": 1}]},
    ]
    (tmp_path / "pods.json").write_text(json.dumps(pods))
    (tmp_path / "app-canary-0.app.log").write_text("fine\n")
    lines = [f"line {n}" for n in range(50)]
    (tmp_path / "app-canary-1.app.previous.log").write_text("\n".join([*lines, "</pre><script>alert(1)</script>"]))
    return tmp_path


def rejected(evidence: Path) -> Page:
    made = worse()
    made.tell(Rejected("app", "because", ("app-canary",), str(evidence)))
    return Page(report_as_html(made.report(ExitCode.REJECTED)))


def test_a_rejected_canary_shows_how_its_containers_ended_and_their_last_lines(evidence: Path) -> None:
    page = rejected(evidence)
    assert "app-canary-1 app 2 OOMKilled (exit code 137)" in page.text
    assert "app-baseline-0" not in page.text
    assert "app-canary-1.app.previous.log (its last 20 lines)" in page.text
    assert "line 49 </pre><script>alert(1)</script>" in page.text
    assert "line 30 " not in page.text
    assert page.text.index("app-canary-1.app.previous.log") < page.text.index("app-canary-0.app.log")


def test_long_lines_and_many_logs_of_a_rejected_canary_are_cut(evidence: Path) -> None:
    for n in range(40):
        (evidence / f"app-canary-1.app{n}.log").write_text(("y" * 100_000 + "\n") * 10)
    page = rejected(evidence)
    assert "36 more logs in that folder" in page.text
    assert max(map(len, page.texts)) < 20_000


def test_evidence_that_is_gone_or_broken_is_said_to_be(evidence: Path) -> None:
    (evidence / "pods.json").write_text("[{}]")
    assert "cannot be read: pods.json is not as canary writes it (KeyError)" in rejected(evidence).text
    assert "cannot be read: No such file or directory" in rejected(evidence / "gone").text
