"""The committed schema is up to date."""

from __future__ import annotations

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[3]


def test_the_committed_schema_is_what_the_script_prints() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "make_localcluster_schema.py")]
    made = subprocess.run(script, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert made == (ROOT / "localcluster" / "storage" / "schema.json").read_text()
