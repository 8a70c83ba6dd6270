"""`canary config` and `canary verdict`: no cluster needed."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary.settings.settings import SETTINGS, schema
from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare
from tests.canary.commandline import CommandLine


def test_config_shows_each_setting_and_its_source(command_line: CommandLine) -> None:
    command_line.write("canary.yml", "images: [a:1, b:1]\nwarm-up: 90\n")
    result = command_line("config", "--percentage", "50", environment={"CANARY_TOLERANCE": "0.01"})
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == [setting.key for setting in SETTINGS.values()]
    assert lines[1] == "images              a:1 b:1                               canary.yml:1"
    assert lines[4] == "percentage          50                                    --percentage"
    assert "tolerance           0.01                                  CANARY_TOLERANCE" in lines
    assert "warm-up             1m30s                                 canary.yml:2" in lines
    assert "prometheus          -                                     default" in lines


def test_config_as_json_has_values_for_programs(command_line: CommandLine) -> None:
    command_line.write("canary.yml", "warm-up: 1m\n")
    output = command_line("config", "manifests", "-o", "json").json()
    assert output["manifests"] == {"value": ["manifests"], "source": "arguments"}
    assert output["warm-up"] == {"value": 60.0, "source": "canary.yml:1"}
    assert output["tolerance"] == {"value": None, "source": "default"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--good", "requests total"], "--good: selector 'requests total': write the name of a metric and conditions"),
        (["--total", 'a{b=~"("}'], """--total: selector 'a{b=~"("}': '(' is not a regular expression"""),
        (["--latency-histogram", "{}"], "--latency-histogram: selector '{}': write the name of a metric"),
        (["--metric", "a=x"], "--metric: 'a=x' is not a metric: write NAME=GOOD,TOTAL"),
        (["--metric", "a=x,y", "--good", "z"], "--metric and --good: use only one of them"),
        (["--min-duration", "2h"], "--min-duration 2h is longer than --max-duration 1h"),
    ],
)
def test_config_refuses_what_watch_refuses(command_line: CommandLine, arguments: list[str], message: str) -> None:
    refused = command_line("config", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert message in refused.err


def test_config_reports_the_line_of_a_wrong_selector(command_line: CommandLine) -> None:
    command_line.write("canary.yml", "percentage: 10\ngood: requests total\n")
    assert "canary.yml:2: selector 'requests total': " in command_line("config").err


def test_config_prints_the_schema_for_editors(command_line: CommandLine) -> None:
    assert command_line("config", "--schema").json() == schema()


@pytest.mark.parametrize(
    ("baseline", "canary", "code", "decision"),
    [
        ((900, 1000), (900, 1000), 0, "PROMOTE"),
        ((900, 1000), (700, 1000), 1, "REJECT"),
        ((9, 10), (9, 10), 4, "UNDECIDED"),
        ((0, 0), (9, 10), 4, "UNDECIDED"),
    ],
)
def test_a_verdict_on_counts_given_by_hand_has_the_exit_code_of_a_release(
    baseline: tuple[int, int], canary: tuple[int, int], code: int, decision: str, command_line: CommandLine
) -> None:
    counts = ("--baseline", "{}/{}".format(*baseline), "--canary", "{}/{}".format(*canary))
    result = command_line("verdict", *counts, "--tolerance", "0.05")
    sentence = compare(Evidence(*baseline), Evidence(*canary), tolerance=0.05).sentence
    assert (result.code, result.out, result.err) == (code, f"{decision}: {sentence}\n", "")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.tuples(st.integers(0, 500), st.integers(0, 500)),
    st.tuples(st.integers(0, 500), st.integers(0, 500)),
    st.floats(0.001, 0.5),
    st.floats(0.001, 0.2),
)
def test_a_verdict_as_json_says_what_the_rule_says(
    command_line: CommandLine, baseline: tuple[int, int], canary: tuple[int, int], tolerance: float, alpha: float
) -> None:
    counts = {"baseline": baseline, "canary": canary}
    flags = [f"--{side}={good}/{good + bad}" for side, (good, bad) in counts.items()]
    output = command_line("verdict", *flags, f"--tolerance={tolerance!r}", f"--alpha={alpha!r}", "--output=json").json()

    sides = {side: Evidence(good, good + bad) for side, (good, bad) in counts.items()}
    expected = compare(sides["baseline"], sides["canary"], tolerance=tolerance, alpha=alpha)
    assert output["decision"] == expected.decision
    assert output["difference"] == expected.difference
    assert output["interval"] == list(expected.interval)
    assert output["requests"] == {side: sum(pair) for side, pair in counts.items()}
    assert output["comparisons"][0]["metric"] == "success"
    assert all(isinstance(number, int) for number in output["requests"].values())


def test_a_verdict_by_a_relative_tolerance_has_the_ratio_of_errors_and_its_interval(command_line: CommandLine) -> None:
    counts = ("verdict", "--baseline", "9980/10000", "-o", "json", "--canary")
    worse = command_line(*counts, "9800/10000", "--tolerance", "2x")
    output = worse.json()
    assert (worse.code, output["tolerance"]) == (1, "2x")
    assert output["ratio"] == pytest.approx(10)
    low, high = output["ratio_interval"]
    assert 2 < low < 10 < high
    assert output["comparisons"][0]["ratio_interval"] == [low, high]
    assert command_line(*counts, "9800/10000", "--tolerance", "50x").json()["decision"] == "PROMOTE"
    assert "ratio" not in command_line(*counts, "9800/10000", "--tolerance", "0.02").json()["comparisons"][0]


def test_a_ratio_to_a_baseline_without_errors_has_no_upper_end(command_line: CommandLine) -> None:
    output = command_line(
        "verdict", "--baseline", "100/100", "--canary", "90/100", "--tolerance", "2x", "-o", "json"
    ).json()
    assert (output["ratio"], output["ratio_interval"][1]) == (None, None)


def test_config_shows_a_relative_tolerance_as_it_is_written(command_line: CommandLine) -> None:
    command_line.write("canary.yml", "tolerance: 1.50x\n")
    shown = command_line("config", "-o", "json").json()
    assert shown["tolerance"] == {"value": "1.5x", "source": "canary.yml:1"}
    assert "1.5x" in command_line("config").out


def test_dispersion_widens_the_interval(command_line: CommandLine) -> None:
    counts = ("verdict", "--baseline", "900/1000", "--canary", "900/1000", "--tolerance", "0.05", "-o", "json")
    plain, dispersed = command_line(*counts).json(), command_line(*counts, "--dispersion", "4").json()
    assert dispersed["interval"][0] < plain["interval"][0]
    assert dispersed["interval"][1] > plain["interval"][1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--baseline", "1", "--canary", "1/2"], "--baseline 1: must be good and all requests, such as 412/500"),
        (["--baseline", "1/2", "--canary", "a/b"], "--canary a/b: must be good and all requests, such as 412/500"),
        (["--baseline", "1/2", "--canary", "3/2"], "canary: 3 good of 2 requests is impossible"),
        (["--baseline", "1/2", "--canary", "nan/2"], "canary: nan good of 2 requests is impossible"),
        (
            ["--baseline", "1/2", "--canary", "1/2", "--dispersion", "0.5"],
            "dispersion 0.5: must be 1 (pure chance) or more",
        ),
    ],
)
def test_impossible_counts_are_refused(flags: list[str], message: str, command_line: CommandLine) -> None:
    result = command_line("verdict", *flags, "--tolerance", "0.05")
    assert (result.code, result.out, result.err) == (2, "", f"canary: error: {message}\n")


def test_verdict_reads_its_tolerance_from_canary_yml(command_line: CommandLine) -> None:
    command_line.write("canary.yml", "tolerance: 0.5\n")
    result = command_line("verdict", "--baseline", "90/100", "--canary", "90/100", "-o", "json")
    assert (result.code, json.loads(result.out)["tolerance"]) == (0, 0.5)
