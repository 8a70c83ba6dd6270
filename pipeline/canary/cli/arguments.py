"""Arguments that may be names of Deployments or manifests."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path

from canary.errors import ClusterError, InputError
from canary.manifests.bundle import EMPTY, SUFFIXES, has_manifests
from canary.objects import DEPLOYMENT, NAMESPACE
from canary.observe.deployments import read_workload
from canary.ports import Cluster

_KINDS = ("deploy", "deployment", "deployments", "deployment.apps", "deployments.apps")


def names_and_manifests(arguments: Iterable[str], is_workload: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Return the names of Deployments and the manifests among arguments.

    Manifests are `-`, an argument with a slash, and an argument that ends as manifests do. `deployment/NAME`, as
    kubectl writes it, is a name unless such a file or folder exists. A plain word is a name if no folder with manifests
    is called so: the code of an app is often in a folder of its name.

    Args:
        arguments: as given.
        is_workload: returns whether a Deployment of this name exists or may exist. Only called with names of folders.

    Raises:
        InputError: an argument is empty, or both a Deployment and a folder. The driver does not guess: a wrong guess
            would leave a bad canary running.
    """
    names: list[str] = []
    paths: list[str] = []
    for argument in arguments:
        kind, _, name = argument.partition("/")
        if not argument:
            raise InputError(EMPTY)
        if kind in _KINDS and name and not Path(argument).exists():
            names.append(name)
        elif argument == "-" or "/" in argument or argument.endswith(SUFFIXES):
            paths.append(argument)
        elif not has_manifests(Path(argument)):
            names.append(argument)
        elif is_workload(argument):
            raise InputError(
                f"{argument} may be a Deployment, and is also a folder here: "
                f"write deployment/{argument} for the Deployment, or {argument}/ for the manifests in the folder"
            )
        else:
            paths.append(argument)
    return names, paths


def require_deployments(cluster: Cluster, names: Iterable[str]) -> None:
    """Refuse names without a Deployment: they are misspelt, or in another namespace.

    Raises:
        InputError: neither the Deployment nor a variant of it exists, or the namespace does not.
    """
    for name in names:
        if not read_workload(cluster, name).variants:
            require_namespace(cluster)
            close = get_close_matches(name, [live["metadata"]["name"] for live in cluster.find(DEPLOYMENT)], 3)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise InputError(
                f"there is no Deployment {name} in namespace {cluster.namespace}, and no canary or baseline of it{hint}"
            )


def require_namespace(cluster: Cluster) -> None:
    """Refuse a namespace that does not exist; for commands that found nothing in it.

    Raises:
        InputError: the namespace does not exist.
    """
    try:
        exists = cluster.get(NAMESPACE, cluster.namespace) is not None
    except ClusterError:  # an account with permissions in one namespace only cannot tell
        return
    if not exists:
        raise InputError(f"there is no namespace {cluster.namespace}: create it, or pass another --namespace")
