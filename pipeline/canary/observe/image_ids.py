"""Whether stable's pods run what the canary's pods ran, told by the IDs that nodes give to images.

Two IDs with one digest are one content, whatever repository they name. Two digests are two contents only where the
nodes name images alike: one node may give the digest of an index and another the digest of a manifest in that index
(each architecture has its own), and an image that no registry has gets an ID that only its node knows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from canary.errors import PromoteError
from canary.events import Note
from canary.objects import Object
from canary.observe.deployments import pods_of
from canary.ports import Cluster, World

PIN = "give the image by its digest (--image NAME@sha256:…), which is the same everywhere"


@dataclass(frozen=True)
class RunningImage:
    """The image of one container of one pod.

    Attributes:
        container: its name.
        image: as the pod asks for it.
        image_id: as the node names it.
        node: name of the node.
    """

    container: str
    image: str
    image_id: str
    node: str

    @property
    def digest(self) -> str:
        """The digest in the ID: of a manifest or an index; of the configuration where no registry has the image."""
        return self.image_id.rpartition("@")[2].rpartition("://")[2].removeprefix("sha256:")

    @property
    def is_of_registry(self) -> bool:
        """Whether the node names the image as a registry does."""
        return "@" in self.image_id

    @property
    def is_pinned(self) -> bool:
        """Whether the pod asks for the image by its digest, so that no node runs another content."""
        return "@" in self.image

    def __str__(self) -> str:
        return f"{self.image_id} on node {self.node}"


def running_images(cluster: Cluster, deployment: Object) -> tuple[RunningImage, ...]:
    """Return what the pods of a Deployment run."""
    return images_of_pods(pods_of(cluster, deployment))


def images_of_pods(pods: Iterable[Object]) -> tuple[RunningImage, ...]:
    """Return what pods run."""
    return tuple(one for pod in pods for one in _of_pod(pod))


def check_same_images(
    world: World, name: str, now: Sequence[RunningImage], judged: Sequence[RunningImage], before: Sequence[RunningImage]
) -> None:
    """Refuse a stable whose pods run another content than the canary's, which a tag that was pushed again brings.

    Where the IDs cannot be compared, that is said.

    Args:
        world: what to work with.
        name: of the workload.
        now: what stable's pods run.
        judged: what the canary's pods ran.
        before: what pods of the old version ran; it shows whether the nodes name images alike.

    Raises:
        PromoteError: the content is another one.
    """
    told = set()
    for one in now:
        ran = [other for other in judged if (other.container, other.image) == (one.container, one.image)]
        if not ran or one.is_pinned or one.digest in {other.digest for other in ran}:
            continue
        alike = [other for other in ran if other.is_of_registry == one.is_of_registry]
        doubt = _named_differently([*(other for other in before if other.image != one.image), *ran])
        if any(other.node == one.node for other in alike) or (alike and not doubt):
            raise PromoteError(
                f"container {one.container} of {name} runs {one}, the canary's ran {_listed(alike)}: was the tag "
                f"{one.image} pushed again? To release one content, {PIN}"
            )
        if one.container not in told:
            told.add(one.container)
            why = doubt if alike else "one of the two IDs is known to its node alone"
            text = (
                f"whether container {one.container} of {name} runs what the canary ran cannot be told: it runs {one}, "
                f"the canary's ran {_listed(ran)}, and {why}. To be sure next time, {PIN}"
            )
            world.listen(Note(text, warning=True))


def _of_pod(pod: Object) -> Iterator[RunningImage]:
    spec, status = pod["spec"], pod.get("status") or {}
    asked = {one["name"]: one["image"] for one in [*(spec.get("initContainers") or []), *spec["containers"]]}
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if one.get("imageID"):
            yield RunningImage(one["name"], asked[one["name"]], one["imageID"], spec.get("nodeName") or "")


def _named_differently(every: Iterable[RunningImage]) -> str:
    """Return how nodes of this cluster name one image differently, in words; empty if they are not seen to."""
    seen: dict[tuple[str, str], RunningImage] = {}
    for one in every:
        other = seen.setdefault((one.container, one.image), one)
        if other.digest != one.digest and other.node != one.node:
            return f"nodes here name one image differently: {one.image} is {other}, and {one}"
    return ""


def _listed(ran: Iterable[RunningImage]) -> str:
    return ", ".join(sorted({str(one) for one in ran}))
