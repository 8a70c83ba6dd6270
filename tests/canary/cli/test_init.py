"""`canary init`: a canary.yml from manifests and running pods, and questions about the rest."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.canary.commandline import CommandLine
from tests.canary.story import Story, deployment
from tests.http_servers import serving

Object = dict[str, object]
PAGE = """# TYPE http_requests_total counter
http_requests_total{code="200"} 90
http_requests_total{code="503"} 10
"""


class Keyboard(io.TextIOWrapper):
    """A terminal at which somebody types these lines."""

    def __init__(self, lines: str) -> None:
        super().__init__(io.BytesIO(lines.encode()), encoding="utf-8")

    def isatty(self) -> bool:
        return True


def app(*ports: Mapping[str, object]) -> Object:
    """Return the manifest of an app with these container ports."""
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["containers"][0]["ports"] = list(ports)
    return manifest


@pytest.fixture
def running(in_cluster: CommandLine, story: Story) -> Iterator[Callable[..., None]]:
    """Deploy an app whose pods answer a path, each other path with 404."""
    with _servers() as start:

        def run(
            page: str = PAGE,
            *,
            path: str = "/metrics",
            ports: tuple[Mapping[str, object], ...] = ({"containerPort": 9100},),
        ) -> None:
            in_cluster.write_objects("m.yml", app(*ports))
            assert in_cluster("apply", "m.yml").code == 0
            story.simulator.answers["app:1"] = start(page, path)

        yield run


@contextmanager
def _servers() -> Iterator[Callable[[str, str], int]]:
    pages: dict[str, str] = {}

    def answer(path: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        return (200, pages[path]) if path in pages else (404, "not found")

    with serving(answer) as server:

        def start(page: str, path: str) -> int:
            pages[path] = page
            return server.server_port

        yield start


def written(command: CommandLine) -> dict[str, object]:
    settings: dict[str, object] = yaml.safe_load((command.folder / "canary.yml").read_text())
    return settings


def test_counters_port_and_path_are_found_in_the_running_pods(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    running()

    result = in_cluster("init", "m.yml", "--tolerance", "0.01")

    assert (result.code, result.out) == (
        0,
        "wrote canary.yml: read it, then check the cluster with it: canary doctor\n",
    )
    assert written(in_cluster) == {
        "manifests": ["m.yml"],
        "percentage": 25,
        "tolerance": 0.01,
        "total": "http_requests_total",
        "good": 'http_requests_total{code!~"5.."}',
        "metrics-port": 9100,
        "metrics-path": "/metrics",
    }
    text = (in_cluster.folder / "canary.yml").read_text()
    assert (
        "# The counter of all requests, and of the good ones among them. Seen in 3 running pods: 300 requests, 90 %"
        in text
    )
    assert "the values of code: 200, 503." in text
    assert "Of 4, that is 1 pod each." in text
    assert max(map(len, text.splitlines())) <= 120
    assert in_cluster("config", "--output", "json").code == 0


def test_a_port_and_a_path_with_other_names_are_found(in_cluster: CommandLine, running: Callable[..., None]) -> None:
    ports = ({"name": "web", "containerPort": 8080}, {"name": "prom", "containerPort": 8081})
    running(path="/actuator/prometheus", ports=ports)

    assert in_cluster("init", "m.yml", "--tolerance", "1.5x").code == 0

    settings = written(in_cluster)
    assert (settings["metrics-port"], settings["metrics-path"]) == ("prom", "/actuator/prometheus")
    assert settings["tolerance"] == "1.5x"


def test_a_person_is_asked_for_the_tolerance_until_the_answer_is_one(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    running()

    result = in_cluster("init", "m.yml", stdin=Keyboard("5 %\n\n0.02\n"))

    assert result.code == 0, result.err
    assert written(in_cluster)["tolerance"] == 0.02
    assert "There is no default, because" in result.err
    assert "The running version: 300 requests so far, 90 % good." in result.err
    assert result.err.count("Tolerance: ") == 3
    assert "Error: must be" in result.err


def test_a_person_chooses_among_several_counters(in_cluster: CommandLine, running: Callable[..., None]) -> None:
    running(PAGE + 'rpc_requests_total{code="200"} 7\n')

    result = in_cluster("init", "m.yml", "--tolerance", "0.01", stdin=Keyboard("2\n"))

    assert written(in_cluster)["total"] == "rpc_requests_total"
    assert '  1  http_requests_total{code!~"5.."}   (270 of 300 good)' in result.err
    text = (in_cluster.folder / "canary.yml").read_text().replace("\n# ", " ")
    assert 'Other counters that you could use: http_requests_total{code!~"5.."}.' in text


def test_without_a_terminal_the_missing_flags_are_named(in_cluster: CommandLine, running: Callable[..., None]) -> None:
    running("orders_total 5\n")

    result = in_cluster("init", "m.yml")

    assert result.code == 2
    found, missing = result.err.splitlines()
    assert found.endswith(
        " has the counters orders_total, and none of them counts requests with a label such as status or code. Many "
        "libraries add a counter only after the first request: send some, and run canary init again"
    )
    assert missing == (
        "canary: error: without a terminal, canary init cannot ask. Pass --tolerance (how much worse a new version may "
        "be: 0.01 for one point, or 1.5x) and --total (a counter such as http_requests_total) and --good (a counter "
        'such as http_requests_total{code!~"5.."})'
    )
    assert not (in_cluster.folder / "canary.yml").exists()


def test_a_person_names_counters_that_were_not_found(in_cluster: CommandLine, running: Callable[..., None]) -> None:
    running("orders_total 5\norders_paid_total 4\n")

    result = in_cluster(
        "init", "m.yml", "--tolerance", "0.01", stdin=Keyboard("orders_total\norders_paid_total{\norders_paid_total\n")
    )

    assert result.code == 0, result.err
    assert "Your app has: orders_paid_total, orders_total" in result.err
    assert (written(in_cluster)["total"], written(in_cluster)["good"]) == ("orders_total", "orders_paid_total")


def test_counters_of_any_kind_that_are_named_and_seen_are_no_problem(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    running("orders_total 5\norders_paid_total 4\n")
    flags = ("--tolerance", "0.01", "--total", "orders_total", "--good", 'orders_paid_total{by=""}')

    result = in_cluster("init", "m.yml", *flags)

    assert (result.code, result.err) == (0, "")
    assert "Found by name in 3 running pods: canary doctor checks their labels." in (
        in_cluster.folder / "canary.yml"
    ).read_text().replace("\n# ", " ")


def test_a_named_counter_that_no_pod_has_is_noted_in_the_file(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    running("orders_total 5\n")
    flags = ("--tolerance", "0.01", "--total", "orders_total", "--good", "orders_payed_total")

    result = in_cluster("init", "m.yml", *flags)

    assert result.code == 0
    assert "has the counters orders_total, and none of them counts requests" in result.err
    text = (in_cluster.folder / "canary.yml").read_text().replace("\n# ", " ")
    assert "Not found in a running pod: orders_payed_total. canary doctor checks them." in text


@pytest.mark.parametrize(
    ("replicas", "proposed"),
    [(1, None), (2, [50, 100]), (4, [25, 50, 100]), (10, [10, 25, 50]), (40, [10, 25, 50])],
)
def test_each_of_the_proposed_steps_adds_a_pod(
    command_line: CommandLine, replicas: int, proposed: list[int] | None
) -> None:
    manifest = deployment()
    manifest["spec"]["replicas"] = replicas
    command_line.write_objects("deploy/m.yml", manifest)

    assert command_line("init", "--tolerance", "0.01", "--total", "a_total", "--good", "b_total").code == 0

    text = (command_line.folder / "canary.yml").read_text().replace("\n# ", " ")
    steps = re.search(r"replace this line with steps: (\[.*?\])\.", text)
    assert (steps and json.loads(steps[1])) == proposed


def test_the_one_flag_that_is_missing_without_a_terminal_is_named(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    running()

    result = in_cluster("init", "m.yml", "--tolerance", "0.01", "--good", "hits_total")

    assert result.code == 2
    assert result.err == (
        "canary: error: without a terminal, canary init cannot ask. Pass --total (a counter such as "
        "http_requests_total)\n"
    )


def test_a_file_that_somebody_makes_while_a_person_answers_is_kept(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    running()

    class Meanwhile(Keyboard):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            in_cluster.write("canary.yml", "tolerance: 0.5\n")
            return "0.01\n"

    result = in_cluster("init", "m.yml", stdin=Meanwhile(""))

    assert result.code == 2
    assert "canary.yml exists already: change it by hand, or replace it with --force" in result.err
    assert (in_cluster.folder / "canary.yml").read_text() == "tolerance: 0.5\n"


def test_flags_are_enough_without_a_cluster(command_line: CommandLine) -> None:
    command_line.write_objects("deploy/m.yml", deployment())
    flags = ("--tolerance", "0.01", "--total", "hits_total", "--good", 'hits_total{ok="1"}', "--namespace", "shop")

    result = command_line("init", *flags, "--output", "json")

    assert result.code == 0, result.err
    assert "the metrics were not read" in result.json()["problem"]
    assert result.json()["settings"]["good"] == 'hits_total{ok="1"}'
    assert written(command_line)["manifests"] == ["deploy"]
    assert written(command_line)["namespace"] == "shop"


def test_an_existing_file_is_replaced_only_with_force_and_is_not_read(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    running()
    in_cluster.write("canary.yml", "percentage: [wrong\n")

    refused = in_cluster("init", "m.yml", "--tolerance", "0.01")
    assert (refused.code, refused.err) == (
        2,
        "canary: error: canary.yml exists already: change it by hand, or replace it with --force\n",
    )
    assert in_cluster("init", "m.yml", "--tolerance", "0.01", "--force").code == 0
    assert written(in_cluster)["percentage"] == 25


def test_nothing_is_written_without_manifests(in_cluster: CommandLine) -> None:
    result = in_cluster("init", "--tolerance", "0.01")
    assert result.code == 2
    assert "no manifests given: pass the files or folders of your Deployment and Service" in result.err
    assert not (in_cluster.folder / "canary.yml").exists()


def test_an_app_that_does_not_run_yet_and_one_without_metrics_are_told_apart(
    in_cluster: CommandLine, running: Callable[..., None]
) -> None:
    in_cluster.write_objects("m.yml", app({"containerPort": 9100}))
    assert "deploy it first: canary apply MANIFESTS --image IMAGE\n" in in_cluster("init", "m.yml").err
    running("<html>", path="/metrics")
    nothing = in_cluster("init", "m.yml")
    assert "exposes no metrics at 9100/metrics, 9100/actuator/prometheus" in nothing.err
    assert "--good (a counter such as" in nothing.err


def test_counters_are_found_in_prometheus(in_cluster: CommandLine, running: Callable[..., None]) -> None:
    running("", path="/none")
    asked = []

    def prometheus(path: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        [query] = parse_qs(urlsplit(path).query)["query"]
        asked.append(query)
        labels = {"__name__": "http_requests_total", "code": "200", "pod": "app-1"}
        result = [{"metric": labels, "value": [1.0, "12"]}]
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})

    with serving(prometheus) as page:
        url = f"http://{page.address}"
        result = in_cluster("init", "m.yml", "--tolerance", "0.01", "--prometheus", url)

    assert result.code == 0, result.err
    settings = written(in_cluster)
    assert (settings["prometheus"], settings["good"]) == (url, 'http_requests_total{code!~"5.."}')
    assert "metrics-port" not in settings
    [query] = asked
    assert query.startswith('{__name__=~".+_(total|count)", namespace=~"')
