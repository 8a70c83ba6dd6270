"""The commands that status prints, typed as they are printed."""

from __future__ import annotations

import shlex

import pytest

from canary.marks import ARGUMENTS
from canary.objects import DEPLOYMENT
from canary.settings.release_arguments import ReleaseArguments, arguments_of, command
from tests.canary.cluster_simulator import Simulator
from tests.canary.commandline import CommandLine
from tests.canary.quick_release import QUICK, pods_that_answer
from tests.canary.story import Story, deployment, service


@pytest.fixture
def canary(in_cluster: CommandLine, story: Story) -> CommandLine:
    """Give the command in a namespace where shop:1 is stable; the manifests, in a folder with a blank, have no tag."""
    story.stable(deployment("shop:1", name="shop"), service("shop"))
    in_cluster.write_objects("my shop/m.yml", deployment("shop", name="shop"), service("shop"))
    return in_cluster


def printed(canary: CommandLine, action: str, *where: str) -> list[str]:
    """Return the arguments of a command that status prints, as a shell would give them."""
    [step] = [line for line in canary("status", "shop", *where).out.splitlines() if f": canary {action} " in line]
    return shlex.split(step.rpartition(": canary ")[2])


def image(story: Story) -> str:
    return str(story.deployment("shop")["spec"]["template"]["spec"]["containers"][0]["image"])


def test_the_promote_that_is_printed_promotes(canary: CommandLine, story: Story) -> None:
    deployed = canary("deploy", "my shop/", "--image", "shop=registry.example/shop:3", "--image-pull-secret", "key")
    assert deployed.code == 0, deployed.err
    typed = printed(canary, "promote")
    assert typed == [
        "promote", "my shop/", "--image", "shop=registry.example/shop:3", "--image-pull-secret", "key"
    ]  # fmt: skip
    assert canary(*typed).code == 0
    assert image(story) == "registry.example/shop:3"


def test_the_watch_that_is_printed_compares_by_what_was_asked_for_before(
    canary: CommandLine, simulator: Simulator
) -> None:
    with pods_that_answer(0.9) as old, pods_that_answer(0.9) as new:
        simulator.answers.update({"shop:1": old, "shop:2": new})
        canary("deploy", "my shop/", "--image", "shop:2")
        assert printed(canary, "watch") == ["watch", "shop", "--report-only"]
        assert canary("watch", "shop", *QUICK, "--min-requests", "1000000", "--max-duration", "1ms").code == 4

        typed = printed(canary, "watch")
        assert typed[:2] == ["watch", "shop"]
        assert {"--tolerance", "0.05", "--min-requests", "1000000"} <= set(typed)
        assert canary(*typed).code == 4


def test_the_release_that_is_printed_goes_on_to_the_next_step(
    canary: CommandLine, story: Story, simulator: Simulator
) -> None:
    with pods_that_answer(0.9) as old, pods_that_answer(0.9) as new:
        simulator.answers.update({"shop:1": old, "shop:2": new})
        settings = ("--gate", "auto", "--steps", "25,50", *QUICK)
        timed_out = canary("release", "my shop/", "--image", "shop:2", *settings, "--max-duration", "0s")
        assert timed_out.code == 4, timed_out.err

        typed = printed(canary, "release")
        assert typed[:4] == ["release", "my shop/", "--image", "shop:2"]
        typed[typed.index("--max-duration") + 1] = "20s"
        done = canary(*typed)
        assert done.code == 0, done.err
        assert image(story) == "shop:2"


def test_where_the_release_is_stands_in_each_command(canary: CommandLine, story: Story) -> None:
    canary("deploy", "my shop/", "--image", "shop:2", "--label", "track")
    where = ("--context", "lab", "--namespace", story.namespace)
    assert printed(canary, "reject", *where) == ["reject", "shop", "--label", "track", *where]
    assert printed(canary, "promote", *where)[-6:] == ["--label", "track", *where]
    assert canary(*printed(canary, "reject", *where)).code == 0
    assert story.names() == {"shop"}


def test_nothing_that_may_be_a_secret_is_written_down(canary: CommandLine, story: Story) -> None:
    secret = ("--prometheus", "http://ada:hunter2@127.0.0.1:9")
    result = canary("release", "my shop/", "--image", "shop:2", "--gate", "auto", *QUICK, *secret)
    assert result.code != 0
    found = story.cluster.get(DEPLOYMENT, "shop-canary")
    assert found is not None
    assert ARGUMENTS in found["metadata"]["annotations"]
    assert "hunter2" not in str(found)


def test_what_somebody_wrote_onto_a_canary_is_no_command_of_its_own(canary: CommandLine, story: Story) -> None:
    def write(arguments: str) -> None:
        story.cluster.annotate(DEPLOYMENT, "shop-canary", {ARGUMENTS: arguments})
        story.simulator.settle()  # until then the Deployment's status is that of before, and it is not ready

    canary("deploy", "my shop/", "--image", "shop:2")
    evil = ReleaseArguments(("x; touch gone",), promote=("$(touch gone)",)).to_json()
    write(evil)
    assert printed(canary, "promote") == ["promote", "x; touch gone", "$(touch gone)"]

    for broken in ("soup", "[]", '{"manifests": "m"}', evil.replace("gone", "gone\\n")):
        write(broken)
        assert printed(canary, "promote") == ["promote", "MANIFESTS", "--image", "shop:2"]


def test_manifests_from_stdin_have_a_placeholder(canary: CommandLine) -> None:
    canary("deploy", "-", "--image", "shop:2", stdin=(canary.folder / "my shop/m.yml").read_text())
    [step] = [line for line in canary("status", "shop").out.splitlines() if ": canary promote " in line]
    assert step.endswith(": canary promote - --image shop:2 < MANIFESTS")


def test_an_interruption_names_the_whole_command_that_ends_the_release(canary: CommandLine, story: Story) -> None:
    soon = (*QUICK, "--max-duration", "200ms", "--gate", "auto")
    result = canary("release", "my shop/", "--image", "shop:2", *soon, "-n", story.namespace)
    assert result.code in (3, 4)
    assert f"To end the release: canary reject shop --namespace {story.namespace}" in result.err


def test_a_canary_of_another_tool_says_nothing() -> None:
    assert arguments_of({"metadata": {}}) is None
    assert command("status", "app") == "canary status app"


def test_the_watch_that_is_printed_after_one_with_a_misspelt_selector_is_the_one_before(
    canary: CommandLine, simulator: Simulator
) -> None:
    with pods_that_answer(0.9) as old, pods_that_answer(0.9) as new:
        simulator.answers.update({"shop:1": old, "shop:2": new})
        canary("deploy", "my shop/", "--image", "shop:2", "--percentage", "50")
        misspelt = canary("watch", "shop", *QUICK, "--good", 'requests_total{custom_staus="good"}')
        assert misspelt.code == 2, misspelt.err
        assert printed(canary, "watch") == ["watch", "shop", "--report-only"]
