"""Reports of releases that never were, in a folder."""

from __future__ import annotations

from pathlib import Path

from canary.errors import ExitCode
from canary.events import Decided, Judged, Promoted, Rejected
from canary.report.folder import write
from tests.canary.report.made_up import BEGAN, MadeUp


def leave_reports(folder: Path) -> str:
    """Write the report of a promoted release, and then that of a rejected one; return the name of the first one."""
    made = MadeUp()
    made.tell(Judged(made.look(100)), Decided(promote=True, by="auto"), Promoted("app", made.images))
    write(folder, made.report())
    made = MadeUp({("app", "success"): 0.9}, now=BEGAN + 3600)
    made.tell(Judged(made.look(10)), Decided(promote=False, by="ada"), Rejected("app", "by ada", (), ""))
    write(folder, made.report(ExitCode.REJECTED))
    (earlier,) = (folder / "past").iterdir()
    return earlier.name
