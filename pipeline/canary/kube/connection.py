"""Where the API server is, and the credentials for it.

The official client does the hard part: kubeconfig, contexts, credential plugins, service accounts, TLS, proxies.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from kubernetes import client, config
from kubernetes.client.rest import should_bypass_proxies

from canary.errors import InputError
from canary.urls import is_loopback, origin

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The folder in a pod that holds its service account."""


@dataclass(frozen=True)
class Connection:
    """A way to an API server.

    Attributes:
        api: the official client.
        namespace: namespace of the kubeconfig's context or of the service account; empty if neither names one.
        description: the server, for messages.
        proxy: the proxy on the way, without its user and password; empty if there is none.
    """

    api: client.ApiClient
    namespace: str
    description: str
    proxy: str = ""

    @property
    def host(self) -> str:
        """Return the API server's host name or address."""
        return urlsplit(self.api.configuration.host).hostname or ""


def connect(kubeconfig: str | None = None, context: str | None = None, *, account: Path = ACCOUNT) -> Connection:
    """Find the API server: the given kubeconfig, ~/.kube/config, or the service account of the pod.

    Raises:
        InputError: none of them exists, or it is not valid.
    """
    configuration = client.Configuration()
    configuration.retries = False
    configuration.connection_pool_maxsize = 16  # as many pods are scraped at once
    if kubeconfig and not any(Path(path).exists() for path in kubeconfig.split(os.pathsep)):
        raise InputError(f"kubeconfig {kubeconfig}: no such file; correct KUBECONFIG or --kubeconfig")
    try:
        contexts, active = config.list_kube_config_contexts(kubeconfig)
    except (config.ConfigException, yaml.YAMLError, OSError, TypeError, ValueError) as error:
        if kubeconfig or context:
            raise InputError(f"kubeconfig {kubeconfig or '(default)'}: {error}") from error
        return _in_cluster(configuration, account, error)
    chosen = next((c for c in contexts if c["name"] == context), None) if context else active
    if chosen is None:
        names = ", ".join(c["name"] for c in contexts)
        raise InputError(f"the kubeconfig has no context {context}; its contexts are: {names}")
    try:
        config.load_kube_config(kubeconfig, context, client_configuration=configuration, persist_config=False)
    except (config.ConfigException, OSError) as error:
        raise InputError(f"kubeconfig, context {chosen['name']}: {error}") from error
    namespace = chosen["context"].get("namespace") or ""
    description = f"{origin(configuration.host)} (context {chosen['name']})"
    return Connection(_client(configuration), namespace, description, _proxy(configuration))


def _in_cluster(configuration: client.Configuration, account: Path, error: Exception) -> Connection:
    try:
        config.load_incluster_config(configuration)
    except config.ConfigException:
        raise InputError("no kubeconfig, and this is not a pod: pass --kubeconfig, or set KUBECONFIG") from error
    named = account / "namespace"
    namespace = named.read_text().strip() if named.exists() else ""
    description = f"{configuration.host} (service account)"
    return Connection(_client(configuration), namespace, description, _proxy(configuration))


def _client(configuration: client.Configuration) -> client.ApiClient:
    if is_loopback(configuration.host):
        configuration.proxy = None  # whatever HTTPS_PROXY says
    return client.ApiClient(configuration)


def _proxy(configuration: client.Configuration) -> str:
    """Return the proxy that requests use, by HTTPS_PROXY and NO_PROXY or the kubeconfig's `proxy-url`."""
    if not configuration.proxy or should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        return ""
    return origin(configuration.proxy)
