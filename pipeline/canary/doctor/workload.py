"""Checks a workload: its pods, their images, their metrics, and the requests that reach them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from canary.doctor.check import Check, failed, ok, warning
from canary.errors import ClusterError, ForbiddenError, InputError
from canary.events import Note
from canary.manifests.images import images_of, is_untagged
from canary.marks import Variant
from canary.objects import SECRET, Object
from canary.observe.deployments import Workload, images, pods_of, progress, services_of
from canary.observe.diagnosis import IMAGE_PULL, why_not_ready
from canary.observe.no_traffic import entry, why_stable_alone
from canary.observe.observation import SAMPLED_OF_STABLE, Observation, pods_to_sample
from canary.ports import Cluster, SampleSource, World
from canary.variants.sizes import replicas
from canary.verdict.exposed_metrics import HARMLESS, ExposedMetrics, ineffective_conditions, unmatched_selectors
from canary.verdict.measures import total_key
from canary.verdict.scrapes import Scrape

APART = 3.0
"""Seconds between two reads of the counts."""

_POD_ADVICE = "--metrics-port and --metrics-path; the app must listen on the pod's address, not only on 127.0.0.1"

BACK = 60.0
"""Seconds of the past that are read, where they are stored (Prometheus)."""


def check_stable(cluster: Cluster, found: Workload) -> Check:
    """Return whether stable is ready to be compared with a canary."""
    if found.stable is None:
        text = f"there is no Deployment {found.name} yet: the first release has only a canary, nothing to compare"
        return ok("stable", text, workload=found.name)
    state, shown = progress(found.stable), ", ".join(images(found.stable))
    ready = f"{state.ready} of {state.desired} pods of {found.name} ready ({shown})"
    if found.stable["spec"].get("paused"):
        return warning(
            "stable", f"{ready}, and it is paused", "resume it first: canary deploy will refuse", workload=found.name
        )
    if not state.complete:
        why = why_not_ready(cluster, found.stable) or "it is in the middle of a rollout"
        return warning("stable", f"{ready}: {why}", "fix this first: canary deploy will refuse", workload=found.name)
    return ok("stable", ready, workload=found.name)


def check_images(
    cluster: Cluster, found: Workload, canary: Object | None, *, is_incoming: bool = False
) -> Iterator[Check]:
    """Yield what can be known of images without starting a pod: whether those asked for so far came.

    Args:
        cluster: the Kubernetes API.
        found: the workload.
        canary: its canary, made or about to be; None where nothing is known of it.
        is_incoming: whether the canary is made from manifests, and not from stable as it is.
    """
    name = found.name
    pods = [pod for deployment in found.variants.values() for pod in pods_of(cluster, deployment)]
    stuck = [(pod, why) for pod in pods if (why := _not_pulled(pod))]
    untagged = [image for image in dict.fromkeys(images_of(canary)) if is_untagged(image)] if canary else []
    missing, unknown = _pull_secrets(cluster, canary)
    asked = images(canary) if canary and not found.canary else ()
    for pod, why in stuck:
        advice = "check the image's name, the nodes' access to the registry, and --image-pull-secret"
        yield warning("images", f"pod {pod['metadata']['name']} cannot pull its image: {why}", advice, workload=name)
    for image in untagged:
        text = f"{image} has no tag. It means {image}:latest, which may differ from node to node"
        yield warning("images", text, f"give it one, such as --image {image}:1.0", workload=name)
    if is_incoming and found.stable is not None and asked == images(found.stable):
        yield warning(
            "images",
            f"the manifests have the image that {name} runs already: {', '.join(asked)}",
            "give each build a new tag: nodes may keep the old code of a tag that was built again. This is fine if "
            "only configuration changes",
            workload=name,
        )
    for secret in missing:
        text = f"Secret {secret}, which {name} needs to pull its images, does not exist"
        yield warning(
            "images", text, f"create it: canary secret {secret} --server HOST --username NAME < password", workload=name
        )
    if pods and not stuck:
        have = f"{sum(map(_has_images, pods))} of {len(pods)} pods have their images"
        not_allowed = (
            f"; Secret {', '.join(unknown)}: not allowed to check whether it exists (not required)" if unknown else ""
        )
        text = f"{name}: {have}{not_allowed}. Whether a new image can be pulled is known only when its pod starts"
        yield ok("images", text, workload=name)
    elif not pods:
        yield ok(
            "images",
            f"{name} has no pods yet: whether its images can be pulled is known only when one starts",
            workload=name,
        )


def check_metrics(world: World, samples: SampleSource, found: Workload, *, direct: bool) -> Iterator[Check]:
    """Yield whether the pods' metrics can be read, and how many requests reach each variant.

    Args:
        world: what to work with.
        samples: where the metrics come from.
        found: the workload.
        direct: whether they come from the pods; else from Prometheus.
    """
    name, source = found.name, "the pods" if direct else "Prometheus"
    other = "read from Prometheus (--prometheus)" if direct else "read from the pods (without --prometheus)"
    began = world.clock.now()
    pods = {(name, variant): pods_of(world.cluster, one)[:SAMPLED_OF_STABLE] for variant, one in found.variants.items()}
    scene = Observation(began, (found,), pods)
    try:
        asked = pods_to_sample(scene, world.options.metrics_port)
        scrapes = samples.read(asked, began - BACK)
    except InputError as error:
        yield failed("metrics", str(error), other, workload=name)
        return
    except ClusterError as error:
        advice = f"grant that permission, or {other}" if isinstance(error, ForbiddenError) else f"fix this, or {other}"
        yield failed("metrics", str(error), advice, workload=name)
        return
    if not asked:
        yield _nothing_asked(world, found, pods)
        return
    answered = {scrape.pod for scrape in scrapes if scrape.counters is not None}
    problems = [scrape.problem for scrape in scrapes if scrape.counters is None]
    text = f"read from {source}: {len(answered)} of {len(asked)} pods have metrics"
    if problems:
        kind = warning if answered else failed
        flags = f" ({_POD_ADVICE})" if direct else ""
        yield kind("metrics", f"{text}; {problems[0]}", f"fix this{flags}, or {other}", workload=name)
    if answered:
        if not problems:
            yield ok("metrics", text, workload=name)
        try:
            yield from _check_selectors(world, samples.exposed(asked), name)
        except ClusterError as error:
            yield warning(
                "metrics", f"the selectors were not checked: {error}", "run canary doctor again", workload=name
            )
        if any(len(times) < 2 for times in _counted(world, scrapes).values()):
            world.listen(Note(f"counting requests for {APART:g} s"))
            world.clock.sleep(APART)
            scrapes = [*scrapes, *samples.read(asked, began)]
        yield _check_traffic(world, found, _counted(world, scrapes))


def _check_traffic(
    world: World, found: Workload, counted: Mapping[tuple[Variant, str], Mapping[float, float]]
) -> Check:
    rates: dict[Variant, float] = defaultdict(float)
    longest = 0.0
    for (variant, _), totals in counted.items():
        first, last = min(totals), max(totals)
        longest = max(longest, last - first)
        if last > first:
            rates[variant] += max(0.0, totals[last] - totals[first]) / (last - first)
    shown = ", ".join(f"{variant} {rates[variant]:,.1f}" for variant in Variant if variant in found.variants)
    text = f"{found.name}: {shown} requests/s, over {longest:.0f} s"
    silent = [variant for variant in found.variants if not rates[variant]]
    if not silent:
        return ok("traffic", text, workload=found.name)
    services = {one for deployment in found.variants.values() for one in services_of(world.cluster, deployment)}
    canaries = [] if found.canary is None else [found.canary]
    if not services:
        where = f"no Service selects the pods of {found.name}"
    elif Variant.STABLE in silent:
        where = f"is anything sending load to {entry(canaries, services)}?"
    else:
        where = why_stable_alone(canaries, services)
    return warning("traffic", text, f"a release needs requests to compare: {where}", workload=found.name)


def _nothing_asked(world: World, found: Workload, pods: Mapping[tuple[str, Variant], Sequence[Object]]) -> Check:
    if not any(pods.values()) or found.stable is None or not replicas(found.stable):
        return ok("metrics", f"not read: {found.name} has no pods yet", workload=found.name)
    port = world.options.metrics_port
    text = f"not read: no running pod of {found.name} has a container port {port!r}"
    return warning(
        "metrics", text, f"name a port {port}, pass --metrics-port, or pass --prometheus", workload=found.name
    )


def _check_selectors(world: World, exposed: ExposedMetrics, name: str) -> Iterator[Check]:
    """Yield what is wrong with the selectors. Before the first request, a metric may not exist yet."""
    correct = "correct the selector (canary config shows where it is set)"
    send = f"send some requests and run canary doctor again, or {correct}"
    for metric in world.options.measures.metrics:
        total, good = (exposed.matched.get(one, 0.0) for one in (metric.total, metric.good))
        least = max(1, world.options.min_requests)
        enough = total >= least
        found = list(unmatched_selectors(metric, exposed, enough=enough, least=least))
        if any(exposed.counted.get(one.name) for one in (metric.total, metric.good)):
            yield from (failed("metrics", one, correct, workload=name) for one in found)
        else:
            yield from (warning("metrics", one, send, workload=name) for one in found)
        if enough:
            yield from (
                warning("metrics", one, HARMLESS, workload=name) for one in ineffective_conditions(metric, exposed)
            )
        if not found and not total:
            yield warning("metrics", f"{metric.total} has counted nothing yet", send, workload=name)
        elif not found and not good:
            yield warning("metrics", f"{metric.good} has counted none of {total:,.0f} requests", send, workload=name)


def _counted(world: World, scrapes: Sequence[Scrape]) -> dict[tuple[Variant, str], dict[float, float]]:
    """Return the requests counted by each process of each pod, by time."""
    key = total_key(world.options.measures.metrics[0])
    counted: dict[tuple[Variant, str], dict[float, float]] = defaultdict(dict)
    for scrape in scrapes:
        if scrape.counters is not None and key in scrape.counters:
            counted[scrape.pod.variant, f"{scrape.pod.uid} {scrape.process}"][scrape.at] = scrape.counters[key]
    return counted


def _has_images(pod: Object) -> bool:
    started = (pod.get("status") or {}).get("containerStatuses") or []
    return bool(started) and all(container.get("imageID") for container in started)


def _not_pulled(pod: Object) -> str:
    """Return why a pod cannot pull an image, empty if it has all images."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in IMAGE_PULL:
            return f"{waiting['reason']}: {waiting.get('message') or container.get('image')}"
    return ""


def _pull_secrets(cluster: Cluster, canary: Object | None) -> tuple[list[str], list[str]]:
    """Return the pull Secrets that do not exist, and those that may not be read."""
    template = canary["spec"]["template"]["spec"] if canary else {}
    missing, unknown = [], []
    for one in template.get("imagePullSecrets") or []:
        try:
            if cluster.get(SECRET, one["name"]) is None:
                missing.append(one["name"])
        except ForbiddenError:
            unknown.append(one["name"])
    return missing, unknown
