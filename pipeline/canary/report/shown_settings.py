"""The values of settings in a report, as a user would write them."""

from contextlib import suppress

from canary.settings.settings import SETTINGS

_BY_KEY = {setting.key: setting for setting in SETTINGS.values()}


def shown_value(key: str, value: object) -> str:
    """Return the value of a setting as a user would write it, empty for none.

    Args:
        key: its name in `canary.yml`; a report of another version may have one that is not known.
        value: as a report has it: durations are seconds, and secrets are masked already.
    """
    if value is None or value in ((), []):
        return ""
    setting = _BY_KEY.get(key)
    if isinstance(value, list | tuple):
        separator = "," if setting is not None and not setting.value_type.is_list else " "
        return separator.join(map(str, value))
    if isinstance(value, int | float) and setting is not None:
        with suppress(OverflowError, TypeError, ValueError):  # of a file that somebody changed
            return setting.show(value)
    return str(value)
