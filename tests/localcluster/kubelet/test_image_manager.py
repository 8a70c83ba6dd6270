"""Images that do not exist, and names that are not valid."""

from __future__ import annotations

from tests.localcluster.cluster import Namespace
from tests.localcluster.objects import pod, script
from tests.localcluster.pods import state, waiting_reason


def test_the_status_names_a_missing_image_and_how_to_build_it(namespace: Namespace) -> None:
    namespace.apply(pod("pulling", script("", image="nowhere:1")))
    namespace.apply(pod("never", script("", image="nowhere:1", imagePullPolicy="Never")))
    found = namespace.pod("pulling", lambda p: waiting_reason(p) == "ImagePullBackOff")
    assert "localcluster build CONTEXT -t nowhere:1" in state(found)["state"]["waiting"]["message"]
    assert found["status"]["phase"] == "Pending"
    assert any('Failed to pull image "nowhere:1"' in said for said in namespace.events("pulling", "Failed"))
    namespace.pod("never", lambda p: waiting_reason(p) == "ErrImageNeverPull")


def test_the_status_says_why_an_image_name_is_invalid(namespace: Namespace) -> None:
    long = "x" * 300
    namespace.apply(pod("long", script("", image=long)), pod("odd", script("", image="Web:1")))
    found = namespace.pod("long", lambda p: waiting_reason(p) == "InvalidImageName")
    why = "repository name must not be more than 255 characters"
    message = f'Failed to apply default image tag "{long}": couldn\'t parse image name "{long}": {why}'
    assert state(found)["state"]["waiting"]["message"] == message
    assert namespace.events("long", "InspectFailed") == [message]
    odd = namespace.pod("odd", lambda p: waiting_reason(p) == "InvalidImageName")
    assert state(odd)["state"]["waiting"]["message"].endswith("repository name (library/Web) must be lowercase")
