"""The command: starting, stopping and inspecting a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

import localcluster
from localcluster import daemon, network
from localcluster.kubelet import orphaned_pods
from tests.localcluster.cluster import DATA, Cluster, Command, Namespace, until
from tests.localcluster.objects import deployment, pod, script, service

NAME = "other"
ENDS_WITH_US = ("--end-with", str(os.getpid()))


@pytest.fixture
def other(command: Command) -> Iterator[Command]:
    """Provide the command, and stop the cluster `other` after the test."""
    yield command
    command("down", "--name", NAME)


def start(command: Command, *options: str) -> Namespace:
    command("up", "--name", NAME, "--back-off", "1", *(options or ENDS_WITH_US))
    return Namespace(Cluster(command, NAME), "default")


def processes(command: Command) -> list[int]:
    return orphaned_pods.find(command.home / NAME)


def command_line(pid: int) -> str:
    """Return the command line of a process, empty if it has ended (always on macOS, which does not show it here)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def deaf(name: str = "deaf") -> dict[str, object]:
    """Return a pod that ignores SIGTERM and has children in their own sessions.

    One of them has lost its environment, like a process that overwrites it with its title.
    """
    text = "trap '' TERM; setsid sleep 1000 & setsid env -i sleep 1000 & while true; do sleep 0.2; done"
    secret = {"name": "v", "secret": {"secretName": "s"}}
    mount = {"name": "v", "mountPath": "/srv/v"}
    main = script(text, volumeMounts=[mount])
    return pod(name, main, volumes=[secret], terminationGracePeriodSeconds=600)


SECRET: dict[str, object] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "eA=="}}


def test_up_writes_a_private_kubeconfig_and_prints_where_the_state_is(other: Command) -> None:
    said = other("up", "--name", NAME).stderr
    path = Path(other("kubeconfig", "--name", NAME).stdout.strip())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == NAME
    assert config["clusters"][0]["cluster"]["server"].startswith("http://127.")
    assert said.startswith(f"{NAME} is up: http://127.")
    assert str(other.home / NAME) in said
    secret = config["clusters"][0]["cluster"]["server"].rpartition("/")[2]
    assert secret not in said


@pytest.mark.parametrize("given", [True, False])
def test_only_the_owner_can_enter_the_folders(command: Command, tmp_path: Path, cache: Path, given: bool) -> None:
    base = tmp_path / ("mine" if given else "localcluster")
    variables = {"LOCALCLUSTER_HOME": str(base)} if given else {"XDG_STATE_HOME": str(tmp_path)}
    fresh = Command(base, cache, **variables)
    if not given:
        del fresh.env["LOCALCLUSTER_HOME"]
        for folder in (base, base / "images"):
            folder.mkdir(mode=0o755)  # the mode of earlier versions
    fresh("build", str(DATA / "web"), "-t", "web:1")
    fresh("up", *ENDS_WITH_US)
    fresh("down")
    folders = [base, base / "images", base / "localcluster"]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3


def test_an_existing_folder_in_localcluster_home_keeps_its_mode(tmp_path: Path, cache: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    Command(shared, cache)("build", str(DATA / "web"), "-t", "web:1")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert stat.S_IMODE((shared / "images").stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="macOS does not show a process's limits")
def test_the_daemon_can_open_as_many_files_as_the_system_allows(other: Command) -> None:
    up = [sys.executable, "-m", "localcluster", "up", "--name", NAME, *ENDS_WITH_US]
    subprocess.run(["sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh", *up], env=other.env, check=True, capture_output=True)
    pid = json.loads(other("status", "--name", NAME, "--output", "json").stdout)["pid"]
    (line,) = re.findall(r"Max open files +(\d+) +(\d+)", Path(f"/proc/{pid}/limits").read_text())
    assert line[0] == line[1]


def test_a_second_up_says_that_it_is_up_and_changes_nothing(other: Command) -> None:
    first = json.loads(other("up", "--name", NAME, "--output", "json").stdout)
    second = json.loads(other("up", "--name", NAME, "--output", "json").stdout)
    assert (first.pop("started"), second.pop("started")) == (True, False)
    assert first == second
    assert f"{NAME} is already up" in other("up", "--name", NAME).stderr


def test_status_says_where_services_listen(other: Command) -> None:
    namespace = start(other)
    namespace.apply(service("empty"))
    address = namespace.get("service", "empty")["spec"]["clusterIP"]

    def listed() -> object:
        return json.loads(other("status", "--name", NAME, "--output", "json").stdout)["services"]

    until("the Service is listed", lambda: listed() == {"default/empty": {"8080": f"{address}:8080"}})
    assert f"default/empty    8080 at {address}:8080" in other("status", "--name", NAME).stdout
    namespace.kubectl("delete", "service", "empty")
    until("the Service is no longer listed", lambda: listed() == {})


def test_two_clusters_on_one_machine_have_different_addresses(cluster: Cluster, other: Command) -> None:
    beside = start(other)
    beside.apply(deployment())
    beside.wait_for_rollout()
    (one,) = beside.list("pods")
    ours = cluster.server.split("/")[2].rpartition(":")[0].rsplit(".", 2)[0]
    assert not one["status"]["podIP"].startswith(ours + ".")
    assert one["metadata"]["name"] not in cluster.kubectl("get", "pods", "-A", "-o", "name")


def test_down_leaves_no_process_behind(other: Command) -> None:
    namespace = start(other)
    namespace.apply(SECRET, deployment(replicas=2), deaf())
    namespace.wait_for_rollout()
    until("the children run", lambda: len(processes(other)) >= 6)
    namespace.kubectl("delete", "pod", "deaf", "--wait=false")
    started = time.monotonic()
    daemon_pid = json.loads(other("status", "--name", NAME, "--output", "json").stdout)["pid"]
    assert other("down", "--name", NAME).stderr == f"{NAME} is down\n"
    assert (processes(other), command_line(daemon_pid)) == ([], "")
    assert time.monotonic() - started < 15  # the daemon does not wait for the 600 s of the pod
    assert other("status", "--name", NAME, check=False).returncode == 1
    assert other("down", "--name", NAME).stderr == f"{NAME} was not up\n"


@pytest.mark.parametrize("after", ["up", "down"])
def test_up_and_down_end_the_processes_that_a_killed_daemon_left_behind(other: Command, after: str) -> None:
    namespace = start(other)
    namespace.apply(SECRET, deaf())
    until("the pod runs", lambda: len(processes(other)) >= 4)
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        pid = json.loads(other("status", "--name", NAME, "--output", "json").stdout)["pid"]
        os.kill(pid, signal.SIGKILL)
        until("the lock is free", lambda: other("status", "--name", NAME, check=False).returncode == 1)
        left = set(processes(other))
        assert left
        said = other(after, "--name", NAME).stderr
        assert not left & set(processes(other))
        assert stranger.poll() is None
        if after == "down":
            assert re.search(r"; ended \d+ process(es)? that a killed daemon had left behind$", said)
            assert not list((other.home / NAME).rglob("k")), "the volume of a Secret is left"
        else:
            assert namespace_is_empty(other)
    finally:
        stranger.kill()
        stranger.wait()


def namespace_is_empty(command: Command) -> bool:
    return not Namespace(Cluster(command, NAME), "default").list("pods")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_daemon_in_the_foreground_cleans_up_after_an_interrupt(other: Command, number: signal.Signals) -> None:
    arguments = [sys.executable, "-m", "localcluster", "up", "--foreground", "--name", NAME]
    running = subprocess.Popen(arguments, env=other.env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    kubeconfig = other.home / NAME / "kubeconfig"
    until("the cluster is up", kubeconfig.exists)
    Namespace(Cluster(other, NAME), "default").apply(SECRET, deaf())
    until("the pod runs", lambda: len(processes(other)) >= 2)
    running.send_signal(number)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 0, said
    assert processes(other) == []
    assert not kubeconfig.exists()


def test_a_daemon_ends_when_its_state_folder_is_deleted(other: Command) -> None:
    start(other).apply(SECRET, deaf())
    until("the pod runs", lambda: len(processes(other)) >= 2)
    pid = json.loads(other("status", "--name", NAME, "--output", "json").stdout)["pid"]
    shutil.rmtree(other.home / NAME, ignore_errors=True)
    until("the daemon has ended", lambda: not Path(f"/proc/{pid}").exists())
    assert processes(other) == []


def test_a_daemon_ends_with_the_process_given_by_end_with(other: Command) -> None:
    with subprocess.Popen(["sleep", "600"]) as script:
        start(other, "--end-with", str(script.pid)).apply(SECRET, deaf())
        until("the pod runs", lambda: len(processes(other)) >= 2)
        script.kill()
    until("the daemon has ended", lambda: other("status", "--name", NAME, check=False).returncode == 1)
    assert processes(other) == []


def test_status_shows_chaos_and_a_running_cluster_cannot_get_it(other: Command) -> None:
    started = other("up", "--name", NAME, "--chaos", "7", "--chaos-rate", "1", *ENDS_WITH_US).stderr
    log = other.home / NAME / "daemon.log"
    said = f"chaos            seed 7: 100 % of requests get a fault; see {log}\n"
    assert said in started
    assert said in other("status", "--name", NAME).stdout
    assert json.loads(other("status", "--name", NAME, "--output", "json").stdout)["chaos"] == {"seed": 7, "rate": 1.0}
    server = Cluster(other, NAME).server
    with contextlib.suppress(OSError):  # an error status, or a cut connection
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{server}/api/v1/pods", timeout=10)
    assert "GET /api/v1/pods, time 1" in other("logs", "--name", NAME).stdout
    refused = other("up", "--name", NAME, "--chaos", "8", check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"localcluster: {NAME} is already up, without --chaos 8 --chaos-rate 0.05; "
        f"stop it with localcluster down --name {NAME}, then start it again\n"
    )


def test_a_long_log_of_the_daemon_is_rotated(other: Command) -> None:
    start(other)
    log = other.home / NAME / "daemon.log"
    os.truncate(log, daemon.LOG_LIMIT + 1)
    until("the log is short again", lambda: log.stat().st_size < daemon.LOG_LIMIT)
    assert log.with_name("daemon.log.1").read_text().splitlines()[0].endswith(f"state in {log.parent}")


def test_an_interrupted_up_leaves_no_daemon(other: Command) -> None:
    arguments = [sys.executable, "-m", "localcluster", "up", "--name", NAME]
    up = subprocess.Popen(arguments, env=other.env, stderr=subprocess.PIPE, text=True)
    until("the daemon starts", (other.home / NAME / "daemon.log").exists)
    up.terminate()
    up.communicate(timeout=20)
    if up.returncode:  # otherwise it finished before the signal
        assert other("status", "--name", NAME, check=False).returncode == 1


def test_a_second_daemon_of_the_same_name_is_refused(cluster: Cluster) -> None:
    refused = cluster.command("up", "--foreground", check=False)
    assert refused.returncode == 1
    assert "localcluster is already up; stop it with localcluster down" in refused.stderr


def test_the_api_server_gets_another_port_when_the_usual_one_is_taken() -> None:
    beyond = f"127.{network.LAST + 1}.0.1"  # no cluster uses this address
    assert network.api_port(beyond) == network.API_PORT
    with socket.socket() as holder:
        holder.bind((beyond, network.API_PORT))
        holder.listen()
        assert network.api_port(beyond) == 0


def test_a_failed_up_shows_the_end_of_the_log(command: Command) -> None:
    blocker = command.home / "blocked"
    blocker.mkdir()
    (blocker / "pods").write_text("not a folder")
    (blocker / "kubeconfig.new").mkdir()
    refused = command("up", "--name", "blocked", check=False)
    assert refused.returncode == 1
    assert f"localcluster: blocked did not start; its log {blocker / 'daemon.log'} ends with:" in refused.stderr


def test_status_and_kubeconfig_fail_when_the_cluster_is_down(command: Command) -> None:
    assert command("status", "--name", "nobody", check=False).returncode == 1
    refused = command("kubeconfig", "--name", "nobody", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "localcluster: nobody is down; start it with localcluster up --name nobody\n"


def test_a_name_that_would_leave_the_state_folder_is_refused(command: Command) -> None:
    refused = command("up", "--name", "../x", check=False)
    assert refused.returncode == 2
    assert "'../x' is not a valid cluster name" in refused.stderr


@pytest.mark.parametrize("sub", ["up", "down", "status", "build", "images", "logs", "kubeconfig"])
def test_the_help_of_each_command_shows_an_example(command: Command, sub: str) -> None:
    said = command(sub, "--help").stdout
    assert f"  localcluster {sub}" in said or f"$(localcluster {sub})" in said


def test_without_the_packages_of_its_extra_up_names_the_extra(tmp_path: Path) -> None:
    here = Path(localcluster.__file__).parent
    for package in (here, *(Path(module.__file__ or "").parent for module in (click, yaml))):
        (tmp_path / package.name).symlink_to(package)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "localcluster", "up"],  # -S: only the packages in this folder
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "localcluster: not installed: aiohttp and jsonpatch. Install the extra 'localcluster': in a clone, "
        "pip install '.[localcluster]'; with a wheel, pip install 'FILE.whl[localcluster]'\n"
    )
