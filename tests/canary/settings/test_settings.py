"""Settings: one table for flags, environment, canary.yml and its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import canary
from canary.errors import InputError
from canary.settings.resolution import read_file, resolve
from canary.settings.settings import SETTINGS, Settings, schema
from canary.verdict.tolerance import Multiple

COMMITTED = Path(canary.__file__).parent / "canary.schema.json"


def test_precedence_is_flag_environment_file_default(tmp_path: Path) -> None:
    (tmp_path / "canary.yml").write_text(
        "# settings\npercentage: 10\n\ntolerance: 0.1\nwarm-up: 1m30s\ngate: auto\nimages: [a:1, b:1]\n"
    )
    flags = {"percentage": "30", "images": ("a:2",), "alpha": None, "image_pull_secrets": ()}
    environment = {"CANARY_PERCENTAGE": "20", "CANARY_TOLERANCE": "0.2", "CANARY_ALPHA": "", "CANARY_MANIFESTS": "a b"}

    found = resolve(flags, environment, tmp_path)

    assert found.settings == Settings(
        manifests=("a", "b"), images=("a:2",), percentage=30, tolerance=0.2, warm_up=90.0, gate="auto"
    )
    told = {name: source for name, source in found.sources.items() if source != "default"}
    assert told == {
        "manifests": "CANARY_MANIFESTS",
        "images": "--image",
        "percentage": "--percentage",
        "tolerance": "CANARY_TOLERANCE",
        "warm_up": "canary.yml:5",
        "gate": "canary.yml:6",
    }
    assert set(found.sources) == set(SETTINGS)


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n"])
def test_a_file_may_be_missing_or_empty(text: str, tmp_path: Path) -> None:
    assert resolve({}, {}, tmp_path).settings == Settings()
    (tmp_path / "canary.yml").write_text(text)
    assert resolve({}, {}, tmp_path).settings == Settings()


def test_a_misspelt_variable_is_reported_and_other_programs_variables_are_ignored(tmp_path: Path) -> None:
    resolve({}, {"CANARY_URL": "x", "CANARY_IMAGE_NAME": "x", "CANARY_TOKEN": "x", "TOLERENCE": "1"}, tmp_path)
    with pytest.raises(InputError) as error:
        resolve({}, {"CANARY_TOLERENCE": "0.01"}, tmp_path)
    assert str(error.value) == "environment variable CANARY_TOLERENCE: did you mean CANARY_TOLERANCE?"


TOLERANCE = (
    "a share from 0 to 1, such as 0.05 for five points, or a multiple of the baseline's errors above 1, such as 2x"
)
KNOWN = ", ".join(one.key for one in SETTINGS.values())
WRONG = {
    "percentge: 25": "1: unknown key percentge; did you mean percentage?",
    "\nwarm_up: 10s": "2: unknown key warm_up; did you mean warm-up?",
    "image: a:1": "1: unknown key image; did you mean images?",
    "zzz: 1": f"1: unknown key zzz; the keys are {KNOWN}",
    "metrics-path: metrics": "1: metrics-path metrics: must be a path that begins with /, such as /actuator/prometheus",
    "percentage: -1": "1: percentage -1: must be a percentage from 0 to 100",
    "percentage: 101": "1: percentage 101: must be a percentage from 0 to 100",
    "percentage: '25'": "1: percentage 25: must be a percentage from 0 to 100",
    "percentage: yes": "1: percentage True: must be a percentage from 0 to 100",
    "percentage:": "1: percentage: must be a percentage from 0 to 100",
    "min-requests: 0": "1: min-requests 0: must be a whole number, 1 or more",
    "tolerance: 5": f"1: tolerance 5: must be {TOLERANCE}",
    "tolerance: 1x": f"1: tolerance 1x: must be {TOLERANCE}",
    "tolerance: '0.05'": f"1: tolerance 0.05: must be {TOLERANCE}",
    "alpha: 0": "1: alpha 0: must be a share between 0 and 1, such as 0.05",
    "gate: person": "1: gate person: must be terminal, console, auto, manual or webhook",
    "warm-up: 10 s": "1: warm-up 10 s: must be a duration such as 10s",
    "warm-up: -1": "1: warm-up -1: must be a duration such as 10s",
    "images: 1": "1: images 1: must be a string or a list of strings",
    "images:\n- a:1\n- 2": "1: images: must be a string or a list of strings",
    "good: ''": "1: good: must be a non-empty string",
    "total: {a: b}": "1: total: must be a non-empty string",
    "metrics-port: 0": "1: metrics-port 0: must be a port's name or number",
    "metrics-port: 65536": "1: metrics-port 65536: must be a port's name or number",
    "label: a b": "1: label a b: must be a label key such as azure-pipelines/version",
    "namespace: a/b": "1: namespace a/b: must be a name of lower-case letters, digits and -",
    "- percentage": "1: settings must be a mapping, such as percentage: 25",
    "gate: auto\n---\ngate: auto": "3: a second document; put all settings into one",
    "gate: auto\ngate: auto": "2: not valid YAML: key 'gate' appears twice in one mapping",
}


@pytest.mark.parametrize("text", WRONG)
def test_an_error_in_the_file_is_reported_with_its_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "canary.yml").write_text(text)
    with pytest.raises(InputError) as error:
        resolve({}, {}, tmp_path)
    assert str(error.value) == f"canary.yml:{WRONG[text]}"


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "canary.yml").mkdir()
    with pytest.raises(InputError, match=r"^canary\.yml: Is a directory$"):
        resolve({}, {}, tmp_path)
    (tmp_path / "latin.yml").write_bytes(b"gate: \xff")
    with pytest.raises(InputError, match=r"^latin\.yml: not UTF-8 text$"):
        read_file(tmp_path / "latin.yml")


@pytest.mark.parametrize(
    ("attribute", "text", "wanted"),
    [
        ("percentage", "-1", "a percentage from 0 to 100"),
        ("percentage", "1e1", "a percentage from 0 to 100"),
        ("percentage", "", "a percentage from 0 to 100"),
        ("tolerance", "five", TOLERANCE),
        ("tolerance", "nan", TOLERANCE),
        ("tolerance", "0.9x", TOLERANCE),
        ("tolerance", "-2x", TOLERANCE),
        ("tolerance", "infx", TOLERANCE),
        ("latency_tolerance", "two", TOLERANCE),
        ("alpha", "1", "a share between 0 and 1, such as 0.05"),
        ("timeout", "soon", "a duration such as 5m"),
        ("gate", "Auto", "terminal, console, auto, manual or webhook"),
        ("total", "", "a non-empty string"),
        ("label", "/version", "a label key such as azure-pipelines/version"),
        ("namespace", "Prod", "a name of lower-case letters, digits and -"),
    ],
)
def test_flags_and_variables_are_checked_like_the_file(attribute: str, text: str, wanted: str, tmp_path: Path) -> None:
    one = next(one for one in SETTINGS.values() if one.attribute == attribute)
    with pytest.raises(InputError) as error:
        resolve({attribute: text}, {}, tmp_path)
    assert str(error.value) == f"{one.flag} {text}: must be {wanted}"
    if text:
        with pytest.raises(InputError) as error:
            resolve({}, {one.variable: text}, tmp_path)
        assert str(error.value) == f"{one.variable}={text}: must be {wanted}"


def test_every_default_is_a_valid_value() -> None:
    for one in SETTINGS.values():
        if one.default not in (None, ()):
            assert one.value_type.read_text(one.show(one.default)) == one.default


@pytest.mark.parametrize(
    ("file", "environment", "flags", "sizes"),
    [
        ("", {}, {}, (25,)),
        ("percentage: 10", {}, {}, (10,)),
        ("steps: [10, 50]", {}, {}, (10, 50)),
        ("percentage: 10", {}, {"steps": "20,40"}, (20, 40)),
        ("steps: [10, 50]", {}, {"percentage": "30"}, (30,)),
        ("steps: [0.5, 5]", {}, {}, (0.5, 5)),
        ("", {"CANARY_STEPS": "0.5,1"}, {}, (0.5, 1)),
        ("percentage: 2.5", {}, {}, (2.5,)),
        ("steps: [10, 50]", {"CANARY_PERCENTAGE": "30"}, {}, (30,)),
        ("", {"CANARY_PERCENTAGE": "30"}, {"steps": "20, 40"}, (20, 40)),
    ],
)
def test_the_source_with_precedence_decides_between_steps_and_percentage(
    file: str, environment: dict[str, str], flags: dict[str, str], sizes: tuple[float, ...], tmp_path: Path
) -> None:
    (tmp_path / "canary.yml").write_text(file)
    assert resolve(flags, environment, tmp_path).sizes() == sizes


def test_steps_and_percentage_from_the_same_source_are_refused(tmp_path: Path) -> None:
    (tmp_path / "canary.yml").write_text("steps: [10, 50]\npercentage: 10\n")
    with pytest.raises(InputError, match=r"^canary.yml:2 and canary.yml:1: use percentage for one size, or steps"):
        resolve({}, {}, tmp_path).sizes()


@pytest.mark.parametrize("steps", ["[]", "[50, 10]", "[10, 10]", "[-1, 10]", "[10, 101]", "-1", "[ten]", "10,5", "ten"])
def test_steps_rise_within_0_to_100(steps: str, tmp_path: Path) -> None:
    (tmp_path / "canary.yml").write_text(f"steps: {steps}")
    with pytest.raises(InputError, match=r"must be rising percentages from 0 to 100, such as 10,25,50"):
        resolve({}, {}, tmp_path)


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        ("metrics-port: 9000", "metrics_port", "9000"),
        ("metrics-port: web", "metrics_port", "web"),
        ("steps: 10,25,50", "steps", (10, 25, 50)),
        ("steps: 10, 25", "steps", (10, 25)),
        ("steps: 50", "steps", (50,)),
        ("manifests: k8s", "manifests", ("k8s",)),
        ("images: a:1", "images", ("a:1",)),
        ("tolerance: 1.5x", "tolerance", Multiple(1.5)),
        ("tolerance: 0.05", "tolerance", 0.05),
        ("latency-tolerance: 2x", "latency_tolerance", Multiple(2.0)),
        ("metrics: {a: {good: x, total: z, tolerance: 1.25x}}", "metrics", ("a=x,z,1.25x",)),
    ],
)
def test_the_file_accepts_values_as_the_command_line_has_them(
    line: str, attribute: str, value: object, tmp_path: Path
) -> None:
    (tmp_path / "canary.yml").write_text(line)
    assert getattr(resolve({}, {}, tmp_path).settings, attribute) == value
    assert jsonschema.Draft202012Validator(schema()).is_valid(yaml.safe_load(line))


@pytest.mark.parametrize("text", ["off", '"off"', "false", "False", "no"])
def test_a_switch_may_be_off_as_yaml_reads_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "canary.yml").write_text(f"sample-ratio: {text}\n")
    assert resolve({}, {}, tmp_path).settings.sample_ratio == "off"
    assert resolve({"sample_ratio": "on"}, {}, tmp_path).settings.sample_ratio == "on"
    with pytest.raises(InputError, match="--sample-ratio false: must be on or off"):
        resolve({"sample_ratio": "false"}, {}, tmp_path)


def test_variables_that_kubernetes_sets_for_a_service_are_not_settings(tmp_path: Path) -> None:
    linked = {
        "CANARY_METRICS_PORT": "tcp://10.0.0.7:80",
        "CANARY_METRICS_SERVICE_HOST": "10.0.0.7",
        "CANARY_INTERVAL_PORT": "udp://10.0.0.8:53",  # close to CANARY_INTERVAL
    }
    assert resolve({}, linked, tmp_path).settings == Settings()
    own = {**linked, "CANARY_METRICS_PORT": "web"}
    assert resolve({}, own, tmp_path).settings.metrics_port == "web"
    with pytest.raises(InputError, match="CANARY_INTERVALL: did you mean CANARY_INTERVAL"):
        resolve({}, {**linked, "CANARY_INTERVALL": "1s"}, tmp_path)


def test_metrics_are_the_same_in_the_file_on_the_command_line_and_in_the_environment(tmp_path: Path) -> None:
    paid, answers = 'paid=orders_total{status="paid"},orders_total,0.01', "answers=good_total,all_total"
    given = (paid, answers)
    assert resolve({"metrics": given}, {}, tmp_path).settings.metrics == given
    assert resolve({}, {"CANARY_METRICS": f"{paid}\n{answers}\n"}, tmp_path).settings.metrics == given
    (tmp_path / "canary.yml").write_text(
        "metrics:\n"
        '  paid:\n    good: orders_total{status="paid"}\n    total: orders_total\n    tolerance: 0.01\n'
        "  answers: {good: good_total, total: all_total}\n"
    )
    assert resolve({}, {}, tmp_path).settings.metrics == given


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"a": {"good": "x"}},
        {"a": {"good": "x", "total": ""}},
        {"a": {"good": "x", "total": "y", "tolerance": 2}},
        {"a": {"good": "x", "total": "y", "tolerence": 0.1}},
        {"a b": {"good": "x", "total": "y"}},
        ["a=x,y"],
    ],
)
def test_malformed_metrics_are_refused_by_driver_and_schema(metrics: Any, tmp_path: Path) -> None:
    (tmp_path / "canary.yml").write_text(yaml.safe_dump({"metrics": metrics}))
    with pytest.raises(InputError, match=r"^canary.yml:1: metrics( .*)?: must be a mapping of names to good and total"):
        resolve({}, {}, tmp_path)
    assert not jsonschema.Draft202012Validator(schema()).is_valid({"metrics": metrics})


def test_the_committed_schema_is_current() -> None:
    assert json.loads(COMMITTED.read_text()) == schema(), (
        "write it anew: canary config --schema > pipeline/canary/canary.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(schema())


plain = (
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.floats(-1, 2)
    | st.sampled_from(
        ["auto", "terminal", "", "a/b", "a.b/C_d", "-", "10s", "1m", "10", "x", "1h1m", "5m5m", "250ms", "1.5s", ".5s"]
    )
    | st.lists(st.sampled_from(["a:1", "", "b"]), max_size=2)
    | st.lists(st.integers(), min_size=1, max_size=1)
    | st.just({"a": 1})
)


@given(st.sampled_from([*SETTINGS.values()]), plain)
@example(next(one for one in SETTINGS.values() if one.key == "percentage"), 25.0)
def test_the_schema_accepts_what_the_driver_accepts_and_nothing_else(one: Any, value: object) -> None:
    try:
        one.value_type.read(value)
        accepted = True
    except ValueError:
        accepted = False
    assert jsonschema.Draft202012Validator(schema()).is_valid({one.key: value}) == accepted, (one.key, value)


def test_the_schema_refuses_unknown_keys() -> None:
    assert not jsonschema.Draft202012Validator(schema()).is_valid({"percentge": 25})


def test_every_default_of_the_schema_can_be_written_into_a_file(tmp_path: Path) -> None:
    defaults = {key: one["default"] for key, one in schema()["properties"].items() if "default" in one}
    (tmp_path / "canary.yml").write_text(yaml.safe_dump(defaults))
    assert resolve({}, {}, tmp_path).settings == Settings()


def test_a_command_that_can_follow_has_the_files_of_headers_and_no_secret_url(tmp_path: Path) -> None:
    flags = {"prometheus_headers": ("Authorization=@token file", "X=@y"), "notify_url": "https://chat.example/t0ken"}
    assert resolve(flags, {}, tmp_path).as_flags(("prometheus_headers", "notify_url")) == (
        "--prometheus-header", "Authorization=@token file", "--prometheus-header", "X=@y",
    )  # fmt: skip
