"""Everything that a release needs in a test: a namespace, manifests, scripted counts, a gate with a fixed answer."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from canary.events import Answer, Decided, Event, Listener
from canary.gate.automatic import AutoGate
from canary.kube.cluster import Cluster
from canary.manifests.bundle import Bundle
from canary.marks import Variant
from canary.objects import CONFIG_MAP, DEPLOYMENT, HTTP_ROUTE, SECRET, SERVICE
from canary.release.release import Release
from canary.settings.options import Options
from canary.verdict.comparison import Verdict
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.measures import Measures, Metric, good_key, total_key
from canary.verdict.scrapes import Pod, Scrape
from localcluster.apimachinery.resources import RESOURCES
from localcluster.storage import schema
from tests.canary.cluster_simulator import Clock, Simulator

Object = dict[str, Any]
E = TypeVar("E", bound=Event)
WRITES = ("create", "replace", "update", "apply", "apply_over", "annotate", "take_over", "scale", "delete")
"""Methods of the cluster that change something."""

SUCCESS = Metric.share("success", 'requests_total{custom_status="good"}', "requests_total", tolerance=0.05)


class Counts:
    """A source that counts what every pod has answered of `each` new requests at every read. A share of it is good."""

    def __init__(self, clock: Clock) -> None:
        self.each = 100.0
        self.good: dict[Variant, float] = {Variant.STABLE: 0.9, Variant.BASELINE: 0.9, Variant.CANARY: 0.9}
        self.answered: dict[Variant, float] = dict.fromkeys(Variant, 1.0)
        self.problem: dict[Variant, str] = {}
        self._clock = clock
        self._totals: dict[str, tuple[float, float]] = {}

    def read(self, pods: Sequence[Pod], since: float) -> list[Scrape]:
        return [self._scrape(pod) for pod in pods]

    def exposed(self, pods: Sequence[Pod]) -> ExposedMetrics:
        """Return the metrics of a sample app. Both of its series exist from the start."""
        series = [("requests_total", {"custom_status": status}, 1.0) for status in ("good", "bad")]
        return ExposedMetrics.of(series, Measures.of([SUCCESS]))

    def _scrape(self, pod: Pod) -> Scrape:
        if pod.variant in self.problem:
            return Scrape(pod, self._clock.now(), None, self.problem[pod.variant])
        good, total = self._totals.get(pod.uid, (0.0, 0.0))
        answers = self.each * self.answered[pod.variant]
        good, total = good + round(answers * self.good[pod.variant]), total + answers
        self._totals[pod.uid] = good, total
        return Scrape(pod, self._clock.now(), {good_key(SUCCESS): good, total_key(SUCCESS): total})


@dataclass
class Person:
    """A person at the gate with a fixed answer."""

    promote: bool
    asked: list[Verdict] = field(default_factory=list)

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Answer | None]) -> Answer:
        self.asked.append(verdict)
        return Decided(promote=self.promote, by="ada")


class NoLock:
    """A lock that never blocks anyone."""

    breaks = False

    def has_ended(self, process: str) -> bool:
        return False

    @contextmanager
    def held(self, names: Sequence[str], listen: Listener) -> Iterator[None]:
        yield


@dataclass
class Story:
    """One namespace and the releases in it."""

    simulator: Simulator
    cluster: Cluster
    clock: Clock
    namespace: str
    events: list[Event] = field(default_factory=list)
    options: Options = field(
        default_factory=lambda: Options(
            Measures.of([SUCCESS]),
            steps=(50,),
            timeout=10,
            interval=2,
            warm_up=0,
            min_duration=6,
            max_duration=120,
            no_traffic_after=10,
        )
    )

    def __post_init__(self) -> None:
        self.counts = Counts(self.clock)

    def release(
        self,
        *objects: Object,
        gate: Any = None,
        cluster: Any = None,
        lock: Any = None,
        names: tuple[str, ...] = (),
        person: str = "ada",
        **options: Any,
    ) -> Release:
        """Return a release of these objects, or of the workloads with these names."""
        bundle = Bundle(objects, tuple(f"test.yml:{n}" for n, _ in enumerate(objects)), self.namespace)
        return Release(
            cluster=cluster or self.cluster,
            samples=self.counts,
            clock=self.clock,
            gate=gate or AutoGate(),
            lock=lock or NoLock(),
            listen=self.events.append,
            options=replace(self.options, **options),
            bundle=bundle if objects else None,
            names=names,
            person=person,
        )

    def stable(self, *objects: Object) -> None:
        """Create these objects and wait until they are ready."""
        self.release(*objects).apply()
        self.events.clear()

    def deployment(self, name: str = "app") -> Object:
        """Return a Deployment that must exist."""
        found = self.cluster.get(DEPLOYMENT, name)
        assert found is not None, f"no Deployment {name}"
        return found

    def contents(self) -> Object:
        """Return the current state of everything that these releases can change."""
        found = {
            "service": self.cluster.get(SERVICE, "app"),
            "settings": self.cluster.get(CONFIG_MAP, "settings"),
            "password": self.cluster.get(SECRET, "password"),
            "app": self.deployment(),
        }
        return {name: {key: obj[key] for key in ("spec", "data") if key in obj} for name, obj in found.items() if obj}

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until a condition is true."""
        for _ in range(500):
            if true():
                return
            self.clock.sleep(0)
        raise AssertionError("it never came true")

    def apply_as(self, manager: str, obj: Object) -> None:
        """Apply an object server-side as another field manager."""
        body = {**obj, "metadata": {**obj["metadata"], "namespace": self.namespace}}
        resource = next(one for one in RESOURCES if one.kind == obj["kind"])
        self.simulator.act(lambda: self.simulator.registry.apply(resource, body, manager=manager, force=True))

    def create_as(self, manager: str, obj: Object) -> None:
        """Create an object by POST as another field manager."""
        body = {**obj, "metadata": {**obj["metadata"], "namespace": self.namespace}}
        resource = next(one for one in RESOURCES if one.kind == obj["kind"])
        decoded = schema.decoded(resource, body)[0]
        self.simulator.act(lambda: self.simulator.registry.create(resource, decoded, manager=manager))

    def names(self) -> set[str]:
        """Return the names of all Deployments."""
        return {found["metadata"]["name"] for found in self.cluster.find(DEPLOYMENT)}

    def heard(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Faulty:
    """A cluster that fails where the test asks for it."""

    cluster: Cluster
    faults: Mapping[str, Callable[..., None]]

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.cluster, name)
        if name not in self.faults:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self.faults[name](*args, **kwargs)
            return real(*args, **kwargs)

        return call


def image_of(workload: Object) -> str:
    """Return the image of a Deployment's first container."""
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def deployment(image: str = "app:1", *, name: str = "app", replicas: int | None = 4, **spec: Any) -> Object:
    """Return the manifest of a Deployment."""
    container = {
        "name": "app",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8000}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def service(name: str = "app", port: int = 8080) -> Object:
    """Return the manifest of a Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
    }


def http_route(name: str = "app", **rule: Any) -> Object:
    """Return the manifest of an HTTPRoute that leads to the Service."""
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "entry"}],
            "rules": [{"backendRefs": [{"name": "app", "port": 8080}], **rule}],
        },
    }


def config_map(name: str = "settings", **data: str) -> Object:
    """Return the manifest of a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str = "password", value: str = "hunter2") -> Object:
    """Return the manifest of a Secret."""
    data = {"value": base64.b64encode(value.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data}


def autoscaler(name: str = "app") -> Object:
    """Return a HorizontalPodAutoscaler of a Deployment."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, "maxReplicas": 9},
    }


OLD = (service(port=8080), config_map(colour="red"), secret(value="old"), deployment("app:1"))
"""Manifests of a version. Every object differs from the next version, `NEW`."""
NEW = (service(port=9090), config_map(colour="blue"), secret(value="new"), deployment("app:2"))
