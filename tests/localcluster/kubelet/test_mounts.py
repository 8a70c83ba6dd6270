"""Mounts: how processes find them, and that no manifest or image can change files outside of localcluster's folder."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.localcluster.cluster import DATA, Namespace, until
from tests.localcluster.objects import pod, script
from tests.localcluster.pods import is_ready, workdir

UP = "/.." * 30

Object = dict[str, Any]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder of the user with one file."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("mine")
    return folder


def is_as_it_was(folder: Path) -> bool:
    return {p.name: p.read_text() for p in folder.iterdir()} == {"precious": "mine"}


def runs(namespace: Namespace, name: str) -> None:
    namespace.pod(name, lambda p: p["status"].get("phase") == "Running")


def refused(namespace: Namespace, name: str) -> str:
    """Return why the container of a pod cannot be created."""

    def why(obj: Any) -> Any:
        statuses = obj["status"].get("containerStatuses", [])
        waiting = statuses[0]["state"].get("waiting", {}) if statuses else {}
        return waiting.get("reason") == "CreateContainerConfigError" and waiting["message"]

    return str(why(namespace.pod(name, why)))


def test_a_mount_below_a_symbolic_link_in_an_image_is_refused(
    namespace: Namespace, outside: Path, tmp_path: Path
) -> None:
    command = namespace.cluster.command
    shutil.copytree(DATA / "web", tmp_path / "context")
    (tmp_path / "context" / "Dockerfile").write_text(
        f"FROM python\nWORKDIR /srv\nCOPY . .\nENV CASE={namespace.name}\n"
    )
    built = json.loads(command("build", str(tmp_path / "context"), "-t", "linked:1", "--output", "json").stdout)
    root = command.home / "images" / "content" / built["digest"].partition(":")[2] / "root"
    (root / "srv" / "link").symlink_to(outside.parent)  # an image by an earlier version can have such a link
    main = script("sleep 60", image="linked:1", volumeMounts=[{"name": "v", "mountPath": "/srv/link/outside"}])
    namespace.apply(pod("web", main, volumes=[{"name": "v", "emptyDir": {}}]))
    assert refused(namespace, "web") == f"/srv/link/outside: /srv/link is a symbolic link to {outside.parent}"
    (command.home / "images" / "tags" / "linked%3A1").unlink()  # another test lists the images
    assert is_as_it_was(outside)


def test_dots_in_a_mount_path_stop_at_the_root(namespace: Namespace, outside: Path) -> None:
    mounts = [{"name": "v", "mountPath": f"{UP}{outside}"}, {"name": "v", "mountPath": f"..{UP}{outside}/deep"}]
    namespace.apply(pod("web", script("sleep 60", volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}]))
    runs(namespace, "web")
    assert is_as_it_was(outside)


def test_a_volume_cannot_replace_the_root_of_a_container(namespace: Namespace) -> None:
    main = script("sleep 60", volumeMounts=[{"name": "v", "mountPath": "/srv/.."}])
    namespace.apply(pod("web", main, volumes=[{"name": "v", "emptyDir": {}}]))
    assert refused(namespace, "web").startswith("cannot mount a volume at /: this is the container's root")


def test_dots_in_a_working_directory_stop_at_the_root(namespace: Namespace, outside: Path) -> None:
    namespace.apply(pod("web", script("touch here; sleep 60", workingDir=f"{UP}{outside}/new")))
    runs(namespace, "web")
    assert is_as_it_was(outside)


def test_a_sub_path_that_a_pod_turned_into_a_symbolic_link_is_refused(namespace: Namespace, outside: Path) -> None:
    link = script(f"ln -s {outside} link", "link", workingDir="/v", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    volumes = [{"name": "v", "emptyDir": {}}]
    for name, path in (("below", "link/new"), ("itself", "link")):
        inner = {"name": "v", "mountPath": "/srv/v", "subPath": path}
        main = script("sleep 60", volumeMounts=[inner, {"name": "v", "mountPath": "/srv/v/precious"}])
        namespace.apply(pod(name, main, volumes=volumes, initContainers=[link]))
        assert refused(namespace, name).endswith(f" is a symbolic link to {outside}")
    assert is_as_it_was(outside)


def test_a_volume_folder_that_a_pod_turned_into_a_symbolic_link_is_refused(namespace: Namespace, outside: Path) -> None:
    settings: Any = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"k": "one"}}
    volume = {"name": "v", "configMap": {"name": "s", "items": [{"key": "k", "path": "sub/precious"}]}}
    text = f"rm -r v/sub && ln -s {outside} v/sub && echo linked; sleep 60"
    main = script(text, volumeMounts=[{"name": "v", "mountPath": "/srv/v"}])
    namespace.apply(settings, pod("web", main, volumes=[volume]))
    runs(namespace, "web")
    until("the link exists", lambda: "linked" in namespace.kubectl("logs", "web"))
    namespace.apply({**settings, "data": {"k": "two"}})
    (said,) = until("there is an event", lambda: namespace.events("web", "FailedMount"))
    assert said.endswith(f" : /sub/precious: /sub is a symbolic link to {outside}")
    assert is_as_it_was(outside)


def test_a_volume_inside_another_exists_in_any_order(namespace: Namespace) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"k": "found"}}
    volumes = [{"name": "outer", "emptyDir": {}}, {"name": "inner", "configMap": {"name": "s"}}]
    mounts = [{"name": "inner", "mountPath": "/srv/v/in"}, {"name": "outer", "mountPath": "/srv/v"}]
    main = script("echo $(cat v/in/k); sleep 60", volumeMounts=mounts)
    namespace.apply(settings, pod("web", main, volumes=volumes))
    runs(namespace, "web")
    until("the file is read", lambda: namespace.kubectl("logs", "web") == "found\n")


def test_a_process_finds_volumes_relative_to_workdir_and_through_its_command_line(namespace: Namespace) -> None:
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


def test_an_event_names_a_mount_that_a_process_cannot_find(namespace: Namespace) -> None:
    mount = {"name": "v", "mountPath": "/opt/data"}
    main = script("sleep 60", volumeMounts=[mount])
    namespace.apply(pod("blind", main, volumes=[{"name": "v", "emptyDir": {}}]))
    namespace.pod("blind", is_ready)
    (said,) = namespace.events("blind", "MountNotVisible")
    assert said.startswith("container main cannot find /opt/data: localcluster has no mounts, the files are in /")
    advice = "; use a path relative to /srv, or pass /opt/data to the process in an argument or a variable"
    assert said.endswith("/root/opt/data" + advice)


def test_only_unambiguous_paths_are_replaced(namespace: Namespace) -> None:
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


def test_an_event_names_a_mount_whose_path_is_in_a_shell_script(namespace: Namespace) -> None:
    main = script("cat /data/x; sleep 60", volumeMounts=[{"name": "v", "mountPath": "/data"}])
    namespace.apply(pod("blind", main, volumes=[{"name": "v", "emptyDir": {}}]))
    until("there is an event", lambda: namespace.events("blind", "MountNotVisible"))


def test_a_mount_inside_another_is_found_in_any_order(namespace: Namespace) -> None:
    volumes: list[Object] = [{"name": "outer", "emptyDir": {}}, {"name": "inner", "configMap": {"name": "c"}}]
    mounts = [{"name": "inner", "mountPath": "/srv/a/b/c"}, {"name": "outer", "mountPath": "/srv/a"}]
    main = script("cat a/b/c/k", volumeMounts=mounts)
    namespace.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "found"}},
        pod("nested", main, volumes=volumes, restartPolicy="Never"),
    )
    namespace.pod("nested", lambda p: p["status"].get("phase") == "Succeeded")
    assert namespace.kubectl("logs", "nested") == "found\n"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
