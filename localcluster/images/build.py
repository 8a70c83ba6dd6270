"""Builds an image from a Dockerfile: copies files, records the settings, installs requirements."""

import fnmatch
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from localcluster.images.dockerfile import BuildError, Instruction, instructions, substitute
from localcluster.images.requirements import Environments, pip_arguments
from localcluster.images.rootfs import OutsideError, normal, within

IGNORED = {"EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL", "USER"}


@dataclass
class _Stage:
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    python: str = ""


class Build:
    """One run through a Dockerfile."""

    def __init__(
        self,
        context: Path,
        root: Path,
        given: dict[str, str],
        environments: Environments,
        tell: Callable[[str], None],
    ) -> None:
        self._context = context
        self._root = root
        self._given = given
        self._environments = environments
        self._tell = tell
        self._arguments: dict[str, str] = {}
        self._stage = _Stage()
        self._requirements: list[str] = []
        self._bases = 0

    def run(self, dockerfile: Path) -> dict[str, Any]:
        """Carry out all instructions; returns the settings of the image. Raises BuildError."""
        self._root.mkdir()
        started: Instruction | None = None
        for instruction in instructions(dockerfile):
            step = getattr(self, f"_do_{instruction.keyword.lower()}", None)
            if step is not None:
                try:
                    step(instruction)
                except (OutsideError, OSError) as error:
                    raise BuildError(f"{instruction.where}: {instruction.keyword}: {error}") from None
            elif instruction.keyword not in IGNORED:
                raise BuildError(f"{instruction.where}: localcluster does not support {instruction.keyword}")
            if instruction.keyword in ("CMD", "ENTRYPOINT"):
                started = instruction
        if not self._bases:
            raise BuildError(f"{dockerfile}: there is no FROM")
        unused = self._given.keys() - self._arguments.keys()
        if unused:
            raise BuildError(f"{dockerfile}: there is no ARG for --build-arg {', '.join(sorted(unused))}")
        self._stage.python = self._stage.python or str(self._environments.get("", [], self._tell))
        if started is not None:
            self._check_program(started)
        return asdict(self._stage)

    def _check_program(self, instruction: Instruction) -> None:
        stage = self._stage
        program = [*stage.entrypoint, *stage.command][0]
        path = f"{stage.python}{os.pathsep}{self._values()['PATH']}"
        place = self._root / normal(Path(stage.workdir) / program)[1:]
        if not (shutil.which(program, path=path) or place.exists()):
            why = f"{program} is not on this machine: the base image is not used, programs are those of this machine"
            raise BuildError(f"{instruction.where}: {instruction.keyword}: {why}")

    def _values(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), **self._arguments, **self._stage.env}

    def _do_arg(self, instruction: Instruction) -> None:
        for word in instruction.words():
            name, _, default = word.partition("=")
            self._arguments[name] = self._given.get(name, substitute(default, self._values()))

    def _do_from(self, instruction: Instruction) -> None:
        self._bases += 1
        if self._bases > 1:
            raise BuildError(f"{instruction.where}: localcluster does not support multi-stage builds")
        base = substitute(instruction.text, self._values())
        self._tell(f"FROM {base} is not used: pods run the Python and the programs of this machine")

    def _do_env(self, instruction: Instruction) -> None:
        name, _, rest = instruction.text.partition(" ")
        words = [f"{name}={rest.strip()}"] if rest and "=" not in name else instruction.words()
        values = self._values()
        self._stage.env |= {k: substitute(v, values) for k, _, v in (word.partition("=") for word in words)}

    def _do_workdir(self, instruction: Instruction) -> None:
        folder = substitute(instruction.text.strip("\"'"), self._values())
        self._stage.workdir = normal(Path(self._stage.workdir) / folder)
        within(self._root, self._stage.workdir).mkdir(parents=True, exist_ok=True)

    def _do_cmd(self, instruction: Instruction) -> None:
        self._stage.command = _command(instruction)

    def _do_entrypoint(self, instruction: Instruction) -> None:
        self._stage.entrypoint, self._stage.command = _command(instruction), []

    def _do_copy(self, instruction: Instruction) -> None:
        if "from" in instruction.flags:
            raise BuildError(f"{instruction.where}: localcluster does not support COPY --from")
        words = [substitute(word, self._values()) for word in instruction.words()]
        if len(words) < 2:
            raise BuildError(f"{instruction.where}: COPY needs a source and a destination")
        *sources, destination = words
        target = within(self._root, Path(self._stage.workdir) / destination)
        into = destination.endswith(("/", ".")) or len(sources) > 1
        ignored = _ignored(self._context)
        for pattern in sources:
            inside = os.path.normpath(pattern.lstrip("/"))
            if inside.startswith(".."):
                raise BuildError(f"{instruction.where}: COPY {pattern}: outside of the build context {self._context}")
            found = [self._context] if inside == "." else sorted(self._context.glob(inside))
            found = [path for path in found if path == self._context or not ignored(path)]
            if not found:
                raise BuildError(f"{instruction.where}: COPY {pattern}: not in the build context {self._context}")
            for source in found:
                if source != self._context:
                    within(self._context, source.relative_to(self._context))
                if source.is_dir() and not source.is_symlink():
                    shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True, ignore=_ignoring(ignored))
                else:
                    place = target / source.name if into or target.is_dir() else target
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, place, follow_symlinks=False)
                self._refuse_links_that_leave(instruction)

    def _do_run(self, instruction: Instruction) -> None:
        files, options = pip_arguments(instruction)
        for name in files:
            file = within(self._root, Path(self._stage.workdir) / substitute(name, self._values()))
            if not file.is_file():
                raise BuildError(f"{instruction.where}: RUN pip install -r {name}: no such file; COPY it first")
            self._requirements.append(file.read_text())
        text = "\n".join(self._requirements)
        try:
            self._stage.python = str(self._environments.get(text, options, self._tell))
        except BuildError as error:
            raise BuildError(f"{instruction.where}: {error}") from None

    def _refuse_links_that_leave(self, instruction: Instruction) -> None:
        """Raise BuildError if a symbolic link of the image leads out of it: a pod could write there."""
        root = self._root.resolve()
        for link in (path for path in self._root.rglob("*") if path.is_symlink()):
            target = Path(os.path.realpath(link))
            if link.readlink().is_absolute() or not target.is_relative_to(root):
                name = link.relative_to(self._root)
                why = f"/{name} is a symbolic link to {link.readlink()}, which is not in the image"
                advice = f"exclude it with a line **/{link.name} in .dockerignore, or make it a relative link"
                raise BuildError(f"{instruction.where}: COPY: {why}; {advice}")


def _command(instruction: Instruction) -> list[str]:
    """Return the command line of the exec form, or of a shell for the shell form."""
    if instruction.text.startswith("["):
        return instruction.exec_form()
    return ["/bin/sh", "-c", instruction.text]


def _ignored(context: Path) -> Callable[[Path], bool]:
    """Return the predicate for files that .dockerignore excludes."""
    file = context / ".dockerignore"
    lines = [line.strip() for line in file.read_text().splitlines()] if file.is_file() else []
    rules = [(line.lstrip("!").strip("/"), not line.startswith("!")) for line in lines if line and line[0] != "#"]

    def ignored(path: Path) -> bool:
        parts = path.relative_to(context).parts
        names = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        out = False
        for pattern, keeps_out in rules:
            anywhere = re.sub(r"^\*\*/", "", pattern)
            hits = [n for n in names if fnmatch.fnmatch(n, pattern)]
            if pattern.startswith("**/"):
                hits += [n for n in names if fnmatch.fnmatch(n.rpartition("/")[2], anywhere)]
            out = keeps_out if hits else out
        return out

    return ignored


def _ignoring(ignored: Callable[[Path], bool]) -> Callable[[str, list[str]], list[str]]:
    return lambda folder, names: [name for name in names if ignored(Path(folder) / name)]
