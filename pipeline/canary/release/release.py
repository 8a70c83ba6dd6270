"""The story of a release: deploy the variants, watch them, then promote or reject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from canary.events import DecisionAsked, Listener, Note, Started
from canary.manifests.bundle import Bundle, digest, require_deployment
from canary.manifests.images import images_of, refuse_untagged
from canary.marks import DIGEST
from canary.objects import Object, annotations_of, labels_of
from canary.observe.crashes import warn_of_crashed
from canary.observe.deployments import read_workload
from canary.observe.rollout import wait_until_ready
from canary.ports import Clock, Cluster, Gate, Lock, SampleSource, World
from canary.release import deploy, promote, reap, reject, rollback, status, watch
from canary.release.plan import make_plan
from canary.release.reap import Reaped
from canary.release.status import Status
from canary.settings.options import Options
from canary.settings.release_arguments import command
from canary.state.last_promote import PromoteState, read_last_promote, undo_reason, unfinished_digest
from canary.variants.derive import can_have_variants
from canary.verdict.rule import Decision, Verdict, brief


@dataclass(frozen=True)
class ReleaseOutcome:
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
    Every command may be run again, after any error or interruption: it goes on, or has nothing left to do.

    Attributes:
        cluster: the Kubernetes API.
        samples: where counts come from.
        clock: time.
        gate: who decides.
        lock: keeps other drivers away.
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
    lock: Lock
    listen: Listener
    options: Options
    bundle: Bundle | None = None
    names: tuple[str, ...] = ()

    def run(self) -> ReleaseOutcome:
        """Do all of it: deploy, watch, ask the gate, promote or reject. A promote that was interrupted is finished.

        With several steps the verdict lets the variants grow from one to the next; the gate is asked about REJECT at
        any step, and else at the last. A first release, which has nothing to compare, has one step.

        Raises:
            InputError, ClusterError, TimedOutError, PromoteError, InterruptedReleaseError: see `errors`.
        """
        with self.lock.held(self._names(), self.listen):
            return self._run()

    def _run(self) -> ReleaseOutcome:
        if self._promote_was_interrupted():
            verdict = watch.last_verdict(self._world, self._names())
            self.promote()
            return ReleaseOutcome(promoted=True, by="an earlier run", verdict=verdict)
        self.deploy(promoting=True)
        verdict = self.watch()
        with self._left_as_it_is():
            while True:
                while verdict.decision is Decision.PROMOTE and deploy.grow(self._world, self._manifests()):
                    verdict = watch.watch(self._world, self.samples, self._names())
                self.listen(DecisionAsked(verdict))
                decided = self.gate.decide(verdict)
                if decided is not None:
                    break
                verdict = watch.watch(self._world, self.samples, self._names(), beyond=verdict)
            self.listen(replace(decided, verdict=brief(verdict)))
        if decided.promote:
            self.promote(decided=decided.by)
        else:
            by_hand = f"by {decided.by} (verdict: {brief(verdict)})"
            self.reject(verdict.sentence if decided.by == "auto" else by_hand)
        return ReleaseOutcome(decided.promote, decided.by, verdict)

    def deploy(self, *, promoting: bool = False) -> Status:
        """Make canary and baseline, wait until they are ready, and return what there is now.

        Args:
            promoting: whether this same account is to promote: a right that it lacks for that is an error then.
        """
        bundle = self._manifests()
        refuse_untagged(bundle)
        with self.lock.held(self._names(), self.listen):
            self._started("deploy")
            with self._left_as_it_is():
                if self.options.supersede:
                    self._end_others(bundle)
                deploy.deploy(self._world, bundle, promoting=promoting)
                return self.status()

    def watch(self) -> Verdict:
        """Watch the variants until the verdict on the step at hand is PROMOTE or REJECT, and return it.

        Where nothing can decide (a first release, no tolerance) it returns UNDECIDED as soon as the minimum of time and
        requests is reached; without comparisons, if it is a first release.

        Raises:
            TimedOutError: still undecided after `max_duration`.
        """
        names = self._names()
        if not names:
            raise InputError(f"no release is in progress in namespace {self.cluster.namespace}: there is no canary")
        with self.lock.held(names, self.listen):
            self._started("watch")
            with self._left_as_it_is():
                return watch.watch(self._world, self.samples, names)

    def promote(self, *, decided: str = "") -> None:
        """Roll the canary's version out to stable, then delete canary and baseline.

        Args:
            decided: who has decided so at the gate, empty if nobody: then a canary whose verdict is REJECT is refused.
        """
        bundle = self._manifests()
        try:
            with self.lock.held(self._names(), self.listen):
                self._started("promote")
                with self._finished_by("canary promote, with the same manifests and images,"):
                    promote.promote(self._world, bundle, decided=decided)
        except KeyboardInterrupt:
            raise InterruptedReleaseError(
                f"interrupted in promote: stable {' and '.join(self._names())} may be in the middle of its rollout; "
                "canary promote, with the same manifests and images, finishes it"
            ) from None

    def reject(self, reason: str = "by canary reject") -> None:
        """Delete canary and baseline; stable is not touched."""
        names = self._names()
        try:
            with self.lock.held(names, self.listen):
                self._started("reject")
                with self._finished_by("canary reject, once more,"):
                    for name in names:
                        reject.reject(self._world, name, reason)
                        self._warn_of_unfinished_promote(name)
        except KeyboardInterrupt:
            raise InterruptedReleaseError("interrupted in reject: run canary reject again to finish it") from None

    def rollback(self) -> None:
        """Put back what was before the last promote, then delete the variants.

        Raises:
            InputError, ClusterError, PromoteError: see `rollback.rollback`.
        """
        names = self._rolled_back()
        try:
            with self.lock.held(names, self.listen):
                self._started("rollback", names)
                with self._finished_by(f"canary rollback {' '.join(names)}"):
                    rollback.rollback(self._world, names)
        except KeyboardInterrupt:
            raise InterruptedReleaseError(
                f"interrupted in rollback: stable {' and '.join(names)} may be in the middle of its rollout; "
                f"canary rollback {' '.join(names)} finishes it"
            ) from None

    def planned_rollback(self) -> tuple[Object, ...]:
        """Return the objects that `rollback` would write now; what it would delete, it says. Writes nothing."""
        written, deleted = rollback.planned(self._world, self._rolled_back())
        for kind, name in deleted:
            self.listen(Note(f"would delete {kind.kind} {name}, which was not there before"))
        return written

    def _rolled_back(self) -> tuple[str, ...]:
        """Return the names of what is to be rolled back, which nobody is to guess."""
        names = () if self.bundle is None and not self.names else self._names()
        if not names:
            raise InputError("which Deployment is to be rolled back? Name it: canary rollback NAME")
        return names

    def reap(self, *, dry_run: bool = False) -> tuple[Reaped, ...]:
        """Reject every release of the namespace that has expired, and return what became of each that there is."""
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
        names = [name for name in self._names() if can_have_variants(name)]
        try:
            with self.lock.held(names, self.listen):
                self._refuse_releases(names)
                self._started("apply")
                with self._finished_by("canary apply, once more,"):
                    for obj in without_unknown_monitors(self._world, (*bundle.others, *bundle.deployments)):
                        if not write(self._world, obj):
                            warn_of_crashed(self._world, obj)
                    wait_until_ready(self._world, self._names())
        except KeyboardInterrupt:
            raise InterruptedReleaseError("interrupted in apply: run canary apply again to finish it") from None

    def status(self) -> Status:
        """Return the variants of each workload and what can be done next."""
        return status.status(self.cluster, self.options, self._names(), self.clock.now())

    def planned(self, action: str) -> tuple[Object, ...]:
        """Return the objects that `deploy`, `promote` or `apply` would write now; writes nothing.

        What `deploy` would say of them, it says.
        """
        bundle = self._manifests(deployment=action != "apply")
        if action != "promote":  # which goes by what the canary showed
            refuse_untagged(bundle)
        if action == "apply":
            self._refuse_releases(name for name in self._names() if can_have_variants(name))
        if action == "deploy":
            todo = make_plan(self._world, bundle)
            for event in (*todo.notes, *todo.others.differences):
                self.listen(event)
            return todo.written
        objects = (*bundle.others, *bundle.deployments)
        if action == "apply":
            objects = without_unknown_monitors(self._world, objects)
        return tuple(to_be_applied(self.cluster, obj) for obj in objects)

    @property
    def _world(self) -> World:
        return World(self.cluster, self.clock, self.listen, self.options)

    def _names(self) -> tuple[str, ...]:
        """Return the names of the workloads that this is about."""
        if self.bundle is not None:
            return tuple(incoming["metadata"]["name"] for incoming in self.bundle.deployments)
        return self.names or status.workloads_in_release(self.cluster, self.options.label)

    def _manifests(self, *, deployment: bool = True) -> Bundle:
        if self.bundle is None:
            raise InputError("no manifests given: name files, folders or - for stdin")
        if deployment:
            require_deployment(self.bundle)
        return self.bundle

    def _started(self, action: str, names: tuple[str, ...] = ()) -> None:
        deployments = self.bundle.deployments if self.bundle else ()
        images = tuple(dict.fromkeys(image for incoming in deployments for image in images_of(incoming)))
        self.listen(Started(action, names or self._names(), self.cluster.namespace, images))

    def _end_others(self, bundle: Bundle) -> None:
        """Reject what is in progress of another release."""
        images = ", ".join(dict.fromkeys(image for incoming in bundle.deployments for image in images_of(incoming)))
        for name in deploy.workloads_in_another_release(self._world, bundle):
            reject.reject(self._world, name, f"superseded by a release of {images}")

    def _refuse_releases(self, names: Iterable[str]) -> None:
        """Refuse to change a stable that is being compared with a canary."""
        for name in names:
            found = read_workload(self.cluster, name)
            both = (one for one in (found.canary, found.baseline) if one is not None)
            there = [one for one in both if self.options.label in labels_of(one)]
            if there:
                raise InputError(
                    f"a release of {name} is in progress ({there[0]['metadata']['name']} runs "
                    f"{', '.join(images_of(there[0]))}), and canary apply would change stable under it. First promote "
                    f"that release (canary promote, with its manifests and images) or end it (canary reject {name})"
                )

    def _promote_was_interrupted(self) -> bool:
        """Return whether a driver was stopped while this release was on its way to stable, or any on its way back."""
        mark = digest(self._manifests())
        return any(
            unfinished_digest(self.cluster, name) == mark or undo_reason(self.cluster, name) for name in self._names()
        )

    def _warn_of_unfinished_promote(self, name: str) -> None:
        was = read_last_promote(self.cluster, name)
        if was is None or was.state not in (PromoteState.PROMOTING, PromoteState.ROLLING_BACK):
            return
        back = command("rollback", name, connection=self.options.connection_flags)
        goes_back = f"{back} puts back what it was before" if was.images else "deploy a new release"
        if was.state is PromoteState.ROLLING_BACK:
            text = f"a rollback of {name} was interrupted: {back} finishes it"
        elif was.failed:
            text = (
                f"a promote of {name} failed ({was.failed}), and its undo was interrupted: stable may run what was "
                f"promoted; {goes_back}"
            )
        else:
            text = f"a promote of {name} was interrupted: stable may run what was promoted; {goes_back}"
        self.listen(Note(text, warning=True))

    @contextmanager
    def _left_as_it_is(self) -> Iterator[None]:
        """Tell who stops here, or is stopped, what is left and how to go on."""
        names = self._names()
        ends = command("reject", *names, connection=self.options.connection_flags)
        advice = (
            f"Canary and baseline are still running. Run the same command again to continue; {ends} ends the release"
        )
        try:
            yield
        except KeyboardInterrupt:
            raise InterruptedReleaseError(f"interrupted. {advice}") from None
        except LockLostError:
            raise  # what there is, and what is to be done with it, is another driver's now
        except CanaryError as error:
            if isinstance(error, UnreachableError) or self._has_variants(names):
                error.args = (f"{error}. {advice}",)
            raise

    def _has_variants(self, names: Iterable[str]) -> bool:
        """Return whether there are variants of this release; True where that cannot be seen now."""
        mark = digest(self.bundle) if self.bundle is not None else None
        try:
            canaries = [found for name in names if (found := read_workload(self.cluster, name).canary) is not None]
        except CanaryError:
            return True
        return any(mark is None or mark == annotations_of(canary).get(DIGEST) for canary in canaries)

    @contextmanager
    def _finished_by(self, command: str) -> Iterator[None]:
        """Tell whom the API server left in the middle of writing how to go on."""
        names = self._names()
        try:
            yield
        except UnreachableError as error:
            raise UnreachableError(
                f"{error}. {' and '.join(names)} may be half done: {command} finishes it once the API server answers"
            ) from error
