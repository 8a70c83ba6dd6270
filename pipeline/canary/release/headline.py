"""Which version is better, and what happens with a workload, in at most ten words."""

from collections.abc import Iterable, Sequence

from canary.observe.deployments import Workload, images
from canary.release.overview import Phase
from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.tolerance import Multiple

LONGEST_TAG = 24
"""Characters of a tag or digest that a headline shows."""


def worst_first(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Return comparisons, those that speak most against the canary first."""
    rank = {Decision.REJECT: 0, Decision.UNDECIDED: 1, Decision.PROMOTE: 2}
    return sorted(comparisons, key=lambda one: (rank[one.decision], -_harm(one), one.metric))


def _harm(one: Comparison) -> float:
    """Return how much worse the canary is, as a multiple of what is tolerated where that is set."""
    if isinstance(one.tolerance, Multiple):
        return (one.ratio or 0.0) / one.tolerance.times
    return -(one.difference or 0.0) / (one.tolerance or 1.0)


def headline(workload: Workload, phase: Phase, verdict: Verdict, *, is_interrupted: bool = False) -> str:
    """Return what a person should know first.

    Args:
        workload: its Deployments.
        phase: what happens with it.
        verdict: the last one, with the comparisons of this workload alone, the worst first.
        is_interrupted: whether nobody works on a promote or a rollback that is not finished.
    """
    canary, baseline = versions(workload)
    match phase:
        case Phase.IDLE:
            stable = "" if workload.stable is None else _shown(images(workload.stable))
            return f"No release in progress; stable runs {stable}" if stable else "No release yet: nothing is deployed"
        case Phase.PROMOTING:
            return (
                "The promote was interrupted"
                if is_interrupted
                else _sentence(f"{canary} is being rolled out to stable")
            )
        case Phase.ROLLING_BACK:
            return "The rollback was interrupted" if is_interrupted else "The last promote is being rolled back"
        case Phase.STARTING:
            return _sentence(f"{canary} is starting") + (f" next to {baseline}" if workload.stable else "")
    if workload.canary is None:
        return "A baseline is left without a canary"
    if workload.baseline is None:
        return f"First release: nothing to compare {canary} with"
    return _compared(canary, baseline, verdict)


def versions(workload: Workload) -> tuple[str, str]:
    """Return short names of what the canary and the baseline run; roles where both run the same images."""
    before = workload.baseline or workload.stable
    new = images(workload.canary) if workload.canary else ()
    old = images(before) if before else ()
    different = tuple(image for image in new if image not in old)
    gone = tuple(image for image in old if image not in new)
    return _shown(different) or "the canary", _shown(gone) or "the baseline"


def short(image: str) -> str:
    """Return an image without its registry and folder: `sampleapp:20`."""
    name, _, digest = image.partition("@")
    name = name.rpartition("/")[2]
    repository, _, tag = name.partition(":")
    version = tag or digest.rpartition(":")[2][:12]
    return f"{repository}:{version[:LONGEST_TAG]}" if version else repository


def _shown(given: Sequence[str]) -> str:
    return short(given[0]) if len(given) == 1 else ""


def _compared(canary: str, baseline: str, verdict: Verdict) -> str:
    comparisons = verdict.comparisons
    if verdict.decision is Decision.REJECT and not any(one.decision is Decision.REJECT for one in comparisons):
        return _sentence(f"containers of {canary} died")  # no comparison decided: it is a crash
    if any(one.difference is None for one in comparisons) or not comparisons:
        return "No requests to compare yet"
    worst = comparisons[0]
    if verdict.decision is Decision.REJECT:
        return _sentence(f"{canary} is worse than {baseline}")
    if verdict.withheld:
        return _sentence(f"no decision: {canary} or {baseline} may not answer")
    low, high = _gain(worst)
    if verdict.decision is Decision.PROMOTE:
        if low > 0:
            return _sentence(f"{canary} is better than {baseline}")
        if _looks_better(worst):
            return _sentence(f"{canary} looks better than {baseline}")
        return _sentence(f"{canary} is as good as {baseline}, within the tolerance")
    if high < 0:
        return _sentence(f"{canary} is worse than {baseline}; how much is uncertain")
    if low > 0:
        return _sentence(f"{canary} is better than {baseline} so far")
    return f"No clear difference between {canary} and {baseline} yet"


def _gain(one: Comparison) -> tuple[float, float]:
    """Return the interval of how much better the canary is; only its signs matter."""
    if not isinstance(one.tolerance, Multiple):
        return one.interval
    low, high = one.ratio_interval
    return 1.0 - high, 1.0 - low


def _looks_better(one: Comparison) -> bool:
    """Return whether the observed gain is larger than what would be tolerated as a loss."""
    if isinstance(one.tolerance, Multiple):
        return one.ratio is not None and one.ratio * one.tolerance.times < 1
    return one.tolerance is not None and (one.difference or 0.0) > one.tolerance


def _sentence(text: str) -> str:
    """Return the text as a sentence. A version at its start stays as it is: names of images have no capitals."""
    first = text.partition(" ")[0]
    return text if ":" in first else text[0].upper() + text[1:]
