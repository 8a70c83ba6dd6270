"""The cluster IPs and node ports of Services."""

from __future__ import annotations

from tests.localcluster.objects import service
from tests.localcluster.server import (
    SERVICES,
    Server,
)


def test_each_service_gets_its_own_address_and_keeps_it(server: Server) -> None:
    first = server.post(SERVICES, service("a"))
    second = server.post(SERVICES, service("b", type="NodePort"))
    assert first["spec"]["clusterIP"] != second["spec"]["clusterIP"]
    assert first["spec"]["clusterIPs"] == [first["spec"]["clusterIP"]]
    assert 30000 <= second["spec"]["ports"][0]["nodePort"] < 32768
    replaced = server.call("PUT", SERVICES + "/b", service("b", type="NodePort", selector={"app": "c"})).body
    assert replaced["spec"]["clusterIP"] == second["spec"]["clusterIP"]
    assert replaced["spec"]["ports"][0]["nodePort"] == second["spec"]["ports"][0]["nodePort"]


def test_node_ports_are_random_so_that_clusters_on_one_machine_rarely_collide(server: Server) -> None:
    made = [server.post(SERVICES, service(f"s{n}", type="NodePort")) for n in range(5)]
    ports = [port["nodePort"] for one in made for port in one["spec"]["ports"]]
    assert len(set(ports)) == len(ports)
    assert sorted(ports) != list(range(min(ports), min(ports) + len(ports)))
