"""Tokens and URLs that are secrets: from a file, else from a variable, never from the command line."""

import os
from pathlib import Path

from canary.errors import InputError
from canary.settings.settings import SETTINGS


def read_token(flag: str, file: str | None, variable: str) -> str:
    """Return a token, empty if there is none. The file is read anew each time, as tokens are renewed.

    Args:
        flag: that names the file.
        file: its path, None if none was given.
        variable: of the environment, used where there is no file.

    Raises:
        InputError: the file cannot be read or is empty, or the token is none that a header can have.
    """
    token = os.environ.get(variable, "").strip() if file is None else read_secret(flag, file, "token")
    if not all("!" <= character <= "~" for character in token):
        where = f"variable {variable}" if file is None else f"{flag}: the content of {file}"
        raise InputError(f"{where} is not a token: it has characters other than printable ASCII")
    return token


def read_secret(flag: str, file: str, what: str) -> str:
    """Return the content of a file, without the blanks around it.

    Args:
        flag: that names the file.
        file: its path.
        what: it holds, for messages.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"{flag}: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise InputError(f"{flag}: {file} is not UTF-8 text") from None  # the cause would hold it
    if not secret:
        raise InputError(f"{flag}: {file} is empty: write the {what} into it")
    return secret


def read_url(attribute: str, given: str) -> str:
    """Return the URL of a setting, read from its file if one is given (`@FILE`).

    Args:
        attribute: of the setting.
        given: its value.

    Raises:
        InputError: the file cannot be read, or holds no URL.
    """
    if not given.startswith("@"):
        return given
    setting = SETTINGS[attribute]
    url = read_secret(setting.flag, given[1:], "URL")
    try:
        if not url.startswith("@"):
            return str(setting.value_type.read(url))
    except ValueError:
        pass  # the exception would hold it
    raise InputError(f"{setting.flag}: the content of {given[1:]} is not a URL: write one there, and nothing else")
