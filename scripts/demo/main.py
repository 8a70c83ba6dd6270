"""Read the environment, play the story, and clean up, also after Ctrl-C."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from scripts.demo.children import Children, CommandError, Interrupts
from scripts.demo.places import Context, Kind, Localcluster, Place
from scripts.demo.screen import Screen
from scripts.demo.story import ROOT, Demo, WrongError


def choose_place(children: Children, folder: Path, keep: bool) -> Place:
    """Return the place that the environment names; raises CommandError for an unknown one."""
    if context := os.environ.get("CONTEXT"):
        return Context(children, folder, context)
    match os.environ.get("CLUSTER", "localcluster"):
        case "localcluster":
            return Localcluster(children, None if keep else folder / "localcluster")
        case "kind":
            return Kind(children, folder)
        case other:
            raise CommandError(f"CLUSTER={other} is not known. Use localcluster or kind, or CONTEXT=NAME")


def person_decides() -> bool:
    """Return whether a person decides, by the variable GATE; raises CommandError if it has another value."""
    match os.environ.get("GATE") or "auto":
        case "auto":
            return False
        case "console":
            return True
        case other:
            raise CommandError(f"GATE={other} is not known. Use auto, or console to decide in the browser")


def route_divides() -> bool:
    """Return whether a route divides the requests, by the variable TRAFFIC; raises CommandError if it cannot."""
    match os.environ.get("TRAFFIC") or "pods":
        case "pods":
            return False
        case "gateway" if os.environ.get("CONTEXT") or os.environ.get("CLUSTER", "localcluster") != "localcluster":
            raise CommandError("TRAFFIC=gateway works on localcluster alone. On your cluster, follow docs/traffic.md")
        case "gateway":
            return True
        case other:
            raise CommandError(f"TRAFFIC={other} is not known. Use pods, or gateway to divide requests by an HTTPRoute")


def main(console: Console | None = None) -> int:
    """Play the demo and clean up; returns the exit code."""
    interrupts = Interrupts()
    interrupts.catch()
    os.chdir(ROOT)
    screen = Screen(console or Console())
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as name:
        folder = Path(name)
        children = Children(folder, screen.command, interrupts)
        children.environment |= {"FORCE_COLOR": "1"} if screen.console.color_system else {}
        os.environ |= {key: children.environment[key] for key in ("NO_PROXY", "no_proxy")}  # for this process
        code, place, demo, keep = 2, None, None, bool(os.environ.get("KEEP"))
        try:
            asks, divides = person_decides(), route_divides()
            place = choose_place(children, folder, keep)
            demo = Demo(place, screen, children, folder, asks=asks, divides=divides)
            demo.play()
            code = 0
        except WrongError as error:
            code = 1
            screen.settle()
            screen.say(Text(f"\nThe demo did not go as expected: {error}.", "bold red"))
        except CommandError as error:
            screen.settle()
            screen.say(Text(f"demo: {error}", "red"))
        except KeyboardInterrupt:
            code = 130
            screen.settle()
            screen.say("demo: interrupted; cleaning up")
        finally:
            interrupts.ignore()
            stays = keep and code in (0, 1)
            for process in demo.processes if stays and demo else ():
                children.keep(process)
            children.end()
            if place and not stays:
                code = clean_up(screen, place) or code
        if demo and code == 0:
            show_next_steps(screen, demo, keep)
    return code


def clean_up(screen: Screen, place: Place) -> int:
    """Remove what the demo made; returns 2 and prints the reason if that fails."""
    try:
        place.down()
    except CommandError as error:
        screen.say(Text(f"demo: {error}", "red"))
        return 2
    return 0


def show_next_steps(screen: Screen, demo: Demo, keep: bool) -> None:
    """Print what the reader can do next."""
    if keep and demo.console:
        first, last = demo.place.keep()
        screen.say(f"\nThe cluster is still running, and so is the console: {demo.console.address}")
        if demo.gateway:
            screen.say(f"The app answers at {demo.gateway.url}")
        screen.say("To look around, and then to delete them:")
        for line in (
            ". .venv/bin/activate",
            first,
            "kubectl get pods -L azure-pipelines/version",
            "canary status",
            "canary report --compare",
            f"kill {' '.join(str(one.pid) for one in demo.processes)}",
            last,
        ):
            screen.command(line)
    else:
        screen.say(
            "\nNext: docs/tutorial.md does the same by hand. KEEP=1 make demo keeps cluster and console to look at,"
        )
        screen.say("and with GATE=console make demo you decide, in the browser.")
        if not demo.gateway:
            screen.say("TRAFFIC=gateway make demo gives the canary 5 % of the requests, by an HTTPRoute.")
