"""Where a container finds its volumes, without a mount namespace: a process sees this machine's files.

A container has a folder of its own, a copy of its image. A volume is a link in there, at its mountPath: a process that
opens the path relative to its WORKDIR finds it. Absolute paths that a manifest or an image gives to a process are
replaced, but only where they cannot be anything else, since `/app` may as well be part of an address:

* an argument (also after `--option=`) or a variable whose whole value is a mountPath, or a path below one;
* an argument whose whole value is a file of the image;
* the parts of HOME, PYTHONPATH and TMPDIR that the image or a mount has.
"""

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from localcluster.apimachinery.objects import Object
from localcluster.images.rootfs import OutsideError, normal, within

Mounts = dict[PurePosixPath, Path]  # path in the container → real path; includes the root
ROOT = PurePosixPath("/")
TMP = PurePosixPath("/tmp")  # noqa: S108 - a path to compare with
LISTS_OF_PATHS = ("HOME", "PYTHONPATH", "TMPDIR")


def link_mounts(root: Path, container: Object, volumes: Path) -> Mounts:
    """Link the volumes of a container into its folder, and return where they are; raises OutsideError and OSError."""
    mounts: Mounts = {ROOT: root}
    for mount in sorted(container.get("volumeMounts") or [], key=lambda m: normal(m["mountPath"]).count("/")):
        path = PurePosixPath(normal(mount["mountPath"]))
        if path in mounts:
            raise OutsideError(f"cannot mount a volume at {path}: this is the container's root, or it is mounted twice")
        place = place_of(mounts, path)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        source = within(volumes, mount["name"])
        if mount.get("subPath"):
            source = within(source, mount["subPath"])
            if source.is_symlink():
                raise OutsideError(f"subPath {mount['subPath']} is a symbolic link to {source.readlink()}")
            if not source.exists():
                source.mkdir(parents=True)
        place.symlink_to(source)
        mounts[path] = source
    return mounts


def place_of(mounts: Mounts, path: str | PurePosixPath) -> Path:
    """Return the real path for a path in a container: inside the innermost mount; raises OutsideError."""
    inside = PurePosixPath(normal(path))
    around = max((p for p in mounts if inside.is_relative_to(p)), key=lambda p: len(p.parts))
    return mounts[around] if inside == around else within(mounts[around], inside.relative_to(around))


def argument(root: Path, mounts: Mounts, word: str) -> str:
    """Return a word of a command line with a container path replaced by the real path below `root`."""
    option, value = _split(word)
    is_path = mount_of(mounts, value) is not None or _image_has(root, value, Path.is_file)
    return f"{option}{root}{value}" if is_path else word


def variable(root: Path, mounts: Mounts, name: str, value: str) -> str:
    """Return the value of a variable with container paths replaced by the real paths below `root`."""
    is_list = name in LISTS_OF_PATHS
    parts = value.split(":") if is_list else [value]
    known = [mount_of(mounts, p) is not None or (is_list and _image_has(root, p, Path.exists)) for p in parts]
    return ":".join(f"{root}{p}" if is_path else p for p, is_path in zip(parts, known, strict=True))


def mount_of(mounts: Mounts, value: str) -> PurePosixPath | None:
    """Return the mountPath of the innermost mount that a value points into, or None."""
    if not _is_absolute(value):
        return None
    around = [m for m in mounts if m != ROOT and PurePosixPath(value).is_relative_to(m)]
    return max(around, key=lambda m: len(m.parts), default=None)


def unseen_mounts(mounts: Mounts, workdir: str, words: list[str]) -> list[str]:
    """Return the mounts that a process cannot find.

    It can find mounts below WORKDIR, mounts that its command line or variables name, mounts inside these, and /tmp
    (by TMPDIR).
    """
    named = {mount_of(mounts, _split(word)[1]) for word in words}
    volumes = [m for m in mounts if m != ROOT]
    seen = [m for m in volumes if m.is_relative_to(normal(workdir)) or m in named or m == TMP]
    return [str(m) for m in volumes if not any(m.is_relative_to(s) for s in seen)]


def _split(word: str) -> tuple[str, str]:
    """Return `--option=` and the value, or an empty string and the word."""
    option, equals, value = word.partition("=")
    return (option + equals, value) if word.startswith("-") and equals else ("", word)


def _image_has(root: Path, value: str, check: Callable[[Path], bool]) -> bool:
    try:
        return _is_absolute(value) and check(root / value[1:])
    except OSError:  # too long for a path
        return False


def _is_absolute(value: str) -> bool:
    """Return whether a value can be an absolute path: `//host/x` is an address, and `..` is not supported."""
    return value.startswith("/") and not value.startswith("//") and ".." not in value.split("/") and value != "/"
