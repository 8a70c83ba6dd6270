"""What a container knows of its pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.apimachinery.objects import Object


@dataclass(frozen=True)
class PodContext:
    """A pod as its containers see it.

    Attributes:
        namespace: the pod's namespace.
        name: the pod's name.
        uid: the pod's uid.
        spec: the pod's spec.
        folder: where the pod has its files.
        address: the pod's loopback address.
        ports: where container ports really are, if they are not at their own number.
        marks: the variables by which a process that was left behind is recognised.
        back_off: see NodeContext.
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
        """Return where a container port really is: elsewhere only when it is taken or pods share an address."""
        return self.ports.get(port, port)
