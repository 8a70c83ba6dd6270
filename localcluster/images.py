"""Images: snapshots of a build context, and what their Dockerfiles say about running them."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from localcluster.dockerfile import BuildError, Instruction, instructions, substitute
from localcluster.requirements import Environments, pip_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IGNORED = {"EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL", "USER"}


@dataclass(frozen=True)
class Image:
    """What is needed to run an image.

    Attributes:
        digest: `sha256:` and the digest of all that follows.
        root: the folder that stands for the image's file system.
        python: folder of the programs of its Python environment.
        entrypoint: ENTRYPOINT, exec form.
        command: CMD, exec form.
        env: ENV.
        workdir: WORKDIR, absolute in the image.
    """

    digest: str
    root: Path
    python: Path
    entrypoint: list[str]
    command: list[str]
    env: dict[str, str]
    workdir: str

    def variables(self) -> dict[str, str]:
        """Return ENV, with the image's Python first in PATH."""
        path = self.env.get("PATH") or os.environ.get("PATH", os.defpath)
        return {**self.env, "PATH": f"{self.python}{os.pathsep}{path}"}


class Images:
    """The images of this machine, in one folder: `tags/NAME:TAG` holds a digest, `content/DIGEST` the rest."""

    def __init__(self, folder: Path, environments: Environments) -> None:
        self._tags = folder / "tags"
        self._content = folder / "content"
        self._environments = environments

    def find(self, reference: str) -> Image | None:
        """Return the image of a reference such as `sampleapp:1` (no tag: `latest`), or None."""
        tag = self._tags / quote(normal_name(reference), safe="")
        try:
            digest = tag.read_text()
            saved = json.loads((self._content / digest / "image.json").read_text())
        except FileNotFoundError:
            return None
        root, python = self._content / digest / "root", Path(saved.pop("python"))
        return Image(f"sha256:{digest}", root, python, **saved)

    def list(self) -> list[tuple[str, str]]:
        """Return all names with their digests."""
        if not self._tags.is_dir():
            return []
        return sorted((unquote(tag.name), f"sha256:{tag.read_text()}") for tag in self._tags.iterdir())

    def build(
        self,
        context: Path,
        name: str,
        *,
        arguments: Mapping[str, str] | None = None,
        dockerfile: Path | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Make an image of a context, give it a name and return its digest; raises BuildError."""
        if not context.is_dir():
            raise BuildError(f"{context}: no such folder")
        self._content.mkdir(parents=True, exist_ok=True)
        self._tags.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self._content, prefix="."))
        try:
            scratch.chmod(0o755)
            build = _Build(context, scratch / "root", dict(arguments or {}), self._environments, tell)
            saved = build.run(dockerfile or context / "Dockerfile")
            digest = _digest(scratch / "root", saved)
            (scratch / "image.json").write_text(json.dumps(saved))
            if not (self._content / digest).exists():
                scratch.rename(self._content / digest)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        tag = self._tags / quote(normal_name(name), safe="")
        fresh = tag.with_name(f".{os.getpid()}")
        fresh.write_text(digest)
        fresh.replace(tag)
        return f"sha256:{digest}"


@dataclass
class _Stage:
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    python: str = ""


class _Build:
    """One pass through a Dockerfile."""

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
        """Carry all instructions out; returns what is to be known of the image. Raises BuildError."""
        self._root.mkdir()
        started: Instruction | None = None
        for instruction in instructions(dockerfile):
            step = getattr(self, f"_do_{instruction.keyword.lower()}", None)
            if step is not None:
                step(instruction)
            elif instruction.keyword not in IGNORED:
                raise BuildError(f"{instruction.where}: localcluster cannot carry out {instruction.keyword}")
            if instruction.keyword in ("CMD", "ENTRYPOINT"):
                started = instruction
        if not self._bases:
            raise BuildError(f"{dockerfile}: no FROM")
        unused = self._given.keys() - self._arguments.keys()
        if unused:
            raise BuildError(f"{dockerfile}: no ARG for --build-arg {', '.join(sorted(unused))}")
        self._stage.python = str(
            self._environments.get("", [], self._tell) if not self._stage.python else self._stage.python
        )
        if started is not None:
            self._check_program(started)
        return asdict(self._stage)

    def _check_program(self, instruction: Instruction) -> None:
        stage = self._stage
        program = [*stage.entrypoint, *stage.command][0]
        path = f"{stage.python}{os.pathsep}{stage.env.get('PATH') or os.environ.get('PATH', os.defpath)}"
        place = (
            self._root / program.lstrip("/")
            if program.startswith("/")
            else self._root / stage.workdir.strip("/") / program
        )
        if not (shutil.which(program, path=path) or place.exists()):
            why = f"there is no {program} here: the base image is not used, programs are this machine's"
            raise BuildError(f"{instruction.where}: {instruction.keyword}: {why}")

    def _values(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), **self._arguments, **self._stage.env}

    def _do_arg(self, instruction: Instruction) -> None:
        for word in shlex_words(instruction):
            name, _, default = word.partition("=")
            self._arguments[name] = self._given.get(name, substitute(default, self._values()))

    def _do_from(self, instruction: Instruction) -> None:
        self._bases += 1
        if self._bases > 1:
            raise BuildError(f"{instruction.where}: localcluster cannot carry out builds of several stages")
        base = substitute(instruction.text, self._values())
        self._tell(f"FROM {base}: stands for this machine and its Python; a base image is not used")

    def _do_env(self, instruction: Instruction) -> None:
        name, _, rest = instruction.text.partition(" ")
        words = [f"{name}={rest.strip()}"] if rest and "=" not in name else shlex_words(instruction)
        values = self._values()
        self._stage.env |= {k: substitute(v, values) for k, _, v in (word.partition("=") for word in words)}

    def _do_workdir(self, instruction: Instruction) -> None:
        self._stage.workdir = os.path.normpath(
            Path(self._stage.workdir) / substitute(instruction.text.strip("\"'"), self._values())
        )
        self._inside(self._stage.workdir).mkdir(parents=True, exist_ok=True)

    def _do_cmd(self, instruction: Instruction) -> None:
        self._stage.command = _command(instruction)

    def _do_entrypoint(self, instruction: Instruction) -> None:
        self._stage.entrypoint, self._stage.command = _command(instruction), []

    def _do_copy(self, instruction: Instruction) -> None:
        if "from" in instruction.flags:
            raise BuildError(f"{instruction.where}: localcluster cannot carry out COPY --from: it has no other images")
        words = [substitute(word, self._values()) for word in instruction.words()]
        if len(words) < 2:
            raise BuildError(f"{instruction.where}: COPY needs a source and a destination")
        *sources, destination = words
        target = self._inside(Path(self._stage.workdir) / destination)
        into = destination.endswith(("/", ".")) or len(sources) > 1
        ignored = _ignored(self._context)
        for pattern in sources:
            found = [p for p in sorted(self._context.glob(pattern.strip("/") or ".")) if not ignored(p)]
            if pattern.strip("./") == "":
                found = [self._context]
            if not found:
                raise BuildError(f"{instruction.where}: COPY {pattern}: not in {self._context}")
            for source in found:
                if self._context.resolve() not in [source.resolve(), *source.resolve().parents]:
                    raise BuildError(f"{instruction.where}: COPY {pattern}: outside of {self._context}")
                if source.is_dir():
                    shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True, ignore=_ignoring(ignored))
                    continue
                place = target / source.name if into or target.is_dir() else target
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place)

    def _do_run(self, instruction: Instruction) -> None:
        files, options = pip_arguments(instruction)
        for name in files:
            file = self._inside(Path(self._stage.workdir) / substitute(name, self._values()))
            if not file.is_file():
                raise BuildError(f"{instruction.where}: RUN pip install -r {name}: no such file; COPY it first")
            self._requirements.append(file.read_text())
        text = "\n".join(self._requirements)
        try:
            self._stage.python = str(self._environments.get(text, options, self._tell))
        except BuildError as error:
            raise BuildError(f"{instruction.where}: {error}") from None

    def _inside(self, path: Path | str) -> Path:
        return self._root / os.path.normpath(f"/{path}").lstrip("/")


def normal_name(reference: str) -> str:
    """Return a reference with its tag and without what Docker Hub's names may leave out.

    Digests are not looked at (`app:1@sha256:…` is `app:1`).
    """
    name = reference.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def shlex_words(instruction: Instruction) -> list[str]:
    """Return an ARG's or ENV's words; raises BuildError."""
    return instruction.words()


def _command(instruction: Instruction) -> list[str]:
    """Return the words of the exec form; the other form is a shell's, as in Docker."""
    if instruction.text.startswith("["):
        return instruction.exec_form()
    return ["/bin/sh", "-c", instruction.text]


def _ignored(context: Path) -> Callable[[Path], bool]:
    """Return what tells the files that .dockerignore keeps out."""
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


def _digest(root: Path, saved: dict[str, Any]) -> str:
    """Return the digest of an image's files (path, mode, content) and of how it is run."""
    total = hashlib.sha256(json.dumps(saved, sort_keys=True).encode())
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        entry = f"{path.relative_to(root)}\0{mode:o}\0{hashlib.sha256(content).hexdigest()}\n"
        total.update(entry.encode())
    return total.hexdigest()
