"""Annotations in Grafana, by its HTTP API: a region from deploy to the decision, and points for what else happens.

The ID of a region is kept on the canary: deploy and promote may be different processes, on different machines. They are
annotations of the organization, which any dashboard can show by their tags.
"""

from collections.abc import Callable
from typing import Any

import requests

from canary.errors import ClusterError, ForbiddenError, InputError
from canary.marks import GRAFANA, Variant, variant_name
from canary.notifications.http import Http, RefusedError
from canary.notifications.notification import Notification, Occasion
from canary.notifications.outbox import TryAgainError
from canary.objects import DEPLOYMENT, Object, annotations_of
from canary.ports import Cluster
from canary.times import parse_timestamp

TAG = "canary"
"""Tag of all annotations: the dashboard in monitoring/grafana shows those that have it."""

ENDS = (Occasion.PROMOTED, Occasion.REJECTED)
"""What ends the region of a release."""


class Grafana:
    """Annotates releases in one Grafana."""

    advice = "Check --grafana-url, and the token and its permissions"

    def __init__(self, url: str, token: Callable[[], str], cluster: Cluster, close: Callable[[], None]) -> None:
        """Annotate in a Grafana.

        Args:
            url: its URL, without `/api`.
            token: returns the token of a service account, empty if none is needed.
            cluster: where the canary keeps the ID of its region.
            close: closes the cluster.
        """

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if secret := token():
                request.headers["Authorization"] = f"Bearer {secret}"
            return request

        self.destination = f"to Grafana at {url}"
        self._http = Http(f"{url.rstrip('/')}/api/annotations", sign=sign)
        self._cluster = cluster
        self._close_cluster = close
        self._regions: dict[str, str] = {}

    def send(self, notification: Notification) -> None:
        """Create or end the region, or create a point; see `Sender.send`."""
        canary = notification.canary
        if canary is None or notification.occasion not in (Occasion.DEPLOYED, *ENDS):
            self._create(notification)
        elif notification.occasion in ENDS:
            self._end(notification, canary)
        elif GRAFANA not in annotations_of(canary):
            self._begin(notification, canary)

    def close(self) -> None:
        """Close all sockets."""
        self._http.close()
        self._close_cluster()

    def _begin(self, notification: Notification, canary: Object) -> None:
        uid = canary["metadata"]["uid"]
        if uid not in self._regions:  # else only its ID could not be saved, in an earlier attempt
            self._regions[uid] = self._create(notification, time=_created(canary))
        name = variant_name(notification.workload, Variant.CANARY)
        try:
            live = self._cluster.get(DEPLOYMENT, name)
            if live is not None and live["metadata"]["uid"] == uid:
                self._cluster.annotate(DEPLOYMENT, name, {GRAFANA: self._regions[uid]})
        except ForbiddenError:
            raise
        except ClusterError as error:
            raise TryAgainError(str(error)) from error

    def _end(self, notification: Notification, canary: Object) -> None:
        region = self._regions.get(canary["metadata"]["uid"]) or annotations_of(canary).get(GRAFANA, "")
        if region.isdecimal():
            end = {"timeEnd": _milliseconds(notification.at), **_content(notification)}
            try:
                self._http.send("PATCH", f"/{region}", json=end)
            except RefusedError as error:
                if error.status != 404:  # somebody may have deleted it
                    raise
            else:
                return
        self._create(notification, time=_created(canary), timeEnd=_milliseconds(notification.at))

    def _create(self, notification: Notification, **times: int) -> str:
        """Create an annotation, by default for the time of the notification, and return its ID."""
        body = {"time": _milliseconds(notification.at), **times, **_content(notification)}
        answer = self._http.send("POST", "", json=body)
        try:
            return str(int(answer["id"]))
        except (TypeError, KeyError, ValueError):
            raise InputError("it does not answer as Grafana does: the answer has no id") from None


def _content(notification: Notification) -> dict[str, Any]:
    by = f" (decided by {notification.by})" if notification.by and notification.occasion in ENDS else ""
    decision = [str(notification.decision)] if notification.decision else []
    tags = [TAG, notification.namespace, notification.workload, str(notification.occasion), *decision]
    return {"tags": tags, "text": f"{notification.sentence}{by}"}


def _created(canary: Object) -> int:
    return _milliseconds(parse_timestamp(canary["metadata"]["creationTimestamp"]))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
