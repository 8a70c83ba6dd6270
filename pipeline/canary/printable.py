"""Text from elsewhere (containers, servers, annotations), made safe to print: it must not steer a terminal."""


def printable(text: str) -> str:
    """Return a text with a blank in place of each control character and newline."""
    return "".join(char if char.isprintable() else " " for char in text)
