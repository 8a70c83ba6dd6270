"""Where things are: state, logs, images and the cache of environments."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The folders of one cluster.

    Attributes:
        base: what all clusters of a user share: images.
        name: the cluster's name.
    """

    base: Path
    name: str

    @property
    def state(self) -> Path:
        """Return the cluster's own folder."""
        return self.base / self.name

    @property
    def kubeconfig(self) -> Path:
        """Return the file that kubectl needs."""
        return self.state / "kubeconfig"

    @property
    def log(self) -> Path:
        """Return the daemon's log."""
        return self.state / "daemon.log"

    @property
    def pods(self) -> Path:
        """Return where pods have their files, while the cluster is up."""
        return self.state / "pods"

    @property
    def lock(self) -> Path:
        """Return the file that the daemon holds locked while it lives; its process id is in there."""
        return self.state / "daemon.lock"

    @property
    def facts(self) -> Path:
        """Return the file in which the daemon says where its Services listen."""
        return self.state / "facts.json"

    @property
    def images(self) -> Path:
        """Return the folder of images."""
        return self.base / "images"

    def make(self) -> None:
        """Make the folders, which nobody but their owner may enter: pods' Secrets are in there."""
        make_base(self.base)
        make_private(self.state)


def make_base(base: Path) -> None:
    """Make the folder that all clusters of a user share.

    A folder that is there already and that LOCALCLUSTER_HOME names may be for other things too: it keeps its mode.
    """
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.environ.get("LOCALCLUSTER_HOME"):
        base.chmod(0o700)
    make_private(base / "images")


def make_private(folder: Path) -> None:
    """Make a folder that nobody but its owner may enter."""
    folder.mkdir(exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def default_base() -> Path:
    """Return $LOCALCLUSTER_HOME, else localcluster in the XDG state folder."""
    given = os.environ.get("LOCALCLUSTER_HOME")
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "localcluster"


def default_cache() -> Path:
    """Return $LOCALCLUSTER_CACHE, else localcluster in the XDG cache folder."""
    given = os.environ.get("LOCALCLUSTER_CACHE")
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "localcluster"
