"""Counts in words, so that numbers agree."""


def counted(count: float, noun: str) -> str:
    """Return a count with its noun: `1 pod`, `2 pods`, `1,200 requests`."""
    number = f"{count:,.0f}"
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"
