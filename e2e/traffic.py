"""Load for the tests, through the API server's Service proxy, so that it only needs a kubeconfig."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import load_kube_config
from urllib3.exceptions import HTTPError

from e2e.background import InBackground
from e2e.cluster import Namespace

LIMIT = 60_000  # requests, so that nothing runs for ever


@dataclass
class Traffic(InBackground):
    """A few threads that request `/` from the Service. The API server picks an endpoint for each request.

    Attributes:
        namespace: where the Service is.
        service: its name and port.
        rate: requests per second, of all threads together.
        patience: seconds to wait for an answer.
        answers: HTTP status codes, counted.
        errors: other failures, counted by message.
    """

    namespace: Namespace
    service: str = "sampleapp:http"
    rate: float = field(default=100, kw_only=True)
    threads: int = field(default=3, kw_only=True)
    patience: float = field(default=10, kw_only=True)
    answers: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def send(self) -> None:
        """Send requests until the block ends."""
        configuration = Configuration()
        load_kube_config(str(self.namespace.kubeconfig), client_configuration=configuration)
        configuration.retries = False
        due = time.monotonic()
        path = f"/api/v1/namespaces/{self.namespace.name}/services/{self.service}/proxy/"
        with ApiClient(configuration) as api:
            for _ in range(LIMIT // self.threads):
                due = max(due + self.threads / self.rate, time.monotonic() - 1)
                if self.stop.wait(max(0.0, due - time.monotonic())):
                    return
                try:
                    answer = api.call_api("GET", configuration.host + path, _request_timeout=self.patience)
                    answer.read()
                    self.answers[answer.status] += 1
                except ApiException as error:
                    self.answers[error.status] += 1
                except (OSError, HTTPError) as error:
                    self.errors[type(error).__name__] += 1
