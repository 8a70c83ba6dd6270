"""The story of a release: deploy the variants, watch them, then promote or reject."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from canary.apply.server_side_apply import to_be_applied, without_unknown_monitors, write
from canary.errors import (
    CanaryError,
    InputError,
    InterruptedReleaseError,
    LockLostError,
    UnreachableError,
)
from canary.events import Answer, DecisionAsked, KeepsWatching, Listener, Note, Started
from canary.manifests.bundle import Bundle, digest, require_deployment
from canary.manifests.images import images_of, refuse_untagged
from canary.marks import DIGEST, version_labels
from canary.objects import Object, annotations_of, labels_of
from canary.observe.crashes import warn_of_crashed
from canary.observe.deployments import read_workload
from canary.observe.rollout import wait_until_ready
from canary.ports import Clock, Cluster, Gate, Lock, SampleSource, World
from canary.release import deploy, hand_over, promote, reap, reject, rollback, status, watch
from canary.release.commands import Commands
from canary.release.lookout import Lookout
from canary.release.plan import make_plan
from canary.release.reap import Reaped
from canary.release.recall import last_verdict, recall
from canary.release.status import Status
from canary.settings.options import Options
from canary.state.decision import GateRecord
from canary.state.last_promote import PromoteState, read_last_promote, undo_reason, unfinished_digest
from canary.variants.derive import can_have_variants
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.wording import brief


@dataclass(frozen=True)
class ReleaseOutcome:
    """How a release ended.

    Attributes:
        promoted: whether stable now runs the canary's version; else the variants were rejected.
        by: who decided.
        verdict: the basis of the decision. It has no comparisons where there was nothing to compare (a first release).
    """

    promoted: bool
    by: str
    verdict: Verdict


@dataclass(frozen=True)
class Release:
    """One release of one or more Deployments.

    SIGTERM must arrive as KeyboardInterrupt (the command line makes it so); both become InterruptedReleaseError.
    Every command can be run again after any error or interruption: it continues, or has nothing left to do.

    Attributes:
        cluster: the Kubernetes API.
        samples: where the counts come from.
        clock: time.
        gate: who decides.
        lock: keeps other drivers away.
        listen: receives every event.
        options: how the release is made.
        bundle: the manifests, with images and pull secrets filled in. None where none were given: then `watch`,
            `reject` and `status` need only `names`, and the other actions raise InputError.
        person: who decides where a command itself is the decision, such as `ada@laptop`.
        names: names of the stable Deployments, where there is no bundle; empty means every workload of the namespace
            that has variants.
    """

    cluster: Cluster
    samples: SampleSource
    clock: Clock
    gate: Gate
    lock: Lock
    listen: Listener
    options: Options
    bundle: Bundle | None = None
    names: tuple[str, ...] = ()
    person: str = "somebody"

    def run(self) -> ReleaseOutcome:
        """Do the whole release: deploy, watch, ask the gate, promote or reject. Finish an interrupted promote.

        With several steps, a PROMOTE verdict lets the variants grow to the next step. The gate is asked at the last
        step, and about REJECT at any step. A first release has nothing to compare, and so only one step.

        Raises:
            InputError, ClusterError, TimedOutError, PromoteError, InterruptedReleaseError: see `errors`.
        """
        with self.lock.held(self._names(), self.listen):
            if self._is_promote_unfinished():
                verdict = last_verdict(self._world, self._names())
                self.promote()
                return ReleaseOutcome(promoted=True, by="an earlier run", verdict=verdict)
            self.deploy(promoting=True)
            verdict = self.watch()
            with self._variants_kept():
                verdict = self._grow(verdict)
                while isinstance(decided := self._ask_gate(verdict), KeepsWatching):
                    verdict = self._grow(watch.watch(self._world, self.samples, self._names(), beyond=verdict))
            if decided.promote:
                self.promote(decided=decided.by)
            else:
                given = f": {decided.reason}" if decided.reason else ""
                by_person = f"by {decided.by}{given} (verdict: {brief(verdict)})"
                self._reject(self._names(), verdict.sentence if decided.by == "auto" else by_person)
            return ReleaseOutcome(decided.promote, decided.by, verdict)

    def _grow(self, verdict: Verdict) -> Verdict:
        """Let the variants grow step by step while the verdict is PROMOTE, and return the last verdict."""
        while verdict.decision is Decision.PROMOTE and deploy.grow(self._world, self._manifests()):
            verdict = watch.watch(self._world, self.samples, self._names())
        return verdict

    def _ask_gate(self, verdict: Verdict) -> Answer:
        self.listen(DecisionAsked(verdict))
        record = GateRecord(self.cluster, self.clock, self._names())
        lookout = Lookout(self._world, self._names())

        def elsewhere() -> Answer | None:
            if (decided := record.decided()) is None:
                lookout.look()
            return decided

        decided = record.close(self.gate.decide(verdict, elsewhere))
        self.listen(replace(decided, verdict=brief(verdict)))
        return decided

    def deploy(self, *, promoting: bool = False) -> Status:
        """Create canary and baseline, wait until they are ready, and return the status.

        Args:
            promoting: whether this account is also to promote, so that a missing permission for that is an error.
        """
        bundle = self._manifests()
        refuse_untagged(bundle)
        with self.lock.held(self._names(), self.listen):
            self._started("deploy")
            with self._variants_kept():
                if self.options.supersede:
                    self._reject_other_releases(bundle)
                deploy.deploy(self._world, bundle, promoting=promoting)
        return self.status()

    def watch(self) -> Verdict:
        """Watch the variants until the verdict on the current step is PROMOTE or REJECT, and return it.

        Where nothing can decide (a first release, no tolerance) it returns UNDECIDED as soon as the minimum of time and
        requests is reached, without comparisons if it is a first release.

        Raises:
            TimedOutError: still undecided after `max_duration`.
        """
        names = self._names()
        if not names:
            raise InputError(
                f"no release is in progress in namespace {self.cluster.namespace}: there is no canary. "
                "Start one with canary deploy"
            )
        with self.lock.held(names, self.listen):
            self._started("watch")
            with self._variants_kept():
                return watch.watch(self._world, self.samples, names)

    def promote(self, *, decided: str = "") -> None:
        """Roll the canary's version out to stable, then delete canary and baseline.

        If another driver waits for a decision on this release at its gate, that one does it.

        Args:
            decided: who decided at the gate, empty if nobody did: then a canary whose verdict is REJECT is refused.
        """
        bundle, names = self._manifests(), self._names()
        asks_gates = not (decided or self.lock.breaks)
        if asks_gates and hand_over.promote(self._world, bundle, names, by=self.person):
            return
        with self._action("promote", names, Commands(self.options, *names).promote):
            recall(self._world, names)
            promote.promote(self._world, bundle, decided=decided)

    def reject(self, reason: str = "") -> None:
        """Delete canary and baseline; stable is not touched.

        If another driver waits for a decision on this release at its gate, that one does it.

        Args:
            reason: why, in a sentence; empty if none is given.
        """
        names = self._names()
        left = names if self.lock.breaks else hand_over.reject(self._world, names, by=self.person, reason=reason)
        if left or not names:
            self._reject(left, reason or "by canary reject")

    def _reject(self, names: Sequence[str], reason: str) -> None:
        with self._action("reject", names, Commands(self.options, *names).reject):
            recall(self._world, names)
            for name in names:
                reject.reject(self._world, name, reason)
                self._warn_of_unfinished_promote(name)

    def rollback(self) -> None:
        """Put back what was there before the last promote, then delete the variants.

        Raises:
            InputError, ClusterError, PromoteError: see `rollback.rollback`.
        """
        names = self._names_to_roll_back()
        with self._action("rollback", names, Commands(self.options, *names).rollback):
            rollback.rollback(self._world, names)

    def reap(self, *, dry_run: bool = False) -> tuple[Reaped, ...]:
        """Reject every release of the namespace that has expired, and return what became of each release."""
        try:
            return reap.reap(self._world, self.lock, dry_run=dry_run)
        except KeyboardInterrupt:
            raise InterruptedReleaseError("interrupted in reap: run canary reap again to continue") from None

    def apply(self) -> None:
        """Apply the manifests as they are, then wait until the Deployments are ready (strategy `none`).

        Raises:
            InputError: a release of one of the Deployments is in progress; nothing was changed.
        """
        bundle = self._manifests(deployment=False)
        refuse_untagged(bundle)
        with self._action("apply", self._names(), Commands(self.options).apply):
            self._refuse_during_release()
            for obj in without_unknown_monitors(self._world, (*bundle.others, *bundle.deployments)):
                if not write(self._world, obj):
                    warn_of_crashed(self._world, obj)
            wait_until_ready(self._world, self._names())

    def status(self) -> Status:
        """Return the variants of each workload and what can be done next."""
        return status.status(self.cluster, self.options, self._names(), self.clock.now(), has_ended=self.lock.has_ended)

    def planned(self, action: str) -> tuple[Object, ...]:
        """Return the objects that `deploy`, `promote` or `apply` would write now, and emit deploy's notes.

        Nothing is written.
        """
        bundle = self._manifests(deployment=action != "apply")
        if action != "promote":  # which takes what the canary runs
            refuse_untagged(bundle)
        if action == "apply":
            self._refuse_during_release()
        if action == "deploy":
            plan = make_plan(self._world, bundle)
            for event in (*plan.notes, *plan.others.differences):
                self.listen(event)
            return plan.written
        objects = (*bundle.others, *bundle.deployments)
        if action == "apply":
            objects = without_unknown_monitors(self._world, objects)
        return tuple(to_be_applied(self.cluster, obj) for obj in objects)

    def planned_rollback(self) -> tuple[Object, ...]:
        """Return the objects that `rollback` would write now, and name those that it would delete.

        Nothing is written.
        """
        written, deleted = rollback.planned(self._world, self._names_to_roll_back())
        for kind, name in deleted:
            self.listen(Note(f"would delete {kind.kind} {name}, which did not exist before"))
        return written

    @property
    def _world(self) -> World:
        return World(self.cluster, self.clock, self.listen, self.options, self.samples)

    def _names(self) -> tuple[str, ...]:
        """Return the names of the workloads of this release."""
        if self.bundle is not None:
            return tuple(incoming["metadata"]["name"] for incoming in self.bundle.deployments)
        return self.names or status.workloads_in_release(self.cluster, self.options.label)

    def _names_to_roll_back(self) -> tuple[str, ...]:
        """Return the names of the workloads to roll back. They are never guessed."""
        names = () if self.bundle is None and not self.names else self._names()
        if not names:
            raise InputError("no Deployment given: name the one to roll back, as in canary rollback NAME")
        return names

    def _manifests(self, *, deployment: bool = True) -> Bundle:
        if self.bundle is None:
            raise InputError("no manifests given: name files, folders or - for stdin")
        if deployment:
            require_deployment(self.bundle)
        return self.bundle

    def _started(self, action: str, names: Sequence[str] = ()) -> None:
        deployments = self.bundle.deployments if self.bundle else ()
        images = tuple(dict.fromkeys(image for incoming in deployments for image in images_of(incoming)))
        self.listen(Started(action, tuple(names) or self._names(), self.cluster.namespace, images))

    def _reject_other_releases(self, bundle: Bundle) -> None:
        images = ", ".join(dict.fromkeys(image for incoming in bundle.deployments for image in images_of(incoming)))
        for name in deploy.workloads_in_another_release(self._world, bundle):
            reject.reject(self._world, name, f"superseded by a release of {images}")

    def _refuse_during_release(self) -> None:
        """Refuse to change a stable that is being compared with a canary."""
        for name in filter(can_have_variants, self._names()):
            workload = read_workload(self.cluster, name)
            for variant in (workload.canary, workload.baseline):
                if variant is not None and labels_of(variant).keys() & version_labels(self.options.label):
                    raise InputError(
                        f"a release of {name} is in progress ({variant['metadata']['name']} runs "
                        f"{', '.join(images_of(variant))}), and canary apply would change stable during it. First "
                        "promote that release (canary promote, with its manifests and images) or end it (canary reject "
                        f"{name})"
                    )

    def _is_promote_unfinished(self) -> bool:
        """Return whether a driver was stopped in a promote of this release, or in the undo of any promote."""
        mark = digest(self._manifests())
        return any(
            unfinished_digest(self.cluster, name) == mark or undo_reason(self.cluster, name) for name in self._names()
        )

    def _warn_of_unfinished_promote(self, name: str) -> None:
        last = read_last_promote(self.cluster, name)
        if last is None or last.state not in (PromoteState.PROMOTING, PromoteState.ROLLING_BACK):
            return
        rollback_command = Commands(self.options, name).rollback
        go_back = f"To go back to the version before: {rollback_command}" if last.images else "Deploy a new release"
        if last.state is PromoteState.ROLLING_BACK:
            text = f"a rollback of {name} was interrupted. To finish it: {rollback_command}"
        elif last.failed:
            text = (
                f"a promote of {name} failed ({last.failed}), and its undo was interrupted: stable may run the new "
                f"version. {go_back}"
            )
        else:
            text = f"a promote of {name} was interrupted: stable may run the new version. {go_back}"
        self.listen(Note(text, warning=True))

    @contextmanager
    def _variants_kept(self) -> Iterator[None]:
        """Say after an interruption or an error that the variants are still running, and how to continue."""
        names = self._names()
        advice = (
            "Canary and baseline are still running. Run the same command again to continue. To end the release: "
            f"{Commands(self.options, *names).reject}"
        )
        try:
            yield
        except KeyboardInterrupt:
            raise InterruptedReleaseError(f"interrupted. {advice}") from None
        except LockLostError:
            raise  # the release is another driver's now
        except CanaryError as error:
            if isinstance(error, UnreachableError) or self._has_variants(names):
                error.args = (f"{error}. {advice}",)
            raise

    def _has_variants(self, names: Iterable[str]) -> bool:
        """Return whether this release has variants; True where that cannot be seen now."""
        mark = digest(self.bundle) if self.bundle is not None else None
        try:
            canaries = [read_workload(self.cluster, name).canary for name in names]
        except CanaryError:
            return True
        return any(canary and mark in (None, annotations_of(canary).get(DIGEST)) for canary in canaries)

    @contextmanager
    def _action(self, action: str, names: Sequence[str], finish: str) -> Iterator[None]:
        """Hold the locks and announce an action; say after an interruption or an outage how to finish it.

        Args:
            action: the command.
            names: of the workloads.
            finish: the command line that finishes it.
        """
        half_done, has_begun = f"{' and '.join(names)} may be half done", False
        try:
            with self.lock.held([*filter(can_have_variants, names)], self.listen):
                has_begun = True
                self._started(action, names)
                try:
                    yield
                except UnreachableError as error:
                    raise UnreachableError(
                        f"{error}. {half_done}. To finish it once the API server answers: {finish}"
                    ) from error
        except KeyboardInterrupt:
            if not has_begun:
                raise InterruptedReleaseError(f"interrupted before {action}: nothing was changed") from None
            raise InterruptedReleaseError(f"interrupted in {action}: {half_done}. To finish it: {finish}") from None
