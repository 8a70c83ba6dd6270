"""How a container's process is started: command line, variables, working directory."""

from dataclasses import dataclass
from pathlib import Path

from localcluster.apimachinery.objects import Object
from localcluster.images.store import Image
from localcluster.kubelet.environment import Environment, expand
from localcluster.kubelet.mounts import TMP, Mounts, argument, link_mounts, place_of, unseen_mounts, variable
from localcluster.kubelet.pod_context import PodContext
from localcluster.kubelet.references import MissingReferenceError


@dataclass(frozen=True)
class ContainerConfig:
    """How processes are started in a container.

    Attributes:
        argv: the command line of the container's process.
        env: its variables.
        folder: its working directory, where that really is.
        root: the folder that stands for the container's file system.
        mounts: where the volumes of the container are.
        hidden_mounts: a warning for each mount that its process cannot find.
    """

    argv: list[str]
    env: dict[str, str]
    folder: Path
    root: Path
    mounts: Mounts
    hidden_mounts: list[str]

    def translated(self, command: list[str]) -> list[str]:
        """Return a command line with the paths of the container replaced by real paths."""
        return [argument(self.root, self.mounts, word) for word in command]


def configure(pod: PodContext, spec: Object, image: Image, root: Path, environment: Environment) -> ContainerConfig:
    """Link a container's volumes into its folder, and return how its process is started.

    Raises MissingReferenceError, OutsideError, and OSError.
    """
    for name in ("home", "tmp"):
        (pod.folder / name).mkdir(parents=True, exist_ok=True)
    env = environment.variables(pod, spec, image.variables())
    mounts = link_mounts(root, spec, pod.folder / "volumes")
    command = [expand(word, env) for word in spec.get("command") or image.entrypoint]
    default = [] if spec.get("command") else image.command
    command += [expand(word, env) for word in spec.get("args") or default]
    if not command:
        raise MissingReferenceError(f"no command specified: neither the image {spec['image']} nor the pod has one")
    workdir = spec.get("workingDir") or image.workdir
    hidden = [
        f"container {spec['name']} cannot find {path}: localcluster has no mounts, the files are in {root}{path}; "
        f"use a path relative to {workdir}, or pass {path} to the process in an argument or a variable"
        for path in unseen_mounts(mounts, workdir, [*command, *env.values()])
    ]
    if TMP in mounts:
        env["TMPDIR"] = str(TMP)
    own = f"{pod.folder}/"  # a path in there is a real one
    env = {k: v if v.startswith(own) else variable(root, mounts, k, v) for k, v in env.items()}
    env |= pod.marks
    folder = place_of(mounts, workdir)
    folder.mkdir(parents=True, exist_ok=True)
    return ContainerConfig([argument(root, mounts, word) for word in command], env, folder, root, mounts, hidden)
