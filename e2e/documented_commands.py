"""Runs the commands that pages of docs/ show."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from e2e.cluster import BIN, ROOT, Namespace


def type_lines(namespace: Namespace, page: str, *containing: str, folder: Path = ROOT) -> str:
    """Run the lines of a page's shell blocks that contain one of these texts, as written; return their output."""
    output = ""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    for text in containing:
        found = [line for line in lines if text in line]
        assert found, f"docs/{page} has no line with {text}"
        for line in found:
            environment = namespace.environment() | {"NAMESPACE": namespace.name}
            environment["PATH"] = f"{BIN}:{environment['PATH']}"
            done = subprocess.run(
                ["bash", "-euc", line],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=170,
                check=False,
            )
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            output += done.stdout
    return output
