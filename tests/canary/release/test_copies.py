"""Changed configuration reaches the canary alone until promote, and goes with it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from canary.errors import ForbiddenError, InputError, PromoteError
from canary.events import Differs, Note, Written
from canary.manifests.references import references
from canary.objects import CONFIG_MAP, DEPLOYMENT, SECRET
from canary.observe.deployments import progress
from tests.canary.cluster_simulator import unready
from tests.canary.story import Faulty, Story, config_map, deployment

Object = dict[str, Any]


def app(image: str = "app:2", *, name: str = "app", settings: str = "settings", optional: bool = False) -> Object:
    """Return a Deployment that is configured by a ConfigMap, as variables."""
    made = deployment(image, name=name)
    reference = {"name": settings} | ({"optional": True} if optional else {})
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": reference}]
    return made


def with_secret(image: str = "app:2") -> Object:
    made = deployment(image)
    made["spec"]["template"]["spec"]["volumes"] = [{"name": "token", "secret": {"secretName": "token"}}]
    return made


def secret(value: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"password": value}}


def data(story: Story, name: str = "settings") -> dict[str, str] | None:
    found = story.cluster.get(CONFIG_MAP, name)
    return None if found is None else found.get("data", {})


def refers_to(story: Story, name: str) -> set[str]:
    return {one.name for one in references(story.deployment(name))}


def version(found: Object | None) -> str:
    assert found is not None
    return str(found["metadata"]["resourceVersion"])


def deployed(story: Story) -> tuple[Object, Object]:
    """Deploy a release that changes image and configuration."""
    story.stable(config_map(colour="red"), app("app:1"))
    new = (config_map(colour="blue"), app("app:2"))
    story.release(*new).deploy()
    return new


def test_changed_configuration_is_copied_for_the_canary_alone(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    before = version(story.cluster.get(CONFIG_MAP, "settings"))
    generation = story.deployment()["metadata"]["generation"]

    story.release(config_map(colour="blue"), app("app:2")).deploy()

    assert data(story, "settings-canary") == {"colour": "blue"}
    assert refers_to(story, "app-canary") == {"settings-canary"}
    assert refers_to(story, "app-baseline") == refers_to(story, "app") == {"settings"}
    assert version(story.cluster.get(CONFIG_MAP, "settings")) == before
    assert story.deployment()["metadata"]["generation"] == generation
    [told] = story.heard(Differs)
    assert (told.name, told.copy) == ("settings", "settings-canary")


def test_the_copy_is_there_before_the_canary_has_a_pod(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    story.release(config_map(colour="blue"), app("app:2")).deploy()
    told = [(event.kind, event.name, event.action, event.detail) for event in story.heard(Written)]
    assert told == [
        ("Deployment", "app-canary", "created", "0 replicas of app:2"),
        ("Deployment", "app-baseline", "created", "2 replicas of app:1"),
        ("ConfigMap", "settings-canary", "created", "for app-canary alone"),
        ("Deployment", "app-canary", "scaled", "to 2"),
    ]


@pytest.mark.parametrize("who", ["reject", "somebody else"])
def test_the_copy_is_deleted_with_the_canary_by_any_tool(story: Story, who: str) -> None:
    deployed(story)
    if who == "reject":
        story.release(names=("app",)).reject()
    else:
        story.cluster.delete(DEPLOYMENT, "app-canary")
    story.until(lambda: data(story, "settings-canary") is None)
    assert data(story) == {"colour": "red"}


def test_promote_writes_the_configuration_and_stable_goes_on_referring_to_it_by_its_own_name(story: Story) -> None:
    new = deployed(story)
    story.release(*new).promote()
    assert data(story) == {"colour": "blue"}
    assert refers_to(story, "app") == {"settings"}
    assert story.names() == {"app"}
    story.until(lambda: data(story, "settings-canary") is None)


def test_secrets_are_copied_as_well_and_their_values_told_nowhere(story: Story) -> None:
    story.stable(secret("hunter2"), with_secret("app:1"))
    story.release(secret("hunter3"), with_secret("app:2")).deploy()
    copy = story.cluster.get(SECRET, "token-canary") or {}
    assert copy["type"] == "Opaque"
    assert base64.b64decode(copy["data"]["password"]) == b"hunter3"
    assert "hunter" not in str(story.events)
    assert "aHVudGVy" not in str(story.events)
    assert "<7 bytes, changed>" in str(story.events)


def test_a_change_of_configuration_alone_starts_stable_s_pods_anew_at_promote_and_never_again(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    generation = story.deployment()["metadata"]["generation"]
    new = (config_map(colour="blue"), app("app:1"))
    story.release(*new).deploy()

    story.release(*new).promote()

    assert story.deployment()["metadata"]["generation"] == generation + 1
    assert progress(story.deployment()).complete
    for again in (story.release(*new).promote, story.release(*new).apply):
        again()
        assert story.deployment()["metadata"]["generation"] == generation + 1


def test_a_promote_that_is_undone_brings_the_old_configuration_back_to_new_pods(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    before = story.deployment()["spec"]
    new = (config_map(colour="blue"), app("app:2"))
    story.release(*new).deploy()
    story.simulator.script["app:2"] = unready
    with pytest.raises(PromoteError, match="undone"):
        story.release(*new).promote()
    assert data(story) == {"colour": "red"}
    assert story.deployment()["spec"] == before
    assert data(story, "settings-canary") == {"colour": "blue"}


def test_configuration_that_is_only_labelled_anew_needs_no_copy(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    labelled = config_map(colour="red")
    labelled["metadata"]["labels"] = {"team": "a"}
    story.release(labelled, app("app:2")).deploy()
    assert refers_to(story, "app-canary") == {"settings"}
    assert [told.copy for told in story.heard(Differs)] == [""]


def test_configuration_that_no_deployment_refers_to_is_held_without_a_copy(story: Story) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"))
    story.release(config_map(colour="blue"), deployment("app:2")).deploy()
    assert data(story, "settings-canary") is None
    assert data(story) == {"colour": "red"}


def test_a_key_that_kubectl_wrote_and_the_manifest_dropped_is_gone_for_the_canary_and_after_promote(
    story: Story,
) -> None:
    story.create_as("kubectl-client-side-apply", config_map(colour="red", size="1"))
    story.stable(app("app:1"))
    new = (config_map(colour="red"), app("app:2"))
    story.release(*new).deploy()
    assert data(story, "settings-canary") == {"colour": "red"}
    assert data(story) == {"colour": "red", "size": "1"}
    story.release(*new).promote()
    assert data(story) == {"colour": "red"}


def test_a_key_of_another_manager_is_in_the_copy_as_it_will_be_after_promote(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    story.apply_as("operator", config_map(injected="1"))
    new = (config_map(colour="blue"), app("app:2"))
    story.release(*new).deploy()
    assert data(story, "settings-canary") == {"colour": "blue", "injected": "1"}
    story.release(*new).promote()
    assert data(story) == {"colour": "blue", "injected": "1"}


def test_configuration_that_is_not_there_and_that_stable_would_find_is_not_made_before_promote(story: Story) -> None:
    story.stable(app("app:1", optional=True))
    new = (config_map(colour="blue"), app("app:2", optional=True))
    story.release(*new).deploy()
    assert data(story) is None
    assert data(story, "settings-canary") == {"colour": "blue"}
    generation = story.deployment()["metadata"]["generation"]
    story.release(*new).promote()
    assert data(story) == {"colour": "blue"}
    assert story.deployment()["metadata"]["generation"] > generation


def test_a_hashed_name_is_new_and_so_is_made_at_deploy_while_stable_keeps_the_old_one(story: Story) -> None:
    old = {**config_map("settings-1", colour="red"), "immutable": True}
    new = {**config_map("settings-2", colour="blue"), "immutable": True}
    story.stable(old, app("app:1", settings="settings-1"))
    release = (new, app("app:2", settings="settings-2"))
    story.release(*release).deploy()
    assert refers_to(story, "app-canary") == {"settings-2"}
    assert refers_to(story, "app-baseline") == refers_to(story, "app") == {"settings-1"}
    story.release(*release).promote()
    assert refers_to(story, "app") == {"settings-2"}
    assert (data(story, "settings-1"), data(story, "settings-2")) == ({"colour": "red"}, {"colour": "blue"})


def test_a_reject_says_what_its_release_had_made_and_leaves(story: Story) -> None:
    story.stable(config_map("settings-1", colour="red"), app("app:1", settings="settings-1"))
    story.release(config_map("settings-2", colour="blue"), app("app:2", settings="settings-2")).deploy()
    story.release(names=("app",)).reject()
    assert data(story, "settings-2") == {"colour": "blue"}
    assert any("ConfigMap/settings-2" in note.text for note in story.heard(Note))


def test_immutable_configuration_with_new_content_is_refused_with_what_to_do(story: Story) -> None:
    story.stable({**config_map(colour="red"), "immutable": True}, app("app:1"))
    with pytest.raises(InputError, match=r"ConfigMap settings: it is immutable, .* a new name"):
        story.release({**config_map(colour="blue"), "immutable": True}, app("app:2")).deploy()
    assert story.names() == {"app"}


def test_a_copy_of_what_becomes_immutable_can_still_be_made_anew(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    story.release({**config_map(colour="blue"), "immutable": True}, app("app:2")).deploy()
    assert "immutable" not in (story.cluster.get(CONFIG_MAP, "settings-canary") or {})


@pytest.mark.parametrize("killed_at", range(1, 8))
def test_a_driver_killed_at_any_write_is_gone_on_with(story: Story, killed_at: int) -> None:
    story.stable(config_map(colour="red"), config_map("other", a="1"), app("app:1"))
    new = (config_map(colour="blue"), config_map("other", a="2"), app("app:2"))
    writes = []

    def count(*args: Any, **given: Any) -> None:
        if not given.get("dry_run"):
            writes.append(args)
            if len(writes) == killed_at:
                raise RuntimeError("killed")

    faults = dict.fromkeys(("create", "apply", "scale", "annotate", "replace", "delete"), count)
    try:
        story.release(*new, cluster=Faulty(story.cluster, faults)).deploy()
    except RuntimeError:
        assert refers_to(story, "app") == {"settings"}
    story.release(*new).deploy()
    assert data(story, "settings-canary") == {"colour": "blue"}
    assert story.deployment("app-canary")["spec"]["replicas"] == 2
    copy = story.cluster.get(CONFIG_MAP, "settings-canary") or {}
    [owner] = copy["metadata"]["ownerReferences"]
    assert owner["uid"] == story.deployment("app-canary")["metadata"]["uid"]
    story.release(*new).promote()
    assert data(story) == {"colour": "blue"}


def test_a_copy_that_was_deleted_is_made_again(story: Story) -> None:
    new = deployed(story)
    story.cluster.delete(CONFIG_MAP, "settings-canary")
    story.release(*new).deploy()
    assert data(story, "settings-canary") == {"colour": "blue"}


def test_a_copy_that_belongs_to_nobody_is_given_to_its_canary(story: Story) -> None:
    new = deployed(story)
    copy = story.cluster.get(CONFIG_MAP, "settings-canary") or {}
    story.cluster.replace({**copy, "metadata": {**copy["metadata"], "ownerReferences": []}})
    story.release(*new).deploy()
    story.release(names=("app",)).reject()
    story.until(lambda: data(story, "settings-canary") is None)


def test_a_copy_whose_canary_was_made_anew_belongs_to_the_new_one(story: Story) -> None:
    new = deployed(story)
    for _ in range(3):  # each time before the garbage collector comes, or after
        story.cluster.delete(DEPLOYMENT, "app-canary")
        story.release(*new).deploy()
        story.simulator.settle()
        assert data(story, "settings-canary") == {"colour": "blue"}


def test_the_next_release_makes_a_copy_of_its_own(story: Story) -> None:
    deployed(story)
    story.release(names=("app",)).reject()
    story.release(config_map(colour="green"), app("app:3")).deploy()
    story.simulator.settle()
    assert data(story, "settings-canary") == {"colour": "green"}


def test_two_deployments_share_one_copy_until_the_last_canary_goes(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"), app("worker:1", name="worker"))
    story.release(config_map(colour="blue"), app("app:2"), app("worker:2", name="worker")).deploy()
    story.release(names=("app",)).reject()
    story.simulator.settle()
    assert data(story, "settings-canary") == {"colour": "blue"}
    story.release(names=("worker",)).reject()
    story.until(lambda: data(story, "settings-canary") is None)


def test_a_copy_s_name_that_something_else_has_is_refused(story: Story) -> None:
    story.stable(config_map(colour="red"), config_map("settings-canary", mine="1"), app("app:1"))
    with pytest.raises(InputError, match="settings-canary, but another ConfigMap has that name: rename that one"):
        story.release(config_map(colour="blue"), app("app:2")).deploy()
    assert story.names() == {"app"}
    assert data(story, "settings-canary") == {"mine": "1"}


def test_a_copy_s_name_that_the_manifests_use_is_refused(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    with pytest.raises(InputError, match="but the manifests use that name themselves"):
        story.release(config_map(colour="blue"), config_map("settings-canary"), app("app:2")).deploy()
    assert story.names() == {"app"}


def test_the_copy_of_another_release_is_refused_with_its_canary(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"), app("worker:1", name="worker"))
    story.release(config_map(colour="blue"), app("app:2")).deploy()
    with pytest.raises(
        InputError,
        match="app-canary of another release uses ConfigMap settings-canary",
    ):
        story.release(config_map(colour="green"), app("worker:2", name="worker")).deploy()
    assert "worker-canary" not in story.names()


def test_configuration_that_somebody_changes_under_a_canary_without_a_copy_is_found_out(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    new = (config_map(colour="red"), app("app:2"))
    story.release(*new).deploy()
    story.cluster.apply(config_map(colour="pink"))
    with pytest.raises(InputError, match="ConfigMap settings has changed since app-canary was created"):
        story.release(*new).deploy()
    with pytest.raises(PromoteError, match="ConfigMap settings has changed since app-canary was created"):
        story.release(*new).promote()
    assert story.names() == {"app", "app-canary", "app-baseline"}


@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_a_copy_that_is_not_what_promote_would_write_is_found_out(story: Story, how: str) -> None:
    new = deployed(story)
    if how == "changed":
        story.cluster.apply(config_map("settings-canary", colour="green"))
    else:
        story.cluster.delete(CONFIG_MAP, "settings-canary")
    with pytest.raises(PromoteError, match=r"settings-canary, which the canary uses, (is gone|differs)"):
        story.release(*new).promote()
    assert data(story) == {"colour": "red"}


def test_new_configuration_for_the_same_template_is_no_release_that_stable_runs_already(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))
    with pytest.raises(InputError, match="no canary of app has run this release"):
        story.release(config_map(colour="blue"), app("app:1")).promote()
    assert data(story) == {"colour": "red"}


def test_a_copy_that_may_not_be_made_is_found_out_before_anything_is_written(story: Story) -> None:
    story.stable(config_map(colour="red"), app("app:1"))

    def forbid(obj: Object, *, dry_run: bool = False) -> None:
        if obj["metadata"]["name"] == "settings-canary":
            raise ForbiddenError("create ConfigMap settings-canary: may not", "create configmaps")

    with pytest.raises(ForbiddenError, match="settings-canary"):
        story.release(config_map(colour="blue"), app(), cluster=Faulty(story.cluster, {"create": forbid})).deploy()
    assert story.names() == {"app"}
