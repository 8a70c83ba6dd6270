"""The committed schema is up to date."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]


SCRIPT = (sys.executable, str(ROOT / "scripts" / "make_localcluster_schema.py"))
CRDS = os.environ.get("GATEWAY_API_CRDS", "")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("schema.json", ()),
        pytest.param("gateway.json", (CRDS,), marks=pytest.mark.skipif(not CRDS, reason="GATEWAY_API_CRDS is not set")),
    ],
)
def test_the_committed_schema_is_what_the_script_prints(name: str, arguments: tuple[str, ...]) -> None:
    made = subprocess.run([*SCRIPT, *arguments], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert made == (ROOT / "localcluster" / "storage" / name).read_text()
