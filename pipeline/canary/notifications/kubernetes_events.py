"""Events on the Deployment, which `kubectl describe deployment` and `kubectl get events` show.

They are core/v1 Events, with the fields and names of client-go's recorder (`k8s.io/client-go/tools/record`), which the
Deployment controller uses as well.
"""

import time
import uuid
from collections.abc import Callable

from canary.errors import ClusterError, ForbiddenError
from canary.marks import EVENT_COMPONENT, EventReason, Variant, variant_name
from canary.notifications.notification import Notification, Occasion
from canary.notifications.outbox import TryAgainError
from canary.objects import DEPLOYMENT, EVENT, Object
from canary.ports import Cluster
from canary.times import timestamp

LONGEST_NAME = 253
LONGEST_MESSAGE = 1024
"""What events.k8s.io/v1 allows."""

REASONS = {
    Occasion.DEPLOYED: EventReason.DEPLOYED,
    Occasion.VERDICT: EventReason.VERDICT,
    Occasion.PROMOTED: EventReason.PROMOTED,
    Occasion.REJECTED: EventReason.REJECTED,
    Occasion.UNDONE: EventReason.UNDONE,
    Occasion.ROLLED_BACK: EventReason.ROLLED_BACK,
    Occasion.WATCHING: EventReason.WATCHING,
}

REVERSED = (Occasion.REJECTED, Occasion.ROLLED_BACK)


class KubernetesEvents:
    """Creates an Event about stable for each notification; in a first release, about the canary."""

    destination = "as Kubernetes Events"
    advice = "To permit Events, use the Role in pipeline/rbac.yml"

    def __init__(self, cluster: Cluster, close: Callable[[], None]) -> None:
        """Use a cluster of its own, and `close` it in the end."""
        self._cluster = cluster
        self.close = close

    def send(self, notification: Notification) -> None:
        """Create the Event; see `Sender.send`."""
        try:
            self._cluster.create(_event(notification, self._subject(notification)))
        except ForbiddenError:
            raise
        except ClusterError as error:
            raise TryAgainError(str(error)) from error

    def _subject(self, notification: Notification) -> Object:
        """Return a reference to the Deployment that an Event is about. The canary may have been deleted since."""
        about = self._cluster.get(DEPLOYMENT, notification.workload) or notification.canary
        canary = {"name": variant_name(notification.workload, Variant.CANARY)}
        known = {key: about["metadata"][key] for key in ("name", "uid", "resourceVersion")} if about else canary
        return {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "namespace": self._cluster.namespace,
            **known,
        }


def _event(notification: Notification, subject: Object) -> Object:
    at = timestamp(notification.at)
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": _name(subject["name"]), "namespace": subject["namespace"]},
        "involvedObject": subject,
        "type": "Warning" if notification.is_warning else "Normal",
        "reason": str(REASONS[notification.occasion]),
        "message": _message(notification)[:LONGEST_MESSAGE],
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
        "source": {"component": EVENT_COMPONENT},
        "reportingComponent": EVENT_COMPONENT,
        "reportingInstance": "",
    }


def _message(notification: Notification) -> str:
    """Return the sentence, and who decided if it does not say that."""
    by, sentence = notification.by, notification.sentence
    if not by or by in sentence or notification.occasion not in (Occasion.PROMOTED, *REVERSED):
        return sentence
    return f"{sentence} (decided by {'the verdict' if by == 'auto' else by})"


def _name(subject: str) -> str:
    """Return a name for an Event, by the rule of client-go's recorder."""
    name = f"{subject}.{time.time_ns():x}"
    return name if len(name) <= LONGEST_NAME else str(uuid.uuid4())
