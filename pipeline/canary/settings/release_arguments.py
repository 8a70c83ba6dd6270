"""The arguments that a release was started with, and the commands that continue it, complete and ready to paste.

The canary carries the arguments as an annotation, so that another person or pipeline step can continue the release
without knowing them. They are quoted when they are printed: an annotation must not be able to inject a command.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from canary.marks import ARGUMENTS, VERSION_LABEL
from canary.objects import Object

MANIFESTS = "MANIFESTS"
"""Placeholder in a command, for manifests that are not known."""

_STDIN = "-"


@dataclass(frozen=True)
class ReleaseArguments:
    """The arguments of a release.

    Attributes:
        manifests: files and folders; none if canary.yml names them.
        promote: flags of `canary promote`, such as `--image app:2`.
        watch: flags that say what is compared, and how.
        release: flags of `canary release`: both of these and more.
        label: key of the version label.
    """

    manifests: tuple[str, ...] = ()
    promote: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    label: str = VERSION_LABEL

    def to_json(self) -> str:
        """Return the value of the canary's annotation."""
        return json.dumps({name: getattr(self, name) for name in ("manifests", "promote", "watch", "release", "label")})


def arguments_of(canary: Object) -> ReleaseArguments | None:
    """Return the arguments that a canary was deployed with, None if it does not carry them."""
    text = (canary["metadata"].get("annotations") or {}).get(ARGUMENTS)
    try:
        values = json.loads(text or "")
        lists = {name: _strings(values[name]) for name in ("manifests", "promote", "watch", "release")}
        return ReleaseArguments(**lists, label=_strings([values["label"]])[0])
    except (ValueError, KeyError, TypeError):
        return None


def command(action: str, *arguments: str, connection: Sequence[str] = (), stdin: bool = False) -> str:
    """Return a command line.

    Args:
        action: the command, such as `promote`.
        arguments: of the command, in their order.
        connection: flags that name the cluster and the namespace.
        stdin: whether the command reads manifests from stdin.
    """
    line = shlex.join(["canary", action, *arguments, *connection])
    return f"{line} < {MANIFESTS}" if stdin or _STDIN in arguments else line


def _strings(value: object) -> tuple[str, ...]:
    """Return a list of printable strings.

    Raises:
        TypeError: it is not one.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
        raise TypeError(value)
    return tuple(value)
