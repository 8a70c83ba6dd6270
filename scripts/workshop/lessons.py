"""The table of lessons: the pages' numbers and titles, `make lesson`, `make check` and the tests come from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from scripts.workshop.goals import (
    Goal,
    answers,
    happened,
    load_flows,
    load_reaches_canary,
    no_variants,
    own_namespace,
    runs,
    variants_run,
    verdict_is,
)

ROOT = Path(__file__).resolve().parents[2]
CORE, CHAPTERS = "tutorial.md", "tutorial-chapters.md"


@dataclass(frozen=True)
class Start:
    """What `make lesson` prepares.

    Attributes:
        rate: the line `success_rate` in app/app.py, in percent.
        stable: tag of the version that runs. None: nothing runs.
        canary: tag of the version that runs beside it as a canary. None: no release is on its way.
        verdict: whether the canary has been compared.
        promoted: whether stable was promoted to its version from version 10.
        builds: tags of versions that are built, but do not run.
        configured: whether stable has a ConfigMap, which sets its SUCCESS_RATE to 20.
        load: whether requests arrive.
        namespace: whether there is a namespace.
    """

    rate: int = 20
    stable: str | None = "20"
    canary: str | None = None
    verdict: bool = False
    promoted: bool = False
    builds: tuple[str, ...] = ()
    configured: bool = False
    load: bool = True
    namespace: bool = True


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes:
        title: of its section.
        minutes: that it takes.
        start: what it begins with.
        goals: what it leads to.
        page: in docs/.
        number: from 1.
    """

    title: str
    minutes: int
    start: Start
    goals: tuple[Goal, ...]
    page: str = CORE
    number: int = 0


DEPLOY = "Deploy it: canary apply manifests/ --image sampleapp:10"
PROMOTE = "Promote the canary: canary promote manifests/ --image sampleapp:20"
ROLL_BACK = "Undo the promote: canary rollback sampleapp"
CONFIGURE = (
    'Set SUCCESS_RATE to "40" in .cache/configured/configmap.yml, then: '
    "canary release .cache/configured/ --image sampleapp:20 --gate auto"
)
UNCHANGED = "Only a canary should have changed. Begin again: make lesson N="


COMPARED = (variants_run("20", "10"), load_reaches_canary, verdict_is("PROMOTE"))

TABLE = (
    Lesson("Your cluster", 5, Start(rate=5, stable=None, load=False, namespace=False), (own_namespace,)),
    Lesson(
        "The first version",
        8,
        Start(rate=5, stable=None, load=False),
        (runs("10", DEPLOY), answers(10)),
    ),
    Lesson("Traffic", 4, Start(rate=10, stable="10", load=False), (runs("10", DEPLOY), load_flows)),
    Lesson(
        "A canary",
        6,
        Start(rate=10, stable="10"),
        (
            runs("10", UNCHANGED + "4"),
            variants_run("20", "10"),
            answers(20, "canary"),
            load_reaches_canary,
        ),
    ),
    Lesson(
        "Watch it",
        10,
        Start(rate=20, stable="10", canary="20"),
        (variants_run("20", "10"), verdict_is("PROMOTE")),
    ),
    Lesson(
        "Promote",
        5,
        Start(rate=20, stable="10", canary="20", verdict=True),
        (runs("20", PROMOTE), no_variants),
    ),
    Lesson(
        "A worse version",
        7,
        Start(),
        (
            runs("20", UNCHANGED + "7"),
            no_variants,
            happened(
                "CanaryRejected",
                "worse by",
                "A worse version was rejected.",
                "No version was rejected yet. Release one: canary release manifests/ --image sampleapp:5 --gate auto",
            ),
        ),
    ),
    Lesson(
        "Several steps",
        7,
        Start(stable="10", builds=("20",)),
        (
            runs("20", "Release it: canary release manifests/ --image sampleapp:20 --steps 25,50,100 --gate auto"),
            no_variants,
            happened(
                "CanaryVerdict",
                "PROMOTE",
                "The canary was judged at three sizes.",
                "The canary was not judged at three sizes. Release it in steps: --steps 25,50,100",
                times=3,
            ),
        ),
        CHAPTERS,
    ),
    Lesson(
        "A slow version",
        5,
        Start(),
        (
            runs("20", UNCHANGED + "9"),
            no_variants,
            happened(
                "CanaryRejected",
                "within 50 ms",
                "A slow version was rejected.",
                "No slow version was rejected yet. Release one, and name a limit: --latency-objective 50ms",
            ),
        ),
        CHAPTERS,
    ),
    Lesson(
        "A version that crashes",
        6,
        Start(),
        (
            runs("20", UNCHANGED + "10"),
            no_variants,
            happened(
                "CanaryRejected",
                "exit code 1",
                "A version that crashes was rejected.",
                "No version was rejected for a crash yet. Release .cache/crash.yml, which has CRASH_EVERY=100.",
            ),
        ),
        CHAPTERS,
    ),
    Lesson("Connections that stay open", 8, Start(stable="10", builds=("20",), load=False), COMPARED, CHAPTERS),
    Lesson("No traffic", 5, Start(stable="10", builds=("20",), load=False), COMPARED, CHAPTERS),
    Lesson(
        "A change of configuration",
        9,
        Start(configured=True),
        (
            runs("20", UNCHANGED + "13"),
            answers(40, how=CONFIGURE),
            no_variants,
            happened(
                "CanaryRejected",
                "worse by",
                "A worse configuration was rejected.",
                "No configuration was rejected yet. Set SUCCESS_RATE in .cache/configured/configmap.yml to 5.",
            ),
        ),
        CHAPTERS,
    ),
    Lesson(
        "Rollback",
        4,
        Start(promoted=True),
        (
            runs("10", ROLL_BACK),
            answers(10, how=ROLL_BACK),
            happened(
                "CanaryRolledBack",
                "sampleapp:10",
                "The promote was rolled back.",
                "Nothing was rolled back yet: canary rollback sampleapp",
            ),
        ),
        CHAPTERS,
    ),
    Lesson(
        "A pipeline's gate",
        7,
        Start(stable="10", builds=("20",)),
        (
            runs("20", "Answer the gate: canary promote manifests/ --image sampleapp:20"),
            no_variants,
            happened(
                "CanaryPromoted",
                "(decided by",
                "The gate was answered with promote.",
                "No gate was answered yet. Start a release that waits for it: --gate manual",
            ),
        ),
        CHAPTERS,
    ),
)

LESSONS = tuple(replace(one, number=number) for number, one in enumerate(TABLE, 1))
