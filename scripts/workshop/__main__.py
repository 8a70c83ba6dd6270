"""`make lesson N=3` prepares a lesson, `make check N=3` looks at what is done of it, `make solve N=3` does it.

NAMESPACE=anna chooses the namespace, by default that of kubectl or `workshop`. Exits with 1 if a check finds something
missing, with 2 if a lesson is not possible here, and with 130 after Ctrl-C.
"""

from __future__ import annotations

import os
import re
import sys

from scripts.workshop.cluster import DEFAULT, IMAGE, Cluster, NoClusterError, WorkshopError, connect, path
from scripts.workshop.lessons import LESSONS, ROOT, Lesson
from scripts.workshop.load import BackgroundLoad
from scripts.workshop.page import MAIN, Block, sections
from scripts.workshop.prepare import Workshop, with_registry
from scripts.workshop.session import DiffersError, Session
from scripts.workshop.starts import obstacle
from scripts.workshop.terminal import WIDE

DIFFERS = "the page differs here"
INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended."""


def chosen(command: str) -> Lesson:
    """Return the lesson of $N; raises WorkshopError with the list of lessons."""
    text = os.environ.get("N", "")
    if text.isascii() and text.isdigit() and 1 <= int(text) <= len(LESSONS):
        return LESSONS[int(text) - 1]
    wrong = f"N={text} is no lesson" if text else "a number is missing"
    table = "\n".join(f"  {one.number:2}  {one.title}" for one in LESSONS)
    raise WorkshopError(f"{wrong}. For example: make {command} N=1\n{table}")


def lesson(lesson: Lesson) -> int:
    """Prepare the start of a lesson."""
    try:
        cluster = connect()
    except NoClusterError:
        if lesson.number > 1:
            raise
        say("There is no cluster yet, which is how lesson 1 begins.")
    else:
        Workshop(ROOT, cluster, say).prepare(lesson)
    say(f"Lesson {lesson.number}, {lesson.title}, can begin: docs/{lesson.page}")
    return 0


def check(lesson: Lesson) -> int:
    """Say what is right and what is missing; return 1 if something is missing."""
    return report(lesson, connect())


def report(lesson: Lesson, cluster: Cluster) -> int:
    """Print what a look at the cluster finds."""
    print(f"Lesson {lesson.number}, {lesson.title}, in namespace {cluster.namespace}:")
    if lesson.number > 1 and not cluster.exists():
        print(f"  missing  The namespace {cluster.namespace} does not exist. Prepare it: make lesson N={lesson.number}")
        return 1
    is_right = True
    for goal in lesson.goals:
        found = goal(cluster)
        print(f"  {'right  ' if found.is_right else 'missing'}  {found.text}", flush=True)
        is_right = is_right and found.is_right
    return 0 if is_right else 1


def solve(lesson: Lesson) -> int:
    """Do a lesson by running its blocks on the page."""
    try:
        cluster: Cluster | None = connect()
    except NoClusterError:
        if lesson.number > 1:
            raise
        cluster = None
    if cluster and lesson.number > 1 and cluster.used != cluster.namespace:
        first = f"kubectl config set-context --current --namespace {cluster.namespace}"
        raise WorkshopError(
            f"The page's commands would work in namespace {cluster.used}, not {cluster.namespace}. First type:  {first}"
        )
    if cluster and lesson.start.namespace:
        refuse_elsewhere(lesson, cluster)
    (section,) = (one for one in sections(ROOT / "docs" / lesson.page) if one.number == lesson.number)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")} | {"PATH": path()}
    if cluster:
        environment |= {"NAMESPACE": cluster.namespace, "KIND_CLUSTER_NAME": cluster.kind_name}

    def here(text: str) -> str:
        return on_this_cluster(text, cluster)

    def differs(error: DiffersError) -> None:
        say(f"{DIFFERS}; it has the line: {error.line}" if error.line else f"{DIFFERS}; it shows less")

    with Session(ROOT, environment, change=here, differs=differs, echo=show, size=size()) as session:
        for block in section.blocks:
            if not block.applies(cluster.place_on_page if cluster else "localcluster", environment):
                continue
            if cluster and "load" in block.words:
                BackgroundLoad(ROOT, cluster, say).start(block.text)
            elif is_to_do(block, cluster):
                if block.terminal != MAIN:
                    say("in another terminal, which closes when the lesson is solved:")
                print("\n".join(f"$ {line}" for line in block.text.splitlines() if block.language == "sh"), flush=True)
                session.type(block)
    if cluster is None:
        say("In your terminal, type:  export KUBECONFIG=$(localcluster kubeconfig)")
    return 0


def refuse_elsewhere(lesson: Lesson, cluster: Cluster) -> None:
    """Raise WorkshopError if the cluster is not at the start of a lesson."""
    if found := obstacle(lesson.start, cluster):
        start = f"To prepare it: make lesson N={lesson.number}"
        raise WorkshopError(f"This is not the start of lesson {lesson.number}. {found.text} {start}")


def size() -> os.terminal_size:
    """Return the size of this terminal; without one, that of a wide one."""
    here = os.get_terminal_size(sys.stdout.fileno()) if sys.stdout.isatty() else WIDE
    return here if here.columns else WIDE


def is_to_do(block: Block, cluster: Cluster | None) -> bool:
    """Return whether a block is part of a solution: not a preparation, nor an image that the facilitator has pushed."""
    if block.language == "promql" or block.text.startswith("make lesson") or (cluster and "setup" in block.words):
        return False
    return not (cluster and cluster.place == "other" and block.text.startswith("docker"))


def on_this_cluster(text: str, cluster: Cluster | None) -> str:
    """Return a command or an output of a page as it is here: with this namespace, and with images from $REGISTRY."""
    name = cluster.namespace if cluster else DEFAULT
    text = re.sub(rf"\b(in namespace|the namespace) {DEFAULT}\b", rf"\1 {name}", text)
    text = text.replace(f"namespace/{DEFAULT} ", f"namespace/{name} ").replace(
        f'namespace "{DEFAULT}"', f'namespace "{name}"'
    )
    return text.replace(f"--image {IMAGE}:", f"--image {with_registry('')}")


def say(text: str) -> None:
    """Print what is done."""
    print(f"· {text}", flush=True)


def show(text: str) -> None:
    """Print what a command writes."""
    sys.stdout.write(text)
    sys.stdout.flush()


def go_on(command: str) -> str:
    """Return what to type after an interruption; a lesson that is solved in part is not at its start."""
    number = os.environ.get("N", "")
    return f"to begin again: make lesson N={number}" if command == "solve" else f"type make {command} N={number} again"


def main(command: str) -> int:
    """Run a command for the lesson of $N; return the exit code."""
    try:
        return {"lesson": lesson, "check": check, "solve": solve}[command](chosen(command))
    except (WorkshopError, DiffersError, TimeoutError) as error:
        print(f"make {command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nmake {command}: interrupted; {go_on(command)}", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
