"""Each how-to has the same parts, and says on which Kubernetes its commands were run last."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from e2e import last_run
from e2e.documented_commands import DOCS, commands, matching
from e2e.last_run import LINE, howtos, to_type, write

PARTS = ["Prerequisites", "Steps", "What you should see", "Clean up"]
WALKTHROUGH = "your-own-app.md"  # in numbered parts, with what one should see in each; test_your_own_app.py types it
WITHOUT_A_CLUSTER = {"install.md", "offline.md", WALKTHROUGH}
ON_A_CLUSTER = [page for page in howtos() if page not in WITHOUT_A_CLUSTER]
E2E = Path(last_run.__file__).parent


@cache
def typed_by_tests() -> dict[str, set[str]]:
    """Return the lines of each page that the tests in e2e/ type, by the texts in their calls."""
    found: dict[str, set[str]] = {}
    for file in sorted(E2E.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("type_lines", "typed"):
                page, *texts = (each.value for each in node.args if isinstance(each, ast.Constant))
                for text in texts:
                    found.setdefault(str(page), set()).update(matching(str(page), str(text)))
    return found


def test_the_index_lists_how_tos() -> None:
    assert {"gates.md", "load.md", "rights.md"} <= set(howtos())


@pytest.mark.parametrize("page", [page for page in howtos() if page != WALKTHROUGH])
def test_a_how_to_has_its_four_parts_in_order(page: str) -> None:
    titles = re.findall(r"^## (.*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert [title for title in titles if title in PARTS] == PARTS


@pytest.mark.parametrize("page", ON_A_CLUSTER)
def test_a_how_to_says_on_which_kubernetes_it_ran_and_which_commands_did_not(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    (line,) = LINE.finditer(text)
    assert re.fullmatch(r"v1\.\d+\.\d+\S*", line[1] or "v1.0.0")  # or on localcluster alone yet
    paragraph = text[line.start() :].partition("\n\n")[0]
    assert ("Not run there: " in paragraph) or not any("not-run" in block.words for block in commands(page))


@pytest.mark.parametrize("page", ON_A_CLUSTER)
def test_the_commands_of_a_how_to_are_typed_by_tests_in_e2e(page: str) -> None:
    assert [line for line in to_type(page) if line not in typed_by_tests().get(page, set())] == []


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with two how-tos, of which one has a line that is not run."""
    (tmp_path / "README.md").write_text(
        "# Pages\n\n## How-to\n\n| [A](a.md) | a |\n| [B](b.md) | b |\n\n## Reference\n"
    )
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(
            f"```sh\necho {name}\necho more\n```\n\nLast run on Kubernetes v1.2.3, by `make e2e`. Fine.\n\n"
            "```sh not-run\nship it\n```\n"
        )
    monkeypatch.setattr(last_run, "DOCS", tmp_path)
    monkeypatch.setattr("e2e.documented_commands.DOCS", tmp_path)
    return tmp_path


def test_a_run_writes_its_version_where_each_command_was_typed_and_changes_nothing_else(docs: Path) -> None:
    ran = [("a.md", "echo a"), ("a.md", "echo more"), ("b.md", "echo b")]
    (docs / "typed").write_text("".join(json.dumps(one) + "\n" for one in ran))
    before = (docs / "b.md").read_text()
    said = write(docs / "typed", "v1.35.4")
    assert "Last run on Kubernetes v1.35.4, by `make e2e`. Fine." in (docs / "a.md").read_text()
    assert (docs / "b.md").read_text() == before
    assert said == [
        "docs/a.md: last run on Kubernetes v1.35.4",
        "docs/b.md is unchanged: 1 of 2 lines were not run: echo more",
    ]


def test_a_run_on_the_same_version_leaves_the_file_alone(docs: Path) -> None:
    (docs / "typed").write_text("".join(json.dumps(["a.md", line]) + "\n" for line in ("echo a", "echo more")))
    assert write(docs / "typed", "v1.2.3") == []
