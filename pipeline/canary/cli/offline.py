"""Commands that need no cluster."""

from typing import Any

import click

from canary.cli import flags, render
from canary.cli.help import Command
from canary.cli.releases import EXIT_CODES
from canary.cli.render import print_json
from canary.cli.session import Session
from canary.errors import InputError
from canary.settings.settings import schema
from canary.verdict.as_json import verdict_as_json
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare


@click.command(
    cls=Command,
    examples=(
        "canary config",
        "CANARY_TOLERANCE=0.01 canary config --percentage 50 --output json",
        "canary config --schema > canary.schema.json",
    ),
    name="config",
)
@flags.manifests
@flags.settings(
    *flags.IMAGES,
    *flags.GATE,
    *flags.VARIANTS,
    *flags.VERDICT,
    *flags.SAMPLES,
    "evidence",
    "report",
    "lock_timeout",
    "namespace",
    *flags.NOTIFICATIONS,
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of canary.yml instead, for your editor.")
@flags.results
def show_config(**given: Any) -> None:  # noqa: ANN401
    """Show each setting and where its value comes from.

    Precedence: flag, environment variable, canary.yml in the current directory, default.
    """
    if given["schema"]:
        click.echo(render.to_json(schema()))
        return
    with Session(given) as session:
        session.check_settings()
        if not print_json(given, render.config_as_json(session.resolved)):
            click.echo(render.config_as_text(session.resolved))


@click.command(
    cls=Command,
    examples=(
        "canary verdict --baseline 412/500 --canary 420/500 --tolerance 0.05",
        "canary verdict --baseline 9990/10000 --canary 9940/10000 --tolerance 0.001 --output json",
    ),
)
@click.option("--baseline", required=True, metavar="GOOD/TOTAL", help="Good and all requests of the baseline.")
@click.option("--canary", required=True, metavar="GOOD/TOTAL", help="Good and all requests of the canary.")
@flags.settings("tolerance", "alpha")
@click.option(
    "--dispersion",
    type=float,
    metavar="N",
    help="Dispersion of the counts: 1 if they vary by chance alone, more if they vary more.",
)
@flags.results
def verdict(**given: Any) -> int:  # noqa: ANN401
    """Judge counts that you pass, by the same rule as a release.

    Exits with 0 on PROMOTE, 1 on REJECT and 4 if undecided. You can check growing counts as often as you like.
    """
    with Session(given) as session:
        session.require_tolerance("canary verdict")
        comparison = compare(
            _evidence("--baseline", given["baseline"]),
            _evidence("--canary", given["canary"]),
            tolerance=session.settings.tolerance,
            alpha=session.settings.alpha,
            scatter=1.0 if given["dispersion"] is None else given["dispersion"],
        )
        judged = combine([comparison])
        if not print_json(given, verdict_as_json(judged)):
            click.echo(f"{judged.decision}: {judged.sentence}")
    return EXIT_CODES[judged.decision]


def _evidence(flag: str, text: str) -> Evidence:
    good, _, total = text.partition("/")
    try:
        return Evidence(float(good), float(total))
    except ValueError as error:
        raise InputError(f"{flag} {text}: must be good and all requests, such as 412/500") from error
