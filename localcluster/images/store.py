"""The image store: snapshots of build contexts, and the settings from their Dockerfiles."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from localcluster.images.build import Build
from localcluster.images.dockerfile import BuildError
from localcluster.images.reference import normal_name, problem
from localcluster.images.requirements import Environments

LONGEST_FILE_NAME = 250  # characters


@dataclass(frozen=True)
class Image:
    """An image, as containers need it.

    Attributes:
        digest: `sha256:` and the digest of files and settings.
        root: the folder that stands for the image's file system.
        python: the `bin` folder of its Python environment.
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
        """Return ENV, with the Python environment first in PATH."""
        path = self.env.get("PATH") or os.environ.get("PATH", os.defpath)
        return {**self.env, "PATH": f"{self.python}{os.pathsep}{path}"}


class Images:
    """The images on this machine, in one folder: `tags/NAME:TAG` holds a digest, `content/DIGEST` the image."""

    def __init__(self, folder: Path, environments: Environments) -> None:
        self._tags = folder / "tags"
        self._content = folder / "content"
        self._environments = environments

    def find(self, reference: str) -> Image | None:
        """Return the image for a reference such as `sampleapp:1` (default tag: `latest`), or None."""
        if len(tag := self._file(reference)) > LONGEST_FILE_NAME:
            return None
        try:
            digest = (self._tags / tag).read_text()
            saved = json.loads((self._content / digest / "image.json").read_text())
        except FileNotFoundError:
            return None
        root, python = self._content / digest / "root", Path(saved.pop("python"))
        # Without its Python environment (the cache was deleted), an image does not exist.
        return Image(f"sha256:{digest}", root, python, **saved) if python.is_dir() else None

    def list(self) -> list[tuple[str, str]]:
        """Return all image names with their digests."""
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
        """Build an image from a context, tag it and return its digest; raises BuildError."""
        why = problem(name)
        if why or len(tag := self._file(name)) > LONGEST_FILE_NAME:
            why = why or "too long for a file name on this machine"
            raise BuildError(f"{name!r} is not a valid image name: {why}")
        if not context.is_dir():
            raise BuildError(f"{context}: no such folder; pass the folder with the Dockerfile")
        self._content.mkdir(parents=True, exist_ok=True)
        self._tags.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self._content, prefix="."))
        try:
            scratch.chmod(0o755)
            build = Build(context, scratch / "root", dict(arguments or {}), self._environments, tell)
            saved = build.run(dockerfile or context / "Dockerfile")
            digest = _digest(scratch / "root", {**saved, "python": Path(saved["python"]).parent.name})
            (scratch / "image.json").write_text(json.dumps(saved))
            try:
                scratch.rename(self._content / digest)
            except OSError:
                if not (self._content / digest).exists():  # else the same image exists already
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        fresh = self._tags / f".{os.getpid()}"
        fresh.write_text(digest)
        fresh.replace(self._tags / tag)
        return f"sha256:{digest}"

    def _file(self, reference: str) -> str:
        """Return the name of a tag's file."""
        return quote(normal_name(reference), safe="")


def _digest(root: Path, saved: dict[str, Any]) -> str:
    """Return the digest of an image's files (path, mode, content) and settings."""
    total = hashlib.sha256(json.dumps(saved, sort_keys=True).encode())
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        entry = f"{path.relative_to(root)}\0{mode:o}\0{hashlib.sha256(content).hexdigest()}\n"
        total.update(entry.encode())
    return total.hexdigest()
