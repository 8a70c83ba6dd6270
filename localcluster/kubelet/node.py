"""The one node, which is this machine: its Node object, and what all its pods share."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import VERSION
from localcluster.images.store import Images
from localcluster.kubelet.environment import Environment
from localcluster.network import Network
from localcluster.storage.events import Recorder
from localcluster.storage.registry import Registry

NODE_NAME = "localcluster"


@dataclass(frozen=True)
class NodeContext:
    """What all pods of the node share.

    Attributes:
        registry: writes the status of pods.
        network: gives pods their addresses.
        images: the images of this machine.
        environment: computes the variables of containers.
        recorder: writes the kubelet's Events.
        state: the cluster's state folder, which marks its processes.
        back_off: seconds before the second restart of a container; they double from there.
    """

    registry: Registry
    network: Network
    images: Images
    environment: Environment
    recorder: Recorder
    state: Path
    back_off: float


def node(address: str) -> Object:
    """Return the Node object. Its capacity is nominal: requests are counted, but limits are not enforced."""
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "2000", "ephemeral-storage": "1Ti"}
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = platform.system().lower()
    labels = {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": system, "kubernetes.io/arch": architecture}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "localcluster is up"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE_NAME, "labels": labels},
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": NODE_NAME}],
            "conditions": [{**ready, "lastHeartbeatTime": now(), "lastTransitionTime": now()}],
            "nodeInfo": {
                **dict.fromkeys(("machineID", "systemUUID", "bootID", "kubeProxyVersion"), ""),
                "kernelVersion": os.uname().release,
                "osImage": platform.platform(),
                "containerRuntimeVersion": "localcluster://processes",
                "kubeletVersion": VERSION,
                "operatingSystem": system,
                "architecture": architecture,
            },
        },
    }
