"""`canary doctor` as a user runs it: a line for each check or JSON, an exit code, and no secrets."""

from __future__ import annotations

import json

import pytest

from tests.canary.commandline import CommandLine
from tests.canary.story import Story, deployment, service
from tests.http_servers import serving

METRICS = 'requests_total{custom_status="good"} 90\nrequests_total{custom_status="bad"} 10\n'


def test_the_command_prints_a_line_for_each_and_exits_with_0(in_cluster: CommandLine, story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    with serving(lambda _path, _headers: (200, METRICS)) as page:
        story.simulator.answers["app:1"] = page.server_port
        result = in_cluster("doctor", "app")
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0].startswith("canary 0.")
    assert {line.split()[0] for line in lines[1:-1]} == {"ok", "warning"}
    assert "4 of 4 pods have metrics" in result.out
    assert lines[-1] == "releases are possible here (4 warnings)"
    warned = [line.split()[1] for line in lines if line.startswith("warning")]
    assert warned == ["tolerance", "readiness", "shutdown", "traffic"]
    assert "counting requests for 3 s" in result.err


def test_a_tolerance_may_be_set_in_each_place_that_settings_come_from(in_cluster: CommandLine, story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    assert "warning  tolerance     none for success: how much worse" in in_cluster("doctor", "app").out
    assert "ok       tolerance" in in_cluster("doctor", "app", "--tolerance", "0.01").out
    in_cluster.write("canary.yml", "tolerance: 1.5x\n")
    assert "ok       tolerance" in in_cluster("doctor", "app").out


def test_the_json_has_every_check_and_no_secret(in_cluster: CommandLine, story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    result = in_cluster("doctor", "app", "--output", "json")
    report = json.loads(result.out)
    assert result.code == 3, "the simulator answer nobody"
    assert report["failed"] == 1
    assert {"subject", "outcome", "text", "advice", "workload"} == set(report["checks"][0])
    assert (report["namespace"], report["canary"][:2], report["python"][:2]) == (story.namespace, "0.", "3.")
    assert story.simulator.url.rpartition("/")[2] not in result.out + result.err


def test_the_checks_take_manifests_and_images(in_cluster: CommandLine, story: Story) -> None:
    in_cluster.write_objects("m/all.yml", service(), deployment("app:1", replicas=2))
    result = in_cluster("doctor", "m/", "--image", "app:2")
    assert result.code == 0
    assert "there is no Deployment app yet" in result.out
    wrong = in_cluster("doctor", "m/", "--image", "other:2")
    assert (wrong.code, "other" in wrong.err) == (2, True)


def test_an_unknown_name_is_bad_input_and_an_unreachable_cluster_is_a_failed_check(
    in_cluster: CommandLine, story: Story
) -> None:
    assert in_cluster("doctor", "apq").code == 2
    in_cluster.of_cluster("http://127.0.0.1:9/secret", "shop")
    result = in_cluster("doctor", "app")
    assert result.code == 3
    assert "failed   API server    cannot reach http://127.0.0.1:9" in result.out
    assert "secret" not in result.out


def test_without_a_kubeconfig_the_error_says_what_to_set(command_line: CommandLine) -> None:
    result = command_line("doctor")
    assert (result.code, "KUBECONFIG" in result.err or "kubeconfig" in result.err) == (2, True)


def test_users_and_passwords_in_addresses_are_not_shown(
    in_cluster: CommandLine, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://me:hunter2@proxy:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    in_cluster.of_cluster("http://me:hunter2@10.255.255.1:9", story.namespace)
    result = in_cluster("doctor", "--prometheus", "http://me:hunter2@prometheus:9090")
    assert "proxy:3128" in result.out
    assert "hunter2" not in result.out + result.err


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
