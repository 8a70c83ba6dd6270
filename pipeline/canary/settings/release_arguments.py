"""Commands to go on with, whole: a person types them as they are printed.

What deploy was given (manifests, images, what is compared) stands on the canary, so that whoever comes next need not
know it. It is quoted when it is printed: nothing that stands on an object may become a command of its own.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from canary.marks import ARGUMENTS, VERSION_LABEL
from canary.objects import Object

MANIFESTS = "MANIFESTS"
"""Stands in a command for manifests that nobody has named."""

_STDIN = "-"


@dataclass(frozen=True)
class Typed:
    """What was typed, and has to be typed again by who goes on.

    Attributes:
        manifests: files and folders; none where canary.yml names them.
        promote: flags of a promote, such as `--image app:2`.
        watch: flags that say what is compared, and how.
        release: flags of a release: both of these and more.
        label: key of the version label, where it is not the default.
    """

    manifests: tuple[str, ...] = ()
    promote: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    label: str = VERSION_LABEL

    def to_json(self) -> str:
        """Return what stands on the canary."""
        return json.dumps({name: getattr(self, name) for name in ("manifests", "promote", "watch", "release", "label")})


def typed_for(canary: Object) -> Typed | None:
    """Return what a canary was deployed with, None where it does not say."""
    text = (canary["metadata"].get("annotations") or {}).get(ARGUMENTS)
    try:
        found = json.loads(text or "")
        lists = {name: _texts(found[name]) for name in ("manifests", "promote", "watch", "release")}
        return Typed(**lists, label=_texts([found["label"]])[0])
    except (ValueError, KeyError, TypeError):
        return None


def command(action: str, *arguments: str, where: Sequence[str] = (), stdin: bool = False) -> str:
    """Return a command line.

    Args:
        action: such as `promote`.
        arguments: of it, in their order.
        where: flags that say which cluster and namespace.
        stdin: whether it reads manifests from stdin.
    """
    line = shlex.join(["canary", action, *arguments, *where])
    return f"{line} < {MANIFESTS}" if stdin or _STDIN in arguments else line


def _texts(value: object) -> tuple[str, ...]:
    """Return a list of texts that can be printed.

    Raises:
        TypeError: it is not one.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) and one.isprintable() for one in value):
        raise TypeError(value)
    return tuple(value)
