"""The story of a release: deploy the variants, watch them, then promote or reject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canary.collaborators import Clock, Cluster, Gate, Object, SampleSource
    from canary.events import Listener
    from canary.manifests import Bundle
    from canary.options import Options
    from canary.status import Status
    from canary.verdict import Verdict


@dataclass(frozen=True)
class Outcome:
    """How a release ended.

    Attributes:
        promoted: whether stable is now what the canary was; else the variants were rejected.
        by: who decided.
        verdict: what the decision stood on. Without comparisons there was nothing to compare (a first release).
    """

    promoted: bool
    by: str
    verdict: Verdict


@dataclass(frozen=True)
class Release:
    """One release of one or more Deployments.

    SIGTERM is to arrive as KeyboardInterrupt (the command line sees to that); either becomes InterruptedReleaseError.

    Attributes:
        cluster: the Kubernetes API.
        samples: where counts come from.
        clock: time.
        gate: who decides.
        listen: is told of every event.
        options: how.
        bundle: the manifests, images and pull secrets put in. None where none were given: then `watch`, `reject` and
            `status` go by `names` alone, and the other actions raise InputError.
        names: names of the stable Deployments, where no bundle is given; empty means every workload of the namespace
            that has variants.
    """

    cluster: Cluster
    samples: SampleSource
    clock: Clock
    gate: Gate
    listen: Listener
    options: Options
    bundle: Bundle | None = None
    names: tuple[str, ...] = ()

    def run(self) -> Outcome:
        """Do all of it: deploy, watch, ask the gate, promote or reject.

        Raises:
            InputError, ClusterError, TimedOutError, PromoteError, InterruptedReleaseError: see `errors`.
        """
        raise NotImplementedError

    def deploy(self) -> Status:
        """Make canary and baseline, wait until they are ready, and return what there is now."""
        raise NotImplementedError

    def watch(self) -> Verdict:
        """Watch the variants until the verdict is PROMOTE or REJECT, and return it.

        A first release returns UNDECIDED without comparisons as soon as the canary is ready and has answered.

        Raises:
            TimedOutError: still undecided after `max_duration`.
        """
        raise NotImplementedError

    def promote(self) -> None:
        """Make stable what the canary was, then delete the variants."""
        raise NotImplementedError

    def reject(self, reason: str = "asked to") -> None:
        """Delete the variants; stable is not touched."""
        raise NotImplementedError

    def apply(self) -> None:
        """Apply the manifests as they are, then wait until the Deployments are ready (strategy `none`)."""
        raise NotImplementedError

    def status(self) -> Status:
        """Return the variants of each workload and what can be done next."""
        raise NotImplementedError

    def planned(self, action: str) -> tuple[Object, ...]:
        """Return the objects that `deploy`, `promote` or `apply` would write now; writes nothing."""
        raise NotImplementedError
