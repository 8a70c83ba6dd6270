"""What somebody changed in stable while a release was on its way is not overwritten without a word."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InputError, LockedError, PromoteError
from canary.events import Note, StableChanged
from canary.marks import DIGEST, STABLE
from canary.objects import DEPLOYMENT
from canary.observe.deployments import progress
from canary.release.release import Release
from tests.canary.cluster_simulator import ready, unready
from tests.canary.drivers import BOB, lock
from tests.canary.interruption import interrupt_promote
from tests.canary.story import Story, deployment

Object = dict[str, Any]


def image(story: Story) -> str:
    return str(story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


def kubectl(story: Story, change: Any) -> None:
    """Change stable as a person does, and wait until its pods are what it says."""
    live = story.deployment()
    change(live)
    story.cluster.replace(live)
    story.until(lambda: progress(story.deployment()).complete)


def set_image(live: Object) -> None:
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "app:1-hotfix"


def deployed(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.events.clear()


def test_a_hotfix_of_stable_is_shown_and_not_overwritten(story: Story) -> None:
    deployed(story)
    kubectl(story, set_image)
    with pytest.raises(InputError) as refused:
        story.release(deployment("app:2")).promote()
    assert str(refused.value) == (
        "stable app has changed (spec.containers[app].image) since app-canary was deployed, and promote would "
        "overwrite that. To keep the change, put it into the manifests, end this release with canary reject app, and "
        "release anew. To overwrite it, pass --overwrite-stable to canary promote"
    )
    [shown] = story.heard(StableChanged)
    assert [line.strip() for line in shown.difference if line[0] in "+-"] == [
        "--- then",
        "+++ now",
        "-      - image: app:1",
        "+      - image: app:1-hotfix",
    ]
    assert image(story) == "app:1-hotfix"
    assert story.names() == {"app", "app-baseline", "app-canary"}


@pytest.mark.parametrize("unproven", [True, False])
def test_overwrite_stable_is_the_one_way_past_it(story: Story, unproven: bool) -> None:
    deployed(story)
    kubectl(story, set_image)
    if unproven:
        with pytest.raises(InputError, match="--overwrite-stable"):
            story.release(deployment("app:2"), unproven=True).promote()
    story.release(deployment("app:2"), overwrite_stable=True).promote()
    assert image(story) == "app:2"
    [warning] = [note.text for note in story.heard(Note) if "overwrites" in note.text]
    assert warning.endswith("since app-canary was deployed: promote overwrites that, as --overwrite-stable asks")


def test_what_a_promote_over_a_hotfix_undoes_is_the_hotfix_again(story: Story) -> None:
    deployed(story)
    kubectl(story, set_image)
    story.simulator.script["app:2"] = unready
    with pytest.raises(PromoteError, match="undone"):
        story.release(deployment("app:2"), overwrite_stable=True).promote()
    assert image(story) == "app:1-hotfix"
    with pytest.raises(InputError, match="has changed"):
        story.release(deployment("app:2")).promote()


def test_a_hotfix_while_a_canary_is_waited_for_is_not_overwritten(story: Story) -> None:
    deployed(story)
    story.simulator.set_status(story.namespace, "app-canary-", unready)

    def fix() -> None:
        live = story.deployment()
        set_image(live)
        story.cluster.replace(live)
        story.simulator.set_status(story.namespace, "app-canary-", ready)

    story.clock.after(2, fix)
    with pytest.raises(InputError, match=r"stable app has changed \(spec.containers\[app\].image\) since"):
        story.release(deployment("app:2")).promote()
    assert image(story) == "app:1-hotfix"


def test_values_of_variables_are_not_shown(story: Story) -> None:
    old = deployment("app:1")
    old["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "old-secret"}]
    story.stable(old)
    story.release(deployment("app:2")).deploy()

    def set_env(live: Object) -> None:
        live["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "new-secret"

    kubectl(story, set_env)
    with pytest.raises(InputError, match=r"has changed \(spec.containers\[app\].env\[PASSWORD\].value\)"):
        story.release(deployment("app:2")).promote()
    [shown] = story.heard(StableChanged)
    assert [line.split(maxsplit=1)[1] for line in shown.difference if "value" in line] == [
        "value: <10 bytes>",
        "value: <10 bytes, changed>",
    ]
    assert "secret" not in str(shown)


def restarted(live: Object) -> None:
    metadata = live["spec"]["template"]["metadata"]
    metadata["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}


def scaled(live: Object) -> None:
    live["spec"]["replicas"] = 6


@pytest.mark.parametrize("change", [restarted, scaled])
def test_a_restart_and_other_replicas_are_no_change(story: Story, change: Any) -> None:
    deployed(story)
    kubectl(story, change)
    story.release(deployment("app:2")).deploy()
    story.release(deployment("app:2")).promote()
    assert image(story) == "app:2"
    assert story.heard(StableChanged) == []


def test_defaults_that_a_new_version_of_kubernetes_fills_in_everywhere_are_no_change(story: Story) -> None:
    deployed(story)
    story.cluster.annotate(DEPLOYMENT, "app-canary", {STABLE: "sha256:of-a-template-with-fewer-defaults"})
    story.release(deployment("app:2")).promote()
    assert image(story) == "app:2"


def test_a_hotfix_is_found_without_a_baseline_to_show_it_by(story: Story) -> None:
    deployed(story)
    kubectl(story, set_image)
    story.cluster.delete(DEPLOYMENT, "app-baseline")
    with pytest.raises(InputError, match=r"stable app has changed \(in what cannot be told, its baseline is gone\)"):
        story.release(deployment("app:2")).promote()
    with pytest.raises(InputError, match=r"stable app has changed since app-canary was deployed\. To start again"):
        story.release(deployment("app:2")).deploy()


def test_a_stable_that_somebody_made_or_deleted_meanwhile_is_a_change_too(story: Story) -> None:
    story.release(deployment("app:1")).deploy()
    story.cluster.create(deployment("app:0"))
    with pytest.raises(InputError, match=r"stable app was created since app-canary was deployed"):
        story.release(deployment("app:1")).promote()
    assert image(story) == "app:0"
    story.release(names=("app",)).reject()

    story.until(lambda: progress(story.deployment()).complete)
    story.release(deployment("app:1")).deploy()
    story.cluster.delete(DEPLOYMENT, "app")
    with pytest.raises(InputError, match=r"stable app was deleted since app-canary was deployed"):
        story.release(deployment("app:1")).promote()


def test_variants_of_the_task_carry_no_record_and_that_is_said(story: Story) -> None:
    deployed(story)
    story.cluster.annotate(DEPLOYMENT, "app-canary", {STABLE: None, DIGEST: None})
    story.release(deployment("app:2")).promote()
    assert image(story) == "app:2"
    [told] = [note.text for note in story.heard(Note) if "no record" in note.text]
    assert told == (
        "app-canary carries no record of stable app, which only canary deploy makes: whether somebody has changed "
        "stable since cannot be told"
    )


def test_what_an_interrupted_promote_has_written_is_no_hotfix_and_a_change_of_that_is(story: Story) -> None:
    deployed(story)
    interrupt_promote(story)
    story.simulator.script.clear()
    kubectl(story, set_image)
    with pytest.raises(InputError, match=r"stable app has changed .* since the promote of app-canary was interrupted"):
        story.release(deployment("app:2")).promote()
    assert image(story) == "app:1-hotfix"

    def back(live: Object) -> None:
        live["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"

    kubectl(story, back)
    story.release(deployment("app:2")).promote()
    assert image(story) == "app:2"


def test_a_promote_by_unproven_of_what_no_canary_is_goes_on_after_an_interruption(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:3")).deploy()
    interrupt_promote(story, unproven=True)
    story.simulator.script.clear()
    story.simulator.settle()
    story.simulator.set_status(story.namespace, "app-", ready)
    story.release(deployment("app:2"), unproven=True).promote()
    assert image(story) == "app:2"


def test_apply_of_what_is_being_released_is_refused(story: Story) -> None:
    deployed(story)
    for action in (Release.apply, lambda release: release.planned("apply")):
        with pytest.raises(InputError) as refused:
            action(story.release(deployment("app:3")))
        assert str(refused.value) == (
            "a release of app is in progress (app-canary runs app:2), and canary apply would change stable during it. "
            "First promote that release (canary promote, with its manifests and images) or end it (canary reject app)"
        )
    assert image(story) == "app:1"

    story.release(names=("app",)).reject()
    story.release(deployment("app:3")).apply()
    assert image(story) == "app:3"


def test_apply_waits_for_no_release_of_another_workload_and_of_none_that_is_no_variant(story: Story) -> None:
    deployed(story)
    story.release(deployment("worker:1", name="worker")).apply()
    story.release(deployment("worker:5", name="worker-canary")).apply()
    story.release(deployment("worker:2", name="worker")).apply()
    assert story.names() == {"app", "app-baseline", "app-canary", "worker", "worker-canary"}


def test_apply_is_refused_while_a_driver_is_at_work_and_leaves_no_lock(story: Story) -> None:
    story.stable(deployment("app:1"))
    with lock(story, BOB).held(["app"], story.events.append), pytest.raises(LockedError, match="bob@build-7"):
        story.release(deployment("app:2"), lock=lock(story)).apply()
    assert image(story) == "app:1"
    story.release(deployment("app:2"), lock=lock(story)).apply()
    assert image(story) == "app:2"


def test_apply_of_a_name_too_long_for_variants_takes_no_lock(story: Story) -> None:
    story.release(deployment("app:1", name="a" * 60), lock=lock(story)).apply()
    assert story.names() == {"a" * 60}
