"""Services: connections go to ready pods and stay with them; without ready pods, they are refused."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections import Counter
from typing import Any

import pytest

from localcluster import network
from localcluster.kubeproxy.listeners import Listener
from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, deployment, pod, script, service
from tests.localcluster.pods import is_ready


def address(namespace: Namespace, name: str = "web") -> tuple[str, int]:
    spec = namespace.get("service", name)["spec"]
    return spec["clusterIP"], spec["ports"][0]["port"]


def ask(host: str, port: int) -> str:
    """Return the name of the pod that answers."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().split("\n")[1]
    finally:
        connection.close()


def echo(**spec: Any) -> dict[str, Any]:
    """Return a container that echoes what it gets, and says bye when the sender closes its half."""
    lines = [
        "import asyncio, os",
        "async def answer(r, w):",
        "    while data := await r.read(65536): w.write(data); await w.drain()",
        "    w.write(b'bye'); await w.drain(); w.close()",
        "async def main():",
        "    await (await asyncio.start_server(answer, os.environ['HOST'], int(os.environ['PORT']))).serve_forever()",
        "asyncio.run(main())",
    ]
    probe = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
    return container(command=["python", "-c", "\n".join(lines)], readinessProbe=probe, **spec)


def test_connections_are_spread_over_the_ready_pods(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=3), service())
    namespace.wait_for_rollout()
    where = address(namespace)
    answers = Counter(ask(*where) for _ in range(150))
    assert len(answers) == 3
    assert min(answers.values()) > 25  # 50 are expected; 25 or fewer happen once in a million runs


def test_a_service_refuses_connections_while_it_has_no_ready_pods(namespace: Namespace) -> None:
    namespace.apply(deployment(), service())
    namespace.wait_for_rollout()
    where = address(namespace)
    assert ask(*where)
    namespace.kubectl("scale", "deploy/web", "--replicas=0")
    until("there are no pods", lambda: namespace.list("pods") == [])
    with pytest.raises(ConnectionRefusedError):
        ask(*where)
    namespace.kubectl("scale", "deploy/web", "--replicas=1")
    namespace.wait_for_rollout()
    assert ask(*where)


def test_a_terminating_pod_gets_no_new_connections_and_keeps_open_ones(namespace: Namespace) -> None:
    slow = echo(lifecycle={"preStop": {"sleep": {"seconds": 3}}})
    namespace.apply(pod("first", slow), service("first"))
    namespace.pod("first", is_ready)
    where = address(namespace, "first")
    with socket.create_connection(where, timeout=10) as kept:
        kept.sendall(b"before")
        assert kept.recv(100) == b"before"
        namespace.kubectl("delete", "pod", "first", "--wait=false")
        (one,) = until("a pod terminates", lambda: terminating(namespace))
        assert one["conditions"] == {"ready": False, "serving": True, "terminating": True}
        kept.sendall(b"after")
        assert kept.recv(100) == b"after"


def terminating(namespace: Namespace) -> list[dict[str, Any]]:
    endpoints = [e for s in namespace.list("endpointslices") for e in s.get("endpoints") or []]
    return [e for e in endpoints if e["conditions"]["terminating"]]


def test_half_closed_connections_and_large_answers_are_forwarded(namespace: Namespace) -> None:
    namespace.apply(pod("echo", echo()), service("echo"))
    namespace.pod("echo", is_ready)
    data = bytes(range(256)) * 40_000
    received = bytearray()
    with socket.create_connection(address(namespace, "echo"), timeout=10) as connection:
        connection.setblocking(True)
        sender = socket_sender(connection, data)
        while chunk := connection.recv(65536):
            received += chunk
        sender.join()
    assert bytes(received) == data + b"bye"


def socket_sender(connection: socket.socket, data: bytes) -> Any:
    def send() -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_target_ports_are_found_by_name_in_each_pod(namespace: Namespace) -> None:
    other = container(ports=[{"name": "http", "containerPort": 9090}])
    namespace.apply(pod("one", container()), pod("two", other), service("both", selector={"team": "lab"}))
    for name in ("one", "two"):
        namespace.kubectl("label", "pod", name, "team=lab")
        namespace.pod(name, is_ready)
    answers = until(
        "both", lambda: (got := {ask(*address(namespace, "both")) for _ in range(20)}) == {"one", "two"} and got
    )
    assert answers == {"one", "two"}
    assert sorted(s["ports"][0]["port"] for s in namespace.list("endpointslices")) == [8080, 9090]


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_socket_that_other_machines_can_reach_is_refused(address: str) -> None:
    with pytest.raises(network.NotLoopbackError, match="localcluster listens only on loopback addresses"):
        network.bound(address)


def test_a_pod_that_claims_another_address_gets_no_traffic_there(namespace: Namespace) -> None:
    namespace.apply(pod("web"), service())
    namespace.pod("web", is_ready)
    elsewhere = '{"status": {"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}]}}'
    namespace.kubectl("patch", "pod", "web", "--subresource=status", "--type=merge", "-p", elsewhere)

    def addresses() -> list[list[str]]:
        return [e["addresses"] for s in namespace.list("endpointslices") for e in s["endpoints"]]

    until("the slice has the address", lambda: addresses() == [["192.0.2.1"]])
    assert ask(*address(namespace)) == "web"


def test_a_node_port_listens_on_localhost(namespace: Namespace) -> None:
    namespace.apply(deployment(), service(type="NodePort"))
    namespace.wait_for_rollout()
    port = namespace.get("service", "web")["spec"]["ports"][0]["nodePort"]
    taken = namespace.events("web", "PortTaken")
    assert taken or ask("127.0.0.1", port)


def test_an_event_names_a_service_port_that_is_in_use(namespace: Namespace) -> None:
    port, holder = next((p, h) for p in range(32767, 30000, -1) if (h := hold(p)))
    with holder:
        ports = [{"name": "http", "port": 8080, "targetPort": "http", "nodePort": port}]
        namespace.apply(deployment(), service(type="NodePort", ports=ports))
        said = until("there is an event", lambda: namespace.events("web", "PortTaken"))
        assert said[0].startswith(f"another process has 127.0.0.1:{port}; when it ends, this Service takes the port")
        assert said[0].endswith(f"; find it with: ss -ltnp 'sport = :{port}'")
    until("the Service listens", lambda: answers_on("127.0.0.1", port))


def hold(port: int) -> socket.socket | None:
    holder = socket.socket()
    try:
        holder.bind(("127.0.0.1", port))
        holder.listen()
    except OSError:
        holder.close()
        return None
    return holder


def answers_on(host: str, port: int) -> bool:
    try:
        return bool(ask(host, port))
    except OSError:
        return False


def test_a_port_that_another_program_uses_on_all_addresses_is_moved(namespace: Namespace) -> None:
    with socket.socket() as stranger:
        stranger.bind(("0.0.0.0", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        web = container(ports=[{"name": "http", "containerPort": port}])
        ports = [{"name": "http", "port": port, "targetPort": "http"}]
        namespace.apply(deployment(pod={"containers": [web]}), service(ports=ports))
        namespace.wait_for_rollout()
        (name,) = (p["metadata"]["name"] for p in namespace.list("pods"))
        (said,) = namespace.events(name, "PortMoved")
        assert said.startswith(f"another program listens on all addresses of this machine: {port} is 127.")
        host = address(namespace)[0]
        (said,) = namespace.events("web", "PortTaken")
        instead = said.partition(f"another process has {host}:{port}: use ")[2].partition(";")[0]
        assert ask(host, int(instead.rpartition(":")[2])) == name
        assert namespace.fetch("web").split("\n")[1] == name
        namespace.apply(pod("reader", script("echo $WEB_SERVICE_HOST:$WEB_SERVICE_PORT_HTTP; sleep 60")))
        namespace.pod("reader", is_ready)
        until("pods know the port too", lambda: namespace.kubectl("logs", "reader") == f"{instead}\n")
        shown = f"{port}/TCP (another process has {host}:{port}: use {instead})"
        assert shown in namespace.kubectl("get", "service", "web")
        status = namespace.cluster.command("status").stdout
        assert f"{port} at {instead} (another process has {host}:{port})" in status
    until("the Service is back on its port", lambda: answers_on(host, port))
    assert f"{port}/TCP " in namespace.kubectl("get", "service", "web")
    assert "another process" not in namespace.kubectl("get", "service", "web")
    facts = json.loads(namespace.cluster.command("status", "--output", "json").stdout)
    assert facts["services"][f"{namespace.name}/web"] == {str(port): f"{host}:{port}"}
    assert f"{namespace.name}/web" not in facts["taken"]


def test_a_program_that_takes_the_port_while_no_pod_is_ready_is_noticed(namespace: Namespace) -> None:
    with socket.socket() as stranger:
        stranger.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do; possible while ours does not listen
        stranger.bind(("0.0.0.0", 0))
        port = stranger.getsockname()[1]
        namespace.apply(service(ports=[{"name": "http", "port": port, "targetPort": "http"}]))
        host = address(namespace)[0]

        def listed() -> dict[str, dict[str, str]]:
            status: dict[str, Any] = json.loads(namespace.cluster.command("status", "-o", "json").stdout)
            services: dict[str, dict[str, str]] = status["services"]
            return services

        until(
            "the Service has its port", lambda: listed().get(f"{namespace.name}/web") == {str(port): f"{host}:{port}"}
        )
        stranger.listen()
        (said,) = until("there is an event", lambda: namespace.events("web", "PortTaken"))
        namespace.apply(deployment())
        namespace.wait_for_rollout()
        instead = said.partition(": use ")[2].partition(";")[0]
        assert ask(host, int(instead.rpartition(":")[2])).startswith("web-")
        assert namespace.fetch("web").split("\n")[1].startswith("web-")


def test_a_listener_whose_connections_go_to_another_program_fails() -> None:
    async def aim() -> None:
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            listener = Listener(("127.0.0.1", network.free_port()), 8080)
            listener.address = stranger.getsockname()  # as on a machine that routes these connections elsewhere
            try:
                with pytest.raises(OSError, match="another process gets the connections"):
                    listener.aim([("127.0.0.1", 1)])
            finally:
                listener.close()

    asyncio.run(aim())


def test_a_pod_finds_the_services_of_its_namespace_in_its_environment(namespace: Namespace) -> None:
    namespace.apply(service("the-api"))
    host, port = address(namespace, "the-api")
    namespace.apply(pod("reader", script("echo $THE_API_SERVICE_HOST $THE_API_SERVICE_PORT_HTTP; sleep 60")))
    namespace.pod("reader", is_ready)
    assert namespace.kubectl("logs", "reader") == f"{host} {port}\n"


def test_deleting_a_service_frees_its_address_and_deletes_its_endpoint_slices(namespace: Namespace) -> None:
    namespace.apply(deployment(), service())
    namespace.wait_for_rollout()
    where = address(namespace)
    namespace.kubectl("delete", "service", "web")
    until("the slices are deleted", lambda: namespace.list("endpointslices") == [])
    with pytest.raises(ConnectionRefusedError):
        ask(*where)
