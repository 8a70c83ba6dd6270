"""What a person sees after a program has written to a terminal, and whether it looks as a page says."""

from __future__ import annotations

import re

CONTROL = re.compile(
    r"\x1b\[(?P<number>\d*)[;\d]*(?P<action>[A-Za-z])"  # cursor up, erase, colours
    r"|\x1b\[\?\d+[hl]"  # hide and show the cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # title and links
    r"|(?P<character>[\r\n\b])"
)
VARIES = (
    r"(?P<gap>\s+)"
    r"|(?P<any>…)"
    r"|(?P<clock>(?<![\w.])\d+(?::\d\d)+)"
    r"|(?P<less>(?<![\w.])[−-]\d+\.\d+)"
    r"|(?P<more>(?<![\w.])\+\d+\.\d+)"
    r"|(?P<decimal>(?<![\w.])\d+\.\d+)"
    r"|(?P<age>(?<![\w.])(?:\d+[dhms])+(?!\w))"
)
LIKE = {
    "gap": r"\s+",
    "any": r"[^\n]*?",
    "clock": r"\d+(?::\d\d)+",
    "less": r"[−-]\d+(?:\.\d+)?",
    "more": r"\+\d+(?:\.\d+)?",
    "decimal": r"\d+(?:\.\d+)?",
    "age": r"(?:\d+[dhms])+",
}
ANY_LINES = r"\s*(?:[^\n]*\n)*?\s*"


def rendered(written: str) -> str:
    """Return the text on an endlessly high and wide terminal, after colours and cursor movements."""
    lines, row, column, at = [""], 0, 0, 0

    def put(text: str) -> None:
        nonlocal column
        old = lines[row].ljust(column)
        lines[row] = old[:column] + text + old[column + len(text) :]
        column += len(text)

    for control in CONTROL.finditer(written):
        put(written[at : control.start()])
        at = control.end()
        match control["character"] or control["action"]:
            case "\r":
                column = 0
            case "\b":
                column = max(0, column - 1)
            case "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            case "A":
                row = max(0, row - int(control["number"] or 1))
            case "K":
                lines[row] = "" if control["number"] == "2" else lines[row][:column]
    put(written[at:])
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def pattern(expected: str, *, is_broken: bool = False) -> re.Pattern[str]:
    """Return what a text must match to look like `expected`.

    `…` stands for any text in a line, and on a line of its own for any lines, also for none. Decimal numbers may be
    others with the same sign, and so may times and ages. White space may be any other white space: the width of a
    terminal and of a column varies. In a narrow terminal, where long lines are broken, `…` may stand for two lines.
    """
    like_here = LIKE | ({"any": r"(?:[^\n]*?\n)?[^\n]*?"} if is_broken else {})
    parts = []
    for part in re.split(r"^[^\S\n]*…[^\S\n]*$", expected, flags=re.MULTILINE):
        text, like, at = part.strip(), "", 0
        for varying in re.finditer(VARIES, text):
            like += re.escape(text[at : varying.start()]) + like_here[str(varying.lastgroup)]
            at = varying.end()
        parts.append(like + re.escape(text[at:]))
    return re.compile(r"\s*" + ANY_LINES.join(parts) + r"\s*")


def looks_like(seen: str, expected: str, *, is_broken: bool = False) -> bool:
    """Return whether what a person sees is what the page says."""
    return pattern(expected, is_broken=is_broken).fullmatch(seen + "\n") is not None


def first_difference(seen: str, expected: str, *, is_broken: bool = False) -> str:
    """Return the first line of the page that a person does not see; empty if all are there, and more besides."""
    lines = expected.splitlines()
    for number, line in enumerate(lines, 1):
        if not looks_like(seen, "\n".join([*lines[:number], "…"]), is_broken=is_broken):
            return line.strip()
    return ""
