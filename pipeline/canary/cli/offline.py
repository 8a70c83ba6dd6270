"""Commands that need no cluster."""

from typing import Any

import click

from canary.cli import flags, render
from canary.cli.help import Command
from canary.cli.releases import EXIT_CODES
from canary.cli.render import print_result
from canary.cli.session import Session
from canary.errors import ExitCode, InputError
from canary.settings.settings import SETTINGS, schema
from canary.verdict.as_json import verdict_as_json
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare

REPLAYED = ("good", "total", "metrics", "latency_objective", "latency_tolerance", "latency_histogram")
"""What counts in an answer of Prometheus."""


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
        if not print_result(given, render.config_as_json(session.resolved)):
            click.echo(render.config_as_text(session.resolved))


@click.command(
    cls=Command,
    examples=(
        "canary verdict --baseline 412/500 --canary 425/500 --tolerance 0.05",
        "canary verdict --baseline 9990/10000 --canary 9940/10000 --tolerance 0.001 --output json",
        "canary verdict --baseline 29940/30000 --canary 29935/30000 --tolerance 2x",
        "canary verdict --replay canary-report/report.json",
        "canary verdict --replay counts.csv --tolerance 0.01 --tolerance 0.02 --output json",
        "canary verdict --replay counts.json --tolerance 0.01",
    ),
)
@click.option("--baseline", metavar="GOOD/TOTAL", help="Good and all requests of the baseline.")
@click.option("--canary", metavar="GOOD/TOTAL", help="Good and all requests of the canary.")
@click.option("--replay", metavar="FILE", help="Counts of a past release to judge instead, look by look.")
@click.option(
    "--tolerance",
    multiple=True,
    metavar="SHARE|MULTIPLE",
    help=f"{SETTINGS['tolerance'].help} For --replay it may be given several times.",
)
@flags.settings("alpha", *REPLAYED)
@click.option(
    "--dispersion",
    type=float,
    metavar="N",
    help="Dispersion of the counts: 1 if they vary by chance alone, more if they vary more.",
)
@flags.results
def verdict(**given: Any) -> int:  # noqa: ANN401
    """Judge counts that you pass, or replay those of a past release.

    Counts that you pass are sums. A release judges scrape by scrape, as --replay does.

    Exits with 0 on PROMOTE, 1 on REJECT and 4 if undecided. You can check growing counts as often as you like.

    --replay shows what the rule would have said about a past release, and when. It exits with 0. It tries each given
    --tolerance, by default half, once and twice the tolerance of the release (or of canary.yml). FILE is - for stdin,
    or one of these:

    \b
      report.json  written by canary release or watch with --report FOLDER
      PROMETHEUS   an answer of /api/v1/query_range with the counters of the pods of
                   canary and baseline; --good, --total, --metric and --latency-…
                   say what counts in it
      CSV          a row for each scrape, with the answers since the row before, and
                   this header: time,baseline_good,baseline_total,canary_good,canary_total
                   Times are Unix seconds, or such as 2026-01-31T12:00:05Z. Rows of
                   several workloads or metrics have two more columns: workload,metric

    To save an answer of Prometheus, with the times of the release and the scrape interval as step:

    \b
      curl -sG localhost:9090/api/v1/query_range \\
        -d start=2026-01-31T12:00:00Z -d end=2026-01-31T12:30:00Z -d step=5 \\
        --data-urlencode 'query=requests_total{pod=~"sampleapp-(baseline|canary)-.*"}' >counts.json
    """  # noqa: D301 - click reads \b
    tolerances: tuple[str, ...] = given["tolerance"]
    if given["replay"] is not None:
        for flag in ("baseline", "canary", "dispersion"):
            if given[flag] is not None:
                raise InputError(f"--replay and --{flag}: use only one of them; --replay reads the counts from a file")
        from canary.cli.replay import show_replay  # noqa: PLC0415 - loads packages that a help text must not wait for

        show_replay(given, given["replay"], tolerances)
        return ExitCode.DONE
    if len(tolerances) > 1:
        raise InputError("--tolerance: give it once, or add --replay to try several tolerances on a past release")
    if given["baseline"] is None or given["canary"] is None:
        raise InputError(
            "canary verdict needs --baseline and --canary, such as --baseline 412/500 --canary 420/500; or --replay"
        )
    with Session({**given, "tolerance": tolerances[-1] if tolerances else None}) as session:
        session.require_tolerance("canary verdict")
        comparison = compare(
            _evidence("--baseline", given["baseline"]),
            _evidence("--canary", given["canary"]),
            tolerance=session.settings.tolerance,
            alpha=session.settings.alpha,
            scatter=1.0 if given["dispersion"] is None else given["dispersion"],
        )
        judged = combine([comparison])
        if not print_result(given, verdict_as_json(judged)):
            click.echo(f"{judged.decision}: {judged.sentence}")
    return EXIT_CODES[judged.decision]


def _evidence(flag: str, text: str) -> Evidence:
    good, _, total = text.partition("/")
    try:
        return Evidence(float(good), float(total))
    except ValueError as error:
        raise InputError(f"{flag} {text}: must be good and all requests, such as 412/500") from error
