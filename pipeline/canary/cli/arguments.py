"""What an argument means that may be a Deployment's name or manifests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from canary.errors import InputError
from canary.manifests import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS = ("deploy", "deployment", "deployments", "deployment.apps", "deployments.apps")


def names_and_manifests(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names of Deployments, and the manifests, among arguments.

    Manifests are `-`, what contains a slash and what ends as manifests do. `deployment/NAME`, as kubectl writes it, is
    a name unless there is such a file or folder.

    Raises:
        InputError: a plain word that is also a folder here. Neither is guessed: the wrong guess would leave a bad
            canary where it is.
    """
    names: list[str] = []
    paths: list[str] = []
    for one in arguments:
        kind, _, name = one.partition("/")
        if kind in _KINDS and name and not Path(one).exists():
            names.append(name)
        elif one == "-" or "/" in one or one.endswith(SUFFIXES):
            paths.append(one)
        elif Path(one).is_dir():
            raise InputError(
                f"{one} is a folder here: write {one}/ for the manifests in it, deployment/{one} for the Deployment"
            )
        else:
            names.append(one)
    return names, paths
