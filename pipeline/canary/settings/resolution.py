"""Where the value of each setting comes from: a flag, the environment, `canary.yml` or its default, in this order."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary.errors import InputError
from canary.manifests.documents import parse
from canary.settings.settings import SECRET_VARIABLES, SETTINGS, Setting, Settings

FILE = "canary.yml"

_SERVICE_LINK = re.compile(
    r"(?P<service>[A-Z0-9_]+?)_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|"
    r"PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


@dataclass(frozen=True)
class Resolved:
    """Settings, and where the value of each comes from.

    Attributes:
        settings: the settings.
        sources: `--flag`, `CANARY_NAME`, `canary.yml:LINE` or `default`, by attribute.
    """

    settings: Settings
    sources: Mapping[str, str]

    def show(self, attribute: str) -> str:
        """Return the value of a setting as a user would write it, empty if there is none."""
        return SETTINGS[attribute].show(getattr(self.settings, attribute))

    def as_flags(self, attributes: Iterable[str]) -> tuple[str, ...]:
        """Return the flags for settings that come from a flag or the environment, not from `canary.yml`.

        A value that holds a secret is left out.
        """
        flags: list[str] = []
        for attribute in attributes:
            setting, value = SETTINGS[attribute], getattr(self.settings, attribute)
            if setting.value_type.is_secret and not setting.value_type.is_list and setting.show(value) != value:
                continue
            if self.sources[attribute] in (setting.flag, setting.variable):
                texts = map(str, value) if setting.value_type.is_list else [setting.show(value)]
                flags += [part for text in texts for part in (setting.flag, text)]
        return tuple(flags)

    def sizes(self) -> tuple[float, ...]:
        """Return the sizes of canary and baseline, one after the other, in percent of stable's pods.

        Steps and percentage exclude each other: the one whose source has precedence is used.

        Raises:
            InputError: both have the same source.
        """
        steps, percentage = (_rank(self.sources[attribute]) for attribute in ("steps", "percentage"))
        if percentage < steps or not self.settings.steps:
            return (self.settings.percentage,)
        if percentage == steps:
            raise InputError(
                f"{self.sources['percentage']} and {self.sources['steps']}: "
                "use percentage for one size, or steps for several, not both"
            )
        return self.settings.steps


def resolve(flags: Mapping[str, object], environment: Mapping[str, str], folder: Path | None) -> Resolved:
    """Return the settings.

    Args:
        flags: texts by attribute (tuples of texts for lists). None and empty tuples are flags not given.
        environment: the environment of the process.
        folder: the folder that may have a `canary.yml`; None to read no file.

    Raises:
        InputError: a value is not valid, a key is unknown, or the file is not YAML. The message says where.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    in_file = read_file(folder / FILE) if folder else {}
    variables = {name: value for name, value in environment.items() if not _is_service_link(name, environment)}
    _check_names(variables)
    for attribute, setting in SETTINGS.items():
        flag = flags.get(attribute)
        if flag is not None and flag != ():
            values[attribute] = _read_flag(setting, flag)
            sources[attribute] = "arguments" if attribute == "manifests" else setting.flag
        elif text := variables.get(setting.variable):
            values[attribute] = _read(setting, text, f"{setting.variable}=")
            sources[attribute] = setting.variable
        elif attribute in in_file:
            values[attribute], sources[attribute] = in_file[attribute]
        else:
            sources[attribute] = "default"
    return Resolved(Settings(**values), sources)


def read_file(path: Path) -> dict[str, tuple[Any, str]]:
    """Return value and source of each setting in a file, by attribute; none if the file does not exist.

    Raises:
        InputError: `canary.yml:LINE: what is wrong`.
    """
    name = path.name
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 text") from error
    documents = [document for document in parse(content, name) if document.value is not None]
    if not documents:
        return {}
    if len(documents) > 1:
        raise InputError(f"{name}:{documents[1].line()}: a second document; put all settings into one")
    (document,) = documents
    if not isinstance(document.value, dict):
        raise InputError(f"{name}:{document.line()}: settings must be a mapping, such as percentage: 25")
    by_key = {setting.key: setting for setting in SETTINGS.values()}
    in_file: dict[str, tuple[Any, str]] = {}
    for key, value in document.value.items():
        source = f"{name}:{document.line((key,))}"
        if key not in by_key:
            similar = difflib.get_close_matches(key, by_key, n=1)
            hint = f"did you mean {similar[0]}?" if similar else f"the keys are {', '.join(by_key)}"
            raise InputError(f"{source}: unknown key {key}; {hint}")
        setting = by_key[key]
        try:
            in_file[setting.attribute] = setting.value_type.read(value), source
        except ValueError as error:
            is_shown = isinstance(value, str | int | float) and value != "" and not setting.value_type.is_secret
            shown = f"{key} {value}" if is_shown else key
            raise InputError(f"{source}: {shown}: must be {setting.value_type.requirement}") from _cause(setting, error)
    return in_file


def _rank(source: str) -> int:
    """Return the rank of a source: 0 has precedence over all others."""
    if source == "default":
        return 3
    return 2 if source.startswith(f"{FILE}:") else 1 if source.startswith("CANARY_") else 0


def _is_service_link(name: str, environment: Mapping[str, str]) -> bool:
    """Return whether Kubernetes set a variable: a Service canary-metrics sets CANARY_METRICS_PORT in its namespace."""
    link = _SERVICE_LINK.fullmatch(name)
    return link is not None and "://" in environment.get(f"{link['service']}_PORT", "")


def _check_names(variables: Iterable[str]) -> None:
    """Refuse the name of a variable that is most likely a misspelt setting. It would be ignored silently."""
    known = [*(setting.variable for setting in SETTINGS.values()), *SECRET_VARIABLES]
    for name in variables:
        similar = difflib.get_close_matches(name, known, n=1, cutoff=0.85) if name.startswith("CANARY_") else []
        if similar and name not in known:
            raise InputError(f"environment variable {name}: did you mean {similar[0]}?")


def _read_flag(setting: Setting, flag: object) -> Any:  # noqa: ANN401 - as _read
    if not isinstance(flag, tuple):
        return _read(setting, str(flag), f"{setting.flag} ")
    try:
        return setting.value_type.read(flag)
    except ValueError as error:
        raise InputError(f"{setting.flag}: must be {setting.value_type.requirement}") from _cause(setting, error)


def _read(setting: Setting, text: str, source: str) -> Any:  # noqa: ANN401 - a setting's value is of any type
    try:
        return setting.value_type.read_text(text)
    except ValueError as error:
        shown = source.rstrip(" =") if setting.value_type.is_secret else f"{source}{text}"
        raise InputError(f"{shown}: must be {setting.value_type.requirement}") from _cause(setting, error)


def _cause(setting: Setting, error: ValueError) -> ValueError | None:
    """Return the cause of an error about a value, None if it could show a secret."""
    return None if setting.value_type.is_secret else error
