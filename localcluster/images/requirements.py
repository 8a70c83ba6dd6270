"""Python environments for images, cached by the content of their requirements."""

import configparser
import fcntl
import hashlib
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from localcluster.images.dockerfile import BuildError, Instruction

# Options that change what is installed, and options that make no difference here.
HONOURED = {"--require-hashes", "--no-deps", "--pre"}
HARMLESS = {"--no-cache-dir", "--disable-pip-version-check", "--quiet", "-q", "--no-input", "--root-user-action=ignore"}
HARMLESS |= {"--no-compile", "--compile", "--upgrade", "-U", "--only-binary=:all:", "--prefer-binary"}


PIP = (["pip"], ["pip3"], ["python", "-m", "pip"], ["python3", "-m", "pip"])


class Environments:
    """Virtual environments under one cache folder.

    Where the environment of localcluster itself has a pip.conf, its no-index and find-links count for images too: for
    machines without a network.
    """

    def __init__(self, folder: Path, settings: Path = Path(sys.prefix) / "pip.conf") -> None:
        self._folder = folder
        self._settings = settings

    def get(self, requirements: str, options: list[str], tell: Callable[[str], None]) -> Path:
        """Return the `bin` folder of an environment with the requirements; raises BuildError.

        uv makes the environment if it works on this machine, otherwise venv and pip.
        """
        version = f"{sys.implementation.cache_tag} {sysconfig.get_platform()} {sys.base_prefix}"
        key = hashlib.sha256("\0".join([version, *sorted(options), requirements]).encode()).hexdigest()[:20]
        place = self._folder / key
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # only one build installs, others wait
            if not (place / "complete").exists():
                shutil.rmtree(place, ignore_errors=True)
                if requirements.strip():
                    tell("installing the requirements (only once: the environment is cached)")
                self._make(place, requirements, options)
                (place / "complete").touch()
        return place / "bin"

    def _make(self, place: Path, requirements: str, options: list[str]) -> None:
        python = place / "bin" / "python"
        wanted = bool(requirements.strip())
        if _has_uv():
            _run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], "")
            install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
        else:
            _run([sys.executable, "-m", "venv", *([] if wanted else ["--without-pip"]), str(place)], "")
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if wanted:
            (place / "requirements.txt").write_text(requirements)
            _run(
                [*install, *_sources(self._settings), *options, "-r", str(place / "requirements.txt")], "pip install: "
            )


def pip_arguments(instruction: Instruction) -> tuple[list[str], list[str]]:
    """Return the files and the options of `RUN pip install … -r FILE`; raises BuildError for any other RUN."""
    words = instruction.words()
    refused = BuildError(
        f"{instruction.where}: localcluster does not support RUN {instruction.text}; only RUN pip install … -r FILE"
    )
    start = words.index("install") if "install" in words else 0
    if words[:start] not in PIP:
        raise refused
    files, options, rest = [], [], iter(words[start + 1 :])
    for word in rest:
        if word in ("-r", "--requirement"):
            files.append(next(rest, ""))
        elif word.startswith(("-r", "--requirement=")):
            files.append(word.removeprefix("--requirement=").removeprefix("-r"))
        elif word in HONOURED:
            options.append(word)
        elif word not in HARMLESS:
            raise refused
    if not files:
        raise refused
    return files, options


def _sources(settings: Path) -> list[str]:
    """Return the options for pip and uv that a pip.conf sets about where packages come from."""
    found = configparser.RawConfigParser()
    found.read(settings, "utf-8")
    options = ["--no-index"] if found.getboolean("global", "no-index", fallback=False) else []
    folder = found.get("global", "find-links", fallback="")
    return [*options, "--find-links", folder] if folder else options


def _has_uv() -> bool:
    """Return whether uv is on PATH and works (a pyenv shim can be there for another Python)."""
    if shutil.which("uv") is None:
        return False
    return subprocess.run(["uv", "--version"], capture_output=True, check=False).returncode == 0


def _run(command: list[str], prefix: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise BuildError(prefix + (" ".join(said[-6:]) or f"{command[0]} failed"))
