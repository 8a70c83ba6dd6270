"""Which cluster is used, and with which credentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import incluster_config

from canary.errors import InputError
from canary.kube.connection import connect
from canary.kube.transport import Transport
from tests.canary.cluster_simulator import Simulator


def kubeconfig(folder: Path, server: str = "http://127.0.0.1:1", user: dict[str, Any] | None = None) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "two", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
        ],
        "current-context": "one",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_context_names_the_namespace(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path)
    assert connect(path).namespace == ""
    assert connect(path, "two").namespace == "shop"
    assert "context two" in connect(path, "two").description


def test_a_missing_context_is_named_with_the_existing_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no context three; its contexts are: one, two"):
        connect(kubeconfig(tmp_path), "three")


@pytest.mark.parametrize("content", [None, "", "a: [", "just text", "kind: Config"])
def test_an_invalid_kubeconfig_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=str(path)):
        connect(str(path))


def test_without_any_cluster_the_error_says_what_to_set() -> None:
    with pytest.raises(InputError, match="--kubeconfig, or set KUBECONFIG"):
        connect()


def test_the_server_s_path_may_be_a_secret_and_is_not_shown(tmp_path: Path) -> None:
    description = connect(kubeconfig(tmp_path, "http://127.0.0.1:1/very-secret")).description
    assert "very-secret" not in description
    assert "http://127.0.0.1:1" in description


@pytest.mark.parametrize(
    ("server", "proxied"), [("http://127.0.0.5:1", False), ("http://localhost:1", False), ("https://10.0.0.1", True)]
)
def test_loopback_is_never_sent_through_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, proxied: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    connection = connect(kubeconfig(tmp_path, server))
    assert bool(connection.api.configuration.proxy) == proxied


def test_a_credential_plugin_is_asked_for_the_token(tmp_path: Path) -> None:
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-the-plugin"},
    }
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": answer["apiVersion"], "command": str(plugin), "interactiveMode": "Never"}}
    connection = connect(kubeconfig(tmp_path, user=user))
    assert connection.api.configuration.auth_settings()["BearerToken"]["value"] == "Bearer from-the-plugin"


def test_a_kubeconfig_leads_to_its_cluster(tmp_path: Path, simulator: Simulator) -> None:
    transport = Transport(lambda: connect(kubeconfig(tmp_path, simulator.url)))
    assert transport.request("GET", "/api/v1/namespaces/default").json["kind"] == "Namespace"
    transport.close()


def test_in_a_pod_the_service_account_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in {"token": "the-token", "ca.crt": "a certificate", "namespace": "shop"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    connection = connect(account=tmp_path)
    assert connection.description == "https://10.96.0.1:443 (service account)"
    assert connection.namespace == "shop"


@pytest.mark.parametrize(
    ("server", "no_proxy", "proxy"),
    [
        ("https://10.0.0.1", "", "http://proxy.invalid:3128"),
        ("https://10.0.0.1", "10.0.0.0/8", ""),
        ("https://api.example.com", ".example.com", ""),
        ("https://127.0.0.1", "", ""),
    ],
)
def test_the_proxy_is_shown_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, no_proxy: str, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert connect(kubeconfig(tmp_path, server)).proxy == proxy
