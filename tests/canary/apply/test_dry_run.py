"""What promote would meet is found out before a pod starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from canary.errors import ForbiddenError, InputError
from canary.events import Differs, Note
from canary.objects import CONFIG_MAP, SERVICE, Kind
from canary.observe.deployments import progress
from tests.canary.story import Faulty, Story, config_map, deployment, secret, service

Object = dict[str, Any]
PATCH = 'User "deployer" cannot patch resource'


def forbidding(story: Story, *kinds: str, names: tuple[str, ...] = ("app", "settings")) -> Any:
    """Return the cluster of an account that may not write these: RBAC does not tell a dry run from a write."""

    def forbid(obj: Object, *, dry_run: bool = False) -> None:
        if obj["kind"] in kinds and obj["metadata"]["name"] in names:
            right = {"Deployment": "patch deployments.apps", "Service": "patch services"}.get(
                obj["kind"], "patch configmaps"
            )
            raise ForbiddenError(f"apply {obj['kind']} {obj['metadata']['name']}: may not {right}", right)

    return Faulty(story.cluster, {"apply": forbid})


def untouched(story: Story) -> Callable[[], None]:
    """Return what checks that nothing was written since."""

    def versions() -> dict[str, str]:
        kinds = (Kind("apps/v1", "Deployment"), SERVICE, CONFIG_MAP)
        found = (one for kind in kinds for one in story.cluster.find(kind))
        return {one["kind"] + one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}

    before = versions()

    def check() -> None:
        assert versions() == before

    return check


def with_label(image: str, label: str) -> Object:
    made = deployment(image)
    made["spec"]["selector"]["matchLabels"] = {"app": label}
    made["spec"]["template"]["metadata"]["labels"] = {"app": label}
    return made


SELECTOR = (
    r"promote could not write Deployment app: its selector is .*'app'.*, the manifest's is .*'other'.*, "
    "and a selector cannot change: keep it, or release under another name"
)


@pytest.mark.parametrize("asked", [True, False])
def test_a_selector_that_cannot_change_is_refused_before_anything_is_written(story: Story, asked: bool) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"))
    check = untouched(story)
    cluster = story.cluster if asked else forbidding(story, "Deployment")
    with pytest.raises(InputError, match=SELECTOR):
        story.release(config_map("fresh"), with_label("app:2", "other"), cluster=cluster).deploy()
    check()


def test_an_admission_s_no_to_stable_is_found_before_anything_is_written(story: Story) -> None:
    story.stable(deployment("app:1"))
    check = untouched(story)

    def deny(obj: Object, *, dry_run: bool = False) -> None:
        if obj["metadata"]["name"] == "app":
            raise InputError('apply Deployment app: admission webhook "policy.example" denied the request: friday')

    with pytest.raises(InputError, match=r'promote could not write Deployment app: .*"policy.example" denied.*friday'):
        story.release(config_map("fresh"), deployment("app:2"), cluster=Faulty(story.cluster, {"apply": deny})).deploy()
    check()


def test_a_held_object_that_promote_could_not_write_is_found_before_anything_is_written(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    check = untouched(story)
    with pytest.raises(InputError, match=r"promote could not write Service app: .*spec.ports\[0\].port"):
        story.release(service(port=99999), deployment("app:2")).deploy()
    check()


def test_a_new_object_that_would_be_refused_is_found_before_anything_is_written(story: Story) -> None:
    story.stable(deployment("app:1"))
    check = untouched(story)
    with pytest.raises(InputError, match=r"Service app: .*spec.ports\[0\].port"):
        story.release(config_map("fresh"), service(port=99999), deployment("app:2")).deploy()
    check()


def test_a_new_object_that_may_not_be_made_is_found_before_anything_is_written(story: Story) -> None:
    story.stable(deployment("app:1"))
    check = untouched(story)

    def forbid(obj: Object, *, dry_run: bool = False) -> None:
        if obj["kind"] == "Service":
            raise ForbiddenError("create Service app: may not", "create services")

    cluster = Faulty(story.cluster, {"create": forbid})
    with pytest.raises(ForbiddenError, match="create Service app"):
        story.release(config_map("fresh"), service(), deployment("app:2"), cluster=cluster).deploy()
    check()


def test_a_field_of_another_manager_is_found_before_anything_is_written(story: Story) -> None:
    story.stable(deployment("app:1"))
    foreign = deployment("app:1")
    foreign["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "INJECTED", "value": "1"}]
    story.apply_as("injector", foreign)
    story.until(lambda: progress(story.deployment()).complete)
    check = untouched(story)
    with pytest.raises(InputError, match=r"app would differ from app-canary in .*env.*another field manager"):
        story.release(deployment("app:2")).deploy()
    check()


def test_what_kubectl_wrote_and_the_manifest_dropped_is_no_difference(story: Story) -> None:
    old = deployment("app:1")
    old["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DROPPED", "value": "1"}]
    old["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "sidecar:1"})
    story.create_as("kubectl-client-side-apply", old)
    story.until(lambda: progress(story.deployment()).complete)
    story.release(deployment("app:2")).deploy()
    story.release(deployment("app:2")).promote()
    [container] = story.deployment()["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container.get("env")) == ("app:2", None)


def test_an_image_that_gets_its_first_tag_is_pulled_as_the_canary_s(story: Story) -> None:
    story.cluster.apply(deployment("app"))
    story.until(lambda: progress(story.deployment()).complete)
    assert story.deployment()["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    story.release(deployment("app:2")).deploy()
    story.release(deployment("app:2")).promote()
    assert story.deployment()["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_a_release_by_an_account_that_may_not_promote_ends_before_a_pod_starts(story: Story) -> None:
    story.stable(deployment("app:1"))
    check = untouched(story)
    with pytest.raises(ForbiddenError, match=r"apply Deployment app: may not patch deployments\.apps") as raised:
        story.release(deployment("app:2"), cluster=forbidding(story, "Deployment")).run()
    assert raised.value.exit_code == 3
    check()


def test_deploy_by_an_account_that_may_not_promote_says_which_right_it_lacks_and_goes_on(story: Story) -> None:
    story.stable(service(), config_map(colour="red"), deployment("app:1"))
    cluster = forbidding(story, "Deployment", "ConfigMap", "Service")

    story.release(service(port=9090), config_map(colour="blue"), deployment("app:2"), cluster=cluster).deploy()

    assert story.names() == {"app", "app-canary", "app-baseline"}
    [warning] = [note for note in story.heard(Note) if "cannot promote" in note.text]
    assert warning.warning
    assert "cannot promote: it lacks patch services, patch configmaps, patch deployments.apps" in warning.text
    assert warning.text.endswith(
        ". Promote with another account. Not checked by dry run: what promote changes in Service app, Deployment app"
    )
    [settings] = story.heard(Differs)
    assert {"-  colour: red", "+  colour: blue"} <= set(settings.difference)


def test_what_an_account_lacks_is_said_of_its_own_rights_alone(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    assert not [note for note in story.heard(Note) if "cannot promote" in note.text]


@pytest.mark.parametrize(
    ("verb", "resource", "name"),
    [
        ("update", "deployments", "app"),
        ("delete", "deployments", "app-canary"),
        ("create", "configmaps", ""),
        ("patch", "configmaps", "app-before"),
        ("delete", "configmaps", "app-before"),
        ("create", "secrets", ""),
        ("get", "secrets", "app-before"),
        ("delete", "secrets", "app-before"),
        ("patch", "services", "app"),
    ],
)
def test_a_release_asks_for_every_right_of_promote_before_a_pod_starts(
    story: Story, verb: str, resource: str, name: str
) -> None:
    story.stable(service(), secret(), deployment("app:1"))
    check = untouched(story)

    class Account:
        def __getattr__(self, attribute: str) -> Any:
            return getattr(story.cluster, attribute)

        def may(self, *asked: str, **given: Any) -> bool:
            return (asked[0], asked[2], asked[3]) != (verb, resource, name)

    with pytest.raises(ForbiddenError, match=rf"may not {verb} {resource}[.a-z]* ?{name}, .*to promote"):
        story.release(service(), secret(), deployment("app:2"), cluster=Account()).run()
    check()
