"""YAML and JSON are read as Kubernetes' own tools read them: the tests compare with kubectl."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.manifests.documents import dump, parse

KUBECTL = Path(sys.executable).parent / "kubectl"

SCALARS = """
    0644  0o17  0_7  0x1F  -0x1f  0b11  08  09.5  12  +1  -0  1_000  1__0  _1  0x  100000000000000000000
    12345678901234567890123  1.0  1234567.0  .5  -.5e-3  1.e2  1e3  1e21  1e400  1_0.5  22:22  1:30:00
    2020-01-01  2001-12-14t21:59:43.10-05:00  yes  No  ON  off  y  N  true  False  TRUE  ~  null  Null
    "yes"  '12'  =  abc  !!str  !!int "12"  !!float 3  !!bool yes  !!null ""  !!timestamp 2020-01-01
"""
KEYS = ["on", "n", "1", "1.5", "0644", "abc", '"yes"', "2020-01-01"]


def as_kubectl_reads(text: str, path: Path) -> Any:
    path.write_text(text, encoding="utf-8")
    command = [str(KUBECTL), "label", "--local", "-f", str(path), "read=yes", "-o", "json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["data"]


def test_scalars_and_keys_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    scalars = [scalar.strip() for line in SCALARS.strip().splitlines() for scalar in line.split("  ") if scalar.strip()]
    lines = [f"  k{number}: {scalar}" for number, scalar in enumerate(scalars)]
    lines += [f"  {key}: key" for key in KEYS]
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n" + "\n".join(lines) + "\n"

    ours = parse(text, "x.yml")[0].value["data"]

    kubectls = as_kubectl_reads(text, tmp_path / "x.yml")
    assert json.loads(json.dumps(ours)) == kubectls
    assert [type(ours[key]) for key in kubectls] == [type(value) for value in kubectls.values()]


def test_strings_written_by_dump_are_the_same_strings_to_kubectl(tmp_path: Path) -> None:
    strings = [
        "y",
        "n",
        "yes",
        "1e3",
        "0o17",
        "1_0.5",
        "22:22",
        "2020-01-01",
        "null",
        "",
        "=",
        "<<",
        "08",
        ".5",
        "a\n\n",
        "é ☃",
    ]
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x"},
        "data": {f"k{number}": text for number, text in enumerate(strings)},
    }
    assert as_kubectl_reads(dump([config_map]), tmp_path / "x.yml") == config_map["data"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), json_values, min_size=1))
def test_parse_reads_back_what_dump_writes(value: dict[str, Any]) -> None:
    [document] = parse(dump([value]), "x.yml")
    assert document.value == value


@given(st.lists(st.dictionaries(st.text(), json_values), max_size=3))
def test_json_documents_are_read_one_after_the_other(values: list[Any]) -> None:
    text = "\n\n".join(json.dumps(value, indent="\t") for value in values)
    assert [document.value for document in parse(text, "x.json")] == values


def test_every_value_knows_its_line() -> None:
    [document] = parse("a: 1\nb:\n  - x\n  - y: 2\n", "x.yml")
    assert document.line(("b",)) == 2
    assert document.line(("b", 1, "y")) == 4
    assert document.line(("b", 1, "y", "deeper")) == 4


def test_merge_keys_add_what_a_mapping_lacks() -> None:
    [document] = parse(
        "base: &base {a: 1, b: 1}\nmore: &more {b: 2, c: 2}\nx:\n  <<: [*base, *more]\n  a: 0\n", "x.yml"
    )
    assert document.value["x"] == {"a": 0, "b": 1, "c": 2}


def test_empty_documents_have_no_value() -> None:
    assert [document.value for document in parse("---\n---\n# nothing\n---\na: 1\n", "x.yml")] == [None, None, {"a": 1}]


ERRORS = {
    "a: [1": "x.yml:1: not valid YAML: expected ',' or ']', but got '<stream end>' (while parsing a flow sequence)",
    "b: 1\na: b: c": "x.yml:2: not valid YAML: mapping values are not allowed here",
    "a: 1\nb: 2\na: 3": "x.yml:3: not valid YAML: key 'a' appears twice in one mapping",
    "kind: A\napiVersion: v1\nspec: {kind: B}\nkind: C": (
        "x.yml:4: not valid YAML: key 'kind' appears twice in one mapping; is --- missing between two documents?"
    ),
    "a: !!python/object:os.system x": (
        "x.yml:1: not valid YAML: tag 'tag:yaml.org,2002:python/object:os.system' is not supported"
    ),
    "a: !!binary aGk=": "x.yml:1: not valid YAML: tag 'tag:yaml.org,2002:binary' is not supported",
    "a: &a [*a]": "x.yml:1: not valid YAML: an alias refers to a value that contains it",
    "a: *b": "x.yml:1: not valid YAML: found undefined alias 'b'",
    "a:\n  - .inf": "x.yml:2: not valid YAML: JSON has neither infinity nor NaN",
    "? [a]\n: 1": "x.yml:1: not valid YAML: a key must be a scalar",
    "~: 1": "x.yml:1: not valid YAML: a key must be a string",
    "a: {<<: 1}": "x.yml:1: not valid YAML: << takes a mapping",
    "a\n\x01": "x.yml:2: not valid YAML: a control character",
    "[" * 5000: "x.yml:1: not valid YAML: nested too deeply",
}


@pytest.mark.parametrize("text", ERRORS)
def test_an_error_in_yaml_is_reported_with_file_and_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text, "x.yml")
    assert str(error.value) == ERRORS[text]


JSON_ERRORS = {
    '{"a": 1,\n"a": 2}': "x.json:1: not valid JSON: key 'a' appears twice in one object",
    '{"a": NaN}': "x.json:1: not valid JSON: NaN is not a JSON number",
    '{"a": 1}\n{"b":\n}': "x.json:3: not valid JSON: Expecting value",
}


@pytest.mark.parametrize("text", JSON_ERRORS)
def test_an_error_in_json_is_reported_with_file_and_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text, "x.json")
    assert str(error.value) == JSON_ERRORS[text]


def test_yaml_that_starts_like_json_is_read_as_yaml() -> None:
    assert parse("{a: 1}\n", "x.yml")[0].value == {"a": 1}


def test_errors_show_none_of_the_text_which_may_be_a_secret() -> None:
    with pytest.raises(InputError) as error:
        parse('stringData:\n  password: "hunter2\n', "x.yml")
    assert "hunter2" not in str(error.value)


def test_a_few_aliases_cannot_expand_to_millions_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InputError, match="its aliases expand to too many values"):
        parse("\n".join(lines), "x.yml")
