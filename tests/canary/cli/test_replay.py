"""`canary verdict --replay`: what the rule would have said about a past release, and when."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata
from tests.canary.commandline import CommandLine
from tests.canary.quick_release import NEW, QUICK
from tests.canary.report_files import REPORT, report_of

HEADER = "time,baseline_good,baseline_total,canary_good,canary_total"
START = 1_769_860_800  # 2026-01-31 12:00:00 UTC


def rows(baseline: float, canary: float, *, scrapes: int = 120, seed: int = 3) -> list[tuple[int, int, int, int]]:
    """Return scrapes of about 45 answers of each variant, of which these shares are good."""
    chance = random.Random(seed)
    drawn = []
    for _ in range(scrapes):
        sides = [(share, chance.randint(30, 60)) for share in (baseline, canary)]
        counts = [(sum(chance.random() < share for _ in range(total)), total) for share, total in sides]
        drawn.append((*counts[0], *counts[1]))
    return drawn


def csv(scrapes: list[tuple[int, int, int, int]], *, seconds: int = 5) -> str:
    lines = [",".join(map(str, (START + seconds * place, *row))) for place, row in enumerate(scrapes)]
    return "\n".join([HEADER, *lines, ""])


@pytest.mark.parametrize("image", ["app:2", "app:3"])
@pytest.mark.usefixtures("answers")
def test_a_report_leads_to_the_releases_own_decision_at_the_same_look(image: str, canary: CommandLine) -> None:
    canary("release", *NEW[:2], image, *NEW[3:], "--gate", "auto", *QUICK, *REPORT)
    report = report_of(canary)
    replayed = canary("verdict", "--replay", "out/report.json", "-o", "json")
    assert (replayed.code, replayed.err) == (0, "")
    output = replayed.json()
    assert (output["file"], output["format"]) == ("out/report.json", "report")
    tolerances = [one["comparisons"][0]["tolerance"] for one in output["replays"]]
    assert (tolerances, [one["as_released"] for one in output["replays"]]) == ([0.025, 0.05, 0.1], [False, True, False])
    released = output["replays"][1]
    [counts], [comparison] = report["counts"], report["verdict"]["comparisons"]
    assert released["decision"] == report["verdict"]["decision"]
    assert released["decided"]["sentence"] == report["sentence"]
    assert released["decided"]["look"] == len(counts["looks"])
    assert released["decided"]["at"] == counts["looks"][-1][0]
    last = released["comparisons"][0]["looks"][-1]
    expected = [*comparison["interval"], comparison["difference"]]
    assert [*last["interval"], last["difference"]] == pytest.approx(expected, rel=1e-9, abs=1e-12)  # up to rounding


@pytest.mark.usefixtures("answers")
def test_metrics_of_a_release_are_replayed_together_and_all_must_promote(canary: CommandLine) -> None:
    good = ("--metric", 'good=requests_total{custom_status="good"},requests_total,0.2')
    all_ = ("--metric", 'all=requests_total{custom_status=~"good|bad"},requests_total,0.01')
    assert canary("release", *NEW, "--gate", "auto", *QUICK, *good, *all_, *REPORT).code == 0
    report = report_of(canary)
    output = canary("verdict", "--replay", "out/report.json", "-o", "json").json()
    released = next(one for one in output["replays"] if one["as_released"])
    assert [(one["metric"], one["tolerance"]) for one in released["comparisons"]] == [("good", 0.2), ("all", 0.01)]
    assert released["decided"]["look"] == len(report["counts"][0]["looks"])
    firsts = [
        next(n for n, look in enumerate(one["looks"], 1) if look["decision"] == "PROMOTE")
        for one in released["comparisons"]
    ]
    assert released["decided"]["look"] == max(firsts) > min(firsts)
    table = canary("verdict", "--replay", "out/report.json").out.splitlines()
    assert [line.split()[:3] for line in table if "as released" in line] == [["all", "(as", "released)"]]
    assert [line.split()[:3] for line in table if line.split()[0] == "0.2"] == [["0.2", "good", "PROMOTE"]]


def test_a_table_says_when_the_rule_decides_at_each_tolerance(command_line: CommandLine) -> None:
    command_line.write("counts.csv", csv(rows(0.97, 0.94)))
    command_line.write("canary.yml", "tolerance: 0.05\n")
    flags = ("--tolerance", "0.05", "--tolerance", "0.01", "--tolerance", "0.03")
    result = command_line("verdict", "--replay", "counts.csv", *flags)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "counts.csv: 120 looks in 9m55s, from 2026-01-31 12:00:00 UTC",
        "tolerance  decision   after  requests       difference   interval",
        "0.01       REJECT     8m15s  4,583 + 4,414  −2.8 points  −3.9 to −1.1",
        "0.03       UNDECIDED  -      5,478 + 5,416  −2.8 points  −3.9 to −1.2",
        "0.05       PROMOTE    3m25s  1,862 + 1,884  −2.5 points  −4.6 to +0.3",
    ]
    usual = command_line("verdict", "--replay", "counts.csv").out.splitlines()
    assert [line.split()[:2] for line in usual[2:]] == [["0.025", "UNDECIDED"], ["0.05", "PROMOTE"], ["0.1", "PROMOTE"]]


def test_each_look_as_json_is_what_the_rule_says_then(command_line: CommandLine) -> None:
    scrapes = rows(0.99, 0.98, scrapes=40)
    result = command_line(
        "verdict", "--replay", "-", "--tolerance", "0.02", "--alpha", "0.2", "-o", "json", stdin=csv(scrapes)
    )
    [replayed] = result.json()["replays"]
    strata, looks = Strata(0.02), replayed["comparisons"][0]["looks"]
    assert len(looks) == len(scrapes)
    for place, (row, look) in enumerate(zip(scrapes, looks, strict=True)):
        strata = strata.add(Evidence(*row[:2]), Evidence(*row[2:]))
        expected = compare_strata(strata, alpha=0.2)
        assert (look["at"], look["after"]) == (START + 5 * place, 5 * place)
        assert (look["decision"], look["difference"]) == (expected.decision, expected.difference)
        assert look["interval"] == list(expected.interval)
        assert look["requests"] == {"baseline": strata.baseline.total, "canary": strata.canary.total}


def test_a_csv_may_have_several_workloads_and_times_as_people_write_them(command_line: CommandLine) -> None:
    lines = [f"workload,{HEADER}"]
    for second in range(59):
        lines += [
            f"web,2026-01-31T12:00:{second:02}Z,20,20,20,20",
            f"api,2026-01-31T13:00:{second:02}+01:00,20,20,2,20",
        ]
    command_line.write("counts.csv", "\ufeff" + "\r\n".join(lines))
    output = command_line("verdict", "--replay", "counts.csv", "--tolerance", "0.1", "-o", "json").json()
    [replayed] = output["replays"]
    assert replayed["decision"] == "REJECT"
    assert replayed["decided"]["sentence"].startswith("api: canary 10.0 % good vs baseline 100.0 %")
    assert [one["workload"] for one in replayed["comparisons"]] == ["web", "api"]
    assert len(replayed["comparisons"][0]["looks"]) == 59


def test_versions_that_only_fail_are_not_promoted_in_a_replay_either(command_line: CommandLine) -> None:
    scrapes = 200 * [(0, 50, 0, 50)]
    result = command_line("verdict", "--replay", "-", "--tolerance", "0.1", "-o", "json", stdin=csv(scrapes))
    assert result.json()["replays"][0]["decision"] == "UNDECIDED"


def test_a_csv_with_cumulative_counts_is_noticed(command_line: CommandLine) -> None:
    grown = [(9 * n, 10 * n, 9 * n, 10 * n) for n in range(1, 9)]
    result = command_line("verdict", "--replay", "-", "--tolerance", "0.1", stdin=csv(grown))
    assert result.code == 0
    assert result.err == (
        "canary: note: the counts grow from row to row. Are they cumulative? A row must have only the answers since "
        "the row before\n"
    )


def test_a_report_of_an_older_version_with_looks_from_the_cluster_is_read_too(command_line: CommandLine) -> None:
    sides = [f"{side} {column}" for side in ("baseline", "canary") for column in ("good", "total", "scrapes", "spread")]
    looks = [[START + n, 19 * n, 20 * n, n, 0.5, 2 * n, 20 * n, n, 0.5] for n in range(1, 30)]
    counts = {
        "workload": "app", "metric": "success", "tolerance": 0.1, "alpha": 0.05, "comparisons": 1,
        "saved_until": START + 9, "columns": ["at", *sides], "looks": looks,
    }  # fmt: skip
    command_line.write("report.json", json.dumps({"format": 1, "counts": [counts]}))
    result = command_line("verdict", "--replay", "report.json")
    assert [line.split()[:3] for line in result.out.splitlines()[2:]] == [
        ["0.05", "REJECT", "1s"], ["0.1", "(as", "released)"], ["0.2", "REJECT", "1s"],
    ]  # fmt: skip
    assert result.err == (
        "canary: note: some looks come from the cluster, which saves at most 256 of them. The release itself saw more, "
        "so it may have decided at another time\n"
    )


# Prometheus


def pod(name: str, **counters: list[int | None]) -> list[dict[str, Any]]:
    """Return the series of a pod: its counter by status, each sample a scrape, None where there was none."""
    return [
        {
            "metric": {"__name__": "requests_total", "pod": name, "custom_status": status},
            "values": [[START + 5 * n, str(value)] for n, value in enumerate(values) if value is not None],
        }
        for status, values in counters.items()
    ]


def answer(*series: list[dict[str, Any]]) -> str:
    result = [one for of_pod in series for one in of_pod]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def replayed_requests(command_line: CommandLine, text: str, *flags: str) -> dict[str, list[int]]:
    command_line.write("counts.json", text)
    output = command_line("verdict", "--replay", "counts.json", "--tolerance", "0.1", "-o", "json", *flags)
    assert output.err == ""
    looks = output.json()["replays"][0]["comparisons"][0]["looks"]
    return {side: [look["requests"][side] for look in looks] for side in ("baseline", "canary")}


def test_an_answer_of_prometheus_is_counted_as_prometheus_counts_restarts_and_new_series(
    command_line: CommandLine,
) -> None:
    baseline = pod("web-baseline-7d4b9c-x2x4z", good=[100, 110, 120, 130, 140])
    restarted = pod("web-canary-5f6c8d-abcde", good=[50, 60, 3, 13, 23], bad=[None, None, None, 2, 2])
    gone = pod("web-canary-5f6c8d-fghij", good=[7, 10, None, None, None])
    stable = pod("web-5f6c8d-fghij", good=[1000, 2000, 3000, 4000, 5000])
    assert replayed_requests(command_line, answer(baseline, restarted, gone, stable)) == {
        "baseline": [0, 10, 20, 30, 40],
        "canary": [0, 13, 16, 28, 38],
    }


def test_a_pod_that_two_jobs_of_prometheus_scrape_counts_once(command_line: CommandLine) -> None:
    twice = pod("web-canary-5f6c8d-abcde", good=[5, 15]) + pod("web-canary-5f6c8d-abcde", good=[5, 15])
    for one, job in zip(twice, ("pods", "service"), strict=True):
        one["metric"]["job"] = job
    text = answer(pod("web-baseline-7d4b9c-x2x4z", good=[1, 9]), twice)
    assert replayed_requests(command_line, text) == {"baseline": [0, 8], "canary": [0, 10]}


def test_the_selectors_say_what_counts_in_an_answer_of_prometheus(command_line: CommandLine) -> None:
    text = answer(
        pod("web-baseline-7d4b9c-x2x4z", ok=[0, 10], slow=[0, 5]),
        pod("web-canary-7d4b9c-x2x4z", ok=[0, 8], slow=[0, 7]),
    )
    flags = ("--good", 'requests_total{custom_status="ok"}', "--total", 'requests_total{custom_status=~"ok|slow"}')
    assert replayed_requests(command_line, text, *flags) == {"baseline": [0, 15], "canary": [0, 15]}


# Errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": is empty"),
        ("a,b\n1,2\n", f":1: column 'a' is unknown: the header must be {HEADER}"),
        ("time,canary_good\n", f":1: there is no column baseline_good: the header must be {HEADER}"),
        (f"{HEADER}\n", ": has no rows after its header"),
        (f"{HEADER}\n1,1,2,1,2\n2,1,2\n", ":3: 3 values, but the header has 5 columns"),
        (f"{HEADER}\n1,3,2,1,2\n", ":2: baseline_good 3: is more than baseline_total 2"),
        (f"{HEADER}\n1,1,2,1,x\n", ":2: canary_total 'x': must be a number of requests, 0 or more"),
        (f"{HEADER}\n1,1,2,-1,2\n", ":2: canary_good '-1': must be a number of requests, 0 or more"),
        (f"{HEADER}\nsoon,1,2,1,2\n", ":2: time 'soon': must be Unix seconds, or a time such as 2026-01-31T12:00:05Z"),
        (
            f"{HEADER}\n2,1,2,1,2\n1,1,2,1,2\n",
            ":3: time 1: must be later than that of the row before: sort the rows by time",
        ),
        (f'{HEADER}\n"1,1,2,1,2\n', ":2: is not CSV: unexpected end of data"),
        ('{"counts": [\n1,,', ":2:3: is not JSON: Expecting value: is the file complete?"),
        (
            "{}",
            (
                ": is neither a report.json of canary (it has no key counts) nor an answer of Prometheus (it has no "
                "key status); see canary verdict --help"
            ),
        ),
        (
            '{"counts": []}',
            ": the release compared nothing, so there are no counts to replay: choose the report of another one",
        ),
        (
            '{"status": "error", "error": "bad_data"}',
            ": Prometheus did not answer the query: bad_data: correct the query and save it again",
        ),
        (
            '{"status": "success", "data": {"resultType": "vector", "result": []}}',
            ": data.resultType is 'vector', not 'matrix': query /api/v1/query_range, with start, end and step",
        ),
        (
            answer(pod("web-5f6c8d-fghij", good=[1])),
            (
                ": no series of a pod NAME-canary-… or NAME-baseline-… (its pods are web-5f6c8d-fghij): choose start "
                "and end around the release, and select the pods of canary and baseline"
            ),
        ),
        (
            answer(pod("web-canary-5f6c8d-fghij", good=[1, 2])),
            (
                ": no success requests of the baseline of web: choose start and end around the release, and select the "
                "pods of canary and baseline"
            ),
        ),
        (
            json.dumps(
                {
                    "status": "success",
                    "data": {"resultType": "matrix", "result": [{"metric": {"pod": "a"}, "values": [[1, "1"]]}]},
                }
            ),
            (
                ": data.result[0]: the series {'pod': 'a'} has no name: save the counters themselves, without sum() or "
                "rate(); see canary verdict --help"
            ),
        ),
        (
            answer(pod("web-canary-5f6c8d-fghij", fine=[1, 2])),
            (
                ': No series of requests_total has custom_status="good" (in requests_total{custom_status="good"}, the '
                'selector for good requests). The only value of custom_status is "fine". Correct --good, --total or '
                "--metric, or save these series, too"
            ),
        ),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_its_place(text: str, message: str, command_line: CommandLine) -> None:
    command_line.write("counts", text)
    result = command_line("verdict", "--replay", "counts", "--tolerance", "0.1")
    assert (result.code, result.out, result.err) == (2, "", f"canary: error: counts{message}\n")


def test_a_replay_needs_a_tolerance_a_file_that_exists_and_no_other_counts(command_line: CommandLine) -> None:
    command_line.write("counts.csv", csv(rows(0.9, 0.9, scrapes=2)))
    for flags, message in (
        (
            ["--replay", "counts.csv"],
            "counts.csv has no tolerance of its own: add --tolerance, such as --tolerance 0.05",
        ),
        (["--replay", "counts.csv", "--tolerance", "2"], "--tolerance 2: must be a share from 0 to 1"),
        (["--replay", "absent.csv"], "absent.csv: No such file or directory"),
        (
            ["--replay", "counts.csv", "--canary", "1/2"],
            "--replay and --canary: use only one of them; --replay reads the counts from a file",
        ),
        (
            ["--baseline", "1/2", "--canary", "1/2", "--tolerance", "0.1", "--tolerance", "0.2"],
            "--tolerance: give it once, or add --replay to try several tolerances on a past release",
        ),
        (
            ["--canary", "1/2"],
            "canary verdict needs --baseline and --canary, such as --baseline 412/500 --canary 420/500; or --replay",
        ),
    ):
        result = command_line("verdict", *flags)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"canary: error: {message}")


def test_metrics_of_a_csv_share_the_error_level_of_reject(command_line: CommandLine) -> None:
    scrapes = rows(0.9, 0.8, scrapes=10)
    lines = [f"metric,{HEADER}"]
    for place, row in enumerate(scrapes):
        lines += [",".join(map(str, (metric, START + place, *row))) for metric in ("success", "latency")]
    result = command_line("verdict", "--replay", "-", "--tolerance", "0.05", "-o", "json", stdin="\n".join(lines))
    [replayed] = result.json()["replays"]
    strata = Strata(0.05)
    for row in scrapes:
        strata = strata.add(Evidence(*row[:2]), Evidence(*row[2:]))
    expected = list(compare_strata(strata, comparisons=2).interval)
    assert expected != list(compare_strata(strata).interval)
    assert [one["looks"][-1]["interval"] for one in replayed["comparisons"]] == [expected, expected]


def test_the_line_of_a_mistake_in_a_csv_counts_empty_lines_too(command_line: CommandLine) -> None:
    command_line.write("counts.csv", f"{HEADER}\n\n1,1,2,1,2\n\n2,1,2\n")
    result = command_line("verdict", "--replay", "counts.csv", "--tolerance", "0.1")
    assert result.err == "canary: error: counts.csv:5: 3 values, but the header has 5 columns\n"


def test_a_report_is_judged_at_its_own_alpha_unless_a_flag_says_another(command_line: CommandLine) -> None:
    columns = ["at", *(f"{side} {column}" for side in ("baseline", "canary") for column in ("good", "total"))]
    looks = [[START + n, 19 * n, 20 * n, 19 * n, 20 * n] for n in range(1, 5)]
    counts = {
        "workload": "app", "metric": "success", "tolerance": 0.1, "alpha": 0.2, "comparisons": 1,
        "columns": columns, "looks": looks,
    }  # fmt: skip
    command_line.write("report.json", json.dumps({"format": 2, "counts": [counts]}))
    command_line.write("canary.yml", "alpha: 0.1\n")
    for flags, alpha, released in (((), 0.2, 1), (("--alpha", "0.01"), 0.01, 0)):
        replays = command_line("verdict", "--replay", "report.json", "-o", "json", *flags).json()["replays"]
        assert [one["comparisons"][0]["alpha"] for one in replays] == 3 * [alpha]
        assert sum(one["as_released"] for one in replays) == released


def test_a_restart_that_no_counter_shows_is_known_by_the_start_time(command_line: CommandLine) -> None:
    restarted = pod("web-canary-5f6c8d-abcde", good=[50, 60, 70])
    [counter] = restarted
    started = {"__name__": "process_start_time_seconds", "pod": counter["metric"]["pod"]}
    values = [[START + 5 * n, str(at)] for n, at in enumerate([START - 90, START + 2, START + 2])]
    restarts = [*restarted, {"metric": started, "values": values}]
    text = answer(pod("web-baseline-7d4b9c-x2x4z", good=[1, 9, 17]), restarts)
    assert replayed_requests(command_line, text) == {"baseline": [0, 8, 16], "canary": [0, 60, 70]}


def test_without_a_tolerance_half_and_twice_what_a_relative_one_adds_is_tried(command_line: CommandLine) -> None:
    command_line.write("counts.csv", csv(rows(0.97, 0.94, scrapes=5)))
    command_line.write("canary.yml", "tolerance: 2x\n")
    table = command_line("verdict", "--replay", "counts.csv").out.splitlines()
    assert [line.split()[0] for line in table[2:]] == ["1.5x", "2x", "3x"]


def test_a_time_without_a_zone_is_utc_everywhere(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "XYZ-5")
        time.tzset()
        text = f"{HEADER}\n2026-01-31T12:00:00,1,2,1,2\n"
        result = command_line("verdict", "--replay", "-", "--tolerance", "0.1", "-o", "json", stdin=text)
    time.tzset()
    assert result.json()["replays"][0]["comparisons"][0]["looks"][0]["at"] == START
