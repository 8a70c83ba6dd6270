"""What happens in a release, as values.

`release.py` emits them; the terminal, reports and notifications listen. An event says what happened, never how it is to
be shown. All times are Unix seconds, all shares lie in 0–1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from canary.marks import Variant
from canary.variants.steps import Step
from canary.verdict.comparison import Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.forecast import Forecast
from canary.verdict.history import History


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class Started(Event):
    """A command begins.

    Attributes:
        action: `deploy`, `watch`, `promote`, `reject`, `apply`.
        workloads: names of the stable Deployments.
        namespace: where they live.
        images: the images asked for.
    """

    action: str
    workloads: tuple[str, ...]
    namespace: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written(Event):
    """An object was written or deleted.

    Attributes:
        kind: as in the manifest.
        name: of the object.
        action: `created`, `configured`, `unchanged`, `scaled`, `deleted`.
        detail: what a reader wants to know about it, such as `2 replicas of sampleapp:20`.
    """

    kind: str
    name: str
    action: str
    detail: str = ""


@dataclass(frozen=True)
class Note(Event):
    """Something the user should know.

    Attributes:
        text: one or two sentences.
        warning: whether it needs attention.
    """

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Differs(Event):
    """An object of the manifests that is no Deployment is there already, and would be another by them.

    Attributes:
        kind: as in the manifest.
        name: of the object.
        difference: lines of a unified diff, values of Secrets masked; none where the object is not there, and stable
            would find it.
        copy: name of the copy that the canary gets, empty where it needs none.
        now: whether it is written at once; else by promote.
    """

    kind: str
    name: str
    difference: tuple[str, ...]
    copy: str = ""
    now: bool = False


@dataclass(frozen=True)
class StableChanged(Event):
    """Somebody changed stable while a release was on its way.

    Attributes:
        workload: the stable Deployment's name.
        since: the moment to compare with, in words: `app-canary was deployed`.
        difference: lines of a unified diff of the pod template, values of variables left out.
    """

    workload: str
    since: str
    difference: tuple[str, ...]


@dataclass(frozen=True)
class Waiting(Event):
    """A Deployment is getting ready.

    Attributes:
        name: of the Deployment.
        ready: pods ready.
        desired: pods wanted.
        reason: what holds it up, empty when nothing does.
    """

    name: str
    ready: int
    desired: int
    reason: str = ""


@dataclass(frozen=True)
class Ready(Event):
    """A Deployment is ready, all of its pods.

    Attributes:
        name: of the Deployment.
        pods: ready pods.
        seconds: how long it took.
    """

    name: str
    pods: int
    seconds: float


@dataclass(frozen=True)
class Deployed(Event):
    """Canary and baseline of a workload are ready, whether this command created them or an earlier one.

    Attributes:
        workload: the stable Deployment's name.
        images: what the canary runs.
    """

    workload: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class VariantState:
    """One variant at one look.

    Attributes:
        variant: which.
        workload: the stable Deployment's name.
        ready: pods ready.
        desired: pods wanted.
        good: good requests since the warm-up ended.
        total: all requests since the warm-up ended.
        rate: requests per second lately, None while unknown.
        p50: seconds within which half of the requests were answered, None while unknown.
        p99: the same for 99 of 100.
        missing: pods whose last scrape failed.
        images: images of its containers, as the Deployment asks for them.
        image_ids: the same images as the nodes name them, with their digests: those that its pods run.
    """

    variant: Variant
    workload: str
    ready: int
    desired: int
    good: float
    total: float
    rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    missing: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    image_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recalled(Event):
    """What earlier commands have seen of the variants, as the cluster has saved it.

    Attributes:
        began: Unix seconds when the first of them began to watch.
        variants: one state for each variant of each workload that has a canary, as it is now.
        verdict: the last one.
        histories: how the evidence grew, by workload.
    """

    began: float
    variants: tuple[VariantState, ...]
    verdict: Verdict
    histories: Mapping[str, History]


@dataclass(frozen=True)
class Looked(Event):
    """A sample was taken and judged.

    Attributes:
        at: Unix seconds.
        elapsed: seconds since watching began (the first driver's, where a later one goes on).
        variants: one state for each variant of each workload.
        verdict: what the evidence says now.
        waiting_for: what stands before the verdict is acted on (time, requests, warm-up), empty if nothing does.
        last: whether watching ends with this look; `Judged` follows, with the same verdict.
        step: the one at hand, None where the release has no more than one.
        forecast: the decision to expect, None if there is one already or if that cannot be said.
        stable: everything counted of stable, by workload and metric.
    """

    at: float
    elapsed: float
    variants: tuple[VariantState, ...]
    verdict: Verdict
    waiting_for: str = ""
    last: bool = False
    step: Step | None = None
    forecast: Forecast | None = None
    stable: Mapping[tuple[str, str], Evidence] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged(Event):
    """The verdict that the release acts on, or its step."""

    verdict: Verdict


@dataclass(frozen=True)
class Grows(Event):
    """The verdict lets canary and baseline grow to the next step.

    Attributes:
        step: that one.
    """

    step: Step


@dataclass(frozen=True)
class DecisionAsked(Event):
    """The gate is asked."""

    verdict: Verdict | None


@dataclass(frozen=True)
class Decided(Event):
    """The gate answered.

    Attributes:
        promote: whether to promote.
        by: `auto`, or the person's name.
        verdict: that was decided on, in a few words.
        reason: the reason that was given, empty if none was.
    """

    promote: bool
    by: str
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True)
class KeepsWatching(Event):
    """The gate answered that nothing is decided yet: watching goes on, and the gate asks again later.

    Attributes:
        by: the person's name.
        verdict: that the person has seen, in a few words.
        reason: the reason that was given, empty if none was.
    """

    by: str
    verdict: str = ""
    reason: str = ""


Answer = Decided | KeepsWatching
"""What a gate answers."""


@dataclass(frozen=True)
class HandedOver(Event):
    """The driver that waited at its gate has carried out the decision of this command.

    Attributes:
        workloads: names of the stable Deployments.
        promote: whether it promoted them.
        to: that driver.
    """

    workloads: tuple[str, ...]
    promote: bool
    to: str


@dataclass(frozen=True)
class Promoted(Event):
    """Stable is now what the canary was.

    Attributes:
        workload: the stable Deployment's name.
        images: what it runs now.
    """

    workload: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Rejected(Event):
    """The variants are gone; stable was not touched.

    Attributes:
        workload: the stable Deployment's name.
        reason: why, in a sentence.
        deleted: names of the Deployments that were deleted.
        evidence: folder that keeps what the canary did, empty where there is none.
    """

    workload: str
    reason: str
    deleted: tuple[str, ...] = field(default=())
    evidence: str = ""


@dataclass(frozen=True)
class RolledBack(Event):
    """Stable is again what it was before its last promote.

    Attributes:
        workload: the stable Deployment's name.
        images: what it runs now.
    """

    workload: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Undone(Event):
    """A promote, or a rollback, failed, and stable is back as it was.

    Attributes:
        workload: the stable Deployment's name.
        reason: why it failed.
    """

    workload: str
    reason: str


Listener = Callable[[Event], None]
