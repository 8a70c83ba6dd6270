"""Waits until the image of a container exists. Nothing is pulled: `localcluster build` makes images."""

import asyncio

from localcluster.images.reference import problem
from localcluster.images.store import Image, Images
from localcluster.kubelet.back_off import BackOff
from localcluster.kubelet.container_status import ContainerStatus


async def ensure_image(images: Images, status: ContainerStatus) -> Image:
    """Return the image of a container as soon as it exists; until then, status and Events say what is missing."""
    reference = status.spec["image"]
    if why := problem(reference):
        parse = f'couldn\'t parse image name "{reference}": {why}'
        message = f'Failed to apply default image tag "{reference}": {parse}'
        status.warning("InspectFailed", message)
        status.warning("Failed", "Error: InvalidImageName")
        status.waits("InvalidImageName", message)
        await asyncio.Event().wait()  # forever: a pod with another image is another pod
    back_off = BackOff(status.pod.back_off)
    back_off.next()  # no immediate second attempt
    while (image := images.find(reference)) is None:
        if status.spec.get("imagePullPolicy") == "Never":
            why = f'Container image "{reference}" is not present with pull policy of Never'
            status.warning("ErrImageNeverPull", why)
            status.warning("Failed", "Error: ErrImageNeverPull")
            status.waits("ErrImageNeverPull", why)
            await asyncio.sleep(min(1.0, status.pod.back_off))
        else:
            why = f'Failed to pull image "{reference}": localcluster does not pull images; build it with'
            why += f" `localcluster build CONTEXT -t {reference}`"
            status.normal("Pulling", f'Pulling image "{reference}"')
            status.warning("Failed", why)
            status.warning("Failed", "Error: ErrImagePull")
            status.waits("ErrImagePull", why)
            await asyncio.sleep(min(1.0, status.pod.back_off))
            status.normal("BackOff", f'Back-off pulling image "{reference}"')
            status.warning("Failed", "Error: ImagePullBackOff")
            status.waits("ImagePullBackOff", f'Back-off pulling image "{reference}": ErrImagePull: {why}')
        await asyncio.sleep(back_off.next())
    status.image_id = image.digest
    message = f'Container image "{reference}" already present on machine and can be accessed by the pod'
    status.normal("Pulled", message)
    return image
