"""A newcomer's machine: a clone of the repository with its commands, and terminals."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.cluster import BIN, ROOT, command

PARTS = ("app", "docs", "loadtest", "manifests", "monitoring", "requirements", "scripts")
FILES = ("Makefile", "canary.yml", "pyproject.toml")


def clone(folder: Path) -> Path:
    """Make a clone in a folder, with a `.venv` that `make venv` finds up to date; returns its top folder."""
    top = folder / "clone"
    for part in PARTS:
        shutil.copytree(ROOT / part, top / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, top)
    share_environment(top)
    for words in ("init --quiet", "add app", "-c user.name=n -c user.email=n@example.org commit --quiet -m app"):
        subprocess.run(["git", *words.split()], cwd=top, check=True)
    return top


def share_environment(top: Path) -> None:
    """Give a clone the packages of this test run."""
    own, given = top / ".venv", Path(sys.prefix)
    (own / "bin").mkdir(parents=True)
    for name in ("lib", "lib64", "include", "pyvenv.cfg"):
        if (given / name).exists():
            (own / name).symlink_to(given / name)
    for file in BIN.iterdir():
        if not file.name.startswith("activate"):
            (own / "bin" / file.name).symlink_to(file)
    (own / "bin/activate").write_text(f'VIRTUAL_ENV={shlex.quote(str(own))}\nPATH="$VIRTUAL_ENV/bin:$PATH"\n')
    sum_ = ["sh", "-c", "cat pyproject.toml requirements/dev.lock | cksum"]
    wanted = subprocess.run(sum_, cwd=top, capture_output=True, check=True)
    (own / "made-from-dev").write_bytes(wanted.stdout)


def environment(folder: Path, **own: str) -> dict[str, str]:
    """Return the environment of a newcomer's terminals: with nothing of this repository but the given variables."""
    named = ("KUBECONFIG", "NAMESPACE", "REGISTRY", "VIRTUAL_ENV", "LOCALCLUSTER_HOME")
    of_tools = ("CANARY_", "PYTEST_", "MAKE", "MFLAGS")  # a make inside a make shows more
    kept = {k: v for k, v in os.environ.items() if not k.startswith(of_tools) and k not in named}
    return kept | {"XDG_STATE_HOME": str(folder / "state"), "BROWSER": "true"} | own


def shims(folder: Path) -> Path:
    """Make a folder with a `docker` that builds on the base image of this test run; returns it."""
    bin_ = folder / "bin"
    bin_.mkdir()
    base = os.environ.get("BASE_IMAGE")
    flags = f"--build-arg BASE_IMAGE={base} --network host" if base else ""
    (bin_ / "docker").write_text(
        f'#!/bin/sh\nif [ "$1" = build ]; then shift; exec {command("docker")} build {flags} "$@"; fi\n'
        f'exec {command("docker")} "$@"\n'
    )
    (bin_ / "docker").chmod(0o755)
    return bin_
