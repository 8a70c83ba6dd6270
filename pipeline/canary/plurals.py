"""Counts and shares in words."""

from fractions import Fraction


def counted(count: float, noun: str) -> str:
    """Return a count with its noun: `1 pod`, `2 pods`, `1,200 requests`."""
    number = f"{count:,.0f}"
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"


def in_percent(share: float) -> str:
    """Return a measured share, in 0–1, as a percentage, with at most two digits below ten: `0.5 %`, `4.8 %`, `25 %`."""
    value = share * 100
    return f"{value:.2g} %" if value < 9.95 else f"{value:.0f} %"


def in_exact_percent(share: Fraction | float) -> str:
    """Return a share that somebody asked for, in 0–1, as a percentage with all its digits: `0.25 %`, `12.5 %`."""
    return f"{float(share * 100):.12g} %"
