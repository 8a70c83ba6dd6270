"""Text from elsewhere (containers, servers, annotations), made safe to print.

It must steer neither a terminal nor the agent of a pipeline, which carries out commands that it finds in a log.
"""

import re

_COMMAND = re.compile(r"(?<=##)(?=\[|vso\[)|(?<=^:)(?=:.*::)", re.IGNORECASE)
"""Inside `##vso[…]` (Azure Pipelines) and `##[…]` anywhere, and `::…::` (GitHub Actions) at the beginning."""


def printable(text: str) -> str:
    """Return a text with a blank in place of each control character and newline, and inside each such command."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    indent = plain[: len(plain) - len(plain.lstrip())]
    return indent + _COMMAND.sub(" ", plain[len(indent) :])


def printable_json(text: str) -> str:
    """Return a JSON text of the same content that has no such command. In JSON, no line begins with a text."""
    return re.sub("#(?=#)", r"\\u0023", text)
