"""Which requests are allowed and served, and how others are answered."""

from __future__ import annotations

import pytest

from tests.localcluster.server import (
    DEPLOYMENTS,
    PODS,
    Server,
)


@pytest.mark.parametrize("prefix", ["", "/", "/wrong", "/s3cre", "/s3crets"])
def test_without_the_secret_path_everything_is_forbidden(server: Server, prefix: str) -> None:
    answer = server.call("GET", "/api/v1/pods", prefix=prefix)
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1", "localhost.evil.example"])
def test_a_web_page_that_rebinds_its_name_to_this_machine_is_forbidden(server: Server, host: str) -> None:
    assert server.call("GET", "/api", Host=host).code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.9.8.7:80", "[::1]:80"])
def test_requests_by_a_loopback_name_are_allowed(server: Server, host: str) -> None:
    assert server.call("GET", "/api", Host=host).code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_health_is_plain_text(server: Server, path: str) -> None:
    assert server.call("GET", path).body == b"ok"


def test_discovery_names_kinds_and_subresources(server: Server) -> None:
    assert server.get("/api")["versions"] == ["v1"]
    groups = {group["name"] for group in server.get("/apis")["groups"]}
    assert {"apps", "discovery.k8s.io", "coordination.k8s.io", "authorization.k8s.io"} <= groups
    kinds = {r["name"]: r["kind"] for r in server.get("/apis/apps/v1")["resources"]}
    assert kinds["deployments/scale"] == "Scale"
    assert "statefulsets" not in kinds
    assert server.get("/version")["gitVersion"].startswith("v1.")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/apis/apps/v1/namespaces/default/statefulsets"),
        ("GET", "/apis/batch/v1/jobs"),
        ("GET", "/api/v1/namespaces/default/endpoints"),
        ("GET", "/apis/apps/v9/deployments"),
        ("GET", "/apis/nope.example"),
        ("GET", DEPLOYMENTS + "/x/log"),
        ("GET", "/nope"),
    ],
)
def test_a_kind_that_is_not_served_is_not_found(server: Server, method: str, path: str) -> None:
    answer = server.call(method, path)
    assert (answer.code, answer.message) == (404, "the server could not find the requested resource")


@pytest.mark.parametrize("sub", ["exec", "attach", "portforward"])
def test_a_subresource_that_is_not_supported_says_so(server: Server, sub: str) -> None:
    answer = server.call("POST", f"{PODS}/x/{sub}")
    assert (answer.code, answer.body["reason"]) == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", DEPLOYMENTS + "/x"), ("PUT", DEPLOYMENTS), ("PATCH", DEPLOYMENTS)]
)
def test_a_method_that_a_path_does_not_have_is_not_allowed(server: Server, method: str, path: str) -> None:
    assert server.call(method, path, {}).code == 405


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf", "text/html", "*/*", ""])
def test_the_answer_is_json_whatever_the_client_accepts(server: Server, accept: str) -> None:
    answer = server.call("GET", PODS, Accept=accept)
    assert (answer.code, answer.body["kind"]) == (200, "PodList")


def test_protobuf_bodies_are_refused_with_advice_except_in_access_reviews(server: Server) -> None:
    protobuf = "application/vnd.kubernetes.protobuf"
    answer = server.call("POST", DEPLOYMENTS, b"k8s\0", protobuf)
    assert answer.code == 415
    assert "apply -f" in answer.message
    review = server.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", b"k8s\0", protobuf)
    assert (review.code, review.body["status"]["allowed"]) == (201, True)
