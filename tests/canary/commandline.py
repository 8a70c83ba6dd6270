"""The command `canary` as a user runs it: arguments, stdin and environment in; exit code, stdout and stderr out."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest
import yaml

from canary.cli.main import run

CANARY = Path(sys.executable).parent / "canary"
TERMINAL_WIDTH = "100"


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def yaml(self) -> list[Any]:
        return list(yaml.safe_load_all(self.out))

    @property
    def lines(self) -> list[str]:
        """Return the lines of stderr without their timestamps."""
        return [line[9:] if line[:8].count(":") == 2 and line[:2].isdigit() else line for line in self.err.splitlines()]


class CommandLine:
    """Runs `canary` in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        for name in [name for name in os.environ if name.startswith("CANARY_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("COLUMNS", TERMINAL_WIDTH)
        monkeypatch.setenv("KUBECONFIG", str(folder / "no-kubeconfig"))
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))

    def of_cluster(self, server: str, namespace: str) -> CommandLine:
        """Write a kubeconfig and use it from now on."""
        context = {"cluster": "lab", "user": "nobody", "namespace": namespace}
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": server}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "lab", "context": context}],
            "current-context": "lab",
        }
        self.write("kubeconfig", yaml.safe_dump(kubeconfig))
        self._monkeypatch.setenv("KUBECONFIG", str(self.folder / "kubeconfig"))
        return self

    def write(self, name: str, text: str) -> Path:
        """Write a file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_objects(self, name: str, *objects: dict[str, Any]) -> Path:
        """Write objects as YAML."""
        return self.write(name, yaml.safe_dump_all(objects))

    def __call__(self, *arguments: str, stdin: str | TextIO = "", environment: dict[str, str] | None = None) -> Result:
        """Run the command in this process."""
        with self._monkeypatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            typed = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8") if isinstance(stdin, str) else stdin
            patch.setattr(sys, "stdin", typed)
            self._capsys.readouterr()
            code = run(arguments)
            out, err = self._capsys.readouterr()
        assert "Traceback" not in err, err
        return Result(code, out, err)

    def process(self, *arguments: str, stdin: str = "") -> Result:
        """Run the installed command as a process."""
        done = subprocess.run(
            [CANARY, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)
