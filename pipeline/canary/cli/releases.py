"""Commands that make, watch and end a release."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import click

from canary.cli import flags, render
from canary.cli.console import console_of
from canary.cli.help import Command
from canary.cli.rehearsal import print_planned, print_rehearsal
from canary.cli.render import print_objects, print_result
from canary.cli.reporting import Reporting
from canary.cli.session import Session
from canary.errors import ExitCode, InputError, TimedOutError
from canary.printable import printable
from canary.state.last_promote import read_last_promote
from canary.verdict.as_json import verdict_as_json
from canary.verdict.comparison import Decision, Verdict

EXIT_CODES = {
    Decision.PROMOTE: ExitCode.DONE,
    Decision.REJECT: ExitCode.REJECTED,
    Decision.UNDECIDED: ExitCode.TIMED_OUT,
}


@click.command(
    cls=Command,
    examples=(
        "canary release manifests/ --image sampleapp:20",
        "canary release manifests/ --image sampleapp:20 --gate auto --tolerance 0.05 --percentage 50",
        "canary release manifests/ --image sampleapp:20 --gate auto --tolerance 0.05 --steps 10,25,50",
        "canary release manifests/ --image sampleapp:20 --steps 10,50 --tolerance 0.05 --dry-run",
        "canary release manifests/ --image sampleapp:20 --gate console  # decide in the browser",
        "canary release manifests/ --image sampleapp:20 --gate manual  # elsewhere: canary promote or canary reject",
        "kubectl kustomize overlays/prod | canary release - --image app=registry.example:5000/app:2",
    ),
    short_help="Run a whole release: deploy, watch, decide, promote or reject.",
)
@flags.manifests
@flags.settings(
    "images",
    *flags.GATE,
    *flags.SIZES,
    "others",
    *flags.VERDICT,
    *flags.SAMPLES,
    "image_pull_secrets",
    "label",
    "timeout",
    "expire_after",
    "evidence",
    "report",
    *flags.NOTIFICATIONS,
)
@flags.connection
@flags.dry_run
@flags.supersede
@flags.lock
@flags.results
def release(**given: Any) -> int:  # noqa: ANN401 - click's parameters
    """Release new images: deploy canary and baseline, compare them, decide, then promote or reject.

    If a release was interrupted, run the same command again to continue it.

    With --steps, canary and baseline grow step by step. Each step needs the verdict PROMOTE on all requests counted so
    far, and --min-duration and --min-requests of its own. The gate decides after the last step, or as soon as the
    verdict is REJECT.
    """
    if given["dry_run"]:
        with Session(given) as session:
            print_rehearsal(given, session)
        return ExitCode.DONE
    # The console outlives the report: it stays a few seconds longer, and shows the report, too.
    with Session(given) as session, ExitStack() as consoles, Reporting(session, "release") as reporting:
        bundle = session.bundle()
        gate = session.gate(bundle)
        consoles.enter_context(console_of(session, bundle))
        outcome = session.release(bundle=bundle, gate=gate).run()
        reporting.exit_code = ExitCode.DONE if outcome.promoted else ExitCode.REJECTED
        print_result(
            given,
            {
                "promoted": outcome.promoted,
                "by": outcome.by,
                "verdict": verdict_as_json(outcome.verdict),
                "rejected": render.events_as_json(session.recorder.rejected),
            },
        )
    return reporting.exit_code


@click.command(
    cls=Command,
    examples=(
        "canary deploy manifests/ --image sampleapp:20",
        "canary deploy manifests/ --image sampleapp:20 --percentage 10 --dry-run",
    ),
    short_help="Create canary and baseline next to stable.",
)
@flags.manifests
@flags.settings(*flags.IMAGES, *flags.VARIANTS, *flags.NOTIFICATIONS)
@flags.connection
@flags.dry_run
@flags.supersede
@flags.lock
@flags.results
def deploy(**given: Any) -> None:  # noqa: ANN401
    """Create canary and baseline next to stable, and wait until they are ready.

    For each Deployment in the manifests, deploy creates NAME-canary with the new images, and NAME-baseline as a copy of
    the Deployment that is running. With --steps they get the first size, or keep the size that they have reached.

    If other objects of the manifests exist and would change, deploy shows the changes and holds them until promote
    (unless you pass --others now). The canary gets its own copies of changed ConfigMaps and Secrets. Before deploy
    writes anything, it checks that promote will be able to write all objects.
    """
    with Session(given) as session:
        bundle = session.bundle()
        if given["dry_run"]:
            print_planned(given, session, "deploy", bundle)
            return
        status = session.release(bundle=bundle).deploy()
        print_result(given, asdict(status))


@click.command(
    cls=Command,
    examples=(
        "canary watch sampleapp --tolerance 0.05",
        "canary watch sampleapp --metric 'paid=orders_total{status=\"paid\"},orders_total,0.01'",
        "canary watch manifests/ --tolerance 0.01 --max-duration 30m --report-only --output json",
    ),
)
@flags.workloads
@flags.settings(*flags.VERDICT, *flags.SAMPLES, "label", "expire_after", "report", *flags.NOTIFICATIONS)
@flags.connection
@click.option(
    "--report-only", is_flag=True, help="Exit with 0 whatever the verdict is: another step of the pipeline decides."
)
@flags.lock
@flags.results
def watch(**given: Any) -> int:  # noqa: ANN401
    """Compare canary and baseline until the verdict is clear.

    Exits with 0 on PROMOTE, 1 on REJECT and 4 if still undecided. It does not promote or reject. A first release has
    nothing to compare with: once its canary is ready and has answered requests, watch reports that and exits with 0.
    """
    with Session(given) as session, Reporting(session, "watch") as reporting:
        if not given["report_only"]:
            session.require_tolerances("canary watch")
        verdict = _watched(session, report_only=given["report_only"])
        nothing_to_compare = verdict.decision is Decision.UNDECIDED and not verdict.comparisons
        if not (given["report_only"] or nothing_to_compare):
            reporting.exit_code = EXIT_CODES[verdict.decision]
        print_result(given, verdict_as_json(verdict))
    return reporting.exit_code


def _watched(session: Session, *, report_only: bool) -> Verdict:
    """Return the verdict; for a report, also one that was still undecided when the time was up."""
    release_ = session.release(names=session.names())
    try:
        return release_.watch()
    except InputError:
        session.require_deployments()  # a misspelt name is the more likely mistake
        raise
    except TimedOutError as error:
        if report_only and session.recorder.verdict is not None:
            click.echo(printable(f"canary: {error}"), err=True)
            return session.recorder.verdict
        raise


@click.command(
    cls=Command,
    examples=(
        "canary promote manifests/ --image sampleapp:20",
        "canary promote manifests/ --image sampleapp:20 --dry-run",
    ),
    short_help="Roll the canary's version out to stable, then delete canary and baseline.",
)
@flags.manifests
@flags.settings(*flags.IMAGES, "label", "timeout", "report", *flags.NOTIFICATIONS)
@flags.connection
@click.option("--unproven", is_flag=True, help="Promote without a canary, or against its verdict.")
@click.option(
    "--overwrite-stable", is_flag=True, help="Promote, and overwrite what somebody has changed in stable since deploy."
)
@flags.dry_run
@flags.lock
@flags.results
def promote(**given: Any) -> None:  # noqa: ANN401
    """Roll the canary's version out to stable, then delete canary and baseline.

    Pass the manifests and images that the canary was deployed with; promote refuses others. It also refuses a canary
    whose verdict is REJECT, and a canary that is not ready within --timeout. A canary that nobody has compared is
    promoted with a warning. If stable does not become ready with the new version, the promote is undone.

    If somebody has changed stable since deploy, promote shows the change, and overwrites it only with
    --overwrite-stable.

    If a canary release waits at its gate for a decision, promote records the decision and waits until that command has
    promoted.
    """
    with Session(given) as session, Reporting(session, "promote", is_wanted=not given["dry_run"]):
        bundle = session.bundle()
        if given["dry_run"]:
            print_planned(given, session, "promote", bundle)
            return
        session.release(bundle=bundle).promote()
        recorder = session.recorder
        promoted, handed_over = render.events_as_json(recorder.promoted), render.events_as_json(recorder.handed_over)
        print_result(given, {"promoted": promoted, "handed_over": handed_over})


@click.command(
    cls=Command,
    examples=(
        "canary reject sampleapp",
        'canary reject manifests/ --reason "answers are slow"',
    ),
    short_help="Delete canary and baseline. Stable is not touched.",
)
@flags.workloads
@flags.settings("label", "evidence", "report", *flags.NOTIFICATIONS)
@flags.connection
@click.option(
    "--reason",
    default="",
    metavar="TEXT",
    help="Reason for the rejection, for the output and the evidence.",
)
@flags.lock
@flags.results
def reject(**given: Any) -> None:  # noqa: ANN401
    """Delete canary and baseline. Stable is not touched.

    First, reject saves the canary's logs, events, container exits, counts and verdict to a new folder in --evidence,
    and prints the path of that folder.

    If a canary release waits at its gate for a decision, reject records the decision and waits until that command has
    rejected.
    """
    with Session(given) as session, Reporting(session, "reject", reason=given["reason"]):
        session.require_deployments()
        session.release(names=session.names()).reject(given["reason"])
        recorder = session.recorder
        rejected, handed_over = render.events_as_json(recorder.rejected), render.events_as_json(recorder.handed_over)
        print_result(given, {"rejected": rejected, "handed_over": handed_over})


@click.command(
    cls=Command,
    examples=(
        "canary rollback sampleapp",
        "canary rollback sampleapp --dry-run",
    ),
    short_help="Undo the last promote.",
)
@flags.workloads
@flags.settings("label", "timeout", "evidence", *flags.NOTIFICATIONS)
@flags.connection
@flags.dry_run
@flags.lock
@flags.results
def rollback(**given: Any) -> None:  # noqa: ANN401
    """Undo the last promote: restore stable, its configuration and the other objects of its manifests.

    This works after a finished promote and after an interrupted one. canary status shows which images it restores.
    Stable keeps its current number of pods, unless it had more before. Then rollback deletes canary and baseline, even
    those of another release, because their baseline runs the version that you roll back.

    If stable does not become ready, the rollback is undone. Only the last promote can be rolled back: older states
    are not saved. A first release cannot be rolled back.
    """
    with Session(given) as session:
        names = session.names()
        if any(read_last_promote(session.cluster, name) is None for name in names):
            session.require_deployments()  # it may be misspelt; a deleted Deployment can be rolled back
        release_ = session.release(names=names)
        if given["dry_run"]:
            print_objects(given, release_.planned_rollback())
            return
        release_.rollback()
        recorder = session.recorder
        rolled_back, rejected = render.events_as_json(recorder.rolled_back), render.events_as_json(recorder.rejected)
        print_result(given, {"rolled_back": rolled_back, "rejected": rejected})


@click.command(
    cls=Command,
    examples=(
        "canary apply misc/",
        "canary apply manifests/ --image sampleapp:10 --image-pull-secret registry",
    ),
    short_help="Apply manifests as they are, without a canary.",
)
@flags.manifests
@flags.settings(*flags.IMAGES, "label", "timeout")
@flags.connection
@flags.dry_run
@flags.lock
@flags.results
def apply(**given: Any) -> None:  # noqa: ANN401
    """Apply manifests as they are, without a canary, and wait until their Deployments are ready.

    apply refuses to change a Deployment while a release of it is in progress. If the Prometheus operator is not
    installed, apply skips ServiceMonitors and other objects of that operator, with a warning.
    """
    with Session(given) as session:
        bundle = session.bundle(canary=False)
        if given["dry_run"]:
            print_planned(given, session, "apply", bundle)
            return
        session.release(bundle=bundle).apply()
        print_result(given, {"written": render.events_as_json(session.recorder.written)})
