"""Tables, which kubectl get asks for."""

from __future__ import annotations

from tests.localcluster.objects import deployment
from tests.localcluster.server import (
    DEPLOYMENTS,
    Server,
)


def test_a_table_has_a_row_with_metadata_for_each_object(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment(replicas=2))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = server.call("GET", DEPLOYMENTS, Accept=accept).body
    assert table["kind"] == "Table"
    names = [column["name"] for column in table["columnDefinitions"]]
    (row,) = table["rows"]
    assert len(row["cells"]) == len(names)
    assert dict(zip(names, row["cells"], strict=True))["Ready"] == "0/2"
    assert row["object"]["metadata"]["name"] == "web"
    assert "spec" not in row["object"]
