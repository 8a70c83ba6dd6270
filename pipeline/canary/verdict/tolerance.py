"""How much worse than the baseline a canary may be: an absolute tolerance, or a relative one.

An absolute tolerance is a share of requests, such as 0.05 for five points. A relative one is a multiple of the
baseline's share of errors, such as `1.5x`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MULTIPLE = r"[0-9]{1,6}(?:\.[0-9]{1,6})?x"
"""The form of a relative tolerance; it must also be more than 1x."""

REQUIREMENT = (
    "a share from 0 to 1, such as 0.05 for five points, or a multiple of the baseline's errors above 1, such as 2x"
)


@dataclass(frozen=True)
class Multiple:
    """A relative tolerance.

    Attributes:
        times: multiple of the baseline's share of errors that a canary may have, above 1.
    """

    times: float

    def __str__(self) -> str:
        """Return it as a user writes it: `1.5x`."""
        return f"{self.times:.12g}x"


Tolerance = float | Multiple
"""Share by which the canary may be worse, in 0–1, or a multiple of the baseline's share of errors."""


def read_tolerance(value: object) -> Tolerance:
    """Return the tolerance for a number, or for a text such as `1.5x`.

    Raises:
        ValueError: the value is neither, or lies outside its range.
    """
    if isinstance(value, str):
        times = float(value[:-1]) if re.fullmatch(MULTIPLE, value, re.ASCII) else math.nan
        if not times > 1:
            raise ValueError(value)
        return Multiple(times)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(value)
    return float(value)


def tolerance_text(text: str) -> float | str:
    """Return the value that `read_tolerance` checks: a text that ends in `x` as it is, any other as a number.

    Raises:
        ValueError: the text is not a number and does not end in `x`.
    """
    return text if text.endswith("x") else float(text)


def tolerance_as_json(tolerance: Tolerance | None) -> float | str | None:
    """Return a number for an absolute tolerance, and a string such as `1.5x` for a relative one."""
    return str(tolerance) if isinstance(tolerance, Multiple) else tolerance


def decimals(share: float | None) -> int:
    """Return how many decimals of a percentage suit a share or tolerance: one, or more if it is less than a point."""
    if not share:
        return 1
    return min(6, max(1, 1 - math.floor(math.log10(share * 100) + 1e-9)))
