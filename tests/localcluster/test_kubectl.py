"""Every kubectl command that the documentation promises, with the real kubectl and running pods."""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess

import yaml

from tests.localcluster.cluster import BIN, Namespace, until
from tests.localcluster.objects import deployment, pod, script, service


def failing(namespace: Namespace, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Return the result of kubectl, also if it fails."""
    command = [str(BIN / "kubectl"), "--kubeconfig", namespace.cluster.kubeconfig, "-n", namespace.name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)


def images(namespace: Namespace) -> list[str]:
    template = namespace.get("deployment", "web")["spec"]["template"]
    return [container["image"] for container in template["spec"]["containers"]]


def test_apply_creates_configures_or_leaves_unchanged(namespace: Namespace) -> None:
    first = yaml.safe_dump(deployment())
    assert "created" in namespace.kubectl("apply", "-f", "-", stdin=first)
    assert "unchanged" in namespace.kubectl("apply", "-f", "-", stdin=first)
    assert "configured" in namespace.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(deployment(image="web:2")))
    assert images(namespace) == ["web:2"]


def test_apply_removes_fields_that_the_manifest_no_longer_has(namespace: Namespace) -> None:
    manifest = deployment(replicas=0)
    containers = manifest["spec"]["template"]["spec"]["containers"]
    containers[0]["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    containers.append({"name": "side", "image": "web:1"})
    namespace.apply(manifest)
    containers[0]["env"].pop(0)
    containers.pop()
    namespace.apply(manifest)
    (left,) = namespace.get("deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert (left["name"], left["env"]) == ("web", [{"name": "B", "value": "2"}])


def test_server_side_apply_takes_over_the_fields_of_client_side_apply(namespace: Namespace) -> None:
    manifest = deployment(replicas=0)
    containers = manifest["spec"]["template"]["spec"]["containers"]
    containers.append({"name": "side", "image": "web:1"})
    namespace.apply(manifest)
    containers.pop()
    said = namespace.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert "serverside-applied" in said
    meta = json.loads(namespace.kubectl("get", "deploy/web", "-o", "json", "--show-managed-fields"))["metadata"]
    managers = {(entry["manager"], entry["operation"]) for entry in meta["managedFields"]}
    assert ("kubectl", "Apply") in managers
    assert ("kubectl-client-side-apply", "Update") not in managers
    assert images(namespace) == ["web:1"]


def test_server_side_apply_names_the_manager_that_it_conflicts_with(namespace: Namespace) -> None:
    manifest = yaml.safe_dump(deployment(replicas=0))
    namespace.kubectl("apply", "--server-side", "--field-manager=mine", "-f", "-", stdin=manifest)
    namespace.kubectl("set", "image", "deploy/web", "web=web:2")
    arguments = ("apply", "--server-side", "--field-manager=mine", "-f", "-")
    refused = failing(namespace, *arguments, stdin=manifest)
    assert refused.returncode == 1
    assert (
        'conflict with "kubectl-set" using apps/v1: .spec.template.spec.containers[name="web"].image' in refused.stderr
    )
    namespace.kubectl(*arguments, "--force-conflicts", stdin=manifest)
    assert images(namespace) == ["web:1"]


def test_apply_accepts_a_kustomization(namespace: Namespace, tmp_path: pathlib.Path) -> None:
    (tmp_path / "deployment.yml").write_text(yaml.safe_dump(deployment(replicas=0)))
    kustomization = {"resources": ["deployment.yml"], "images": [{"name": "web", "newTag": "2"}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    namespace.kubectl("apply", "-k", str(tmp_path))
    assert images(namespace) == ["web:2"]


def test_dry_runs_store_nothing(namespace: Namespace) -> None:
    manifest = yaml.safe_dump(deployment(replicas=0))
    for arguments in (["--dry-run=client"], ["--dry-run=server"], ["--dry-run=server", "--server-side"]):
        namespace.kubectl("apply", *arguments, "-f", "-", stdin=manifest)
    assert namespace.list("deployments") == []
    namespace.kubectl("apply", "-f", "-", stdin=manifest)
    said = namespace.kubectl("delete", "deploy", "web", "--dry-run=server")
    assert "server dry run" in said
    assert len(namespace.list("deployments")) == 1


def test_diff_shows_what_apply_would_change(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=0))
    same = failing(namespace, "diff", "-f", "-", stdin=yaml.safe_dump(deployment(replicas=0)))
    assert (same.returncode, same.stdout) == (0, "")
    other = failing(namespace, "diff", "-f", "-", stdin=yaml.safe_dump(deployment(replicas=0, image="web:2")))
    assert other.returncode == 1
    assert "-      - image: web:1" in other.stdout
    assert "+      - image: web:2" in other.stdout
    assert images(namespace) == ["web:1"]


def test_an_unknown_field_is_refused(namespace: Namespace) -> None:
    manifest = deployment(replicas=0)
    manifest["spec"]["replicaz"] = 1
    refused = failing(namespace, "apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert 'strict decoding error: unknown field "spec.replicaz"' in refused.stderr
    warned = failing(namespace, "apply", "--validate=warn", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert warned.returncode == 0
    assert 'Warning: unknown field "spec.replicaz"' in warned.stderr


def test_get_prints_wide_tables_yaml_and_selections(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=2), service())
    namespace.wait_for_rollout()
    header, row = namespace.kubectl("get", "deploy", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[:4] == ["web", "2/2", "2", "2"]
    assert row.split()[5:] == ["web", "web:1", "app=web"]
    pods = namespace.kubectl("get", "pods", "-o", "wide", "-l", "app in (web),!none", "--no-headers").splitlines()
    assert [(row.split()[1], row.split()[2]) for row in pods] == [("1/1", "Running")] * 2
    (found,) = namespace.kubectl("get", "svc", "-o", "wide", "--no-headers").splitlines()
    assert found.split()[1] == "ClusterIP"
    assert found.split()[-3:-1][0] == "8080/TCP"
    assert yaml.safe_load(namespace.kubectl("get", "deploy", "web", "-o", "yaml"))["spec"]["replicas"] == 2
    assert "deployment.apps/web" in namespace.kubectl("get", "all")
    assert "No resources found" in failing(namespace, "get", "pods", "-l", "app=other").stderr


def test_get_watch_prints_changes(namespace: Namespace) -> None:
    command = [str(BIN / "kubectl"), "--kubeconfig", namespace.cluster.kubeconfig, "-n", namespace.name]
    with subprocess.Popen(
        [*command, "get", "deploy", "-w", "--no-headers"], stdout=subprocess.PIPE, text=True
    ) as watch:
        try:
            namespace.apply(deployment())
            assert watch.stdout is not None
            rows = (line.split() for line in watch.stdout)
            assert next(row for row in rows if row[1] == "1/1")[0] == "web"
        finally:
            watch.terminate()


def test_describe_shows_events(namespace: Namespace) -> None:
    namespace.apply(deployment(), service())
    namespace.wait_for_rollout()
    described = namespace.kubectl("describe", "deploy", "web")
    assert "1 desired | 1 updated | 1 total | 1 available" in described
    assert "ScalingReplicaSet" in described
    assert "Image:" in namespace.kubectl("describe", "pods", "-l", "app=web")
    assert "Endpoints:" in namespace.kubectl("describe", "svc", "web")
    assert "ScalingReplicaSet" in namespace.kubectl("events")


def test_rollout_status_restart_history_and_undo_work(namespace: Namespace) -> None:
    namespace.apply(deployment())
    assert "successfully rolled out" in namespace.wait_for_rollout()
    namespace.kubectl("set", "image", "deploy/web", "web=web:2")
    namespace.wait_for_rollout()
    history = namespace.kubectl("rollout", "history", "deploy/web").split()
    assert history[history.index("CHANGE-CAUSE") + 1 :: 2] == ["1", "2"]
    assert "web:1" in namespace.kubectl("rollout", "history", "deploy/web", "--revision=1")
    namespace.kubectl("rollout", "undo", "deploy/web")
    namespace.wait_for_rollout()
    assert images(namespace) == ["web:1"]
    before = {pod["metadata"]["uid"] for pod in namespace.list("pods")}
    namespace.kubectl("rollout", "restart", "deploy/web")
    namespace.wait_for_rollout()
    running = [p for p in namespace.list("pods") if "deletionTimestamp" not in p["metadata"]]
    assert running
    assert not before & {pod["metadata"]["uid"] for pod in running}


def test_scale_set_label_annotate_and_patch_work(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.kubectl("scale", "deploy", "web", "--replicas=0", "--current-replicas=1")
    namespace.kubectl("set", "env", "deploy/web", "COLOUR=blue")
    namespace.kubectl("label", "deploy", "web", "tier=front")
    namespace.kubectl("annotate", "deploy", "web", "note=hello")
    namespace.kubectl(
        "patch", "deploy", "web", "--type=json", "-p", '[{"op":"add","path":"/spec/paused","value":true}]'
    )
    namespace.kubectl("patch", "deploy", "web", "-p", '{"spec":{"minReadySeconds":1}}')
    found = namespace.get("deployment", "web")
    assert (found["spec"]["replicas"], found["spec"]["paused"], found["spec"]["minReadySeconds"]) == (0, True, 1)
    assert found["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "COLOUR", "value": "blue"}]
    assert found["metadata"]["labels"]["tier"] == "front"
    assert found["metadata"]["annotations"]["note"] == "hello"
    refused = failing(namespace, "label", "deploy", "web", "tier=back")
    assert "already has a value" in refused.stderr
    namespace.kubectl("label", "deploy", "web", "tier-")
    assert "tier" not in namespace.get("deployment", "web")["metadata"].get("labels", {})


def test_wait_waits_for_a_condition_and_for_deletion(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
    (pod,) = namespace.list("pods")
    namespace.kubectl("delete", "deploy", "web", "--wait=false")
    namespace.kubectl("wait", f"pod/{pod['metadata']['name']}", "--for=delete", "--timeout=60s")
    assert until("no pod is left", lambda: not namespace.list("pods"))


def test_logs_follows_the_pods_of_a_deployment(namespace: Namespace) -> None:
    namespace.apply(deployment(), service())
    namespace.wait_for_rollout()
    with namespace.follow("deploy/web") as following:
        try:
            assert following.stdout is not None
            assert following.stdout.readline()
        finally:
            following.terminate()
    namespace.kubectl("logs", "-l", "app=web", "--tail=1", "--timestamps")


def test_delete_in_the_foreground_waits_for_pods(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    namespace.kubectl("delete", "deploy", "web", "--cascade=foreground", "--timeout=60s")
    assert namespace.list("replicasets") == []
    assert namespace.list("pods") == []


def test_delete_orphan_leaves_the_replica_set(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    namespace.kubectl("delete", "deploy", "web", "--cascade=orphan")
    (left,) = namespace.list("replicasets")
    assert "ownerReferences" not in left["metadata"] or left["metadata"]["ownerReferences"] == []
    assert len(namespace.list("pods")) == 1


def test_auth_can_i_says_yes_and_unsupported_commands_say_why_not(namespace: Namespace) -> None:
    assert namespace.kubectl("auth", "can-i", "create", "deployments").strip() == "yes"
    assert "*.*" in namespace.kubectl("auth", "can-i", "--list")
    assert "doesn't have a resource type" in failing(namespace, "get", "statefulsets").stderr
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    assert "localcluster has no pods/exec" in failing(namespace, "exec", "deploy/web", "--", "true").stderr
    assert failing(namespace, "port-forward", "deploy/web", ":8080").returncode != 0


def test_kubectl_create_is_refused_with_a_command_that_works(
    namespace: Namespace,
) -> None:
    commands = [
        ["create", "deployment", "web", "--image=web:1", "--replicas=0"],
        ["create", "configmap", "colours", "--from-literal=sky=blue"],
        ["create", "secret", "generic", "token", "--from-literal=token=abc"],
        ["create", "namespace", f"{namespace.name}-more"],
    ]
    for command in commands:
        said = failing(namespace, *command).stderr
        end = said.partition("add this to the end of your kubectl create")[2].partition("command: ")[2].strip()
        first, _, second = end.partition(" | kubectl ")
        made = namespace.kubectl(*command, *shlex.split(first))
        assert "created" in namespace.kubectl(*shlex.split(second), stdin=made)
    assert namespace.get("configmap", "colours")["data"] == {"sky": "blue"}
    namespace.cluster.kubectl("delete", "namespace", f"{namespace.name}-more", "--wait=false")


def test_explain_says_that_it_is_not_supported(namespace: Namespace) -> None:
    for what in ("pods", "deployment.spec.replicas"):
        refused = failing(namespace, "explain", what)
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert (
            "localcluster does not describe the fields of objects: run kubectl explain on another cluster"
            in refused.stderr
        )


def test_namespaces_that_every_cluster_has_cannot_be_deleted(namespace: Namespace) -> None:
    for name in ("default", "kube-system"):
        refused = failing(namespace, "delete", "namespace", name)
        assert refused.returncode == 1
        assert f'namespaces "{name}" is forbidden: this namespace may not be deleted' in refused.stderr
        assert namespace.cluster.kubectl("get", "namespace", name, "--no-headers").split()[1] == "Active"


def test_get_prints_events_nodes_namespaces_and_endpoint_slices_as_in_kubernetes(namespace: Namespace) -> None:
    namespace.apply(deployment(), service())
    namespace.wait_for_rollout()
    header, *rows = namespace.kubectl("get", "events").splitlines()
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "Normal ScalingReplicaSet deployment/web Scaled up replica set" in " ".join(" ".join(rows).split())
    wide = namespace.kubectl("get", "events", "-o", "wide").splitlines()[0]
    columns = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "SUBOBJECT", "SOURCE", "MESSAGE", "FIRST SEEN", "COUNT", "NAME"]
    assert wide.split() == " ".join(columns).split()
    header, row = namespace.kubectl("get", "nodes").splitlines()
    assert header.split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert row.split()[:3] == ["localcluster", "Ready", "<none>"]
    server = json.loads(namespace.kubectl("get", "--raw", "/version"))["gitVersion"]
    assert server == f"{row.split()[-1]}+localcluster"
    node = namespace.kubectl("get", "nodes", "-o", "wide", "--no-headers").split()
    assert node[5].startswith("127.")
    assert node[6] == "<none>"
    assert node[-1] == "localcluster://processes"
    header, row = namespace.kubectl("get", "namespace", namespace.name).splitlines()
    assert header.split() == ["NAME", "STATUS", "AGE"]
    assert row.split()[:2] == [namespace.name, "Active"]
    header, row = namespace.kubectl("get", "endpointslices").splitlines()
    assert header.split() == ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"]
    (running,) = namespace.list("pods")
    assert row.split()[1:4] == ["IPv4", "8080", running["status"]["podIP"]]


def test_get_shows_init_containers_and_logs_prints_their_log(namespace: Namespace) -> None:
    goes_on = namespace.cluster.command.home / f"{namespace.name}-goes-on"
    wait = script(f"echo waiting; until test -e {goes_on}; do sleep 0.1; done", name="wait")
    namespace.apply(pod("web", script("exit 3", name="main"), initContainers=[wait], restartPolicy="Never"))

    def row() -> list[str]:
        return namespace.kubectl("get", "pod", "web", "--no-headers").split()

    until("the init container shows", lambda: row()[1:3] == ["0/1", "Init:0/1"])
    until("the container writes", lambda: failing(namespace, "logs", "web", "-c", "wait").stdout == "waiting\n")
    goes_on.touch()
    until("the container ended", lambda: row()[1:3] == ["0/1", "Error"])
    assert "container other is not valid for pod web" in failing(namespace, "logs", "web", "-c", "other").stderr


def test_get_shows_a_failed_init_container(namespace: Namespace) -> None:
    fails = script("exit 1", name="fails")
    namespace.apply(pod("web", script("true"), initContainers=[fails], restartPolicy="Never"))
    until(
        "the failure shows",
        lambda: namespace.kubectl("get", "pod", "web", "--no-headers").split()[2] == "Init:Error",
    )
