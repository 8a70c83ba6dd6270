"""What `--dry-run` shows, with a cluster and without one."""

from __future__ import annotations

import pytest

from canary.objects import HTTP_ROUTE
from tests.canary.commandline import CommandLine
from tests.canary.quick_release import NEW
from tests.canary.story import Story, deployment, http_route, image_of, service


def test_a_dry_run_of_deploy_shows_the_variants_as_the_cluster_would_have_them(
    canary: CommandLine, story: Story
) -> None:
    result = canary("deploy", *NEW, "--dry-run")
    assert result.code == 0
    shown = {item["metadata"]["name"]: item for item in result.yaml() if item["kind"] == "Deployment"}
    assert set(shown) == {"app-baseline", "app-canary"}
    assert [image_of(shown[name]) for name in sorted(shown)] == ["app:1", "app:2"]
    assert all(item["spec"]["replicas"] == 2 for item in shown.values())
    assert story.names() == {"app"}


def test_a_dry_run_of_promote_shows_stable_as_it_would_be(canary: CommandLine, story: Story) -> None:
    result = canary("promote", "m.yml", "--image", "app:2", "--dry-run")
    [shown] = [item for item in result.yaml() if item["kind"] == "Deployment"]
    assert (shown["metadata"]["name"], image_of(shown)) == ("app", "app:2")
    assert image_of(story.deployment()) == "app:1"


@pytest.mark.parametrize("action", ["deploy", "promote", "apply"])
def test_a_dry_run_without_a_cluster_shows_what_the_manifests_say(action: str, command_line: CommandLine) -> None:
    command_line.of_cluster("http://127.0.0.1:1", "lab")
    command_line.write_objects("m.yml", deployment(replicas=3), service())
    result = command_line(action, "m.yml", "--image", "app:2", "--dry-run")
    assert result.code == 0
    assert result.err.endswith("this is what the manifests alone say\n")
    shown = {item["kind"]: item for item in result.yaml()}
    assert image_of(shown["Deployment"]) == "app:2"
    assert shown["Service"]["metadata"]["namespace"] == "lab"
    made = (shown["Deployment"]["metadata"]["name"], shown["Deployment"]["spec"]["replicas"])
    assert made == (("app-canary", 1) if action == "deploy" else ("app", 3))


def test_a_dry_run_masks_values_of_secrets(command_line: CommandLine) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token"},
        "stringData": {"a": "hunter2"},
        "data": {"b": "aHVudGVyMg==", "c": "not base64"},
    }
    command_line.write_objects("m.yml", deployment(), secret)
    result = command_line("apply", "m.yml", "--dry-run")
    [shown] = [item for item in result.yaml() if item["kind"] == "Secret"]
    assert shown["stringData"] == {"a": "<7 bytes>"}
    assert shown["data"] == {"b": "<7 bytes>", "c": "<10 bytes>"}
    assert "hunter2" not in result.out + result.err


def test_a_dry_run_as_json_holds_the_same_objects(command_line: CommandLine) -> None:
    command_line.write_objects("m.yml", deployment(), service())
    shown = command_line("apply", "m.yml", "--dry-run", "-o", "json").json()["objects"]
    assert shown == command_line("apply", "m.yml", "--dry-run").yaml()


def test_a_dry_run_of_release_tells_its_steps_and_shows_what_deploy_and_promote_would_write(
    canary: CommandLine, story: Story
) -> None:
    before = story.contents()
    result = canary("release", *NEW[:3], "--steps", "25,50", "--gate", "auto", "--tolerance", "0.05", "--dry-run")
    assert result.code == 0, result.err
    sizes = "25 % (1 pod each), then 50 % (2 pods each)"
    assert result.lines[-5:] == [
        f"1. deploy app-canary with app:2, and app-baseline as a fresh copy of app: {sizes}",
        "2. compare them every 2s, for 5m at least and 1h at most a step:",
        '   success: requests_total{custom_status="good"} of requests_total; tolerance 5 points',
        "3. let the gate decide: auto",
        "4. promote: replace 4 pods of app with app:2; or reject: delete canary and baseline",
    ]
    deployed, promoted = result.out.split("# what promote would write\n")
    assert "name: app-canary" in deployed
    assert "name: app-baseline" in deployed
    assert "name: app\n" in promoted
    assert story.contents() == before


def test_a_dry_run_of_a_release_by_a_route_tells_the_shares_and_shows_the_route(
    canary: CommandLine, story: Story
) -> None:
    made = story.cluster.create(http_route())
    story.simulator.settle()
    by_route = ("--traffic", "gateway", "--route", "app", "--steps", "0.5,50", "--replicas", "2")
    result = canary("release", *NEW[:3], *by_route, "--gate", "auto", "--tolerance", "0.05", "--dry-run")
    assert result.code == 0, result.err
    told = "\n".join(result.lines)
    assert "app-baseline as a fresh copy of app: 0.5 % (2 pods each), then 50 % (2 pods each)" in told
    assert "   let HTTPRoute app send these shares of the requests to each of them" in told
    assert "promote: let HTTPRoute app send all requests to app again, as before, then replace 4 pods of app" in told
    assert "or reject: let HTTPRoute app send all requests to app again, as before, and delete canary" in told
    (route,) = (one for one in result.yaml() if one and one["kind"] == "HTTPRoute")
    assert [one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]] == [198, 1, 1]
    assert {one["metadata"]["name"] for one in result.yaml() if one["kind"] == "Service"} == {
        "app", "app-stable", "app-baseline", "app-canary",
    }  # fmt: skip
    assert story.cluster.get(HTTP_ROUTE, "app")["spec"] == made["spec"]  # type: ignore[index]
    assert story.names() == {"app"}


def test_a_dry_run_of_a_preview_for_testers_shows_their_rule(canary: CommandLine, story: Story) -> None:
    story.cluster.create(http_route())
    story.simulator.settle()
    preview = ("--traffic", "gateway", "--route", "app", "--match", "header:X-Canary=always", "--percentage", "0")
    result = canary("deploy", *NEW[:3], *preview, "--dry-run")
    assert result.code == 0, result.err
    (route,) = (one for one in result.yaml() if one and one["kind"] == "HTTPRoute")
    everyone, testers = route["spec"]["rules"]
    assert [one["name"] for one in everyone["backendRefs"]] == ["app-stable"]
    assert testers["matches"][0]["headers"] == [{"type": "Exact", "name": "X-Canary", "value": "always"}]


def test_a_dry_run_of_release_refuses_what_the_release_would_refuse(canary: CommandLine) -> None:
    result = canary("release", *NEW[:3], "--gate", "auto", "--dry-run")
    assert result.code == 2
    assert "--gate auto needs a --tolerance" in result.err


def test_a_dry_run_of_a_first_release_says_that_there_is_nothing_to_compare(in_cluster: CommandLine) -> None:
    in_cluster.write_objects("m.yml", deployment(), service())
    result = in_cluster("release", *NEW[:3], "--gate", "auto", "--tolerance", "2x", "--dry-run", "-o", "json")
    assert result.code == 0, result.err
    shown = result.json()
    assert shown["story"] == [
        "1. deploy app-canary with app:2: a first release, which has nothing to compare with",
        "2. let the gate decide: auto",
        "3. promote: create app with app:2; or reject: delete canary and baseline",
    ]
    assert {item["kind"] for item in shown["promote"]} == {"Deployment", "Service"}


def test_a_dry_run_of_release_without_a_cluster_says_what_the_manifests_say(command_line: CommandLine) -> None:
    command_line.of_cluster("http://127.0.0.1:1", "lab")
    command_line.write_objects("m.yml", deployment(replicas=3), service())
    result = command_line("release", "m.yml", "--image", "app:2", "--gate", "auto", "--tolerance", "0.01", "--dry-run")
    assert result.code == 0
    assert "this is what the manifests alone say\n1. deploy app-canary with app:2, and app-baseline" in result.err
    assert "4. promote: replace 3 pods of app with app:2" in result.err


def test_a_dry_run_of_several_deployments_numbers_the_steps_and_not_the_deployments(
    canary: CommandLine, story: Story
) -> None:
    canary.write_objects("m.yml", deployment(), deployment("web:1", name="web"), service())
    images = ("--image", "app:2", "--image", "web:2")
    result = canary("release", "m.yml", *images, "--gate", "auto", "--tolerance", "0.05", "--dry-run")
    assert result.code == 0, result.err
    beginnings = [line[:20] for line in result.lines[-6:]]
    assert beginnings == [
        "1. deploy app-canary",
        "   deploy web-canary",
        "2. compare them ever",
        "   success: requests",
        "3. let the gate deci",
        "4. promote: replace ",
    ]
