"""Dry runs: what a command would write, and what a whole release would do."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from canary.cli import render
from canary.cli.render import print_objects, print_result
from canary.cli.session import Session
from canary.manifests.bundle import Bundle
from canary.manifests.documents import dump
from canary.manifests.images import images_of
from canary.manifests.masking import masked
from canary.objects import Object, is_deployment
from canary.observe.deployments import read_workload
from canary.plurals import counted
from canary.printable import printable
from canary.times import duration
from canary.variants.derive import canary as canary_of
from canary.variants.derive import stable as stable_of
from canary.variants.sizes import replicas, variant_replicas
from canary.verdict.tolerance import Multiple, Tolerance


def print_planned(given: dict[str, Any], session: Session, action: str, bundle: Bundle) -> None:
    """Print what an action would write; without a cluster, as far as the manifests alone say."""
    objects = _planned(session, action, bundle, _unreachable(session))
    print_objects(given, objects, differs=session.recorder.differs if action == "deploy" else None)


def print_rehearsal(given: dict[str, Any], session: Session) -> None:
    """Print what a release would do, step by step, and what it would write; without a cluster, as far as known.

    Raises:
        CanaryError: the release would be refused.
    """
    bundle = session.bundle()
    session.gate(bundle)  # it refuses what it could not decide on
    reason = _unreachable(session)
    written = {
        action: [masked(item) for item in _planned(session, action, bundle, reason)] for action in ("deploy", "promote")
    }
    story = [
        printable(f"   {line}" if later else f"{number}. {line}")
        for number, lines in enumerate(_steps(session, bundle, is_known=not reason), 1)
        for later, line in enumerate(lines)
    ]
    differs = render.events_as_json(session.recorder.differs)
    if print_result(given, {"story": story, **written, "differs": differs}):
        return
    click.echo("\n".join(story), err=True)
    for action, objects in written.items():
        click.echo(f"# what {action} would write\n{dump(objects)}", nl=False)


def _unreachable(session: Session) -> str:
    """Return why no cluster answers, and say so; empty if one does."""
    reason = session.unreachable()
    if reason:
        click.echo(f"canary: {reason}; this is what the manifests alone say", err=True)
    return reason


def _planned(session: Session, action: str, bundle: Bundle, unreachable: str) -> Iterable[Object]:
    if not unreachable:
        return session.release(bundle=bundle).planned(action)
    return _from_manifests(session, action, bundle)


def _from_manifests(session: Session, action: str, bundle: Bundle) -> Iterable[Object]:
    for item in bundle.objects:
        if action != "deploy" or not is_deployment(item):
            yield stable_of(item, replicas=None) if is_deployment(item) else item
            continue
        wanted = item["spec"].get("replicas")
        count = session.settings.replicas or variant_replicas(1 if wanted is None else wanted, session.steps[0])
        yield canary_of(item, replicas=count, label=session.settings.label)


def _steps(session: Session, bundle: Bundle, *, is_known: bool) -> Iterator[list[str]]:
    """Yield what would happen: the lines of each step.

    Args:
        session: the settings.
        bundle: the manifests.
        is_known: whether the cluster answers.
    """
    settings = session.settings
    deployed, promoted, is_compared = [], [], False
    ended = rejected = ""
    for incoming in bundle.deployments:
        name, images = incoming["metadata"]["name"], ", ".join(images_of(incoming))
        stable = read_workload(session.cluster, name).stable if is_known else incoming
        if stable is None:
            deployed.append(f"deploy {name}-canary with {images}: a first release, which has nothing to compare with")
            promoted.append(f"create {name} with {images}")
            continue
        is_compared = True
        sizes = ", then ".join(f"{percent} % ({_pods(session, stable, percent)} each)" for percent in session.steps)
        deployed.append(f"deploy {name}-canary with {images}, and {name}-baseline as a fresh copy of {name}: {sizes}")
        if settings.traffic == "gateway":
            deployed.append(f"let HTTPRoute {settings.route} send these shares of the requests to each of them")
            restored = f"let HTTPRoute {settings.route} send all requests to {name} again, as before, "
            ended, rejected = f"{restored}then ", f"{restored}and "
        promoted.append(f"{ended}replace {counted(replicas(stable), 'pod')} of {name} with {images}")
    yield deployed
    if is_compared:
        least, most = duration(settings.min_duration), duration(settings.max_duration)
        compared = [
            f"compare them every {duration(settings.interval)}, for {least} at least and {most} at most a step:"
        ]
        for metric in session.measures.metrics:
            what = f"{metric.good} of {metric.total}" + (f", {metric.quality}" if metric.objective is not None else "")
            compared.append(f"{metric.name}: {what}; tolerance {_tolerance(metric.tolerance)}")
        yield compared
    yield [f"let the gate decide: {settings.gate}"]
    yield [f"promote: {' and '.join(promoted)}; or reject: {rejected}delete canary and baseline"]


def _pods(session: Session, stable: Object, percent: float) -> str:
    return counted(session.settings.replicas or variant_replicas(replicas(stable), percent), "pod")


def _tolerance(tolerance: Tolerance | None) -> str:
    if tolerance is None:
        return "not set, so nothing is decided"
    return str(tolerance) if isinstance(tolerance, Multiple) else f"{tolerance * 100:g} points"
