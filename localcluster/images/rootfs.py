"""Paths that somebody else wrote (a manifest, a Dockerfile), kept inside a folder of localcluster's own."""

from __future__ import annotations

import os
from pathlib import Path, PurePath


class OutsideError(Exception):
    """A path leads through a symbolic link, and so perhaps out of its folder."""


def normal(path: str | PurePath) -> str:
    """Return a path as a container sees it: absolute, and `..` ends at the root."""
    return "/" + os.path.normpath(f"/{path}").strip("/")


def within(root: Path, path: str | PurePath) -> Path:
    """Return where a path of a container is in the folder that stands for its file system.

    Whoever writes or deletes there touches nothing outside the folder. Only the path's last part may be a symbolic
    link: replace it, or refuse it. Raises OutsideError where another part is one.
    """
    place = root
    *parents, last = normal(path)[1:].split("/")
    for part in parents:
        place /= part
        if place.is_symlink():
            raise OutsideError(f"{normal(path)}: /{place.relative_to(root)} is a symbolic link to {place.readlink()}")
    return place / last
