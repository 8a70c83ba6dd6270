"""Reads the instructions of a Dockerfile, and substitutes variables."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = re.compile(r"\\\$|\$(?:\{(?P<braced>\w+)(?::(?P<how>[-+])(?P<other>[^}]*))?\}|(?P<plain>\w+))")


class BuildError(Exception):
    """An image cannot be built; the message names file and line."""


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        where: file and line, such as `app/Dockerfile:7`.
        keyword: in capitals, such as `COPY`.
        flags: options, such as `{"chown": "1000"}`.
        text: the rest, continuation lines joined.
    """

    where: str
    keyword: str
    flags: dict[str, str]
    text: str

    def words(self) -> list[str]:
        """Return the arguments of the exec form, or of the shell form, split as a shell does; raises BuildError."""
        if self.text.startswith("["):
            return self.exec_form()
        try:
            return shlex.split(self.text)
        except ValueError as error:
            raise BuildError(f"{self.where}: {self.keyword}: {error}") from None

    def exec_form(self) -> list[str]:
        """Return the words of `["python", "app.py"]`; raises BuildError."""
        try:
            words = json.loads(self.text)
        except ValueError:
            words = None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise BuildError(f'{self.where}: {self.keyword} {self.text}: not of the form ["program", "argument"]')
        return words


def instructions(path: Path) -> Iterator[Instruction]:
    """Yield a Dockerfile's instructions; raises BuildError."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"{path}: {error}") from None
    parts: list[str] = []
    first = 0
    for number, line in enumerate([*lines, ""], 1):
        bare = line.strip()
        if bare.startswith("#") or (parts and not bare and number <= len(lines)):
            continue  # comments and empty lines are allowed between continued lines
        first = first if parts else number
        if bare.endswith("\\"):
            parts.append(bare[:-1].strip())
            continue
        text = " ".join([*parts, bare]).strip()
        parts = []
        if text:
            yield _instruction(f"{path}:{first}", text)


def _instruction(where: str, text: str) -> Instruction:
    keyword, _, rest = text.partition(" ")
    flags: dict[str, str] = {}
    rest = rest.strip()
    while found := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", rest):
        flags[found[1]] = found[2] or ""
        rest = rest[found.end() :]
    return Instruction(where, keyword.upper(), flags, rest)


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Substitute `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`; unknown names are empty, as in Docker."""

    def value(found: re.Match[str]) -> str:
        if found.group(0) == "\\$":
            return "$"
        known = values.get(found["braced"] or found["plain"], "")
        if found["how"] == "-":
            return known or found["other"]
        if found["how"] == "+":
            return found["other"] if known else ""
        return known

    return VARIABLE.sub(value, text)
