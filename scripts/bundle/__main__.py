"""Make one archive for machines without a network: `make bundle`, see docs/offline.md.

    make bundle                                     for all platforms and Pythons below
    make bundle PLATFORMS=linux-x86_64 PYTHONS=3.12 for one of each; several are separated by a space

The archive has this repository at HEAD, and in wheels/ the packages of requirements/workshop.lock: those of the demo,
and kubectl. scripts/bootstrap installs from there. Exits with 2 if the bundle cannot be made.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from canary.plurals import counted
from scripts.bundle.targets import PLATFORMS, PYTHONS, Target
from scripts.bundle.wheels import BundleError, Collection, megabytes

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"


def chosen(variable: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of an environment variable, or all known ones; raises BundleError for an unknown one."""
    words = tuple(os.environ.get(variable, "").split())
    for word in words:
        if word not in known:
            raise BundleError(f"{variable}: {word} is not known. Choose from: {' '.join(known)}")
    return words or known


def check_that_all_is_committed() -> None:
    """Raise BundleError if the working copy differs from HEAD, which is what the bundle gets."""
    changes = git("status", "--porcelain", "--untracked-files=normal").splitlines()
    if changes:
        listed = "\n".join(f"  {line}" for line in changes[:10]) + ("\n  …" if len(changes) > 10 else "")
        raise BundleError(
            "The bundle has what is committed, and these changes are not. Commit them, or set them aside with "
            f"`git stash --include-untracked`:\n{listed}"
        )


def git(*arguments: str) -> str:
    """Return what a git command prints; raises BundleError if it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(
            f"git {arguments[0]} failed: {done.stderr.strip()}. Run make bundle in a clone of the repository"
        )
    return done.stdout.rstrip("\n")


def write_archive(collection: Collection, name: str) -> Path:
    """Write the archive into dist/ and return its path. It is not compressed: wheels are."""
    DIST.mkdir(exist_ok=True)
    archive = DIST / f"{name}.tar"
    half = archive.with_suffix(".tar.part")
    git("archive", "--format=tar", f"--prefix={name}/", f"--output={half}", "HEAD")
    with tarfile.open(half, "a") as tar:
        for file, text in (
            ("TARGETS", collection.targets()),
            ("manifest.json", collection.manifest(git("rev-parse", "HEAD"))),
        ):
            entry = tarfile.TarInfo(f"{name}/wheels/{file}")
            entry.size, entry.mtime = len(text.encode()), int(time.time())
            tar.addfile(entry, io.BytesIO(text.encode()))
        for wheel in collection.stored():
            tar.add(wheel, f"{name}/wheels/{wheel.name}", filter=without_owner)
    half.rename(archive)
    return archive


def without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an entry of an archive that belongs to whoever unpacks it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o644
    return entry


def main() -> int:
    """Make the bundle; returns the exit code."""
    try:
        check_that_all_is_committed()
        known = {platform.name: platform for platform in PLATFORMS}
        platforms = [known[name] for name in chosen("PLATFORMS", tuple(known))]
        targets = [Target(platform, python) for platform in platforms for python in chosen("PYTHONS", PYTHONS)]
        with tempfile.TemporaryDirectory(prefix="canary-bundle-") as folder:
            collection = Collection(Path(folder))
            collection.collect(targets)
            archive = write_archive(collection, f"canary-lab-{git('describe', '--always', '--tags')}")
            stored = counted(len(collection.stored()), "wheel")
    except BundleError as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 2
    print(
        f"\n{archive.relative_to(ROOT)}: {counted(len(collection.wheels), 'target')}, {stored}, "
        f"{megabytes(archive.stat().st_size)}\nsha256: {hashlib.sha256(archive.read_bytes()).hexdigest()}\n\n"
        f"On a machine without a network:  tar -xf {archive.name} && cd {archive.stem} && make demo",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
