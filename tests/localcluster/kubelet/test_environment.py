"""The environment variables of containers."""

from __future__ import annotations

from pathlib import Path

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, pod, script, service
from tests.localcluster.pods import is_ready, logs, state, waiting_reason


def test_a_pod_gets_its_address_its_ports_and_the_variables_of_its_manifest(namespace: Namespace) -> None:
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


def test_a_container_waits_for_a_missing_config_map(namespace: Namespace) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "x"}}}]
    namespace.apply(pod("waiting", script("echo $X; sleep 60", env=env)))
    found = namespace.pod("waiting", lambda p: waiting_reason(p) == "CreateContainerConfigError")
    assert state(found)["state"]["waiting"]["message"] == 'configmap "later" not found'
    namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"x": "here"}})
    until("the container has started", lambda: logs(namespace, "waiting") == "here\n")


def test_the_home_of_a_pod_is_a_folder_of_its_own(namespace: Namespace) -> None:
    text = 'cd && echo mine > file && echo "$HOME"; sleep 60'
    main = script(text, volumeMounts=[{"name": "v", "mountPath": "/tmp"}])  # the state folder can be below /tmp
    namespace.apply(pod("web", main, volumes=[{"name": "v", "emptyDir": {}}]))
    found = namespace.pod("web", is_ready)
    home = until("the container has started", lambda: logs(namespace, "web")).strip()
    state = namespace.cluster.command.home / namespace.cluster.name
    folder = state / "pods" / f"{namespace.name}_web_{found['metadata']['uid']}"
    assert Path(home) == folder / "home"
    assert (folder / "home" / "file").read_text() == "mine\n"


def test_a_variable_from_an_unsupported_source_is_refused(namespace: Namespace) -> None:
    source = {"fileKeyRef": {"volumeName": "v", "path": "file", "key": "X"}}
    main = script("sleep 60", env=[{"name": "X", "valueFrom": source}])
    namespace.apply(pod("refused", main, volumes=[{"name": "v", "emptyDir": {}}]))
    found = namespace.pod("refused", lambda p: waiting_reason(p) == "CreateContainerConfigError")
    message = "localcluster does not support fileKeyRef in env.valueFrom"
    assert state(found)["state"]["waiting"]["message"] == message
