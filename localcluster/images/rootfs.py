"""Paths in the root file system of an image or container, which never lead out of its folder."""

import os
from pathlib import Path, PurePath


class OutsideError(Exception):
    """A path leads through a symbolic link, and so possibly out of its folder."""


def normal(path: str | PurePath) -> str:
    """Return an absolute path as a container sees it: `..` stops at the root."""
    return "/" + os.path.normpath(f"/{path}").strip("/")


def within(root: Path, path: str | PurePath) -> Path:
    """Return the real path for a path in a container whose root file system is the folder `root`.

    Writing or deleting there changes nothing outside the folder. Only the last part of the path can be a symbolic link:
    replace it, or refuse it. Raises OutsideError if another part is one.
    """
    place = root
    *parents, last = normal(path)[1:].split("/")
    for part in parents:
        place /= part
        if place.is_symlink():
            raise OutsideError(f"{normal(path)}: /{place.relative_to(root)} is a symbolic link to {place.readlink()}")
    return place / last
