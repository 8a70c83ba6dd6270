"""From the environment to the story, and from Ctrl-C to a clean machine."""

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
    """Return the place that the environment asks for; raises CommandError for one that there is not."""
    if context := os.environ.get("CONTEXT"):
        return Context(children, folder, context)
    match os.environ.get("CLUSTER", "localcluster"):
        case "localcluster":
            return Localcluster(children, None if keep else folder / "localcluster")
        case "kind":
            return Kind(children, folder)
        case other:
            raise CommandError(f"CLUSTER={other}: there is localcluster and kind; CONTEXT=… takes any other")


def main(console: Console | None = None) -> int:
    """Play the demo and clear up; returns the exit code."""
    interrupts = Interrupts()
    interrupts.catch()
    os.chdir(ROOT)
    screen = Screen(console or Console())
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as name:
        folder = Path(name)
        children = Children(folder, screen.command, interrupts)
        children.environment |= {"FORCE_COLOR": "1"} if screen.console.color_system else {}
        os.environ |= {key: children.environment[key] for key in ("NO_PROXY", "no_proxy")}  # for our own looks
        code, place, keep = 2, None, bool(os.environ.get("KEEP"))
        try:
            place = choose_place(children, folder, keep)
            Demo(place, screen, children, folder).play()
            code = 0
        except WrongError as error:
            code = 1
            screen.settle()
            screen.say(Text(f"\nThis is not how the story goes: {error}.", "bold red"))
        except CommandError as error:
            screen.settle()
            screen.say(Text(f"demo: {error}", "red"))
        except KeyboardInterrupt:
            code = 130
            screen.settle()
            screen.say("demo: interrupted; clearing up")
        finally:
            interrupts.ignore()
            children.end()
            if place and not (keep and code in (0, 1)):
                code = clear_up(screen, place) or code
        if place and code == 0:
            tell_what_next(screen, place, keep)
    return code


def clear_up(screen: Screen, place: Place) -> int:
    """Leave nothing behind; returns 2, and says why, if that fails."""
    try:
        place.down()
    except CommandError as error:
        screen.say(Text(f"demo: {error}", "red"))
        return 2
    return 0


def tell_what_next(screen: Screen, place: Place, keep: bool) -> None:
    """Show where to go from here."""
    if keep:
        first, last = place.keep()
        screen.say("\nThe cluster is still there. To look around, and to end it:")
        for line in (
            ". .venv/bin/activate",
            first,
            "kubectl get pods -L azure-pipelines/version",
            "canary status",
            last,
        ):
            screen.command(line)
    else:
        screen.say("\nNext: KEEP=1 make demo leaves the cluster to look at; docs/tutorial.md does the same by hand.")
