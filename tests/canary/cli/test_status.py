"""The command `canary status`: of all namespaces, and again and again."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
import yaml

from canary.marks import ROUTE
from canary.objects import DEPLOYMENT
from e2e.faulty_proxy import FaultyProxy
from tests.canary.commandline import CANARY, CommandLine
from tests.canary.story import Story, deployment
from tests.http_servers import serving


@contextmanager
def watching(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `canary status --watch` while the block lasts."""
    command = [str(CANARY), "status", "--watch", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(stream: Iterator[str] | None, text: str) -> list[str]:
    """Return the lines of a stream up to the first one with a text."""
    lines = []
    for line in stream or ():
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    pytest.fail(f"no line with {text}: {lines}")


@pytest.fixture
def other(story: Story) -> Iterator[Story]:
    """Give another namespace of the same cluster, with a release of web in it."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    story.simulator.namespace(namespace)
    cluster = story.simulator.cluster(namespace)
    there = Story(story.simulator, cluster, story.clock, namespace)
    there.stable(deployment("web:1", name="web"))
    there.release(deployment("web:2", name="web")).deploy()
    yield there
    cluster.close()
    story.simulator.remove(namespace)


def test_the_releases_of_all_namespaces_are_shown_with_commands_for_each(
    canary: CommandLine, story: Story, other: Story
) -> None:
    story.release(deployment("app:2")).deploy()
    result = canary("status", "-A")
    assert result.code == 0, result.err
    for name, namespace in (("app", story.namespace), ("web", other.namespace)):
        assert f"{name} in namespace {namespace}" in result.out
        assert f"canary reject {name} --namespace {namespace}" in result.out
    shown = {one["namespace"]: one for one in canary("status", "-A", "-o", "json").json()["namespaces"]}
    assert [one["name"] for one in shown[other.namespace]["workloads"]] == ["web"]
    assert yaml.safe_load(canary("status", "-A", "-o", "yaml").out)["namespaces"]


def test_without_a_release_anywhere_that_is_said(canary: CommandLine) -> None:
    assert canary("status", "-A").out == "no release in any namespace\n"


@pytest.mark.parametrize("more", [("app",), ("--namespace", "default")])
def test_all_namespaces_and_one_release_contradict_each_other(more: tuple[str, ...], canary: CommandLine) -> None:
    result = canary("status", "-A", *more)
    assert result.code == 2
    assert "pass no names, manifests or --namespace with it" in result.err


def test_an_account_of_one_namespace_is_told_which_right_it_lacks(command_line: CommandLine) -> None:
    who = 'User "ada" cannot list resource "deployments" in API group "apps" at the cluster scope'
    why = f"deployments.apps is forbidden: {who}"

    def answer(path: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        if path.partition("?")[0] == "/apis/apps/v1":
            return 200, json.dumps({"resources": [{"kind": "Deployment", "name": "deployments", "namespaced": True}]})
        return 403, json.dumps({"kind": "Status", "reason": "Forbidden", "message": why})

    with serving(answer) as server:
        result = command_line.of_cluster(f"http://127.0.0.1:{server.server_port}", "shop")("status", "--all-namespaces")
    assert result.code == 3
    assert why in result.err
    assert "needs a ClusterRole that may list deployments of apps; with --namespace, a Role is enough" in result.err


def test_each_change_is_shown_until_ctrl_c_ends_it(canary: CommandLine, story: Story) -> None:
    with watching() as status:
        assert until(status.stdout, "no release")[1:] == [f"no release in namespace {story.namespace}"]
        story.release(deployment("app:2")).deploy()
        assert until(status.stdout, "app-canary")
        until(status.stdout, "canary reject")
        status.send_signal(signal.SIGINT)
        out, err = status.communicate(timeout=30)
    assert (status.returncode, err) == (0, "")
    assert "app in namespace" not in out, "it was shown again though nothing has changed"


def test_json_of_each_change_is_a_document_of_its_own(canary: CommandLine, story: Story) -> None:
    with watching("-o", "json") as status:
        first = json.loads("".join(until(status.stdout, "}")))
        assert first == {"namespace": story.namespace, "workloads": []}
        story.release(deployment("app:2")).deploy()
        until(status.stdout, '"app-canary"')
        status.send_signal(signal.SIGINT)
        status.communicate(timeout=30)
    assert status.returncode == 0


def test_watching_outlives_an_api_server_that_is_away(canary: CommandLine, story: Story) -> None:
    proxy = FaultyProxy(story.simulator.url)
    canary.of_cluster(proxy.url, story.namespace)
    with watching() as status:
        until(status.stdout, "no release")
        proxy.cut()
        assert until(status.stderr, "still trying")
        story.release(deployment("app:2")).deploy()
        proxy.mend()
        until(status.stdout, "app-canary")
        until(status.stderr, "the API server answers again")
        status.send_signal(signal.SIGINT)
        status.communicate(timeout=30)
    assert status.returncode == 0
    proxy.close()


def test_a_low_terminal_shows_the_end_with_what_can_be_done_next(canary: CommandLine, story: Story) -> None:
    story.release(deployment("app:2")).deploy()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 6, 200, 0, 0))
    size = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
    command = [str(CANARY), "status", "--watch"]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=size) as status:
        os.close(theirs)
        drawn = b""
        try:
            while b"canary reject app" not in drawn:
                drawn += os.read(ours, 4096)
        finally:
            status.kill()
            os.close(ours)
    assert b"in namespace" not in drawn, "the beginning does not fit"


def test_on_a_terminal_the_status_is_drawn_over_the_last_one(canary: CommandLine, story: Story) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([str(CANARY), "status", "--watch"], stdout=theirs, stderr=subprocess.PIPE) as status:
        os.close(theirs)
        drawn = b""
        try:
            while b"no release" not in drawn:
                drawn += os.read(ours, 4096)
            story.release(deployment("app:2")).deploy()
            while b"app-canary" not in drawn:
                drawn += os.read(ours, 4096)
            status.send_signal(signal.SIGINT)
            assert status.wait(30) == 0
        finally:
            status.kill()
            os.close(ours)
    assert b"\x1b[1A" in drawn, "the cursor goes back up"


def test_a_release_by_a_route_shows_the_share_that_was_asked_for_and_the_share_that_was_seen(
    canary: CommandLine, story: Story
) -> None:
    story.stable(deployment("app:1", replicas=2))
    release = story.release(deployment("app:2", replicas=2))
    release.deploy()
    release.watch()
    story.cluster.annotate(DEPLOYMENT, "app-canary", {ROUTE: "shop"})
    text = canary("status", "app").out
    assert "\n  HTTPRoute shop gives the canary 50 %; of the latest requests, it answered 25 %\n" in text
    (workload,) = json.loads(canary("status", "app", "--output", "json").out)["workloads"]
    assert workload["traffic"] == {"route": "shop", "asked": 0.5, "seen": 0.25}
