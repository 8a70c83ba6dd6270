"""The command that makes Secrets."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from canary.cli import flags, secrets
from canary.cli.help import Command
from canary.cli.session import print_json, print_objects, session_of
from canary.errors import InputError

if TYPE_CHECKING:
    from canary.manifests import Object


@click.command(
    cls=Command,
    examples=(
        "canary secret registry --server registry.example --username robot --password-stdin < password",
        "canary secret registry --server registry.example --username robot --password-env REGISTRY_PASSWORD",
        "canary secret settings --from-file tls.key=key.pem --from-env token=API_TOKEN",
    ),
    short_help="Create or update a Secret.",
)
@click.argument("name")
@click.option("--server", metavar="HOST", help="Make a Secret to pull images from this registry with.")
@click.option("--username", metavar="NAME", help="Name to log in to the registry with.")
@click.option("--password-stdin", is_flag=True, help="Read the registry's password from stdin.")
@click.option("--password-env", metavar="VARIABLE", help="Read it from an environment variable.")
@click.option("--password-file", metavar="PATH", help="Read it from a file.")
@click.option("--from-file", multiple=True, metavar="KEY=PATH", help="A value from a file. Repeatable.")
@click.option("--from-env", multiple=True, metavar="KEY=VARIABLE", help="A value from the environment. Repeatable.")
@click.option("--from-stdin", metavar="KEY", help="A value from stdin, without a last newline.")
@flags.connection
@flags.dry_run
@flags.results
def secret(**given: Any) -> None:  # noqa: ANN401
    """Create or update a Secret: to pull images with, or of values of your own.

    Values come from stdin, files or the environment, never from arguments, and are never printed.
    """
    with session_of(given) as session:
        made = _secret(given, session.namespace)
        if given["dry_run"]:
            print_objects(given, [made])
            return
        action = secrets.write(session.cluster, made)
        click.echo(f"Secret {given['name']} {action}", err=True)
        print_json(given, {"name": given["name"], "namespace": session.namespace, "action": action})


def _secret(given: dict[str, Any], namespace: str) -> Object:
    sources = secrets.Sources(sys.stdin.buffer if sys.stdin else io.BytesIO(), os.environ)
    password = secrets.Password(given["password_stdin"], given["password_env"], given["password_file"])
    registry_flags = [given["server"], given["username"], *vars(password).values()]
    own_flags = [given["from_file"], given["from_env"], given["from_stdin"] is not None]
    if not any(registry_flags):
        return secrets.generic(
            given["name"],
            namespace,
            sources,
            files=given["from_file"],
            variables=given["from_env"],
            stdin_key=given["from_stdin"],
        )
    if any(own_flags):
        raise InputError("a Secret is either for a registry (--server …) or of values of your own (--from-…)")
    if not (given["server"] and given["username"]):
        raise InputError("a registry's Secret takes --server and --username")
    return secrets.registry(
        given["name"],
        namespace,
        server=given["server"],
        username=given["username"],
        password=password.read(sources),
    )
