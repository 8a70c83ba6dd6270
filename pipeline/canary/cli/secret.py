"""The command that creates a Secret for pulling images: kubectl takes the password as an argument."""

import base64
import json
import sys
from typing import Any

import click

from canary.cli import flags
from canary.cli.help import Command
from canary.cli.render import print_objects, print_result
from canary.cli.session import Session
from canary.errors import InputError
from canary.objects import SECRET, Object


@click.command(
    cls=Command,
    examples=(
        "canary secret registry --server registry.example --username robot < password",
        "printenv PASSWORD | canary secret registry --server registry.example --username robot --namespace shop",
    ),
)
@click.argument("name")
@click.option("--server", required=True, metavar="HOST", help="Registry to pull images from.")
@click.option("--username", required=True, metavar="NAME", help="User name at the registry.")
@flags.connection
@flags.dry_run
@flags.results
def secret(**given: Any) -> None:  # noqa: ANN401
    """Create or update a Secret for pulling images from a registry. The password is read from stdin.

    kubectl create secret docker-registry takes the password as an argument, which every user of the machine can see.
    For a Secret with other values, use kubectl create secret generic --from-file.
    """
    with Session(given) as session:
        made = _registry(given["name"], session.namespace, given["server"], given["username"], _password())
        if given["dry_run"]:
            print_objects(given, [made])
            return
        before, after = session.cluster.get(SECRET, given["name"]), session.cluster.apply(made)
        changed = before is None or before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]
        action = "created" if before is None else "configured" if changed else "unchanged"
        click.echo(f"Secret {given['name']} {action}", err=True)
        print_result(given, {"name": given["name"], "namespace": session.namespace, "action": action})


def _password() -> str:
    """Return the password from stdin, without the newline that `echo` adds.

    Raises:
        InputError: stdin brings no password, or it is not text.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("no password on stdin: send it from a file or a variable, such as < password")
    try:
        password = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise InputError(
            "the password on stdin is not UTF-8 text: check the file or variable that it comes from"
        ) from None  # the cause would hold it
    password = password.removesuffix("\n").removesuffix("\r")
    if not password:
        raise InputError("the password on stdin is empty: check the file or variable that it comes from")
    return password


def _registry(name: str, namespace: str, server: str, username: str, password: str) -> Object:
    """Return the Secret, as `kubectl create secret docker-registry` makes it."""
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    login = {"username": username, "password": password, "auth": auth}
    content = json.dumps({"auths": {server: login}}, separators=(",", ":"))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(content.encode()).decode()},
    }
