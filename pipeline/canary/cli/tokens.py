"""Tokens for other servers: from a file, else from a variable, never from the command line."""

import os
from pathlib import Path

from canary.errors import InputError


def read_token(flag: str, file: str | None, variable: str) -> str:
    """Return a token, empty if there is none. The file is read anew each time, as tokens are renewed.

    Args:
        flag: that names the file.
        file: its path, None if none was given.
        variable: of the environment, used where there is no file.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    if file is None:
        return os.environ.get(variable, "").strip()
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{flag}: cannot read {file}: {error}") from error
    if not token:
        raise InputError(f"{flag}: {file} is empty: write the token into it")
    return token
