"""Events as styled text, one line each."""

from collections.abc import Iterable

from rich.text import Text

from canary.events import (
    Deployed,
    Differs,
    Event,
    Grows,
    HandedOver,
    Judged,
    Note,
    Promoted,
    Recalled,
    Rejected,
    RolledBack,
    StableChanged,
    Started,
    Undone,
    Waiting,
)
from canary.printable import printable
from canary.sentences import says_something, sentence_of
from canary.verdict.comparison import Decision

COLOURS = {Decision.PROMOTE: "green", Decision.REJECT: "red", Decision.UNDECIDED: "yellow"}


def line_of(event: Event) -> Text | None:
    """Return an event as a line, followed by a diff if it has one; None if it is not shown."""
    sentence = sentence_of(event)
    match event:
        case Deployed() | Recalled():
            return None  # lines about its pods, and the verdict of the next look, say it
        case Started() | Grows() | HandedOver():
            return Text(sentence, "bold")
        case Note():
            return Text(sentence, "yellow" if event.warning else "")
        case Waiting():
            return Text(sentence, "yellow" if event.reason else "")
        case Differs():
            return _with_difference(Text(sentence, "yellow" if event.now else ""), event.difference)
        case StableChanged():
            return _with_difference(Text(sentence, "yellow"), event.difference)
        case Judged() if says_something(event.verdict):
            decision = event.verdict.decision
            before, word, after = sentence.partition(str(decision))
            return Text.assemble(before, (word, f"bold {COLOURS[decision]}"), after)
        case Promoted() | RolledBack():
            return Text(sentence, "bold green")
        case Rejected() | Undone():
            return Text(sentence, "bold red")
        case _:  # the gate shows its question itself
            return Text(sentence) if sentence else None


def _with_difference(heading: Text, difference: Iterable[str]) -> Text:
    colours = {"+": "green", "-": "red"}
    lines = (Text(f"  {printable(line)}", colours.get(line[:1], "")) for line in difference)
    return Text("\n").join([heading, *lines])
