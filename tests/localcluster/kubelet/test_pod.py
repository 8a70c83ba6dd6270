"""Pods: environment, volumes, probes, restarts, signals, and the words of their status and events."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, pod, script, service

Object = dict[str, Any]


def state(obj: Object, name: str = "main") -> Object:
    statuses = obj["status"].get("containerStatuses", []) + obj["status"].get("initContainerStatuses", [])
    return dict(next((s for s in statuses if s["name"] == name), {"state": {}, "lastState": {}}))


def is_ready(obj: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in obj["status"].get("conditions", []))


def waiting_reason(obj: Object, name: str = "main") -> str:
    return str(state(obj, name)["state"].get("waiting", {}).get("reason"))


def test_a_pod_is_told_where_to_listen_and_what_its_manifest_says(namespace: Namespace) -> None:
    namespace.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "green"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": "s3cret"}},
    )
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "BOTH", "value": "$(COLOUR)-$(POD) $$(COLOUR) $(NONE)"},
        {"name": "NOT_THERE", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k", "optional": True}}},
        {"name": "HTTPS_PROXY", "value": "http://proxy:1"},
        {"name": "NO_PROXY", "value": "intranet"},
    ]
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8000}]
    both = container(env=env, envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "my_"}], ports=ports)
    namespace.apply(pod("web", both), service())
    found = namespace.pod("web", is_ready)
    names = "COLOUR,TOKEN,POD,SPACE,IP,BOTH,my_colour,HOST,PORT,HTTP_PORT,METRICS_PORT,NOT_THERE,NO_PROXY,HOSTNAME"
    told = dict(zip(names.split(","), namespace.fetch("web", f"/env/{names}").split("\n"), strict=True))
    address = found["status"]["podIP"]
    assert told == {
        "COLOUR": "green",
        "TOKEN": "s3cret",
        "POD": "web",
        "SPACE": namespace.name,
        "IP": address,
        "BOTH": "green-web $(COLOUR) $(NONE)",
        "my_colour": "green",
        "HOST": address,
        "PORT": "8080",
        "HTTP_PORT": "8080",
        "METRICS_PORT": "8000",
        "NOT_THERE": "",
        "NO_PROXY": "intranet,localhost,127.0.0.0/8,::1",
        "HOSTNAME": "web",
    }


def test_volumes_are_found_by_workdir_and_by_the_command_line(namespace: Namespace) -> None:
    namespace.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a.txt": "one"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"k": b64("two")}},
    )
    volumes: list[Object] = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "keys", "secret": {"secretName": "keys", "items": [{"key": "k", "path": "sub/key"}]}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "about", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    mounts = [
        {"name": "settings", "mountPath": "/srv/settings"},
        {"name": "keys", "mountPath": "/etc/keys"},
        {"name": "scratch", "mountPath": "/tmp"},
        {"name": "about", "mountPath": "/about"},
    ]
    text = 'cat settings/a.txt "$0" "$LABELS"; echo; echo three > $TMPDIR/f; cat "$TMPDIR/f"'
    command: dict[str, Any] = {"command": ["/bin/sh", "-c", text, "/etc/keys/sub/key"], "volumeMounts": mounts}
    main = script("", **command, env=[{"name": "LABELS", "value": "/about/labels"}])
    namespace.apply(pod("reader", main, volumes=volumes, restartPolicy="Never"))
    namespace.pod("reader", lambda p: p["status"].get("phase") == "Succeeded")
    assert namespace.kubectl("logs", "reader") == 'onetwoapp="reader"\nthree\n'
    assert namespace.events("reader", "MountNotVisible") == []


def test_a_mount_that_a_process_cannot_find_is_told_in_the_pods_events(namespace: Namespace) -> None:
    mount = {"name": "v", "mountPath": "/opt/data"}
    main = script("sleep 60", volumeMounts=[mount])
    namespace.apply(pod("blind", main, volumes=[{"name": "v", "emptyDir": {}}]))
    namespace.pod("blind", is_ready)
    (said,) = namespace.events("blind", "MountNotVisible")
    assert said.startswith("container main cannot find /opt/data: localcluster has no mounts, the files are in /")
    advice = "; use a path relative to /srv, or pass /opt/data to the process in an argument or a variable"
    assert said.endswith("/root/opt/data" + advice)


def test_only_what_is_known_to_be_a_path_is_rewritten(namespace: Namespace) -> None:
    kept = {
        "URL": "http://srv:8080/srv",
        "DATABASE": "postgres://srv:secret@db/srv",
        "PREFIX": "/srv",
        "FILE": "/srv/server.py",
        "LIST": "/data:/srv",
        "ADDRESS": "//data/x",
        "BACK": "/data/../srv",
        "TEXT": "see /data/x",
    }
    paths = {"DATA": "/data", "NEW": "/data/new/file"}
    env = [{"name": k, "value": v} for k, v in {**kept, **paths, "PYTHONPATH": "/srv:/data/new:/nowhere"}.items()]
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    words = ["/srv/server.py", "--file=/srv/server.py", "/data/x", "--data=/data", "/srv", "--prefix=/srv", "/bin/sh"]
    words += ["http://srv:8080/data", "x=/data", "/data:/srv", "/" + "x" * 300]
    main = script("", command=["python", "-c", code, *words], env=env)
    main["volumeMounts"] = [{"name": "v", "mountPath": "/data/"}]
    namespace.apply(pod("shown", main, volumes=[{"name": "v", "emptyDir": {}}], restartPolicy="Never"))
    found = namespace.pod("shown", lambda p: p["status"].get("phase") == "Succeeded")
    argv, told = json.loads(namespace.kubectl("logs", "shown"))
    root = workdir(namespace, found).parent
    assert {k: told[k] for k in kept} == kept
    assert {k: told[k] for k in paths} == {k: f"{root}{v}" for k, v in paths.items()}
    assert told["PYTHONPATH"] == f"{root}/srv:{root}/data/new:/nowhere"
    assert argv[:4] == [
        f"{root}/srv/server.py",
        f"--file={root}/srv/server.py",
        f"{root}/data/x",
        f"--data={root}/data",
    ]
    assert argv[4:] == words[4:]
    assert namespace.events("shown", "MountNotVisible") == []


def test_a_path_in_a_line_of_shell_is_not_found_and_told(namespace: Namespace) -> None:
    main = script("cat /data/x; sleep 60", volumeMounts=[{"name": "v", "mountPath": "/data"}])
    namespace.apply(pod("blind", main, volumes=[{"name": "v", "emptyDir": {}}]))
    until("told", lambda: namespace.events("blind", "MountNotVisible"))


def test_a_rewritten_config_map_reaches_running_pods(namespace: Namespace) -> None:
    settings: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"a": "one"}}
    namespace.apply(settings)
    main = script("while sleep 0.1; do cat s/a; echo; done", volumeMounts=[{"name": "s", "mountPath": "/srv/s"}])
    namespace.apply(pod("reader", main, volumes=[{"name": "s", "configMap": {"name": "s"}}]))
    until("one", lambda: "one\n" in logs(namespace, "reader"))
    namespace.apply({**settings, "data": {"a": "two"}})
    until("two", lambda: "two\n" in logs(namespace, "reader"))


def test_what_a_pod_refers_to_and_is_not_there_is_waited_for(namespace: Namespace) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "x"}}}]
    namespace.apply(pod("waiting", script("echo $X; sleep 60", env=env)))
    found = namespace.pod("waiting", lambda p: waiting_reason(p) == "CreateContainerConfigError")
    assert state(found)["state"]["waiting"]["message"] == 'configmap "later" not found'
    namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"x": "here"}})
    until("started", lambda: logs(namespace, "waiting") == "here\n")


def test_a_volume_of_a_missing_config_map_is_told_in_the_pods_events(namespace: Namespace) -> None:
    namespace.apply(pod("waiting", volumes=[{"name": "v", "configMap": {"name": "absent"}}]))
    said = until("told", lambda: namespace.events("waiting", "FailedMount"))
    assert said == ['MountVolume.SetUp failed for volume "v" : configmap "absent" not found']
    assert waiting_reason(namespace.get("pod", "waiting"), "web") == "ContainerCreating"


def test_a_container_that_crashes_is_started_again_ever_more_slowly(namespace: Namespace) -> None:
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


def test_restart_policies_are_kept(namespace: Namespace) -> None:
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


def test_an_image_that_is_not_there_is_named_with_what_to_do(namespace: Namespace) -> None:
    namespace.apply(pod("pulling", script("", image="nowhere:1")))
    namespace.apply(pod("never", script("", image="nowhere:1", imagePullPolicy="Never")))
    found = namespace.pod("pulling", lambda p: waiting_reason(p) == "ImagePullBackOff")
    assert "localcluster build CONTEXT -t nowhere:1" in state(found)["state"]["waiting"]["message"]
    assert found["status"]["phase"] == "Pending"
    assert any('Failed to pull image "nowhere:1"' in said for said in namespace.events("pulling", "Failed"))
    namespace.pod("never", lambda p: waiting_reason(p) == "ErrImageNeverPull")


def test_a_name_that_no_image_can_have_is_told_by_its_reason(namespace: Namespace) -> None:
    long = "x" * 300
    namespace.apply(pod("long", script("", image=long)), pod("odd", script("", image="Web:1")))
    found = namespace.pod("long", lambda p: waiting_reason(p) == "InvalidImageName")
    why = "repository name must not be more than 255 characters"
    message = f'Failed to apply default image tag "{long}": couldn\'t parse image name "{long}": {why}'
    assert state(found)["state"]["waiting"]["message"] == message
    assert namespace.events("long", "InspectFailed") == [message]
    odd = namespace.pod("odd", lambda p: waiting_reason(p) == "InvalidImageName")
    assert state(odd)["state"]["waiting"]["message"].endswith("repository name (library/Web) must be lowercase")


def test_what_the_system_refuses_is_told_in_the_pods_status(namespace: Namespace) -> None:
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
    until("told", lambda: [said for said in namespace.events("file", "FailedMount") if "File name too long" in said])


def test_a_mount_in_another_is_found_whatever_their_order(namespace: Namespace) -> None:
    volumes: list[Object] = [{"name": "outer", "emptyDir": {}}, {"name": "inner", "configMap": {"name": "c"}}]
    mounts = [{"name": "inner", "mountPath": "/srv/a/b/c"}, {"name": "outer", "mountPath": "/srv/a"}]
    main = script("cat a/b/c/k", volumeMounts=mounts)
    namespace.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "found"}},
        pod("nested", main, volumes=volumes, restartPolicy="Never"),
    )
    namespace.pod("nested", lambda p: p["status"].get("phase") == "Succeeded")
    assert namespace.kubectl("logs", "nested") == "found\n"


def test_a_program_that_does_not_exist_is_a_start_error(namespace: Namespace) -> None:
    namespace.apply(pod("none", {"name": "main", "image": "web:1", "command": ["nothere"]}, restartPolicy="Never"))
    found = namespace.pod("none", lambda p: "terminated" in state(p)["state"])
    ended = state(found)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "nothere": executable file not found in $PATH' in ended["message"]


def test_init_containers_run_one_after_the_other_before_the_rest(namespace: Namespace) -> None:
    share: dict[str, Any] = {"volumeMounts": [{"name": "v", "mountPath": "/srv/v"}]}
    inits = [script("echo 1 >> v/log", "first", **share), script("echo 2 >> v/log", "second", **share)]
    main = script("cat v/log; sleep 60", **share)
    namespace.apply(pod("steps", main, initContainers=inits, volumes=[{"name": "v", "emptyDir": {}}]))
    found = namespace.pod("steps", is_ready)
    assert namespace.kubectl("logs", "steps", "-c", "main") == "1\n2\n"
    assert state(found, "first")["state"]["terminated"]["reason"] == "Completed"


def test_a_failing_init_container_keeps_the_pod_from_starting(namespace: Namespace) -> None:
    namespace.apply(pod("stuck", script("echo never"), initContainers=[script("exit 1", "init")]))
    found = namespace.pod("stuck", lambda p: waiting_reason(p, "init") == "CrashLoopBackOff")
    assert waiting_reason(found) == "PodInitializing"
    conditions = {c["type"]: c for c in found["status"]["conditions"]}
    assert conditions["Initialized"]["message"] == "containers with incomplete status: [init]"


def test_all_containers_of_a_pod_run_and_share_its_address(namespace: Namespace) -> None:
    sidecar = script("echo beside $HOST; sleep 60", "sidecar")
    namespace.apply(pod("two", container(), sidecar))
    found = namespace.pod("two", is_ready)
    assert namespace.kubectl("logs", "two", "-c", "sidecar") == f"beside {found['status']['podIP']}\n"


def test_readiness_comes_and_goes_with_its_probe(namespace: Namespace) -> None:
    namespace.apply(pod("web"), service())
    found = namespace.pod("web", is_ready)
    folder = workdir(namespace, found, "web")
    (folder / "unready").touch()
    namespace.pod("web", lambda p: not is_ready(p))
    assert until("told", lambda: namespace.events("web", "Unhealthy"))[-1].startswith("Readiness probe failed: ")
    (slice_,) = namespace.list("endpointslices")
    assert slice_["endpoints"][0]["conditions"] == {"ready": False, "serving": False, "terminating": False}
    (folder / "unready").unlink()
    again = namespace.pod("web", is_ready)
    assert state(again, "web")["restartCount"] == 0


def test_a_failing_liveness_probe_restarts_the_container(namespace: Namespace) -> None:
    probe = {"exec": {"command": ["/bin/sh", "-c", "echo sick; exit 1"]}, "periodSeconds": 1, "failureThreshold": 2}
    namespace.apply(pod("sick", script("sleep 60", livenessProbe=probe)))
    namespace.pod("sick", lambda p: state(p).get("restartCount", 0) > 0)
    assert "Liveness probe failed: sick" in namespace.events("sick", "Unhealthy")
    assert "Container main failed liveness probe, will be restarted" in namespace.events("sick", "Killing")


def test_other_probes_wait_for_the_startup_probe(namespace: Namespace) -> None:
    startup = {"exec": {"command": ["/bin/sh", "-c", "test -e started"]}, "periodSeconds": 1, "failureThreshold": 60}
    liveness = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    namespace.apply(pod("slow", container(startupProbe=startup, livenessProbe=liveness)))
    found = namespace.pod("slow", lambda p: state(p, "web")["state"].get("running"))
    assert (state(found, "web")["started"], state(found, "web")["ready"]) == (False, False)
    (workdir(namespace, found, "web") / "started").touch()
    ready = namespace.pod("slow", is_ready)
    assert (state(ready, "web")["started"], state(ready, "web")["restartCount"]) == (True, 0)


def test_a_pod_that_is_deleted_gets_its_pre_stop_hook_then_sigterm(namespace: Namespace) -> None:
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo hook > shared/log"]}}}
    text = "trap 'cat shared/log; echo term; exit 0' TERM; echo up; while true; do sleep 0.1; done"
    mounts = [{"name": "v", "mountPath": "/srv/shared"}]
    namespace.apply(
        pod("leaving", script(text, lifecycle=hook, volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}])
    )
    namespace.pod("leaving", is_ready)
    follower = namespace.follow("leaving")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "up\n"  # the trap is set, and the follower is there
    namespace.kubectl("delete", "pod", "leaving")
    assert follower.communicate(timeout=20)[0] == "hook\nterm\n"
    assert "Stopping container main" in namespace.events("leaving", "Killing")


def test_a_process_that_does_not_listen_is_killed_with_all_it_started(namespace: Namespace) -> None:
    text = "trap '' TERM; sleep 1000 & echo $! > child; echo $$; while true; do sleep 0.2; done"
    namespace.apply(pod("deaf", script(text), terminationGracePeriodSeconds=1))
    found = namespace.pod("deaf", is_ready)
    main = until("started", lambda: logs(namespace, "deaf")).strip()
    child = (workdir(namespace, found) / "child").read_text().strip()
    namespace.kubectl("delete", "pod", "deaf")
    assert not Path(f"/proc/{main}").exists()
    until("the child is gone", lambda: not Path(f"/proc/{child}").exists())


def test_a_second_deletion_can_only_be_quicker(namespace: Namespace) -> None:
    namespace.apply(
        pod("deaf", script("trap '' TERM; while true; do sleep 0.2; done"), terminationGracePeriodSeconds=600)
    )
    namespace.pod("deaf", is_ready)
    namespace.kubectl("delete", "pod", "deaf", "--wait=false")
    namespace.pod("deaf", lambda p: "deletionTimestamp" in p["metadata"])
    namespace.kubectl("delete", "pod", "deaf", "--grace-period=1", "--timeout=30s")
    assert namespace.list("pods") == []


def test_a_pod_deleted_by_force_is_gone_at_once(namespace: Namespace) -> None:
    namespace.apply(pod("deaf", script("trap '' TERM; echo $$; while true; do sleep 0.2; done")))
    namespace.pod("deaf", is_ready)
    main = until("started", lambda: logs(namespace, "deaf")).strip()
    namespace.kubectl("delete", "pod", "deaf", "--grace-period=0", "--force")
    until("the process is gone", lambda: not Path(f"/proc/{main}").exists())


def test_a_process_on_a_taken_address_is_told_what_to_do(namespace: Namespace) -> None:
    fixed = [{"name": "HOST", "value": "0.0.0.0"}, {"name": "PORT", "value": "28081"}]
    namespace.apply(pod("first", container(env=fixed)), pod("second", container(env=fixed)))
    said = until("told", lambda: namespace.events("first", "AddressInUse") + namespace.events("second", "AddressInUse"))
    assert "Address already in use" in said[0]
    hint = "pods share this machine: listen on $HOST:$PORT, not on 0.0.0.0 or a fixed port"
    assert said[0].endswith(hint)
    name = "first" if namespace.events("first", "AddressInUse") else "second"
    found = namespace.pod(name, lambda p: state(p, "web")["lastState"] and state(p, "web")["state"].get("waiting"))
    assert state(found, "web")["lastState"]["terminated"]["message"] == said[0]
    assert namespace.kubectl("logs", name, "--previous").endswith(f"\nlocalcluster: {hint}\n")
    assert hint in namespace.kubectl("describe", "pod", name).partition("Last State")[2].partition("Events:")[0]


def test_a_pod_that_no_node_can_take_says_why(namespace: Namespace) -> None:
    namespace.apply(pod("nowhere", nodeSelector={"disk": "ssd"}))
    greedy = container(resources={"requests": {"cpu": "1000"}})
    namespace.apply(pod("greedy", greedy))
    for name, why in (("nowhere", "didn't match Pod's node affinity/selector"), ("greedy", "1 Insufficient cpu")):
        found = namespace.pod(name, lambda p: p["status"].get("conditions"))
        (condition,) = found["status"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        )
        assert why in condition["message"]


def test_logs_can_be_cut_followed_and_dated(namespace: Namespace) -> None:
    namespace.apply(
        pod("talker", script("for i in 1 2 3 4 5; do echo line $i; done; sleep 1; echo last"), restartPolicy="Never")
    )
    namespace.pod("talker", lambda p: "running" in state(p)["state"])
    assert namespace.follow("talker").communicate(timeout=20)[0].splitlines()[-2:] == ["line 5", "last"]
    assert namespace.kubectl("logs", "talker", "--tail=2") == "line 5\nlast\n"
    dated = namespace.kubectl("logs", "talker", "--timestamps", "--tail=1")
    assert dated.endswith("Z last\n")
    assert dated.startswith("20")
    assert namespace.kubectl("logs", "talker", "--since=1h") == namespace.kubectl("logs", "talker")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def logs(namespace: Namespace, name: str) -> str:
    found = namespace.get("pod", name)
    running = any("running" in s["state"] or s["lastState"] for s in found["status"].get("containerStatuses", []))
    return namespace.kubectl("logs", name) if running else ""


def workdir(namespace: Namespace, found: Object, name: str = "main") -> Path:
    """Return where a container's WORKDIR, /srv, really is."""
    meta = found["metadata"]
    folder = f"{namespace.name}_{meta['name']}_{meta['uid']}"
    return (
        namespace.cluster.command.home / namespace.cluster.name / "pods" / folder / "containers" / name / "root" / "srv"
    )
