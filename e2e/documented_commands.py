"""Runs the commands that pages of docs/ show, and compares what they print with the page.

A page has its commands in `sh` blocks. A `text` block after one is what a person should see; `…` stands for what
varies. A block `sh not-run` has commands that no test on a cluster types: the page says why.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import BIN, ROOT, Namespace
from scripts.workshop.page import Block, blocks
from scripts.workshop.screen import looks_like

DOCS = ROOT / "docs"
TYPED = "E2E_TYPED"
"""Variable with the file that gets each typed line, with its page."""
BY_FIXTURE = ("export NAMESPACE=", "kubectl create namespace ")
"""How lines begin that the fixture `namespace` stands for."""


def commands(page: str) -> list[Block]:
    """Return the blocks of a page in docs/ that a person types."""
    return [one for one in blocks((DOCS / page).read_text(encoding="utf-8")) if one.language == "sh"]


def lines(block: Block) -> list[str]:
    """Return the lines of a block, continued ones joined, without empty ones and comments."""
    joined = block.text.replace("\\\n", "").splitlines()
    return [line for line in joined if line.strip() and not line.startswith("#")]


def type_lines(
    namespace: Namespace, page: str, *containing: str, folder: Path = ROOT, change: Mapping[str, str] | None = None
) -> str:
    """Run the lines of a page that contain one of these texts, as written, and return what they print.

    The lines of a block run in one shell. If all of a block run, they must print what the page says.

    Args:
        namespace: of the kubeconfig's context, and of `$NAMESPACE`.
        page: file in docs/.
        containing: texts; one that is a whole line stands for that line alone.
        folder: where the commands run.
        change: what to type instead, for what cannot be the same on a shared machine: ports, long times, hosts.
    """
    chosen = _chosen(page, containing)
    printed = ""
    for block, found in chosen:
        script = _changed("\n".join(found), change)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=_environment(namespace),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == 0, f"docs/{page}: {script}: {done.stdout}"
        if block.expected and found == lines(block):
            assert looks_like(done.stdout, block.expected), f"docs/{page}: {script}\nprints\n{done.stdout}"
        for line in found:
            _record(page, line)
        printed += done.stdout
    return printed


@contextmanager
def typed(
    namespace: Namespace, page: str, containing: str, *, folder: Path = ROOT, change: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a line of a page while the block lasts, with pipes."""
    [(_, [line])] = _chosen(page, (containing,))
    process = subprocess.Popen(
        ["bash", "-c", f"exec {_changed(line, change)}"],
        cwd=folder,
        env=_environment(namespace),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)
    _record(page, line)


def matching(page: str, text: str) -> list[str]:
    """Return the lines of a page that a text stands for."""
    known = [line for block in commands(page) if "not-run" not in block.words for line in lines(block)]
    return [line for line in known if line.strip() == text] or [line for line in known if text in line]


def _chosen(page: str, containing: tuple[str, ...]) -> list[tuple[Block, list[str]]]:
    wanted = []
    for text in containing:
        found = matching(page, text)
        assert found, f"docs/{page} has no line with {text}"
        wanted += found
    chosen = [(block, [line for line in lines(block) if line in wanted]) for block in commands(page)]
    return [(block, found) for block, found in chosen if found]


def _changed(script: str, change: Mapping[str, str] | None) -> str:
    for old, new in (change or {}).items():
        assert old in script, f"nothing to change: {old} is not in {script}"
        script = script.replace(old, new)
    return script


def _environment(namespace: Namespace) -> dict[str, str]:
    """Return the environment of a person whose kubeconfig has the namespace."""
    own = namespace.folder / f"{namespace.kubeconfig.name}-of-{namespace.name}"
    environment = namespace.environment() | {"KUBECONFIG": str(own), "NAMESPACE": namespace.name, "BROWSER": "true"}
    environment["PATH"] = f"{BIN}:{environment['PATH']}"
    if not own.exists():
        own.touch(mode=0o600)
        own.write_text(namespace.kubectl("config", "view", "--raw"))
        change = ["kubectl", "config", "set-context", "--current", "--namespace", namespace.name]
        subprocess.run(change, env=environment, check=True, stdout=subprocess.DEVNULL)
    return environment


def _record(page: str, line: str) -> None:
    if file := os.environ.get(TYPED):
        with Path(file).open("a", encoding="utf-8") as typed_lines:
            typed_lines.write(json.dumps([page, line]) + "\n")
