"""Download wheels for other machines with pip, and say what they are."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from canary.plurals import counted
from scripts.bundle.targets import requirements

if TYPE_CHECKING:
    from scripts.bundle.targets import Target

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "workshop.lock"


class BundleError(Exception):
    """The bundle cannot be made; the message says what to do."""


def pip() -> list[str]:
    """Return the command pip; raises BundleError if there is none."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise BundleError("pip is missing in .venv. Install it, then run make bundle again:  .venv/bin/python -m ensurepip")


def download(command: list[str], target: Target, folder: Path) -> str | None:
    """Download the wheels of a target; returns the first package that has none for it, None if all have one.

    Raises:
        BundleError: pip failed for another reason.
    """
    pins = requirements(LOCK.read_text("utf-8"), target)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(pins))
        file.flush()
        choice = ["--implementation", "cp", "--python-version", target.python]
        for tag in target.platform.tags:
            choice += ["--platform", tag]
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        done = subprocess.run(
            [*command, "download", *options, *choice, "--dest", folder, "-r", file.name],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return None
    missing = re.search(r"No matching distribution found for (\S+)", done.stderr)
    if missing and "WARNING: Retrying" not in done.stderr:  # pip says the same when it cannot reach the index
        return missing[1]
    raise BundleError(f"Packages for {target} cannot be downloaded. pip says:\n{done.stderr.strip()}")


def megabytes(size: int) -> str:
    """Return a size in bytes as megabytes."""
    return f"{size / 1e6:.0f} MB"


class Collection:
    """The wheels of all targets. A wheel that several targets need is stored once.

    Attributes:
        wheels: the names of each target's wheels.
        left_out: the targets that cannot be served, each with the package that has no wheel for it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels: dict[Target, list[str]] = {}
        self.left_out: dict[Target, str] = {}

    def collect(self, targets: list[Target]) -> None:
        """Download what the targets need, with a line about each; raises BundleError if pip fails, or for no target."""
        command = pip()
        for number, target in enumerate(targets, 1):
            print(f"[{number}/{len(targets)}] {target}: {self._add(command, target)}", file=sys.stderr)
        if not self.wheels:
            raise BundleError("There are wheels for none of these. Choose others with PLATFORMS and PYTHONS")

    def _add(self, command: list[str], target: Target) -> str:
        """Download what one target needs; returns how much that was."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            if missing := download(command, target, Path(name)):
                self.left_out[target] = missing
                return f"left out, because {missing} has no wheel for it"
            found = sorted(Path(name).iterdir())
            new = [wheel for wheel in found if not (self.folder / wheel.name).exists()]
            size = sum(wheel.stat().st_size for wheel in new)
            for wheel in new:
                wheel.rename(self.folder / wheel.name)
        self.wheels[target] = [wheel.name for wheel in found]
        took = time.monotonic() - began
        return f"{counted(len(found), 'wheel')}, {len(new)} of them new ({megabytes(size)}), {took:.0f} s"

    def stored(self) -> list[Path]:
        """Return the files of all wheels."""
        return sorted(self.folder.glob("*.whl"))

    def needs(self, target: Target) -> str:
        """Return the oldest system that a target's wheels work on, such as 'glibc 2.28 or newer'."""
        oldest = max((target.platform.oldest(wheel) for wheel in self.wheels[target]), default=())
        library = "glibc" if target.platform.system == "Linux" else "macOS"
        return f"{library} {'.'.join(str(part) for part in oldest)} or newer"

    def targets(self) -> str:
        """Return the file that scripts/bootstrap reads: one line per target."""
        lines = (f"{t.platform.system} {t.platform.machine} {t.python} ({self.needs(t)})" for t in self.wheels)
        return "".join(f"{line}\n" for line in lines)

    def manifest(self, commit: str) -> str:
        """Return what the bundle of a commit has, as JSON."""
        files = {
            wheel.name: {
                "version": str(parse_wheel_filename(wheel.name)[1]),
                "bytes": wheel.stat().st_size,
                "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            }
            for wheel in self.stored()
        }
        return json.dumps(
            {
                "commit": commit,
                "targets": [
                    {"platform": t.platform.name, "python": t.python, "needs": self.needs(t), "wheels": wheels}
                    for t, wheels in self.wheels.items()
                ],
                "left_out": [
                    {"platform": t.platform.name, "python": t.python, "no_wheel_for": package}
                    for t, package in self.left_out.items()
                ],
                "wheels": files,
            },
            indent=2,
        )
