"""Quantities are read and written as Kubernetes does, whatever their suffix."""

from __future__ import annotations

from decimal import Decimal

import pytest

from localcluster.apimachinery.quantity import amount, canonical
from tests.localcluster.objects import container, pod
from tests.localcluster.server import PODS, Server


@pytest.mark.parametrize(
    ("text", "value", "written"),
    [
        ("0", 0, "0"),
        ("0Mi", 0, "0"),
        ("-0", 0, "0"),
        ("+5", 5, "5"),
        ("1.", 1, "1"),
        (".5", "0.5", "500m"),
        ("0.5", "0.5", "500m"),
        ("100m", "0.1", "100m"),
        ("1000m", 1, "1"),
        ("1500m", "1.5", "1500m"),
        ("0.1m", "0.0001", "100u"),
        ("5u", "0.000005", "5u"),
        ("5n", "0.000000005", "5n"),
        ("0.1n", "0.000000001", "1n"),
        ("-1", -1, "-1"),
        ("1k", 1000, "1k"),
        ("1000k", 10**6, "1M"),
        ("1M", 10**6, "1M"),
        ("1G", 10**9, "1G"),
        ("1T", 10**12, "1T"),
        ("1P", 10**15, "1P"),
        ("1E", 10**18, "1E"),
        ("1e3", 1000, "1e3"),
        ("1E3", 1000, "1e3"),
        ("12e-3", "0.012", "12e-3"),
        ("1e2", 100, "100"),
        ("1Ki", 1024, "1Ki"),
        ("1024Mi", 2**30, "1Gi"),
        ("1.5Gi", 3 * 2**29, "1536Mi"),
        ("1Ti", 2**40, "1Ti"),
        ("1Pi", 2**50, "1Pi"),
        ("1Ei", 2**60, "1Ei"),
        ("0.5Ki", 512, "512"),
        ("1e999999", 2**63 - 1, "9223372036854775807"),
        ("100E", 2**63 - 1, "9223372036854775807"),
    ],
)
def test_each_suffix_has_the_same_canonical_form_as_in_kubernetes(text: str, value: int | str, written: str) -> None:
    assert amount(text) == Decimal(value)
    assert canonical(text) == written
    assert amount(written) == amount(text)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1K", "1mi", "1 Mi", "Mi", "..", "1e", "1e1.5", "١", "--1", "1Mi5"])
def test_an_invalid_quantity_is_a_bad_request(server: Server, text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        amount(text)
    answer = server.call("POST", PODS, pod("web", container(resources={"limits": {"cpu": text}})))
    assert answer.code == 400
    assert "quantities must match the regular expression" in answer.message


@pytest.mark.parametrize(
    ("wanted", "limit"), [("1k", "0.9k"), ("1Gi", "1G"), ("1E", "1P"), ("2e3", "1k"), ("1", "999m")]
)
def test_a_request_above_its_limit_is_refused(server: Server, wanted: str, limit: str) -> None:
    resources = {"requests": {"cpu": wanted}, "limits": {"cpu": limit}}
    answer = server.call("POST", PODS, pod("web", container(resources=resources)))
    assert list(answer.causes) == ["spec.containers[0].resources.requests"]


def test_a_negative_amount_is_refused(server: Server) -> None:
    answer = server.call("POST", PODS, pod("web", container(resources={"limits": {"cpu": "-1"}})))
    assert answer.causes["spec.containers[0].resources.limits[cpu]"].endswith("must be greater than or equal to 0")
