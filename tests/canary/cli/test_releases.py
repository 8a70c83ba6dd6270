"""Releases from the command line against a real API: exit codes, results on stdout, errors."""

from __future__ import annotations

import itertools
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from canary.marks import VERSION_LABEL
from canary.objects import DEPLOYMENT
from tests.canary.cluster_simulator import Simulator, waiting
from tests.canary.commandline import CANARY, CommandLine
from tests.canary.quick_release import NEW, QUICK
from tests.canary.story import Story, deployment, image_of, service
from tests.http_servers import serving


def test_a_release_is_promoted_with_exit_0(canary: CommandLine, story: Story, answers: Simulator) -> None:
    result = canary("release", *NEW, "--gate", "auto", *QUICK, "--output", "json")
    assert result.code == 0, result.err
    output = result.json()
    assert (output["promoted"], output["by"], output["verdict"]["decision"]) == (True, "auto", "PROMOTE")
    assert min(output["verdict"]["requests"].values()) >= 50
    assert story.names() == {"app"}
    assert image_of(story.deployment()) == "app:2"


def test_a_release_is_rejected_with_exit_1(canary: CommandLine, story: Story, answers: Simulator) -> None:
    result = canary("release", "m.yml", "--image", "app:3", "--gate", "auto", *QUICK)
    assert (result.code, result.out) == (1, "")
    assert any(line.startswith("verdict REJECT: canary 50") for line in result.lines)
    assert story.names() == {"app"}
    assert image_of(story.deployment()) == "app:1"


@pytest.mark.parametrize(("answer", "code", "runs"), [(b"p\napp\n", 0, "app:3"), (b"r\n", 1, "app:1")])
@pytest.mark.usefixtures("answers")
def test_a_person_may_overrule_the_verdict(answer: bytes, code: int, runs: str, canary: CommandLine) -> None:
    person, terminal = pty.openpty()
    os.write(person, answer)
    with os.fdopen(terminal, encoding="utf-8") as keyboard:
        result = canary("release", "m.yml", "--image", "app:3", *QUICK, stdin=keyboard)
    os.close(person)
    assert result.code == code, result.err
    assert "the verdict is REJECT: promote, reject or keep watching? [p/r/w] " in result.err
    assert re.search(r"decided to \w+, by \w+ \(verdict: REJECT, \d+\.\d points worse\)", result.err)
    status = canary("status", "app").out
    assert f"  stable  app  4/4 ready  {runs}" in status
    if code == 0:
        assert re.search(r"stable was promoted unproven: \S+: \w+ promoted against the verdict: canary \d", status)
    else:
        assert re.search(r"rejected app by \w+ \(verdict: REJECT, \d+\.\d points worse\); deleted", result.err)


def test_a_person_is_asked_at_the_terminal_while_manifests_come_through_stdin(
    canary: CommandLine, answers: Simulator
) -> None:
    screen, terminal = pty.openpty()
    owning_the_terminal = (
        "import fcntl, os, sys, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", owning_the_terminal, str(CANARY), "release", "-", "--image", "app:3", *QUICK]
    with (canary.folder / "m.yml").open() as given:
        driver = subprocess.Popen(command, stdin=given, stderr=terminal, start_new_session=True)
    os.close(terminal)
    shown = b""
    try:
        while b"[p/r/w]" not in shown:
            shown += os.read(screen, 65536)
        os.write(screen, b"r\n")
        while b"decided to reject" not in shown:
            shown += os.read(screen, 65536)
        assert driver.wait(60) == 1
    finally:
        driver.kill()
        driver.wait()
        os.close(screen)
    assert "  stable  app  4/4 ready  app:1" in canary("status", "app").out


def test_a_release_step_by_step(canary: CommandLine, story: Story, answers: Simulator) -> None:
    deployed = canary("deploy", *NEW, "-o", "json")
    assert deployed.code == 0, deployed.err
    [workload] = deployed.json()["workloads"]
    assert [variant["variant"] for variant in workload["variants"]] == ["stable", "baseline", "canary"]
    assert {variant["name"]: variant["images"] for variant in workload["variants"]} == {
        "app": ["app:1"],
        "app-baseline": ["app:1"],
        "app-canary": ["app:2"],
    }

    watched = canary("watch", "app", *QUICK, "-o", "json")
    assert (watched.code, watched.json()["decision"]) == (0, "PROMOTE")

    promoted = canary("promote", "m.yml", "--image", "app:2", "-o", "json")
    assert promoted.code == 0, promoted.err
    assert promoted.json() == {"promoted": [{"workload": "app", "images": ["app:2"]}], "handed_over": []}
    again = canary("promote", "m.yml", "--image", "app:2", "-o", "json")
    assert (again.code, again.json()) == (0, promoted.json()), again.err


def test_a_release_in_steps_grows_and_its_status_shows_where_it_is(
    canary: CommandLine, story: Story, answers: Simulator
) -> None:
    growing = ("m.yml", "--image", "app:2", "--steps", "25,50")
    assert canary("deploy", *growing).code == 0
    assert canary("status").out.startswith(f"app in namespace {story.namespace}, at step 1 of 2 (25 %)\n")
    assert canary("status", "-o", "json").json()["workloads"][0]["step"] == {"percentage": 25, "steps": [25, 50]}
    result = canary("release", *growing, "--gate", "auto", *QUICK)
    assert result.code == 0, result.err
    assert "step 2 of 2 (50 %): canary and baseline grow" in result.lines
    assert image_of(story.deployment()) == "app:2"


ALL = 'all=requests_total{custom_status=~"good|bad"},requests_total,0.01'
GOOD = 'good=requests_total{custom_status="good"},requests_total'


def test_the_metric_that_decides_is_named(canary: CommandLine, answers: Simulator) -> None:
    judged_by = ("--metric", ALL, "--metric", GOOD)
    result = canary("release", "m.yml", "--image", "app:3", "--gate", "auto", *QUICK, *judged_by, "-o", "json")
    assert result.code == 1, result.err
    verdict = result.json()["verdict"]
    assert verdict["sentence"].startswith("good: canary 50.0 % good vs baseline 90.0 %")
    comparisons = {comparison["metric"]: comparison for comparison in verdict["comparisons"]}
    assert {name: (compared["decision"], compared["tolerance"]) for name, compared in comparisons.items()} == {
        "all": ("UNDECIDED", 0.01),
        "good": ("REJECT", 0.05),
    }
    assert all(compared["reject_alpha"] == pytest.approx(0.05 / 10 / 2) for compared in comparisons.values())


def test_metrics_with_their_own_tolerances_need_no_tolerance_for_all(canary: CommandLine, answers: Simulator) -> None:
    result = canary("release", *NEW, "--gate", "auto", *QUICK[2:], "--metric", ALL, "--metric", f"{GOOD},0.1")
    assert result.code == 0, result.err
    [verdict] = [line for line in result.lines if line.startswith("verdict PROMOTE: all: canary 100.0")]
    assert "; good: canary 90.0 % good" in verdict


def test_watching_a_worse_canary_exits_with_1_and_a_report_with_0(
    canary: CommandLine, story: Story, answers: Simulator
) -> None:
    assert canary("deploy", "m.yml", "--image", "app:3").code == 0
    assert canary("watch", *QUICK).code == 1
    report = canary("watch", "m.yml", *QUICK, "--report-only", "-o", "json")
    assert (report.code, report.json()["decision"]) == (0, "REJECT")


def test_watching_without_requests_is_undecided(canary: CommandLine, answers: Simulator) -> None:
    answers.answers.clear()
    assert canary("deploy", *NEW).code == 0
    impatient = ("watch", *QUICK[:-1], "100ms")
    result = canary(*impatient)
    assert (result.code, result.out) == (4, "")
    assert "canary reject app" in result.err
    report = canary(*impatient, "--report-only", "-o", "json")
    assert (report.code, report.json()["decision"]) == (0, "UNDECIDED")


def test_watching_a_first_release_says_that_there_is_nothing_to_compare_with_and_exits_with_0(
    in_cluster: CommandLine, answers: Simulator
) -> None:
    in_cluster.write_objects("m.yml", deployment(), service())
    assert in_cluster("deploy", *NEW).code == 0
    result = in_cluster("watch", "app", *QUICK)
    assert result.code == 0, result.err
    [verdict] = [line for line in result.lines if "(first release)" in line]  # said once
    assert verdict.startswith(
        "nothing to compare (first release): it can be promoted once it is ready and has answered"
    )


def test_a_pipeline_gets_the_verdict_once(canary: CommandLine, answers: Simulator) -> None:
    result = canary("release", "m.yml", "--image", "app:3", "--gate", "auto", *QUICK)
    [verdict] = [line for line in result.lines if line.startswith("verdict")]
    assert result.err.count(verdict.partition(": ")[2]) == 2  # and again as the reason of the rejection
    assert not any(line.startswith("REJECT") for line in result.lines)


def test_a_canary_that_does_not_start_exits_with_4(canary: CommandLine, simulator: Simulator) -> None:
    simulator.script["app:2"] = waiting("ImagePullBackOff", "no such image")
    result = canary("deploy", *NEW, "--timeout", "0.2s")
    assert result.code == 4
    assert "ImagePullBackOff" in result.err


def test_reject_deletes_the_variants_and_reports_it(canary: CommandLine, story: Story) -> None:
    canary("deploy", *NEW)
    result = canary("reject", "m.yml", "--reason", "too slow", "-o", "json")
    [rejected] = result.json()["rejected"]
    assert (result.code, rejected["workload"], rejected["reason"]) == (0, "app", "too slow")
    assert sorted(rejected["deleted"]) == ["app-baseline", "app-canary"]
    assert story.names() == {"app"}
    again = canary("reject", "app", "-o", "json")
    assert (again.code, again.json()) == (0, {"rejected": [], "handed_over": []})


def test_status_shows_the_variants_and_what_can_be_done_next(canary: CommandLine, story: Story) -> None:
    canary("deploy", *NEW)
    result = canary("status", "app")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:4] == [
        f"app in namespace {story.namespace}",
        "  stable    app           4/4 ready  app:1",
        "  baseline  app-baseline  2/2 ready  app:1",
        "  canary    app-canary    2/2 ready  app:2",
    ]
    assert "  next: delete canary and baseline: canary reject app" in lines
    output = canary("status", "-o", "json").json()
    assert (output["namespace"], [workload["name"] for workload in output["workloads"]]) == (story.namespace, ["app"])


def test_status_without_a_release_says_so(in_cluster: CommandLine, story: Story) -> None:
    result = in_cluster("status")
    assert (result.code, result.out) == (0, f"no release in namespace {story.namespace}\n")


def test_apply_skips_a_monitor_if_the_operator_is_not_installed(in_cluster: CommandLine, story: Story) -> None:
    misc = str(Path(__file__).parents[3] / "misc")
    why = "this cluster does not have the Prometheus operator (monitoring.coreos.com) for ServiceMonitor sampleapp"
    dry = in_cluster("apply", misc, "--dry-run")
    assert [item["kind"] for item in dry.yaml()] == ["Deployment"]
    result = in_cluster("apply", misc, "-o", "json")
    assert result.code == 0
    assert [written["name"] for written in result.json()["written"]] == ["fortio-deploy"]
    assert f"warning: skipped, because {why}: install it, and run the command again" in result.lines

    alone = in_cluster("apply", f"{misc}/service-monitor.yml")
    assert (alone.code, alone.lines[-1]) == (2, f"canary: error: {why}: install it first")


def test_apply_reports_what_it_wrote(in_cluster: CommandLine, story: Story) -> None:
    in_cluster.write_objects("service.yml", service())
    for expected in ("created", "unchanged"):
        [written] = in_cluster("apply", "service.yml", "-o", "json").json()["written"]
        assert (written["kind"], written["name"], written["action"]) == ("Service", "app", expected)


def test_a_release_reads_its_settings_from_canary_yml(canary: CommandLine, story: Story, answers: Simulator) -> None:
    canary.write(
        "canary.yml",
        "manifests: [m.yml]\nimages: [app:2]\ngate: auto\ntolerance: 0.05\n"
        "warm-up: 0\nmin-duration: 0\ninterval: 10ms\n",
    )
    result = canary("release", "--max-duration", "20s", "-o", "json")
    assert (result.code, result.json()["promoted"]) == (0, True), result.err
    assert [line.split()[0] for line in canary("status").out.splitlines()[1:2]] == ["stable"]


def test_metrics_are_read_from_the_path_that_is_set(canary: CommandLine, simulator: Simulator) -> None:
    looks = itertools.count(1)

    def answer(path: str, _: object) -> tuple[int, str]:
        total = 100 * next(looks)
        lines = f'requests_total{{custom_status="good"}} {total}\nrequests_total{{custom_status="bad"}} {total}\n'
        return (200, lines) if path.endswith("/actuator/prometheus") else (404, "no such page")

    with serving(answer) as page:
        simulator.answers.update(dict.fromkeys(("app:1", "app:2"), page.server_port))
        wrong = canary("doctor", "app")
        assert wrong.code == 3
        assert "/proxy/metrics: 404: no such page: fix this (--metrics-port and --metrics-path; " in wrong.out
        canary.write("canary.yml", "metrics-path: /actuator/prometheus\n")
        result = canary("release", *NEW, "--gate", "auto", *QUICK)
    assert result.code == 0, result.err


def test_manifests_come_through_stdin(in_cluster: CommandLine, story: Story) -> None:
    in_cluster.write_objects("m.yml", deployment())
    result = in_cluster("apply", "-", "--image", "app:7", stdin=Path("m.yml").read_text())
    assert result.code == 0, result.err
    assert image_of(story.deployment()) == "app:7"


def test_every_command_uses_another_label(canary: CommandLine, story: Story) -> None:
    assert canary("deploy", *NEW, "--label", "workflow/version").code == 0
    variant = story.cluster.get(DEPLOYMENT, "app-canary")
    assert variant is not None
    assert variant["metadata"]["labels"]["workflow/version"] == "canary"
    assert VERSION_LABEL not in variant["metadata"]["labels"]
    assert canary("reject", "app", "--label", "workflow/version").code == 0
    assert story.names() == {"app"}


def test_a_promote_continues_if_its_output_is_no_longer_read(canary: CommandLine, story: Story) -> None:
    assert canary("deploy", *NEW).code == 0
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([CANARY, "promote", "m.yml", "--image", "app:2"], stderr=writer, timeout=60, check=False)
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert image_of(story.deployment()) == "app:2"
    assert story.names() == {"app"}


def test_status_of_an_unknown_name_suggests_a_similar_one(canary: CommandLine, story: Story) -> None:
    result = canary("status", "ap")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"canary: error: there is no Deployment ap in namespace {story.namespace}, and no canary or baseline of it; "
        "did you mean app?\n"
    )


def test_watch_of_an_unknown_name_suggests_a_similar_one(canary: CommandLine) -> None:
    result = canary("watch", "ap", *QUICK)
    assert result.code == 2
    assert "there is no Deployment ap in namespace" in result.err
    assert result.err.endswith("did you mean app?\n")


@pytest.mark.parametrize("arguments", [(), ("app",), ("m.yml",)])
def test_status_reports_a_missing_namespace(canary: CommandLine, arguments: tuple[str, ...]) -> None:
    result = canary("status", *arguments, "--namespace", "nowhere")
    assert (result.code, result.out) == (2, "")
    assert result.err == "canary: error: there is no namespace nowhere: create it, or pass another --namespace\n"


def test_status_of_manifests_before_the_first_release_says_what_can_be_done(in_cluster: CommandLine) -> None:
    in_cluster.write_objects("m.yml", deployment())
    result = in_cluster("status", "m.yml")
    assert result.code == 0
    assert "  next: app does not exist yet; create it: canary release MANIFESTS --image IMAGE" in result.out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--gate", "webhook"), "--gate webhook needs a --gate-url: the server to ask"),
        (
            ("--gate", "webhook", "--gate-url", "ftp://x"),
            (
                "--gate-url: must be a URL such as https://approvals.example/canary, or @FILE with a file that holds "
                "the URL"
            ),
        ),
        (
            ("--gate", "webhook", "--gate-url", "http://127.0.0.1:9", "--gate-token-file", "none"),
            "--gate-token-file: cannot read none: No such file or directory",
        ),
    ],
)
def test_a_gate_that_could_not_decide_is_refused_before_anything_is_written(
    flags: tuple[str, ...], says: str, canary: CommandLine, story: Story
) -> None:
    result = canary("release", "m.yml", "--image", "app:2", *flags)
    assert (result.code, result.lines) == (2, [f"canary: error: {says}"])
    assert story.names() == {"app"}


def test_a_token_that_is_none_is_refused_before_anything_is_written(canary: CommandLine, story: Story) -> None:
    gate = ("--gate", "webhook", "--gate-url", "http://127.0.0.1:9")
    result = canary("release", "m.yml", "--image", "app:2", *gate, environment={"CANARY_GATE_TOKEN": "geh€im"})
    assert (result.code, result.lines) == (
        2,
        ["canary: error: variable CANARY_GATE_TOKEN is not a token: it has characters other than printable ASCII"],
    )
    assert story.names() == {"app"}


def test_a_token_for_the_gate_may_come_from_the_environment(canary: CommandLine, answers: Simulator) -> None:
    canary.write("url", "http://127.0.0.1:9/hidden\n")
    gate = ("--gate", "webhook", "--gate-url", "@url", "--gate-timeout", "1s")
    secret = {"CANARY_GATE_TOKEN": "s3cret"}
    result = canary("release", "m.yml", "--image", "app:2", *gate, *QUICK, environment=secret)
    assert result.code == 4
    assert "http://127.0.0.1:9 did not decide within 1 s (--gate-timeout); it cannot be reached" in result.err
    assert not {"s3cret", "hidden"} & set(re.split(r"\W", result.err + canary("config", *gate).out))
