"""PodContext: what a container knows about its pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.apimachinery.objects import Object


@dataclass(frozen=True)
class PodContext:
    """A pod as its containers see it. It never changes.

    Attributes:
        namespace: the pod's namespace.
        name: the pod's name.
        uid: the pod's uid.
        spec: the pod's spec.
        folder: the folder of the pod's files.
        address: the pod's loopback address.
        ports: the real port for each container port that is not available.
        marks: the variables by which processes that were left behind are recognised.
        back_off: seconds before the second restart of a container.
    """

    namespace: str
    name: str
    uid: str
    spec: Object
    folder: Path
    address: str
    ports: Mapping[int, int]
    marks: Mapping[str, str]
    back_off: float

    def real_port(self, port: int) -> int:
        """Return the real port for a container port."""
        return self.ports.get(port, port)
