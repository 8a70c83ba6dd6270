"""The workshop as a person does it: each command of its pages shows what the page says, and each lesson has its start.

On localcluster, also what a person types to get there: `make venv`, `localcluster up`, `localcluster down`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from e2e.cluster import command
from e2e.console import Page
from e2e.newcomer import FILES, PARTS, clone, environment, shims
from e2e.polling import poll
from scripts.workshop.__main__ import DIFFERS, on_this_cluster
from scripts.workshop.cluster import DEFAULT, Cluster
from scripts.workshop.lessons import CORE, LESSONS, Lesson
from scripts.workshop.page import MAIN, Block, sections
from scripts.workshop.screen import looks_like, rendered
from scripts.workshop.session import Session

ON_KIND = "E2E_KUBECONFIG" in os.environ
PLACE = "kind" if ON_KIND else "localcluster"
KIND_CLUSTER = os.environ.get("E2E_KIND_CLUSTER", "")

pytestmark = [
    pytest.mark.skipif(ON_KIND and not KIND_CLUSTER, reason="builds images for kind, and this cluster is another one"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Newcomer:
    """A person who reads a page.

    Attributes:
        folder: the top folder of the clone.
        environment: of each terminal.
        namespace: on a cluster that is shared with others; the page's on one's own.
    """

    folder: Path
    environment: dict[str, str]
    namespace: str

    def session(self) -> Session:
        """Return terminals in the clone."""
        return Session(self.folder, self.environment, change=self.here)

    def here(self, text: str) -> str:
        """Return a text of the page as it is here: this namespace, and ports that nobody else uses."""
        text = on_this_cluster(text, Cluster(self.namespace, self.namespace, {}))
        return text.replace("127.0.0.1:9090", "127.0.0.1:0").replace(
            "service/prometheus 9090", "service/prometheus :9090"
        )

    def make(self, target: str, lesson: Lesson, code: int = 0) -> str:
        """Return the output of `make lesson`, `check` or `solve`."""
        done = subprocess.run(
            ["make", target, f"N={lesson.number}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == bool(code), f"make {target}: {done.stdout}{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str) -> str:
        """Return the output of kubectl in the namespace."""
        line = [command("kubectl"), "--namespace", self.namespace, *arguments]
        return subprocess.run(line, env=self.environment, capture_output=True, text=True, check=True).stdout

    def has(self, block: Block) -> bool:
        """Return whether a block is for this person, whose cluster on kind is there already."""
        return block.applies(PLACE, self.environment) and not (ON_KIND and "setup" in block.words)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """Give a person with a clone, on localcluster without a cluster yet, on kind with a kubeconfig."""
    if ON_KIND:
        with on_shared_cluster(tmp_path, Path(os.environ["E2E_KUBECONFIG"])) as newcomer:
            yield newcomer
        return
    top, own = clone(tmp_path), environment(tmp_path, LOCALCLUSTER_HOME=str(tmp_path / "home"))
    yield Newcomer(top, own, DEFAULT)
    subprocess.run([command("localcluster"), "down"], env=own, check=True)


@pytest.fixture
def participant(tmp_path: Path, kubeconfig: Path) -> Iterator[Newcomer]:
    """Give a person with a namespace on a cluster that others use too."""
    with on_shared_cluster(tmp_path, kubeconfig) as newcomer:
        yield newcomer


@contextmanager
def on_shared_cluster(folder: Path, kubeconfig: Path) -> Iterator[Newcomer]:
    """Give a person with a clone, with its environment active, and a copy of the kubeconfig."""
    name, top, bin_ = f"workshop-{uuid.uuid4().hex[:6]}", clone(folder), shims(folder)
    own = environment(folder, KUBECONFIG=str(folder / "kubeconfig"), NAMESPACE=name, KIND_CLUSTER_NAME=KIND_CLUSTER)
    own["PATH"] = os.pathsep.join((str(top / ".venv/bin"), str(bin_), own["PATH"]))
    own["LOCALCLUSTER_HOME"] = str(kubeconfig.parents[1])
    shutil.copy(kubeconfig, folder / "kubeconfig")
    newcomer = Newcomer(top, own, name)
    yield newcomer
    for load in (top / ".cache/workshop").glob("load-*.pid"):
        with suppress(ProcessLookupError):
            os.killpg(int(load.read_text()), signal.SIGKILL)
    words = ("delete", "namespace", name, "--wait=false", "--ignore-not-found")
    subprocess.run([command("kubectl"), *words], env=own, check=True)


def test_each_command_of_the_tutorial_shows_what_the_page_says(newcomer: Newcomer) -> None:
    typed = []
    with newcomer.session() as session:
        for section in sections(newcomer.folder / "docs/tutorial.md"):
            for block in filter(newcomer.has, section.blocks):
                if block.language == "promql":
                    shown = session.terminals["4"].output if "4" in session.terminals else ""
                    assert shown or not (ON_KIND or os.environ.get("PROMETHEUS")), "Prometheus was not started"
                    if shown:
                        look_at_prometheus(session.terminals["4"].output, block.text, newcomer.namespace)
                    continue
                if block.text.startswith("kubectl delete namespace"):
                    end_the_other_terminals(session, newcomer)
                session.type(block)
                typed.append(block.text)
                if block.text == "canary watch sampleapp\n":
                    Page.in_output(session.terminals["3"].output).until("PROMOTE")
    assert any(text.startswith("canary promote") for text in typed)


def end_the_other_terminals(session: Session, newcomer: Newcomer) -> None:
    """Press Ctrl-C there: the load shows that no request was lost. The page names all that the lessons have made."""
    for number, terminal in session.terminals.items():
        if number != MAIN and terminal.exit_code is None:
            terminal.interrupt()
            assert "Traceback" not in terminal.output
    if not ON_KIND:
        summary = session.terminals["2"].output
        assert re.search(r"^ +Aggregated +\d+ +0\(0\.00%\)", summary, re.MULTILINE), summary
    page = (newcomer.folder / "docs/tutorial.md").read_text(encoding="utf-8")
    (removed,) = re.findall(r"`rm -rf ([^`]+)`", page)
    cloned = {*PARTS, *(Path(file).name for file in FILES), ".git"}
    assert {path.name for path in newcomer.folder.iterdir()} - cloned <= set(removed.split())


def look_at_prometheus(output: str, query: str, namespace: str) -> None:
    """Wait until a query shows what the page says: each pod once, and a canary that is better than the baseline."""
    port = re.findall(r"127\.0\.0\.1:(\d+)", output)[-1]
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def shows_it() -> bool:
        with direct.open(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        rates: dict[str, float] = {}
        for series in found:
            if series["metric"]["namespace"] == namespace:
                variant = series["metric"]["pod"].rsplit("-", 2)[0]
                rates[variant] = rates.get(variant, 0) + float(series["value"][1])
        expected = {"sampleapp-baseline", "sampleapp-canary"} | ({"sampleapp"} if "baseline" not in query else set())
        return rates.keys() == expected and rates["sampleapp-canary"] > rates["sampleapp-baseline"]

    poll(f"Prometheus shows the variants for {query}", shows_it, 90)


MISSING = {
    "Your cluster": ["The namespace … does not exist. Create it: kubectl create namespace …"],
    "The first version": [
        "There is no Deployment sampleapp. Deploy it: canary apply manifests/ --image sampleapp:10",
        "No pod of stable is ready, so none says which version it is.",
    ],
    "Traffic": ["No requests arrive. Start the load in the second terminal, as lesson 3 shows."],
    "A canary": [
        "There is no Deployment sampleapp-canary. Deploy a canary: canary deploy manifests/ --image sampleapp:20",
        "No pod of canary is ready, so none says which version it is.",
        "No requests arrive at canary and baseline. Start load that opens a new connection for each request, …",
    ],
    "Watch it": ["The canary has no verdict yet. Compare it: canary watch sampleapp"],
    "Promote": [
        "Stable runs sampleapp:10, not sampleapp:20. Promote the canary: canary promote …",
        "sampleapp-baseline and sampleapp-canary still run: the release has not ended.",
    ],
    "A worse version": [
        "No version was rejected yet. Release one: canary release manifests/ --image sampleapp:5 --gate auto"
    ],
    "Several steps": [
        "Stable runs sampleapp:10, not sampleapp:20. Release it: …--steps 25,50,100 --gate auto",
        "The canary was not judged at three sizes. Release it in steps: --steps 25,50,100",
    ],
    "A slow version": ["No slow version was rejected yet. …--latency-objective 50ms"],
    "A version that crashes": ["No version was rejected for a crash yet. …CRASH_EVERY=100."],
    "Connections that stay open": [
        "There is no Deployment sampleapp-canary. Deploy a canary: canary deploy manifests/ --image sampleapp:20",
        "No requests arrive at canary and baseline. Start load that opens a new connection for each request, …",
        "The canary has no verdict yet. Compare it: canary watch sampleapp",
    ],
    "No traffic": [
        "There is no Deployment sampleapp-canary. Deploy a canary: canary deploy manifests/ --image sampleapp:20",
        "No requests arrive at canary and baseline. Start load that opens a new connection for each request, …",
        "The canary has no verdict yet. Compare it: canary watch sampleapp",
    ],
    "A change of configuration": [
        'The pods of stable answer 20 % of requests well, not 40 %. Set SUCCESS_RATE to "40" in …: canary release …',
        "No configuration was rejected yet. Set SUCCESS_RATE in .cache/configured/configmap.yml to 5.",
    ],
    "Rollback": [
        "Stable runs sampleapp:20, not sampleapp:10. Undo the promote: canary rollback sampleapp",
        "The pods of stable answer 20 % of requests well, not 10 %. Undo the promote: canary rollback sampleapp",
        "Nothing was rolled back yet: canary rollback sampleapp",
    ],
    "A pipeline's gate": [
        "Stable runs sampleapp:10, not sampleapp:20. Answer the gate: canary promote …",
        "No gate was answered yet. Start a release that waits for it: --gate manual",
    ],
}

OF_CORE = [pytest.param(one, marks=pytest.mark.long) for one in LESSONS if one.page == CORE]  # typed above, too
OPEN_CONNECTIONS = pytest.mark.skipif(
    ON_KIND, reason="on a busy node, kept connections time out, so that some of them meet the canary"
)
(OPEN, SHORTEST) = (
    next(one for one in LESSONS if one.title == title) for title in ("Connections that stay open", "A slow version")
)


def marks_of(chapter: Lesson) -> list[pytest.MarkDecorator]:
    """Return the marks of a chapter's test: on localcluster, `make test` does the shortest one only."""
    marks = [OPEN_CONNECTIONS] if chapter is OPEN else []
    return marks if ON_KIND or chapter is SHORTEST else [*marks, pytest.mark.long]


OF_CHAPTERS = [pytest.param(one, marks=marks_of(one)) for one in LESSONS if one.page != CORE]


@pytest.mark.parametrize("lesson", [*OF_CORE, *OF_CHAPTERS], ids=lambda lesson: str(lesson.number))
def test_a_lesson_is_prepared_then_found_missing_then_solved_by_its_page(participant: Newcomer, lesson: Lesson) -> None:
    participant.make("lesson", lesson)

    missing = participant.make("check", lesson, code=1)

    found = re.findall(r"^  missing  (.*)$", missing, re.MULTILINE)
    expected = [participant.here(sentence) for sentence in MISSING[lesson.title]]
    assert looks_like("\n".join(found), "\n".join(expected)), found
    solved = rendered(participant.make("solve", lesson))
    assert DIFFERS not in solved, solved
    assert "missing" not in participant.make("check", lesson)


@pytest.mark.skipif(ON_KIND, reason="the same there, and slower")
def test_people_with_namespaces_of_their_own_do_not_disturb_each_other(participant: Newcomer) -> None:
    own, other = LESSONS[1], LESSONS[0]
    participant.make("lesson", LESSONS[2])

    neighbour = replace(participant, environment=participant.environment | {"NAMESPACE": f"{participant.namespace}-2"})
    neighbour.make("lesson", LESSONS[1])
    neighbour.make("lesson", other)

    assert "missing" not in participant.make("check", own)
    assert participant.make("solve", own, code=2) == ""  # kubectl would work in the neighbour's


@pytest.mark.skipif(ON_KIND, reason="the same there, and slower")
def test_why_pods_are_not_ready_is_said_while_a_lesson_waits_for_them(participant: Newcomer) -> None:
    with subprocess.Popen(
        ["make", "lesson", "N=3"],
        cwd=participant.folder,
        env=participant.environment | {"REGISTRY": "registry.example"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as preparing:
        assert preparing.stdout
        told = next((line for line in preparing.stdout if "pods ready" in line), "")
        os.killpg(preparing.pid, signal.SIGINT)

    assert told.startswith("· sampleapp: 0 of 4 pods ready: Pod sampleapp-"), told
    assert "ErrImagePull: container sampleapp: Failed to pull image" in told


@pytest.mark.skipif(ON_KIND, reason="the same there, and slower")
def test_a_lesson_refuses_a_namespace_with_somebody_elses_deployments(participant: Newcomer) -> None:
    participant.make("lesson", LESSONS[1])
    create = "kubectl create deployment notes --image notes --dry-run=client -o yaml | kubectl apply -f -"
    subprocess.run(["bash", "-c", create], env=participant.environment, check=True)

    told = participant.make("lesson", LESSONS[1], code=2)

    assert told == ""
    assert "notes" in participant.kubectl("get", "deployments", "-o", "name")


@pytest.mark.skipif(ON_KIND, reason="the same there, and slower")
def test_the_first_lesson_deletes_no_namespace_that_nobody_has_named_or_that_others_use(participant: Newcomer) -> None:
    participant.make("lesson", LESSONS[2])
    unnamed = {key: value for key, value in participant.environment.items() if key != "NAMESPACE"}

    replace(participant, environment=unnamed).make("lesson", LESSONS[0], code=2)

    assert participant.kubectl("get", "deployment", "sampleapp", "-o", "name")
    create = "kubectl create configmap notes --from-literal a=b --dry-run=client -o yaml | kubectl apply -f -"
    subprocess.run(["bash", "-c", create], env=participant.environment, check=True)
    participant.make("lesson", LESSONS[0], code=2)

    assert participant.kubectl("get", "configmap", "notes", "-o", "name")
    assert participant.kubectl("get", "namespace", participant.namespace, "-o", "name")
