"""Commands about `canary` itself: its version, and how a shell completes it."""

import platform
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import ShellComplete, get_completion_class

from canary import __version__
from canary.cli import flags
from canary.cli.help import Command
from canary.cli.render import print_result
from canary.cli.session import Session

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    examples=(
        "canary version",
        "canary version --context prod --output json",
    ),
)
@flags.connection
@flags.results
def version(**given: Any) -> None:  # noqa: ANN401
    """Show the versions of canary, Python and the cluster.

    Exits with 0 also if no cluster can be reached: the output says why. canary --version needs no cluster.
    """
    python = f"{platform.python_version()} on {platform.system()}"
    with Session(given) as session:
        problem = session.unreachable()
        cluster = None if problem else session.cluster.server().version
    if not print_result(given, {"canary": __version__, "python": python, "kubernetes": cluster, "problem": problem}):
        click.echo(f"canary      {__version__}\nPython      {python}\nKubernetes  {cluster or problem}")


@click.command(
    cls=Command,
    examples=(
        "canary completion bash > ~/.local/share/bash-completion/completions/canary",
        "canary completion zsh > ~/.zfunc/_canary  # with fpath+=~/.zfunc before compinit in ~/.zshrc",
        "canary completion fish > ~/.config/fish/completions/canary.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script with which a shell completes commands, options and files for canary.

    To complete in this shell alone: source <(canary completion bash). bash needs version 4.4 or newer; macOS has an
    older one. kubectl's own completion also completes kubectl canary.
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, "canary", "_CANARY_COMPLETE").source(), nl=False)


def complete_for_kubectl(group: click.Group, arguments: Sequence[str]) -> str:
    """Return what kubectl asks for when it completes `kubectl canary`: a value per line, then a directive.

    Args:
        group: all commands.
        arguments: what is typed after `kubectl canary`, the last one being completed.
    """
    *before, incomplete = arguments or [""]
    found = ShellComplete(group, {}, "canary", "").get_completions(list(before), incomplete)
    names = [f"{one.value}\t{one.help}" if one.help else str(one.value) for one in found if one.type == "plain"]
    has_files = any(one.type != "plain" for one in found)
    return "".join(f"{line}\n" for line in (*names, ":0" if has_files else ":4"))  # 4: no names of files
