"""A promote takes no Service away from stable: it is refused beforehand, or undone afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import ForbiddenError, InputError, PromoteError
from canary.events import Note
from canary.objects import ENDPOINT_SLICE, SERVICE
from tests.canary.story import Faulty, Story, deployment, service

Object = dict[str, Any]


def image(story: Story) -> str:
    return str(story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


def selecting(selector: Object | None, **spec: Any) -> Object:
    """Return the Service with another selector."""
    made = service()
    made["spec"] |= {"selector": selector, **spec}
    if selector is None:
        del made["spec"]["selector"]
    return made


def labelled(img: str, **labels: str) -> Object:
    """Return the Deployment with more labels on its pods."""
    made = deployment(img)
    made["spec"]["template"]["metadata"]["labels"] |= labels
    return made


def with_ports(img: str, *ports: Object, **container: Any) -> Object:
    made = deployment(img)
    made["spec"]["template"]["spec"]["containers"][0] |= {"ports": list(ports), **container}
    return made


def leading_to(target: int | str, **spec: Any) -> Object:
    return selecting({"app": "app"}, ports=[{"name": "http", "port": 80, "targetPort": target}], **spec)


HTTP, WEB, METRICS = (
    {"name": "http", "containerPort": 8080},
    {"name": "web", "containerPort": 9090},
    {"name": "metrics", "containerPort": 8000},
)


def warnings(story: Story) -> list[str]:
    about = ("Service", "leads to")
    return [note.text for note in story.heard(Note) if note.warning and all(one in note.text for one in about)]


@pytest.mark.parametrize("action", ["deploy", "promote", "run"])
def test_a_service_whose_new_selector_matches_nothing_is_refused_before_anything_is_written(
    story: Story, action: str
) -> None:
    story.stable(service(), deployment("app:1"))
    new = (selecting({"app": "ap"}), deployment("app:2"))
    with pytest.raises(InputError) as refused:
        getattr(story.release(*new, unproven=True), action)()
    assert str(refused.value) == (
        "promote would cut Service app off from app, to which it leads today: its selector would be app=ap, and the "
        "pods' labels app=app. Let the selector match the labels. If the Service is to leave app, change it by itself "
        "first, with kubectl apply"
    )
    assert story.names() == {"app"}
    assert image(story) == "app:1"
    assert (story.cluster.get(SERVICE, "app") or {})["spec"]["selector"] == {"app": "app"}


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(selecting(None), id="without a selector"),
        pytest.param(selecting(None, type="ExternalName", externalName="example.org"), id="a name elsewhere"),
    ],
)
def test_a_service_that_would_select_nothing_at_all_is_refused(story: Story, new: Object) -> None:
    story.stable(service(), deployment("app:1"))
    with pytest.raises(InputError, match=r"would cut Service app off from app, .*: it would select no pods"):
        story.release(new, deployment("app:2")).deploy()


def test_a_service_that_only_the_cluster_knows_is_not_lost_with_a_label_of_the_pods(story: Story) -> None:
    story.stable(labelled("app:1", tier="web"))
    story.cluster.create(selecting({"tier": "web"}))
    with pytest.raises(
        InputError, match=r"cut Service app off from app, .*would be tier=web, and the pods' labels app=app"
    ):
        story.release(deployment("app:2")).deploy()
    assert story.names() == {"app"}


def test_what_others_now_writes_at_deploy_must_lead_to_the_pods_of_today(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    new = (selecting({"app": "app", "version": "2"}), labelled("app:2", version="2"))
    with pytest.raises(InputError, match=r"^deploy would cut Service app off from app"):
        story.release(*new, others="now").deploy()

    story.release(*new).deploy()
    assert [note.text for note in story.heard(Note) if "alone as soon as promote writes it" in note.text]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(selecting(None), id="without a selector"),
        pytest.param(selecting(None, type="ExternalName", externalName="example.org"), id="a name elsewhere"),
        pytest.param(selecting({"app": "another"}), id="of another workload"),
        pytest.param(selecting({"app": "app"}, clusterIP="None"), id="headless"),
        pytest.param(selecting({"app": "app"}, publishNotReadyAddresses=True), id="with pods that are not ready"),
    ],
)
def test_other_services_stand_in_no_promote_s_way(story: Story, other: Object) -> None:
    story.stable(other, deployment("app:1"))
    story.release(other, deployment("app:2")).deploy()
    story.release(other, deployment("app:2")).promote()
    assert image(story) == "app:2"
    assert warnings(story) == []


@pytest.mark.parametrize("action", ["deploy", "promote"])
def test_a_named_port_that_the_new_pods_do_not_have_is_refused(story: Story, action: str) -> None:
    story.stable(leading_to("http"), with_ports("app:1", HTTP, METRICS))
    with pytest.raises(InputError) as refused:
        getattr(story.release(with_ports("app:2", WEB, METRICS), unproven=True), action)()
    assert str(refused.value) == (
        "promote would cut off Service app: port 80 of Service app leads to the port named http of app's pods, and no "
        "container of the new version has a port of that name. Name one so, or change the Service's targetPort"
    )
    assert image(story) == "app:1"


def test_a_named_port_of_another_protocol_is_none(story: Story) -> None:
    story.stable(leading_to("http"), with_ports("app:1", HTTP, METRICS))
    with pytest.raises(InputError, match="no container of the new version has a port of that name"):
        story.release(with_ports("app:2", HTTP | {"protocol": "UDP"}, METRICS)).deploy()


def test_a_port_and_its_service_may_change_their_names_together(story: Story) -> None:
    story.stable(leading_to("http"), with_ports("app:1", HTTP, METRICS))
    new = (leading_to("web"), with_ports("app:2", WEB, METRICS))
    story.release(*new).deploy()
    story.release(*new).promote()
    assert image(story) == "app:2"
    assert warnings(story) == []


def test_a_named_port_may_be_a_sidecar_s(story: Story) -> None:
    story.stable(leading_to("http"), with_ports("app:1", HTTP, METRICS))
    new = with_ports("app:2", METRICS)
    sidecar = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always", "ports": [HTTP]}
    new["spec"]["template"]["spec"]["initContainers"] = [sidecar]
    story.release(new).deploy()
    assert warnings(story) == []


def test_a_named_port_that_led_nowhere_before_is_warned_of(
    story: Story,
) -> None:
    story.stable(leading_to("nothing"), with_ports("app:1", HTTP, METRICS))
    story.release(with_ports("app:2", HTTP, METRICS)).deploy()
    [warning] = warnings(story)
    assert warning == (
        "port 80 of Service app leads to the port named nothing of app's pods, and no container of the new version has "
        "a port of that name"
    )


def test_a_headless_service_s_clients_choose_ports_themselves(story: Story) -> None:
    story.stable(leading_to("http", clusterIP="None"), with_ports("app:1", HTTP, METRICS))
    story.release(with_ports("app:2", WEB, METRICS)).deploy()
    assert len(warnings(story)) == 1


def test_a_numbered_port_that_no_container_lists_any_more_is_warned_of(story: Story) -> None:
    story.stable(leading_to(8080), with_ports("app:1", HTTP, METRICS))
    story.release(with_ports("app:2", WEB, METRICS)).deploy()
    [warning] = warnings(story)
    assert warning == (
        "port 80 of Service app leads to port 8080 of app's pods, which no container of the new version lists: make "
        "sure that the new version listens there"
    )


def test_a_numbered_port_that_no_container_ever_listed_is_nobody_s_concern(story: Story) -> None:
    story.stable(leading_to(8081), with_ports("app:1", HTTP, METRICS))
    story.release(with_ports("app:2", HTTP, METRICS)).deploy()
    assert warnings(story) == []


def test_endpoints_are_waited_for_before_the_variants_go(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    late = Late(story, until=story.clock.now() + 5)
    story.release(deployment("app:2"), cluster=late).promote()
    assert [note.text for note in story.heard(Note) if note.text.startswith("waiting: Service")] == [
        "waiting: Service app leads to 0 of 4 ready pods of app"
    ]
    assert story.clock.now() >= late.until
    assert image(story) == "app:2"


def test_a_promote_whose_pods_never_become_endpoints_is_undone(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    with pytest.raises(
        PromoteError, match=r"undone: Service app leads to 0 of 4 ready pods of app after 10 s"
    ) as undone:
        story.release(deployment("app:2"), cluster=Late(story, until=float("inf"))).promote()
    assert undone.value.exit_code == 5
    assert image(story) == "app:1"
    assert story.names() == {"app", "app-baseline", "app-canary"}


def test_endpoints_that_are_not_ready_do_not_count_and_those_of_variants_neither(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    late = Late(story, until=float("inf"), shown=lambda name: name.startswith(("app-canary-", "app-baseline-")))
    with pytest.raises(PromoteError, match="leads to 0 of 4 ready pods"):
        story.release(deployment("app:2"), cluster=late).promote()


def test_a_service_that_somebody_deletes_meanwhile_is_not_waited_for(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.clock.after(1, lambda: story.cluster.delete(SERVICE, "app"))
    story.release(deployment("app:2"), cluster=Late(story, until=float("inf"))).promote()
    assert image(story) == "app:2"


@pytest.mark.parametrize("kind", ["services", "endpointslices"])
def test_who_may_not_see_whether_requests_come_is_told_before_anything_is_written(story: Story, kind: str) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()

    class Account:
        def __getattr__(self, name: str) -> Any:
            return getattr(story.cluster, name)

        def may(self, verb: str, group: str, resource: str, name: str = "") -> bool:
            return (verb, resource) != ("list", kind)

    with pytest.raises(ForbiddenError, match=rf"may not list {kind}[.a-z0-9]*, .*Nothing was changed"):
        story.release(deployment("app:2"), cluster=Account()).promote()
    assert image(story) == "app:1"


def test_an_account_that_may_deploy_and_not_see_services_deploys_and_is_told(story: Story) -> None:
    story.stable(service(), deployment("app:1"))

    def forbid(kind: Any, **_: Any) -> None:
        if kind == SERVICE:
            raise ForbiddenError("may not list services", "list services")

    story.release(deployment("app:2"), cluster=Faulty(story.cluster, {"find": forbid})).deploy()
    assert "app-canary" in story.names()
    assert any("may not list services" in note.text for note in story.heard(Note))


def released(story: Story, *new: Object) -> None:
    story.release(*new).deploy()
    story.release(*new).promote()


def test_a_rollback_that_would_cut_a_service_off_is_refused(story: Story) -> None:
    story.stable(deployment("app:1"))
    released(story, labelled("app:2", tier="web"))
    story.cluster.create(selecting({"tier": "web"}))
    with pytest.raises(
        InputError, match=r"^rollback would cut Service app off from app, .*would be tier=web, and .*app=app\."
    ):
        story.release(names=("app",)).rollback()
    assert image(story) == "app:2"


def test_a_service_that_goes_with_a_rollback_stands_not_in_its_way(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    new = (selecting({"tier": "web"}) | {"metadata": {"name": "web"}}, labelled("app:2", tier="web"))
    story.release(*new).deploy()
    story.cluster.delete(SERVICE, "web")
    story.release(*new).promote()
    story.release(names=("app",)).rollback()
    assert image(story) == "app:1"
    assert story.cluster.get(SERVICE, "web") is None


def test_a_rollback_whose_pods_never_become_endpoints_is_undone(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    released(story, deployment("app:2"))
    with pytest.raises(PromoteError, match=r"rollback failed and was undone: Service app leads to 0 of 4 ready pods"):
        story.release(names=("app",), cluster=Late(story, until=float("inf"))).rollback()
    assert image(story) == "app:2"


class Late:
    """A cluster whose EndpointSlices list no pods until some time."""

    def __init__(self, story: Story, *, until: float, shown: Any = lambda _: False) -> None:
        self.until = until
        self._story = story
        self._shown = shown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._story.cluster, name)

    def find(self, kind: Any, **given: Any) -> list[Object]:
        found = self._story.cluster.find(kind, **given)
        if kind == ENDPOINT_SLICE and self._story.clock.now() < self.until:
            for one in found:
                for endpoint in one["endpoints"] or []:
                    endpoint["conditions"]["ready"] = self._shown(endpoint["targetRef"]["name"])
        return found
