"""What an argument means that may be a Deployment's name or manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from canary.errors import InputError
from canary.manifests.bundle import EMPTY, SUFFIXES

_KINDS = ("deploy", "deployment", "deployments", "deployment.apps", "deployments.apps")


def names_and_manifests(arguments: Iterable[str], is_workload: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Return the names of Deployments, and the manifests, among arguments.

    Manifests are `-`, what contains a slash and what ends as manifests do. `deployment/NAME`, as kubectl writes it, is
    a name unless there is such a file or folder. A plain word is a name, or else a folder here.

    Args:
        arguments: as given.
        is_workload: returns whether a name is a workload's, as far as can be told. Only asked about names of folders.

    Raises:
        InputError: a plain word that is a workload and also a folder here. Neither is guessed: the wrong guess would
            leave a bad canary where it is. An argument that is empty.
    """
    names: list[str] = []
    paths: list[str] = []
    for one in arguments:
        kind, _, name = one.partition("/")
        if not one:
            raise InputError(EMPTY)
        if kind in _KINDS and name and not Path(one).exists():
            names.append(name)
        elif one == "-" or "/" in one or one.endswith(SUFFIXES):
            paths.append(one)
        elif not Path(one).is_dir():
            names.append(one)
        elif is_workload(one):
            raise InputError(
                f"{one} may be a Deployment, and is a folder here: "
                f"write deployment/{one}, or {one}/ for the manifests in it"
            )
        else:
            paths.append(one)
    return names, paths
