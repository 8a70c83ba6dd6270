"""What the pages say, and what their buttons do. The releases are made up: each state has a test, also rare ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from canary.console.app import MOST_SAID
from canary.errors import InputError
from canary.release.overview import Action, Health, Phase
from canary.variants.steps import Step
from canary.verdict.comparison import Decision
from tests.canary.console.fake_desk import FakeDesk
from tests.canary.console.made_up_reports import leave_reports
from tests.canary.console.overviews import PROMOTE, REJECT, metric, overview, workload
from tests.canary.console.serving import Console, serving
from tests.canary.console.states import GONE, STATES


def text(page: str) -> str:
    """Return what a page says, without markup and with single blanks."""
    return " ".join(unescape(re.sub(r"<(script|svg)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


def shown(console: Console, desk: FakeDesk, state: str) -> str:
    desk.shown = STATES[state]()
    return text(console.get("/").text)


def test_the_page_answers_which_version_how_sure_how_long_and_what_to_do(console: Console, desk: FakeDesk) -> None:
    page = shown(console, desk, "reject")
    assert "REJECT sampleapp: sampleapp:20 (canary) against sampleapp:10 (baseline)" in page
    assert "canary 78.9 % good vs baseline 90.6 %: worse by 11.6 points" in page
    assert "How sure? 95 % sure that it is at least 7.1 points worse (5 are allowed)" in page
    assert "How long? Until you decide: nothing happens before" in page
    assert "What to do? Reject it: the release waits for you" in page

    page = shown(console, desk, "undecided")
    assert "How sure? Not sure yet: 8.5 points worse to 10.3 better" in page
    assert re.search(r"How long\? About \d+ s more, then probably PROMOTE", page)
    assert "What to do? Nothing now: the release is still comparing" in page


def test_each_button_names_its_consequence(console: Console, desk: FakeDesk) -> None:
    page = shown(console, desk, "promote")
    assert "Promote replace 4 stable pods with sampleapp:20" in page
    assert "Reject delete canary and baseline; stable stays as it is" in page
    assert "Keep watching compare for longer, and ask again" in page


def test_where_no_gate_waits_promote_shows_the_command_to_run(console: Console, desk: FakeDesk) -> None:
    page = shown(console, desk, "left")
    assert "Run this in their folder: canary promote manifests/ --image sampleapp:20 -n shop" in page
    assert 'value="promote"' not in console.get("/").text
    assert 'value="reject"' in console.get("/").text


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("no-release", "No release in namespace shop"),
        ("no-release", "canary release manifests/ --image IMAGE:TAG -n shop"),
        ("starting", "ImagePullBackOff"),
        ("first-release", "First release: there is nothing to compare"),
        ("no-requests", "no answers of both variants yet"),
        ("silent-canary", "The canary gets no requests"),
        ("promoting", "sampleapp:20 is being rolled out to stable"),
        ("promoting", "What to do? Nothing: wait until it is done"),
        ("after-promote", "canary rollback sampleapp -n shop"),
        ("after-reject", "Warning: rejected sampleapp by ada"),
        ("decided-early", "Decided; still waiting: at least 5 min of comparing"),
        ("decided-early", "10 % 25 % 50 % set 17 % of the pods seen 17 % of the latest requests"),
        ("by-route", "0.5 % 5 % 50 % set 0.5 % of the requests, by HTTPRoute shop seen 17 % of the latest requests"),
        ("twenty-pods", "17 of 20 pods ready, 3 restarts"),
        ("million-requests", "10,000,000"),
        ("errors-by-ratio", "times the errors"),
        ("ten-metrics", "latency-of-endpoint-9"),
    ],
)
def test_each_state_of_a_release_is_told(console: Console, desk: FakeDesk, state: str, says: str) -> None:
    desk.shown = STATES[state]()
    assert says in " ".join(unescape(re.sub(r"<[^>]*>", " ", console.get("/").text)).split())


def test_workloads_and_metrics_are_links_the_worst_one_first(console: Console, desk: FakeDesk) -> None:
    desk.shown = STATES["several-workloads"]()
    page = console.get("/").text
    assert re.findall(r'href="/\?workload=(\w+)"', page) == ["cart", "recommendations", "checkout"]
    assert "REJECT cart: " in text(page)
    page = console.get("/?workload=recommendations&metric=latency").text
    assert "latency: how canary and baseline differ" in page
    assert "within 0.1 s" in page.lower()
    assert "REJECT cart: " in text(console.get("/?workload=unknown&metric=none").text)


def test_an_update_without_changes_is_empty(console: Console, desk: FakeDesk) -> None:
    first = console.get("/live")
    assert console.get("/live", **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    desk.shown = replace(desk.shown, at=desk.shown.at + 2)  # time alone changes nothing
    assert console.get("/live", **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    desk.shown = STATES["reject"]()
    assert console.get("/live", **{"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_a_button_does_what_it_says_and_the_next_page_tells(console: Console, desk: FakeDesk) -> None:
    answer = console.press("reject", reason=" too slow ")
    assert desk.acts == [("sampleapp", Action.REJECT, "ada", "", "too slow")]
    assert "Done: ada pressed reject" in text(answer.text)
    assert "/decide" not in answer.url  # so that a reload presses nothing
    assert "Done:" not in text(console.get("/").text)


def test_problems_are_told_from_what_is_fine_in_words_and_the_step_is_marked(console: Console, desk: FakeDesk) -> None:
    signs = (Health("lock", is_problem=True, text="it died."), Health("looks", is_problem=False, text="it looks."))
    desk.shown = overview(workload(metric(), health=signs, step=Step(25, (10, 25, 50))))
    page = console.get("/").text
    assert "! Problem: it died. ✓ Fine: it looks." in text(page)
    assert re.findall(r"<li([^>]*)>(\d+) %", page) == [
        (' class="done"', "10"),
        (' aria-current="step"', "25"),
        ("", "50"),
    ]


def test_what_is_not_known_and_what_was_not_proven_is_told(console: Console, desk: FakeDesk) -> None:
    desk.shown = overview(workload(metric(), unknown=("events may not be read",), unproven="without a verdict, by ada"))
    page = text(console.get("/").text)
    assert "events may not be read" in page
    assert "Stable was promoted without proof: without a verdict, by ada" in page


def test_whoever_presses_is_told_however_many_answers_nobody_has_read(console: Console, desk: FakeDesk) -> None:
    form, sent = console.form() | {"action": "reject"}, {"Origin": console.base}
    for _ in range(MOST_SAID):
        console.session.post(f"{console.base}/decide", data=form, headers=sent, timeout=10, allow_redirects=False)
    assert "Done: ada pressed reject" in text(console.press("reject").text)
    assert len(desk.acts) == MOST_SAID + 1


def test_what_was_refused_is_told_with_the_reason(console: Console, desk: FakeDesk) -> None:
    desk.refusal = InputError("grace has already decided to promote sampleapp")
    assert "Not done: grace has already decided to promote sampleapp" in text(console.press("reject").text)


def test_against_the_verdict_what_was_typed_is_passed_on(console: Console, desk: FakeDesk) -> None:
    desk.shown = STATES["reject"]()
    page = text(console.get("/").text)
    assert "This promotes against the verdict REJECT, and stable records that." in page
    assert "To confirm, type sampleapp" in page
    console.press("promote", typed__promote="sampleapp ")
    assert desk.acts == [("sampleapp", Action.PROMOTE, "ada", "sampleapp", "")]


def test_while_the_cluster_is_gone_the_last_state_is_shown_and_a_new_one_follows(
    console: Console, desk: FakeDesk
) -> None:
    shown(console, desk, "promote")
    desk.problem = GONE
    page = text(console.get("/").text)
    assert re.search(r"The cluster cannot be read, so this is as of \d\d:\d\d:\d\d\.", page)
    assert str(GONE) in page
    assert "sampleapp:20 is as good as sampleapp:10" in page
    desk.problem = None
    assert "cannot be read" not in text(console.get("/").text)


def test_a_console_that_never_reached_the_cluster_says_so(desk: FakeDesk) -> None:
    desk.problem = GONE
    with serving(desk) as console:
        page = text(console.get("/").text)
    assert "The cluster cannot be read." in page
    assert "Nothing is known of the cluster yet" in page


def test_a_bug_is_told_on_the_page_and_the_next_page_is_whole(console: Console, desk: FakeDesk) -> None:
    desk.problem = RuntimeError("this must not happen")
    answer = console.get("/")
    assert answer.status_code == 500
    assert "This is a bug in canary The release goes on without this page." in text(answer.text)
    assert "must not happen" not in answer.text
    desk.problem = None
    assert console.get("/").status_code == 200


def test_a_cluster_that_hangs_does_not_hold_the_page_back(desk: FakeDesk) -> None:
    with serving(desk, poll=0.2) as console:
        console.get("/")
        known, answers = desk.overview, desk.hold()
        assert "the API server does not answer; the console has been asking since" in text(console.get("/").text)
        answers.set()
        assert known() == desk.shown


def test_ten_metrics_with_a_thousand_scrapes_are_a_page_below_300_kilobytes(console: Console, desk: FakeDesk) -> None:
    metrics = [metric(f"metric-{n}", looks=1000, comparisons=10) for n in range(10)]
    desk.shown = overview(workload(*metrics, choices=(PROMOTE, REJECT)))
    assert len(console.get("/").content) < 300_000


def test_a_crash_is_no_matter_of_counts(console: Console, desk: FakeDesk) -> None:
    desk.shown = overview(
        workload(metric(), verdict=Decision.REJECT, sentence="container app of sampleapp-canary has crashed 3 times")
    )
    assert "How sure? Certain: what happened is not a matter of counts" in text(console.get("/").text)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("verdict", [None, *Decision])
def test_each_phase_can_be_shown_with_each_verdict(
    console: Console, desk: FakeDesk, phase: Phase, verdict: Decision | None
) -> None:
    for metrics in ((), (metric(looks=2),)):
        desk.shown = overview(workload(*metrics, phase=phase, verdict=verdict))
        assert console.get("/").status_code == 200


def test_past_reports_are_listed_and_opened_in_a_sandbox(desk: FakeDesk, tmp_path: Path) -> None:
    with serving(desk, reports=tmp_path / "reports") as console:
        assert f"There is no report in {tmp_path / 'reports'} yet." in text(console.get("/reports").text)
        earlier = leave_reports(tmp_path / "reports")
        page = console.get("/reports").text
        assert "2027-01-15 09:00:00 UTC app app:2 release UNDECIDED rejected ada" in text(page)
        links = re.findall(r'href="(/reports/[^"]+)"', page)
        assert links == ["/reports/newest/", f"/reports/past/{earlier}/"]
        assert "rejected" in console.get(links[0]).text
        policy = console.get(links[1]).headers["Content-Security-Policy"].split("; ")
        assert "sandbox allow-same-origin" in policy  # without allow-scripts and allow-forms
        assert "default-src 'none'" in policy
        assert not [rule for rule in policy if rule.startswith("script-src")]
        for name in ("%2e%2e", "%2e%2e/secret", "past", "past/x", "%2fetc%2fpasswd", "newest/report.txt"):
            assert console.get(f"/reports/{name}/").status_code == 404


def test_a_report_that_cannot_be_read_is_told(desk: FakeDesk, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    with serving(desk, reports=tmp_path) as console:
        assert f"{tmp_path / 'report.json'}: format: found None" in text(console.get("/reports").text)


def test_links_in_the_folder_of_reports_do_not_lead_out_of_it(desk: FakeDesk, tmp_path: Path) -> None:
    reports, elsewhere = tmp_path / "reports", tmp_path / "elsewhere"
    earlier = leave_reports(reports)
    leave_reports(elsewhere)
    (reports / "linked").symlink_to(elsewhere)
    (tmp_path / "secret").write_text("hunter2")
    (reports / "report.html").unlink()
    (reports / "report.html").symlink_to(tmp_path / "secret")
    with serving(desk, reports=reports) as console:
        page = console.get("/reports")
        assert page.status_code == 200
        assert re.findall(r'href="(/reports/[^"]+)"', page.text)[-1] == f"/reports/past/{earlier}/"
        assert "linked" not in page.text
        answer = console.get("/reports/newest/")
        assert (answer.status_code, "hunter2" in answer.text) == (404, False)


def test_a_report_that_is_no_text_is_not_shown(desk: FakeDesk, tmp_path: Path) -> None:
    leave_reports(tmp_path)
    (tmp_path / "report.html").write_bytes(b"\xff\xfe")
    with serving(desk, reports=tmp_path) as console:
        assert console.get("/reports").status_code == 200
        assert console.get("/reports/newest/").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("images", ["\ud800"]),
        ("command", "\ud800"),
        ("decided", {"by": "\ud800"}),
        ("began", "9999-12-31T23:59:59-12:00"),
    ],
)
def test_a_report_from_elsewhere_does_not_hide_the_others(
    desk: FakeDesk, tmp_path: Path, field: str, value: object
) -> None:
    leave_reports(tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps(report | {field: value}))
    with serving(desk, reports=tmp_path) as console:
        assert "2027-01-15 08:00:00 UTC app app:2 release" in text(console.get("/reports").text)


def test_without_a_folder_of_reports_there_is_no_list(console: Console) -> None:
    assert "Past reports" not in console.get("/").text
    assert "To list them, start it with --reports FOLDER." in console.get("/reports").text
