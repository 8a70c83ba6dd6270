"""What lies outside of localcluster's folder stays as it is, whatever a manifest or an image says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.localcluster.cluster import DATA, Namespace, until
from tests.localcluster.objects import pod, script

UP = "/.." * 30


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder of the user's, with one file."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("mine")
    return folder


def is_as_it_was(folder: Path) -> bool:
    return {p.name: p.read_text() for p in folder.iterdir()} == {"precious": "mine"}


def runs(namespace: Namespace, name: str) -> None:
    namespace.pod(name, lambda p: p["status"].get("phase") == "Running")


def refused(namespace: Namespace, name: str) -> str:
    """Return why the pod's container cannot be made."""

    def why(obj: Any) -> Any:
        statuses = obj["status"].get("containerStatuses", [])
        waiting = statuses[0]["state"].get("waiting", {}) if statuses else {}
        return waiting.get("reason") == "CreateContainerConfigError" and waiting["message"]

    return str(why(namespace.pod(name, why)))


def test_a_mount_below_a_symbolic_link_of_an_image(namespace: Namespace, outside: Path, tmp_path: Path) -> None:
    command = namespace.cluster.command
    shutil.copytree(DATA / "web", tmp_path / "context")
    (tmp_path / "context" / "Dockerfile").write_text(
        f"FROM python\nWORKDIR /srv\nCOPY . .\nENV CASE={namespace.name}\n"
    )
    built = json.loads(command("build", str(tmp_path / "context"), "-t", "linked:1", "--output", "json").stdout)
    root = command.home / "images" / "content" / built["digest"].partition(":")[2] / "root"
    (root / "srv" / "link").symlink_to(outside.parent)  # as an image that an earlier version built may have it
    main = script("sleep 60", image="linked:1", volumeMounts=[{"name": "v", "mountPath": "/srv/link/outside"}])
    namespace.apply(pod("web", main, volumes=[{"name": "v", "emptyDir": {}}]))
    assert refused(namespace, "web") == f"/srv/link/outside: /srv/link is a symbolic link to {outside.parent}"
    (command.home / "images" / "tags" / "linked%3A1").unlink()  # another test lists the images
    assert is_as_it_was(outside)


def test_steps_back_in_a_mount_path(namespace: Namespace, outside: Path) -> None:
    mounts = [{"name": "v", "mountPath": f"{UP}{outside}"}, {"name": "v", "mountPath": f"..{UP}{outside}/deep"}]
    namespace.apply(pod("web", script("sleep 60", volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}]))
    runs(namespace, "web")
    assert is_as_it_was(outside)


def test_a_volume_in_the_place_of_the_containers_root(namespace: Namespace) -> None:
    main = script("sleep 60", volumeMounts=[{"name": "v", "mountPath": "/srv/.."}])
    namespace.apply(pod("web", main, volumes=[{"name": "v", "emptyDir": {}}]))
    assert refused(namespace, "web").startswith("cannot mount a volume at /: this is the container's root")


def test_steps_back_in_a_working_directory(namespace: Namespace, outside: Path) -> None:
    namespace.apply(pod("web", script("touch here; sleep 60", workingDir=f"{UP}{outside}/new")))
    runs(namespace, "web")
    assert is_as_it_was(outside)


def test_a_sub_path_that_a_pod_has_made_a_symbolic_link(namespace: Namespace, outside: Path) -> None:
    link = script(f"ln -s {outside} link", "link", workingDir="/v", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    volumes = [{"name": "v", "emptyDir": {}}]
    for name, path in (("below", "link/new"), ("itself", "link")):
        inner = {"name": "v", "mountPath": "/srv/v", "subPath": path}
        main = script("sleep 60", volumeMounts=[inner, {"name": "v", "mountPath": "/srv/v/precious"}])
        namespace.apply(pod(name, main, volumes=volumes, initContainers=[link]))
        assert refused(namespace, name).endswith(f" is a symbolic link to {outside}")
    assert is_as_it_was(outside)


def test_a_folder_of_a_volume_that_a_pod_has_made_a_symbolic_link(namespace: Namespace, outside: Path) -> None:
    settings: Any = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"k": "one"}}
    volume = {"name": "v", "configMap": {"name": "s", "items": [{"key": "k", "path": "sub/precious"}]}}
    text = f"rm -r v/sub && ln -s {outside} v/sub && echo linked; sleep 60"
    main = script(text, volumeMounts=[{"name": "v", "mountPath": "/srv/v"}])
    namespace.apply(settings, pod("web", main, volumes=[volume]))
    runs(namespace, "web")
    until("linked", lambda: "linked" in namespace.kubectl("logs", "web"))
    namespace.apply({**settings, "data": {"k": "two"}})
    (said,) = until("told", lambda: namespace.events("web", "FailedMount"))
    assert said.endswith(f" : /sub/precious: /sub is a symbolic link to {outside}")
    assert is_as_it_was(outside)


def test_a_volume_inside_another_is_there_whatever_their_order(namespace: Namespace) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"k": "found"}}
    volumes = [{"name": "outer", "emptyDir": {}}, {"name": "inner", "configMap": {"name": "s"}}]
    mounts = [{"name": "inner", "mountPath": "/srv/v/in"}, {"name": "outer", "mountPath": "/srv/v"}]
    main = script("echo $(cat v/in/k); sleep 60", volumeMounts=mounts)
    namespace.apply(settings, pod("web", main, volumes=volumes))
    runs(namespace, "web")
    until("read", lambda: namespace.kubectl("logs", "web") == "found\n")
