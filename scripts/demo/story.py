"""The story: a first release, a better version and a worse one, with a check of the cluster after each."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from scripts.demo.cluster import Seen, look
from scripts.demo.console import open_console
from scripts.demo.gateway import FEWEST, MOST, NAME, PERCENTAGE, Division, Traefik
from scripts.demo.load import USERS, Load

if TYPE_CHECKING:
    from scripts.demo.children import Children
    from scripts.demo.console import Console
    from scripts.demo.gateway import Gateway, Route
    from scripts.demo.places import Place
    from scripts.demo.screen import Screen

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "canary-reports"
OUTCOMES = {0: "promoted", 1: "rejected"}  # by exit code of `canary release`


class WrongError(Exception):
    """The cluster is not in the expected state: the driver did something wrong."""


@dataclass(frozen=True)
class Act:
    """The result of a release.

    Attributes:
        image: the released image.
        outcome: promoted or rejected.
        verdict: decision of the verdict: PROMOTE, REJECT or UNDECIDED.
        requests: behind the verdict, by variant.
        good: the good ones of these requests, by variant.
        began: Unix seconds.
        seconds: duration of the release.
        failures: requests during the release that the app did not answer.
        share: of the answers, that came from the canary while a route divided the requests; None without a route.
    """

    image: str
    outcome: str
    verdict: str
    requests: dict[str, int]
    good: dict[str, int]
    began: float
    seconds: float
    failures: int
    share: float | None = None


class Demo:
    """The story, played in a place and shown on a screen."""

    def __init__(
        self,
        place: Place,
        screen: Screen,
        children: Children,
        folder: Path,
        *,
        reports: Path = REPORTS,
        asks: bool = False,
        divides: bool = False,
    ) -> None:
        """Play it in a place.

        Args:
            place: a cluster.
            screen: shows what happens.
            children: starts processes.
            folder: for files that the demo needs.
            reports: the folder that keeps a report of each comparison.
            asks: whether a person decides on each comparison, in the console.
            divides: whether an HTTPRoute divides the requests, instead of the numbers of pods.
        """
        self.place, self.screen, self.children, self.folder = place, screen, children, folder
        self.reports, self.asks, self.divides = reports, asks, divides
        self.load: Load | None = None
        self.gateway: Gateway | None = None
        self.console: Console | None = None
        self.acts: list[Act] = []

    @property
    def processes(self) -> list[subprocess.Popen[str]]:
        """Return what KEEP=1 keeps running, besides the cluster."""
        return [one.process for one in (self.console, self.gateway) if one]

    def play(self) -> None:
        """Play all acts; raises WrongError if the cluster is not in the expected state after one."""
        self.screen.title(f"Start a cluster: {self.place.title}")
        self.place.up()
        self.children.environment |= {
            "KUBECONFIG": str(self.place.kubeconfig),
            "CANARY_NAMESPACE": self.place.namespace,
            "CANARY_EVIDENCE": "canary-evidence",
        }
        self.console = open_console(self.children, self.folder, self.reports)
        self.screen.say(Text.assemble("Watch the releases in your browser: ", (self.console.address, "bold")))

        if self.divides:
            self.gateway = self.open_gateway()

        self.screen.title("Build three versions of the app, by editing its line `success_rate = 5`")
        versions = {f"sampleapp:{rate}": self.version(rate) for rate in (10, 20, 5)}
        self.place.build(versions)

        self.screen.title("First release: 10 % good answers, and nothing to compare them with yet")
        self.release("sampleapp:10", "promoted")

        part = f", for {PERCENTAGE} % of the requests" if self.divides else ""
        self.screen.title(f"A better version: 20 % good answers instead of 10 %{part}")
        self.release("sampleapp:20", "promoted", "better")

        self.screen.title(f"A worse version: 5 % good answers instead of 20 %{part}")
        self.release("sampleapp:5", "rejected", "worse")

        assert self.load
        requests, failures = self.load.end()
        self.load = None
        self.summarise(requests, failures)
        self.check(failures == 0, f"{failures} requests failed, and releases should not cause any failure")

    def open_gateway(self) -> Traefik:
        """Start a Gateway, with a route that sends all requests to the app."""
        self.screen.title("Start a Gateway: Traefik, a controller of the Gateway API")
        gateway = Traefik(self.children, self.place.kubeconfig, self.place.namespace)
        self.screen.say(f"It listens at {gateway.url}, and its objects are in scripts/demo/gateway.yml.")
        self.screen.say(f"{gateway.look().sentence}.")
        return gateway

    def version(self, rate: int) -> Path:
        """Return a copy of app/ with the line edited."""
        context = self.folder / f"app-{rate}"
        shutil.copytree(ROOT / "app", context, ignore=shutil.ignore_patterns("__pycache__"))
        source = (context / "app.py").read_text()
        edited, edits = re.subn(r"^success_rate = \d+$", f"success_rate = {rate}", source, flags=re.MULTILINE)
        self.check(edits == 1, "app/app.py should have one line `success_rate = …`")
        (context / "app.py").write_text(edited)
        return context

    def release(self, tag: str, expected: str, name: str = "") -> None:
        """Release an image, and check the result in the cluster.

        Args:
            tag: of the image.
            expected: promoted or rejected, which is what the verdict must lead to. A person may decide otherwise.
            name: of the folder for its report; empty for a first release, which has no comparison and asks nobody.
        """
        before, asks = self.look(), self.asks and bool(name)
        division = Division(self.gateway.look()) if self.gateway and name else None
        command = ["canary", "release", "--image", self.place.image(tag), "--gate", "manual" if asks else "auto"]
        command += ["--traffic", "gateway", "--route", NAME, "--percentage", str(PERCENTAGE)] if division else []
        command += ["--report", self.report(name)] if name else []
        self.screen.command(*command)
        if asks and self.console:
            self.screen.say(Text.assemble("Decide in the console when it asks you: ", (self.console.address, "bold")))
        began = time.time()
        process = self.children.start(*command, "--output", "json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        failures, answered = self.follow(process, division)
        assert process.stdout
        output = process.stdout.read()
        outcome = OUTCOMES.get(process.wait(), f"exit code {process.returncode}")
        wanted = tuple(OUTCOMES.values()) if asks else (expected,)
        self.check(outcome in wanted, f"{tag} should be {' or '.join(wanted)}, but the result is: {outcome}")

        after = self.look()
        image = self.place.image(tag).rpartition("=")[2] if outcome == "promoted" else before.image
        self.check(after.deployments == ("sampleapp",), f"only sampleapp should be left, not {after.deployments}")
        running = {one for pod in after.pods for one in pod.images}
        self.check((after.image, running) == (image, {image}), f"stable should run only {image}, not {running}")
        same = after.pods == before.pods
        self.check(outcome == "promoted" or same, "a rejection should neither replace nor restart stable's pods")
        verdict = self.parse(output)["verdict"]
        if name:
            self.check({"canary", "baseline"} <= answered, "clients should get answers from canary and baseline")
            self.check_verdict(verdict["decision"], outcome, expected, asks=asks)
        if division and self.gateway:
            self.check_division(division, self.gateway.look())
        comparison: dict[str, Any] = next(iter(verdict["comparisons"]), {})
        counts = (comparison.get("requests", {}), comparison.get("good", {}))
        share = division.measured("canary") if division else None
        self.acts.append(Act(tag, outcome, verdict["decision"], *counts, began, time.time() - began, failures, share))

    def check_division(self, division: Division, left: Route) -> None:
        """Check what share canary and baseline had, by the route and by the answers, and what is left of it; say it."""
        self.check(
            PERCENTAGE / 100 in division.shares,
            f"the route should give the canary {PERCENTAGE} % of the requests, not {sorted(division.shares)}",
        )
        for variant in ("canary", "baseline"):
            share = division.measured(variant)
            wrong = f"{PERCENTAGE} % of the answers should come from the {variant}, not {100 * share:.1f} %"
            self.check(FEWEST <= share <= MOST, wrong)
        self.screen.settle()
        canary, baseline = (f"{100 * division.measured(one):.1f} %" for one in ("canary", "baseline"))
        self.screen.say(
            f"While the route divided the requests, clients got {division.answered.total():,} answers: {canary} from "
            f"the canary and {baseline} from the baseline, on connections that were open before."
        )
        self.check(left.written == division.before.written, f"the route should be as before, not {left.written}")
        self.check(left.services == division.before.services, f"no Services should be left, not {left.services}")
        self.screen.say("Now the route is as it was before the release, and its other Services are gone.")

    def check_verdict(self, decision: str, outcome: str, expected: str, *, asks: bool) -> None:
        """Check what the verdict was, and tell a person who decided what it would have led to."""
        right = {"promoted": "PROMOTE", "rejected": "REJECT"}[expected]
        undecided = asks and decision == "UNDECIDED"  # the person was faster
        self.check(undecided or decision == right, f"the verdict should be {right}, not {decision}")
        if asks:
            led = "have waited for more requests" if undecided else f"have {expected} it"
            agreed = "also " if outcome == expected and not undecided else ""
            self.screen.settle()
            self.screen.say(f"You {outcome} it, and the cluster agrees. The verdict ({decision}) would {agreed}{led}.")

    def report(self, name: str) -> str:
        """Return the folder for a report, as short as a command can have it."""
        return os.path.relpath(self.reports / name)

    def parse(self, output: str) -> dict[str, Any]:
        """Return a release's output, parsed as JSON."""
        try:
            result: dict[str, Any] = json.loads(output)
        except ValueError as error:
            raise WrongError(f"canary release --output json should print JSON, not {output!r}") from error
        return result

    def follow(self, process: subprocess.Popen[str], division: Division | None = None) -> tuple[int, set[str]]:
        """Show a release's output and the answers during it, and what its route does.

        Returns:
            How many requests failed, and the variants that answered.
        """
        assert process.stderr
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def read(pipe: IO[str]) -> None:
            with pipe:
                for line in pipe:
                    lines.put(line)
            lines.put(None)

        own = os.fdopen(os.dup(process.stderr.fileno()))  # Ctrl-C closes the process's pipe while the thread reads
        threading.Thread(target=read, args=(own,), daemon=True).start()
        failures, answered = 0, set[str]()
        line: str | None = ""
        while line is not None:
            try:
                line = lines.get(timeout=0.25)
                if line is not None:
                    self.screen.line(Text.from_ansi(line.rstrip()))
            except queue.Empty:
                pass
            if self.load is None:
                self.load = self.start_load()
            else:
                answers = self.load.read()
                failures += sum(bool(each.failure) for each in answers)
                answered |= {each.variant for each in answers if not each.failure}
                self.screen.answers(answers)
                if division and self.gateway and (said := division.notice(self.gateway, answers)):
                    self.screen.line(Text(f"→ {said}", "cyan"))
        return failures, answered

    def start_load(self) -> Load | None:
        """Start Locust as soon as a pod can answer."""
        url = (self.gateway or self.place).address() if self.look().answering else None
        if url is None:
            return None
        rate = float(os.environ.get("RATE", self.place.rate))
        self.screen.say(
            "Locust sends requests from now on. Each square below is one answer: ■ good, □ bad; the newest is last."
        )
        flags = ["--keep-alive"] if self.gateway else []
        self.screen.command("locust", "-f", "loadtest/locustfile.py", "--headless", *flags, "--host", url, "&")
        return Load(self.children, self.folder, url, rate, keep_alive=bool(flags))

    def summarise(self, requests: int, failures: int) -> None:
        """Show each decision and the numbers behind it."""
        self.screen.title("Results")
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for heading in (
            "",
            "\nresult",
            "good answers\ncanary : baseline",
            "requests\ncompared",
            "\ntook",
            "client\nerrors",
        ):
            table.add_column(heading, justify="left" if heading in ("", "\nresult") else "right")
        for act in self.acts:
            colour = "green" if act.outcome == "promoted" else "red"
            cells = (*compared(act), f"{act.seconds:.0f} s", str(act.failures))
            table.add_row(act.image, Text(act.outcome, colour), *cells)
        self.screen.say(table)
        self.screen.say(
            f"\nLocust sent {requests:,} requests, {self.connections()}. "
            f"Failed (refused, broken off, or not answered by the app): {failures}."
        )
        pages = [Path(self.report(one), "report.html") for one in ("better", "worse")]
        for page in pages:
            self.check(page.is_file(), f"{page} should be there")
        self.screen.say(f"\nReports to open in a browser: {pages[0]} and {pages[1]}")

    def connections(self) -> str:
        """Return how the load uses connections."""
        return f"on {USERS} connections that stay open" if self.gateway else "with one new connection per request"

    def look(self) -> Seen:
        """Return the current state of the cluster."""
        return look(self.place.kubeconfig, self.place.namespace)

    def check(self, is_met: bool, message: str) -> None:
        """Raise WrongError unless a condition is met."""
        if not is_met:
            raise WrongError(message)


def compared(act: Act) -> tuple[str, str]:
    """Return the shares of good answers and the requests behind a verdict, canary : baseline."""
    if not act.requests.get("baseline"):
        return "nothing to compare", ""
    canary, baseline = (act.good[one] / act.requests[one] for one in ("canary", "baseline"))
    return f"{canary:.1%} : {baseline:.1%}", f"{act.requests['canary']:,} : {act.requests['baseline']:,}"
