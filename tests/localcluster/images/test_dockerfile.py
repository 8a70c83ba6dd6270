"""Dockerfiles: instructions and variables."""

from __future__ import annotations

from pathlib import Path

from localcluster.images.dockerfile import instructions, substitute


def test_variables_are_substituted_as_docker_does() -> None:
    values = {"A": "a", "EMPTY": ""}
    assert substitute("$A ${A}b ${B:-c} ${A:-c} ${EMPTY:-d} ${A:+e} ${B:+f} $B \\$A", values) == "a ab c a d e   $A"


def test_an_instruction_has_the_number_of_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("# comment\nfrom python\n\nRUN a \\\n  # between\n\n  b\nCMD c")
    found = [(i.where.rpartition(":")[2], i.keyword, i.text) for i in instructions(file)]
    assert found == [("2", "FROM", "python"), ("4", "RUN", "a b"), ("8", "CMD", "c")]
