"""Where things are: state, logs, images and the cache of Python environments."""

import os
from pathlib import Path


class Folders:
    """The folders and files of one cluster.

    Attributes:
        base: the folder that all clusters of a user share.
        name: the cluster's name.
        images: the images, which all clusters share.
        state: the cluster's own folder.
        pods: the files of pods, while the cluster is up.
        kubeconfig: what kubectl needs.
        log: the daemon's log.
        lock: the file that the daemon locks while it lives; it holds the daemon's process id.
        facts: the file in which the daemon says where its Services listen.
    """

    def __init__(self, base: Path, name: str) -> None:
        self.base = base
        self.name = name
        self.images = base / "images"
        self.state = base / name
        self.pods = self.state / "pods"
        self.kubeconfig = self.state / "kubeconfig"
        self.log = self.state / "daemon.log"
        self.lock = self.state / "daemon.lock"
        self.facts = self.state / "facts.json"

    def make(self) -> None:
        """Make the folders. Only their owner may enter: they hold the Secrets of pods."""
        make_base(self.base)
        _make_private(self.state)


def make_base(base: Path) -> None:
    """Make the folder that all clusters of a user share.

    A folder that exists and that LOCALCLUSTER_HOME names keeps its mode: it may hold other things too.
    """
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.environ.get("LOCALCLUSTER_HOME"):
        base.chmod(0o700)
    _make_private(base / "images")


def _make_private(folder: Path) -> None:
    folder.mkdir(exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def default_base() -> Path:
    """Return $LOCALCLUSTER_HOME, else localcluster in the XDG state folder."""
    return _folder("LOCALCLUSTER_HOME", "XDG_STATE_HOME", ".local/state")


def default_cache() -> Path:
    """Return $LOCALCLUSTER_CACHE, else localcluster in the XDG cache folder."""
    return _folder("LOCALCLUSTER_CACHE", "XDG_CACHE_HOME", ".cache")


def _folder(variable: str, xdg_variable: str, usual: str) -> Path:
    if given := os.environ.get(variable):
        return Path(given).absolute()
    return Path(os.environ.get(xdg_variable) or Path.home() / usual) / "localcluster"
