"""Containers: start errors, restarts and back-off."""

from __future__ import annotations

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, pod, script
from tests.localcluster.pods import is_ready, state, waiting_reason


def test_a_crashing_container_restarts_with_increasing_back_off(namespace: Namespace) -> None:
    namespace.apply(pod("crash", script("echo run; exit 3", terminationMessagePolicy="FallbackToLogsOnError")))
    found = namespace.pod("crash", lambda p: waiting_reason(p) == "CrashLoopBackOff" and state(p)["restartCount"] > 1)
    last = state(found)["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (3, "Error", "run")
    assert found["status"]["phase"] == "Running"
    assert not is_ready(found)
    said = state(found)["state"]["waiting"]["message"]
    uid = found["metadata"]["uid"]
    assert said == f"back-off 2s restarting failed container=main pod=crash_{namespace.name}({uid})"
    assert namespace.kubectl("logs", "crash", "--previous") == "run\n"
    assert namespace.events("crash", "BackOff")


def test_a_container_restarts_as_its_restart_policy_says(namespace: Namespace) -> None:
    namespace.apply(
        pod("good", script("exit 0"), restartPolicy="OnFailure"),
        pod("bad", script("exit 1"), restartPolicy="Never"),
        pod("again", script("exit 1"), restartPolicy="OnFailure"),
        pod("always", script("exit 0")),
    )
    good = namespace.pod("good", lambda p: p["status"].get("phase") == "Succeeded")
    assert state(good)["state"]["terminated"]["reason"] == "Completed"
    bad = namespace.pod("bad", lambda p: p["status"].get("phase") == "Failed")
    assert (state(bad)["restartCount"], state(bad)["state"]["terminated"]["exitCode"]) == (0, 1)
    namespace.pod("again", lambda p: state(p).get("restartCount", 0) > 0)
    namespace.pod("always", lambda p: state(p).get("restartCount", 0) > 0)


def test_the_status_says_why_the_system_refuses_a_container(namespace: Namespace) -> None:
    long = "x" * 300
    namespace.apply(
        pod("folder", script("", workingDir=f"/{long}")),
        pod("zero", script("exit 0", env=[{"name": "A", "value": "\0"}]), restartPolicy="Never"),
        pod("file", volumes=[{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": long}]}}]),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},
    )
    found = namespace.pod("folder", lambda p: waiting_reason(p) == "CreateContainerError")
    assert state(found)["state"]["waiting"]["message"] == "File name too long"
    zero = namespace.pod("zero", lambda p: "terminated" in state(p)["state"])
    assert state(zero)["state"]["terminated"]["reason"] == "StartError"
    until(
        "there is an event",
        lambda: [said for said in namespace.events("file", "FailedMount") if "File name too long" in said],
    )


def test_a_program_that_does_not_exist_is_a_start_error(namespace: Namespace) -> None:
    namespace.apply(pod("none", {"name": "main", "image": "web:1", "command": ["nothere"]}, restartPolicy="Never"))
    found = namespace.pod("none", lambda p: "terminated" in state(p)["state"])
    ended = state(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "nothere": executable file not found in $PATH' in ended["message"]


def test_a_process_whose_address_is_in_use_gets_advice(namespace: Namespace) -> None:
    fixed = [{"name": "HOST", "value": "0.0.0.0"}, {"name": "PORT", "value": "28081"}]
    namespace.apply(pod("first", container(env=fixed)), pod("second", container(env=fixed)))
    said = until(
        "there is an event",
        lambda: namespace.events("first", "AddressInUse") + namespace.events("second", "AddressInUse"),
    )
    assert "Address already in use" in said[0]
    hint = "pods share this machine: listen on $HOST:$PORT, not on 0.0.0.0 or a fixed port"
    assert said[0].endswith(hint)
    name = "first" if namespace.events("first", "AddressInUse") else "second"
    found = namespace.pod(name, lambda p: state(p, "web")["lastState"] and state(p, "web")["state"].get("waiting"))
    assert state(found, "web")["lastState"]["terminated"]["message"] == said[0]
    assert namespace.kubectl("logs", name, "--previous").endswith(f"\nlocalcluster: {hint}\n")
    assert hint in namespace.kubectl("describe", "pod", name).partition("Last State")[2].partition("Events:")[0]
