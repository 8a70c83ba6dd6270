"""The Kubernetes API as a release uses it, against a real API server's rules."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.apply.managed_fields import with_last_applied
from canary.errors import ClusterError, InputError, NotAnsweringError
from canary.kube.cluster import Cluster
from canary.kube.transport import Answer
from canary.objects import DEPLOYMENT, POD, SECRET, SERVICE, Kind
from tests.canary.story import Story, config_map, deployment, service

CONFIG_MAP = Kind("v1", "ConfigMap")
NAMESPACE = Kind("v1", "Namespace")


def kubectl(story: Story, folder: Path, *arguments: str, manifest: Any = None) -> str:
    """Run the real kubectl against the story's namespace."""
    config = folder / "kubeconfig"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "g", "cluster": {"server": story.simulator.url}}],
                "contexts": [{"name": "g", "context": {"cluster": "g", "namespace": story.namespace}}],
                "current-context": "g",
            }
        )
    )
    program = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program
    done = subprocess.run(
        [program, *arguments],
        input=json.dumps(manifest) if manifest else None,
        env={"KUBECONFIG": str(config), "HOME": str(folder), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def containers(story: Story) -> dict[str, Any]:
    return {c["name"]: c for c in story.deployment()["spec"]["template"]["spec"]["containers"]}


def test_a_missing_object_is_none(story: Story) -> None:
    assert story.cluster.get(DEPLOYMENT, "app") is None
    assert story.cluster.find(DEPLOYMENT) == []


def test_listed_objects_have_their_kind_and_version(story: Story) -> None:
    story.cluster.create(deployment())
    [listed] = story.cluster.find(DEPLOYMENT, labels={"app": "app"})
    assert Kind.of(listed) == DEPLOYMENT
    assert story.cluster.find(DEPLOYMENT, labels={"app": "other"}) == []


def test_what_exists_is_not_created_again(story: Story) -> None:
    story.cluster.create(config_map(colour="red"))
    with pytest.raises(InputError, match=r"create ConfigMap settings: .*already exists"):
        story.cluster.create(config_map(colour="blue"))


def test_a_misspelt_field_is_bad_input_and_named(story: Story) -> None:
    wrong = deployment()
    wrong["spec"]["replicaz"] = 3
    with pytest.raises(InputError, match="replicaz"):
        story.cluster.create(wrong)
    with pytest.raises(InputError, match="replicaz"):
        story.cluster.apply(wrong)


def test_every_invalid_field_is_named(story: Story) -> None:
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 99999
    wrong["spec"]["selector"]["matchLabels"] = {"app": "other"}
    with pytest.raises(InputError, match=r"(?s)containerPort.*labels|labels.*containerPort"):
        story.cluster.create(wrong)


def test_a_wrong_type_in_an_apply_is_bad_input_and_not_a_server_error(story: Story) -> None:
    story.cluster.apply(deployment())
    wrong = deployment()
    wrong["spec"]["replicas"] = "four"
    with pytest.raises(InputError, match="apply Deployment app"):
        story.cluster.apply(wrong)


def test_dry_runs_write_nothing(story: Story) -> None:
    assert story.cluster.create(deployment(), dry_run=True)["spec"]["strategy"]
    assert story.cluster.apply(config_map(colour="red"), dry_run=True)["data"] == {"colour": "red"}
    assert story.cluster.find(DEPLOYMENT) == []
    assert story.cluster.get(CONFIG_MAP, "settings") is None


def test_objects_get_the_namespace_of_the_release_and_cluster_scoped_ones_get_none(story: Story) -> None:
    made = story.cluster.create(config_map(colour="red"))
    assert made["metadata"]["namespace"] == story.namespace
    wide = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{story.namespace}-b", "namespace": "x"}}
    assert "namespace" not in story.cluster.create(wide)["metadata"]
    assert story.cluster.delete(NAMESPACE, f"{story.namespace}-b")


def test_an_unknown_kind_is_bad_input(story: Story) -> None:
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "app"}}
    with pytest.raises(InputError, match=r"no ServiceMonitor of monitoring.coreos.com/v1"):
        story.cluster.apply(monitor)
    assert not story.cluster.serves(Kind.of(monitor))
    assert story.cluster.serves(DEPLOYMENT)


def test_scaling_leaves_all_else_alone(story: Story) -> None:
    before = story.cluster.create(deployment(replicas=4))
    story.cluster.scale("app", 2)
    after = story.deployment()
    assert after["spec"] == before["spec"] | {"replicas": 2}


def test_annotations_are_set_and_removed_and_all_else_is_left_alone(story: Story) -> None:
    before = story.cluster.create(deployment())
    story.cluster.annotate(DEPLOYMENT, "app", {"a": "1", "b": "2"})
    story.cluster.annotate(DEPLOYMENT, "app", {"a": None})
    after = story.deployment()
    assert "a" not in after["metadata"]["annotations"]
    assert after["metadata"]["annotations"]["b"] == "2"
    assert after["spec"] == before["spec"]


def test_deleting_twice_reports_that_nothing_existed(story: Story) -> None:
    story.cluster.create(config_map(colour="red"))
    assert story.cluster.delete(CONFIG_MAP, "settings")
    assert not story.cluster.delete(CONFIG_MAP, "settings")


def test_a_recreated_object_is_not_deleted_in_place_of_the_old_one(story: Story) -> None:
    story.cluster.create(config_map(colour="red"))
    assert not story.cluster.delete(CONFIG_MAP, "settings", uid="00000000-0000-0000-0000-000000000000")
    assert story.cluster.get(CONFIG_MAP, "settings") is not None


def test_an_object_is_restored_whatever_it_has_become(story: Story) -> None:
    before = story.cluster.create(config_map(colour="red"))
    story.cluster.apply(config_map(colour="blue", size="9"))
    story.cluster.replace(before)
    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}
    story.cluster.delete(CONFIG_MAP, "settings")
    story.cluster.replace(before)
    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}


def test_logs_and_events_of_a_pod(story: Story) -> None:
    story.stable(deployment(replicas=1))
    [pod] = story.cluster.find(POD)
    name = pod["metadata"]["name"]
    assert story.cluster.log(name, "app", tail=3) == ""
    story.simulator.logs[name] = "hello\n"
    assert story.cluster.log(name, "app", tail=3) == "hello\n"
    story.simulator.logs[name] = "unable to retrieve container logs for containerd://0129ff44"
    assert story.cluster.log(name, "app", tail=3) == ""
    story.simulator.warn(story.namespace, name, "Unhealthy", "no answer", times=2)
    [event] = story.cluster.events(pod)
    assert (event["reason"], event["count"]) == ("Unhealthy", 2)


def test_a_pod_behind_the_proxy_that_does_not_answer_is_told_apart_from_the_api_server(story: Story) -> None:
    story.stable(deployment(replicas=1))
    name = story.cluster.find(POD)[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/{story.namespace}/pods/{name}:8000/proxy/metrics"
    with pytest.raises(NotAnsweringError, match="503"):
        story.cluster.get_text(path, timeout=5)


def test_an_object_that_admission_refuses_is_wrong_input_with_its_own_reason(story: Story) -> None:
    story.simulator.refuse_pods(story.namespace, "exceeded quota")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
    with pytest.raises(InputError, match=r"create Pod p: .*forbidden: exceeded quota") as raised:
        story.cluster.create(pod)
    assert raised.value.exit_code == 2


def test_fields_that_kubectl_applied_and_the_next_version_drops_are_removed(story: Story, tmp_path: Path) -> None:
    old = deployment()
    pod = old["spec"]["template"]["spec"]
    pod["containers"][0]["env"] = [{"name": "DROPPED", "value": "1"}, {"name": "KEPT", "value": "1"}]
    pod["containers"].append({"name": "sidecar", "image": "sidecar:1"})
    kubectl(story, tmp_path, "apply", "-f", "-", manifest=old)
    generation = story.deployment()["metadata"]["generation"]

    new = deployment("app:2")
    new["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "KEPT", "value": "2"}]
    assert story.cluster.take_over(DEPLOYMENT, "app")
    assert story.deployment()["metadata"]["generation"] == generation
    assert not story.cluster.take_over(DEPLOYMENT, "app")
    story.cluster.apply(with_last_applied(new))

    assert set(containers(story)) == {"app"}
    assert containers(story)["app"]["env"] == [{"name": "KEPT", "value": "2"}]
    assert containers(story)["app"]["image"] == "app:2"


def test_without_taking_over_these_fields_would_stay(story: Story, tmp_path: Path) -> None:
    old = deployment()
    old["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "sidecar:1"})
    kubectl(story, tmp_path, "apply", "-f", "-", manifest=old)
    story.cluster.apply(with_last_applied(deployment("app:2")))
    assert set(containers(story)) == {"app", "sidecar"}


def test_kubectl_apply_afterwards_removes_what_we_added(story: Story, tmp_path: Path) -> None:
    kubectl(story, tmp_path, "apply", "-f", "-", manifest=deployment())
    added = deployment("app:2")
    added["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "sidecar:1"})
    story.cluster.take_over(DEPLOYMENT, "app")
    story.cluster.apply(with_last_applied(added))
    assert set(containers(story)) == {"app", "sidecar"}

    kubectl(story, tmp_path, "apply", "-f", "-", manifest=deployment("app:3"))

    assert set(containers(story)) == {"app"}
    assert containers(story)["app"]["image"] == "app:3"


def test_fields_that_kubectl_edit_wrote_are_taken_over(story: Story, tmp_path: Path) -> None:
    story.cluster.apply(with_last_applied(deployment()))
    kubectl(story, tmp_path, "set", "env", "deployment/app", "BY_HAND=1")
    assert containers(story)["app"]["env"]
    story.cluster.take_over(DEPLOYMENT, "app")
    story.cluster.apply(with_last_applied(deployment()))
    assert "env" not in containers(story)["app"]


def test_secrets_come_back_as_they_went_in(story: Story) -> None:
    data = {"k": base64.b64encode(b"v").decode()}
    story.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})
    assert (story.cluster.get(SECRET, "s") or {})["data"] == data


def test_a_service_applied_twice_is_not_written_twice(story: Story) -> None:
    first = story.cluster.apply(with_last_applied(service()))
    again = story.cluster.apply(with_last_applied(service()))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert story.cluster.get(SERVICE, "app") == again


def test_a_read_and_write_is_repeated_if_another_write_came_first(story: Story) -> None:
    story.cluster.create(config_map(colour="red"))
    before = story.cluster.get(CONFIG_MAP, "settings")
    assert before is not None
    rivals = iter(["1", "2", "3"])
    real = story.cluster.get

    class Raced(Cluster):
        def get(self, kind: Kind, name: str) -> dict[str, Any] | None:
            live = real(kind, name)
            if value := next(rivals, None):
                story.cluster.annotate(kind, name, {"rival": value})
            return live

    Raced(story.cluster.transport, story.namespace).replace(before | {"data": {"colour": "blue"}})

    now = real(CONFIG_MAP, "settings") or {}
    assert now["data"] == {"colour": "blue"}


def test_a_server_that_is_not_kubernetes_is_reported(story: Story) -> None:
    class Website:
        def request(self, *_: Any, **__: Any) -> Answer:
            return Answer(200, b"<html>hello</html>")

    with pytest.raises(ClusterError, match="is this a Kubernetes API server"):
        Cluster(Website(), "default").get(DEPLOYMENT, "app")  # type: ignore[arg-type]
