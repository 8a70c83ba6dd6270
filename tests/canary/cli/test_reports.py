"""Reports: what a command leaves in the folder of --report."""

from __future__ import annotations

import itertools
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata
from canary.verdict.tolerance import Multiple
from tests.canary.cluster_simulator import Simulator
from tests.canary.commandline import CANARY, CommandLine
from tests.canary.quick_release import NEW, QUICK, WORSE
from tests.canary.report_files import REPORT, markdown_of, report_of
from tests.canary.story import deployment, service

IMPATIENT = (*QUICK[:-1], "100ms")


def events_of(report: Any) -> list[str]:
    return [entry["event"] for entry in report["timeline"]]


def alike(numbers: Any) -> Any:
    """Return what equals these numbers up to rounding: looks have sums of the counts that the release added up."""
    return pytest.approx(numbers, rel=1e-9, abs=1e-12)


def rejudged(counts: Any) -> list[Any]:
    """Judge the counts of a report again, look by look."""
    strata, before, judged = Strata(counts["tolerance"]), [0, 0, 0, 0], []
    for look in counts["looks"]:
        now = look[1:5]
        new = [later - earlier for earlier, later in zip(before, now, strict=True)]
        strata, before = strata.add(Evidence(*new[:2]), Evidence(*new[2:])), now
        judged.append(compare_strata(strata, alpha=counts["alpha"], comparisons=counts["comparisons"]))
    return judged


def test_a_promoted_release_reports_its_images_pods_and_verdict(canary: CommandLine, answers: Simulator) -> None:
    answers.image_ids["app:2"] = "docker.io/library/app@sha256:" + "2" * 64
    assert canary("release", *NEW, "--gate", "auto", *QUICK, *REPORT).code == 0
    report = report_of(canary)
    assert (report["command"], report["outcome"], report["decision"]) == ("release", "promoted", "promote")
    assert (report["exit_code"], report["error"], report["workloads"]) == (0, None, ["app"])
    assert report["sentence"] == report["verdict"]["sentence"]
    assert (report["decided"]["by"], report["decided"]["promote"]) == ("auto", True)
    assert (report["images"], report["promoted"]) == (["app:2"], [{"workload": "app", "images": ["app:2"]}])
    variants = {one["variant"]: one for one in report["variants"]}
    assert {name: (one["images"], one["ready"]) for name, one in variants.items()} == {
        "stable": (["app:1"], 4),
        "baseline": (["app:1"], 2),
        "canary": (["app:2"], 2),
    }
    assert variants["canary"]["image_ids"] == ["docker.io/library/app@sha256:" + "2" * 64]
    assert report["settings"]["tolerance"] == {"value": 0.05, "source": "--tolerance"}
    assert report["settings"]["alpha"] == {"value": 0.05, "source": "default"}
    told = [event for event, _ in itertools.groupby(events_of(report)) if event != "note"]
    assert told[:4] == ["started", "written", "ready", "deployed"]
    assert told[-4:] == ["written", "ready", "written", "promoted"]
    assert told.index("judged") < told.index("decided")
    assert markdown_of(canary).startswith(f"## Promoted app to app:2\n\n**PROMOTE**: {report['sentence']}\n")


def test_the_counts_of_a_report_lead_to_its_verdict_again(canary: CommandLine, answers: Simulator) -> None:
    several = ("--metric", 'good=requests_total{custom_status="good"},requests_total')
    all_ = ("--metric", 'all=requests_total{custom_status=~"good|bad"},requests_total,0.01')
    assert canary("release", *WORSE, "--gate", "auto", *QUICK, *several, *all_, *REPORT).code == 1
    report = report_of(canary)
    assert [counts["metric"] for counts in report["counts"]] == ["good", "all"]
    for counts, compared in zip(report["counts"], report["verdict"]["comparisons"], strict=True):
        assert (counts["tolerance"], counts["comparisons"], counts["saved_until"]) == (compared["tolerance"], 2, None)
        last = rejudged(counts)[-1]
        assert str(last.decision) == compared["decision"]
        assert list(last.interval) == alike(compared["interval"])
        assert last.dispersion == alike(compared["dispersion"])
        times, totals = ([look[column] for look in counts["looks"]] for column in (0, 2))
        assert times == sorted(times)
        assert totals == sorted(totals)
    [stable] = [one for one in report["variants"] if one["variant"] == "stable"]
    of_stable = [counts["looks"][-1][5:] for counts in report["counts"]]
    assert of_stable == [[stable["good"], stable["total"]], [stable["total"], stable["total"]]]
    assert stable["total"] > 0


def test_an_undecided_watch_reports_and_stores_which_decision_to_expect(
    canary: CommandLine, answers: Simulator
) -> None:
    canary("deploy", *NEW)
    strict = ("--tolerance", "0.005", "--min-requests", "1", "--max-duration", "300ms")
    forecast = None
    while forecast is None:  # until there were enough looks
        assert canary("watch", "app", *QUICK, *strict, *REPORT).code == 4
        forecast = report_of(canary)["forecast"]
    assert forecast["decision"] == "PROMOTE"
    assert canary("status", "-o", "json").json()["workloads"][0]["forecast"] == forecast
    assert "\n  expected if watching goes on: PROMOTE in about " in canary("status").out


def test_a_report_of_a_relative_tolerance_has_it_as_it_is_written_and_leads_to_the_verdict_again(
    canary: CommandLine, answers: Simulator
) -> None:
    assert canary("release", *NEW, "--gate", "auto", *QUICK, "--tolerance", "2x", *REPORT).code == 0
    report = report_of(canary)
    [counts], [compared] = report["counts"], report["verdict"]["comparisons"]
    assert (counts["tolerance"], compared["tolerance"], report["settings"]["tolerance"]["value"]) == ("2x", "2x", "2x")
    last = rejudged(counts | {"tolerance": Multiple(2.0)})[-1]
    assert str(last.decision) == compared["decision"]
    assert [last.ratio, *last.ratio_interval] == alike([compared["ratio"], *compared["ratio_interval"]])
    assert last.sentence in report["sentence"]
    row = next(line for line in markdown_of(canary).splitlines() if line.startswith("| success |"))
    assert row.endswith(" times | 2x | PROMOTE |")
    replayed = canary("verdict", "--replay", "out/report.json", "-o", "json").json()
    assert [one["comparisons"][0]["tolerance"] for one in replayed["replays"]] == ["1.5x", "2x", "3x"]
    released = replayed["replays"][1]["comparisons"][0]["looks"][-1]
    assert [released["ratio"], *released["ratio_interval"]] == alike([compared["ratio"], *compared["ratio_interval"]])
    shown = canary("verdict", "--replay", "out/report.json").out
    assert "2x (as released)  PROMOTE" in shown
    assert " times the errors  " in shown


def test_a_rejected_release_reports_the_reason_and_the_evidence(canary: CommandLine, answers: Simulator) -> None:
    assert canary("release", *WORSE, "--gate", "auto", *QUICK, *REPORT).code == 1
    report = report_of(canary)
    assert (report["outcome"], report["decision"], report["exit_code"]) == ("rejected", "reject", 1)
    [rejected] = report["rejected"]
    assert rejected["reason"] == report["sentence"]
    assert Path(rejected["evidence"], "verdict.json").exists()
    assert markdown_of(canary).startswith("## Rejected the canary of app\n")
    assert rejected["evidence"] in markdown_of(canary)


@pytest.mark.parametrize(("answer", "outcome"), [(b"r\n", "rejected"), (b"p\napp\n", "promoted")])
@pytest.mark.usefixtures("answers")
def test_the_report_of_a_release_says_which_person_decided(answer: bytes, outcome: str, canary: CommandLine) -> None:
    person, terminal = pty.openpty()
    os.write(person, answer)
    with os.fdopen(terminal, encoding="utf-8") as keyboard:
        canary("release", *WORSE, *QUICK, *REPORT, stdin=keyboard, environment={"LOGNAME": "ada"})
    os.close(person)
    report = report_of(canary)
    assert (report["outcome"], report["decision"]) == (outcome, "reject")
    assert (report["decided"]["by"], report["decided"]["promote"]) == ("ada", outcome == "promoted")
    assert " by ada at " in markdown_of(canary)


def test_watching_reports_the_verdict_and_the_commands_that_can_follow(canary: CommandLine, answers: Simulator) -> None:
    assert canary("deploy", *NEW).code == 0
    assert canary("watch", "app", *QUICK, *REPORT).code == 0
    report = report_of(canary)
    assert (report["outcome"], report["decision"], report["decided"]) == ("watched", "promote", None)
    assert "roll the canary's version out to stable: canary promote m.yml --image app:2" in report["next"]
    text = markdown_of(canary)
    assert text.startswith("## The canary of app can be promoted\n")
    assert "\n* roll the canary's version out to stable: `canary promote m.yml --image app:2`\n" in text


@pytest.mark.parametrize(("report_only", "code", "outcome"), [((), 4, "undecided"), (("--report-only",), 0, "watched")])
def test_watching_without_a_verdict_reports_undecided(
    report_only: tuple[str, ...], code: int, outcome: str, canary: CommandLine
) -> None:
    assert canary("deploy", *NEW).code == 0
    assert canary("watch", *IMPATIENT, *report_only, *REPORT).code == code
    report = report_of(canary)
    assert (report["outcome"], report["decision"], report["exit_code"]) == (outcome, "undecided", code)
    assert "canary reject app" in markdown_of(canary)


def test_a_first_release_reports_that_there_is_no_decision(in_cluster: CommandLine, answers: Simulator) -> None:
    in_cluster.write_objects("m.yml", deployment(), service())
    assert in_cluster("release", *NEW, "--gate", "auto", *QUICK, *REPORT).code == 0
    report = report_of(in_cluster)
    assert (report["outcome"], report["decision"], report["counts"]) == ("promoted", None, [])
    assert report["sentence"].startswith("nothing to compare (first release)")


@pytest.mark.parametrize("outcome", ["promoted", "rejected"])
def test_promote_and_reject_report_what_another_process_has_counted(
    outcome: str, canary: CommandLine, answers: Simulator
) -> None:
    is_good = outcome == "promoted"
    assert canary("deploy", *(NEW if is_good else WORSE)).code == 0
    watched = canary.process("watch", "app", "--output", "json", *QUICK)
    assert watched.code == (0 if is_good else 1), watched.err
    action = ("promote", *NEW[:3]) if is_good else ("reject", "app", "--reason", "too slow")
    assert canary(*action, *REPORT).code == 0
    report = report_of(canary)
    assert (report["outcome"], report["decision"]) == (outcome, action[0])
    assert report["verdict"] == watched.json()
    assert (report["decided"]["promote"], report["decided"]["reason"]) == (is_good, None if is_good else "too slow")
    [counts] = report["counts"]
    assert (counts["tolerance"], counts["saved_until"]) == (0.05, counts["looks"][-1][0])
    assert list(rejudged(counts)[-1].interval) == alike(report["verdict"]["interval"])
    assert [one["variant"] for one in report["variants"]] == ["stable", "baseline", "canary"]
    assert "recalled" in events_of(report)


def test_a_decision_from_elsewhere_is_in_the_reports_of_both_commands(canary: CommandLine, answers: Simulator) -> None:
    command = [str(CANARY), "release", *NEW, "--gate", "manual", *QUICK, "--report", "waiting"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        assert driver.stderr is not None
        assert any("waiting up to" in line for line in driver.stderr)
        assert canary("promote", *NEW[:3], *REPORT).code == 0
        driver.stderr.read()
    assert driver.returncode == 0
    waiting, deciding = report_of(canary, "waiting"), report_of(canary)
    assert (waiting["outcome"], waiting["handed_over"]) == ("promoted", None)
    assert (deciding["outcome"], deciding["handed_over"]["promote"]) == ("promoted", True)
    assert deciding["decided"]["by"] == waiting["decided"]["by"]
    assert deciding["verdict"] == waiting["verdict"]


def test_a_gate_where_nobody_decides_in_time_reports_undecided(canary: CommandLine, answers: Simulator) -> None:
    assert canary("release", *NEW, "--gate", "manual", "--gate-timeout", "10ms", *QUICK, *REPORT).code == 4
    report = report_of(canary)
    assert (report["outcome"], report["decision"], report["decided"]) == ("undecided", "promote", None)
    assert "nobody decided within" in report["error"]


def test_a_second_watch_reports_the_saved_counts_and_its_own(canary: CommandLine, answers: Simulator) -> None:
    assert canary("deploy", *NEW).code == 0
    first = canary("watch", "app", "--tolerance", "0.0001", *IMPATIENT[2:])
    assert first.code == 4
    assert canary("watch", "app", *QUICK, *REPORT).code == 0
    [counts] = report_of(canary)["counts"]
    assert counts["looks"][0][0] <= counts["saved_until"] < counts["looks"][-1][0]
    assert counts["tolerance"] == 0.05
    assert any(look[6] for look in counts["looks"] if look[0] <= counts["saved_until"])
    assert all(later[0] > earlier[0] for earlier, later in itertools.pairwise(counts["looks"]))


def test_a_finished_release_says_how_to_go_back_or_on(canary: CommandLine, answers: Simulator) -> None:
    assert canary("release", *NEW, "--gate", "auto", *QUICK, *REPORT).code == 0
    back, on = report_of(canary)["next"]
    assert back.startswith("return to app:1: canary rollback app")
    assert on.startswith("try a new version next to stable: canary release ")


def test_a_report_takes_the_place_of_the_earlier_one_and_touches_nothing_else(
    canary: CommandLine, answers: Simulator
) -> None:
    earlier = canary.write("out/report.json", "{}")
    canary.write("out/other.txt", "kept")
    (canary.folder / "reader").hardlink_to(earlier)
    assert canary("reject", "app", *REPORT).code == 0
    assert report_of(canary)["outcome"] == "unchanged"
    names = {file.name for file in (canary.folder / "out").iterdir()}
    assert names == {"report.json", "report.md", "report.html", "past", "other.txt"}
    assert (canary.folder / "out/other.txt").read_text() == "kept"
    assert (canary.folder / "reader").read_text() == "{}"  # who is reading the earlier one reads all of it


def test_a_dry_run_writes_no_report(canary: CommandLine, answers: Simulator) -> None:
    assert canary("promote", *NEW[:3], "--dry-run", *REPORT).code == 0
    assert not (canary.folder / "out").exists()
