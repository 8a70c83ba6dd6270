"""The daemon: API server, controllers, kubelet and kube-proxy in one process and one asyncio loop."""

import asyncio
import contextlib
import fcntl
import functools
import json
import logging
import os
import resource
import secrets
import shutil
import signal
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from localcluster.apimachinery.resources import NAMESPACE, NODE
from localcluster.apiserver.chaos import Chaos
from localcluster.apiserver.server import make_app
from localcluster.controllers.controller import MANAGER, Controller
from localcluster.controllers.deployments import Deployments
from localcluster.controllers.endpointslices import EndpointSlices
from localcluster.controllers.garbage_collector import GarbageCollector
from localcluster.controllers.namespaces import Namespaces
from localcluster.controllers.replicasets import ReplicaSets
from localcluster.controllers.scheduler import Scheduler
from localcluster.folders import Folders, default_cache
from localcluster.images.requirements import Environments
from localcluster.images.store import Images
from localcluster.kubelet import orphaned_pods
from localcluster.kubelet.environment import Environment
from localcluster.kubelet.kubelet import Kubelet
from localcluster.kubelet.node import NodeContext, node
from localcluster.kubeproxy.services import Services
from localcluster.network import Network, api_port, bound, choose
from localcluster.storage.events import Recorder
from localcluster.storage.registry import Registry
from localcluster.storage.store import Store

log = logging.getLogger(__name__)
LAST_SECONDS = 2.0  # grace period of pods when the cluster stops
WATCH_SECONDS = 2.0  # between two checks of the state folder
LOG_LIMIT = 10 * 1024 * 1024  # bytes of the daemon's log


class AlreadyUpError(Exception):
    """The daemon of this cluster is already running."""


def run(folders: Folders, back_off: float, end_with: int | None, chaos: Chaos | None) -> None:
    """Run the cluster until SIGTERM or SIGINT, or until the process `end_with` ends; raises AlreadyUpError."""
    folders.make()
    _raise_limit_of_open_files()
    # Never closed: so the lock is free when this process has ended, and not while Python still shuts down.
    lock = os.open(folders.lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyUpError(folders.name) from None
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    folders.kubeconfig.unlink(missing_ok=True)
    left_behind = orphaned_pods.end(folders.state)
    if left_behind:
        log.info("ended %d processes that a killed daemon had left behind", left_behind)
    shutil.rmtree(folders.pods, ignore_errors=True)
    network = choose()
    try:
        asyncio.run(_serve(folders, network, back_off, end_with, chaos))
    finally:
        network.close()
        folders.kubeconfig.unlink(missing_ok=True)
        folders.facts.unlink(missing_ok=True)
        orphaned_pods.end(folders.state)
        shutil.rmtree(folders.pods, ignore_errors=True)


def _raise_limit_of_open_files() -> None:
    """Allow as many open files as the system does: each connection through a Service needs two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS reports infinity, but refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(
    folders: Folders, network: Network, back_off: float, end_with: int | None, chaos: Chaos | None
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    registry = Registry(Store(), network.service_range)
    images = Images(folders.images, Environments(default_cache() / "environments"))
    environment = Environment(registry.store, lambda service, port: services.real_port(service, port))  # noqa: PLW0108 - defined below
    recorder = Recorder(registry, "kubelet")
    kubelet = Kubelet(NodeContext(registry, network, images, environment, recorder, folders.state, back_off))
    tell = functools.partial(_write_facts, folders, network, chaos)
    services = Services(registry, Recorder(registry, "kube-proxy"), kubelet.real_address, tell)
    controllers: list[Controller] = [
        Deployments(registry, Recorder(registry, "deployment-controller")),
        ReplicaSets(registry, Recorder(registry, "replicaset-controller")),
        EndpointSlices(registry, Recorder(registry, "endpoint-slice-controller")),
        Scheduler(registry, Recorder(registry, "default-scheduler")),
        GarbageCollector(registry, Recorder(registry, "garbage-collector")),
        Namespaces(registry, Recorder(registry, "namespace-controller")),
        services,
    ]
    runner = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in [*(c.run() for c in controllers), kubelet.run()]]
        await asyncio.sleep(0)  # all of them listen before the first object is written
        registry.create(NODE, node(network.api_address), manager="kubelet")
        for name in ("default", "kube-system"):
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            registry.create(NAMESPACE, space, manager=MANAGER)
        secret = secrets.token_urlsafe(24)
        runner = web.AppRunner(
            make_app(registry, secret, kubelet, services, chaos),
            shutdown_timeout=0.5,
            access_log=None,
            handler_cancellation=True,  # a watch or a followed log ends when its client disconnects
        )
        await runner.setup()
        try:
            port = await _listen(runner, network.api_address)
            tell(services.facts())
            _write_kubeconfig(folders, f"http://{network.api_address}:{port}/{secret}")
            log.info("up at %s:%d, state in %s", network.api_address, port, folders.state)
            if chaos:
                log.info("chaos %d: %g of 100 requests get a fault", chaos.seed, chaos.rate * 100)
            await _until_stopped(stopped, folders, end_with)
            for task in tasks:  # else the controllers would replace the pods that end now
                task.cancel()
            await kubelet.shut_down(LAST_SECONDS)
        finally:
            services.close()
            await runner.cleanup()
            for task in tasks:
                task.cancel()


async def _until_stopped(stopped: asyncio.Event, folders: Folders, end_with: int | None) -> None:
    """Wait for a signal, for the end of the process `end_with`, or until the state folder is deleted.

    Without the folder, nobody can reach or stop the cluster.
    """
    while not stopped.is_set() and folders.lock.exists() and (end_with is None or _is_running(end_with)):
        _rotate(folders.log)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), WATCH_SECONDS)


def _rotate(path: Path) -> None:
    """Truncate the daemon's log when it is too long; its content moves to `daemon.log.1`."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # a process of another user
    return True


async def _listen(runner: web.AppRunner, address: str) -> int:
    """Listen on an address, and return the port."""
    await web.SockSite(runner, bound(address, api_port(address)), backlog=1024).start()
    return int(runner.addresses[0][1])


def _write_kubeconfig(folders: Folders, server: str) -> None:
    """Write the kubeconfig, readable only by its owner: who knows the server's path can start processes."""
    name = folders.name
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    _replace(folders.kubeconfig, yaml.safe_dump(config, sort_keys=False))


def _write_facts(folders: Folders, network: Network, chaos: Chaos | None, facts: dict[str, Any]) -> None:
    """Write the file that `localcluster status` reads."""
    said = {"seed": chaos.seed, "rate": chaos.rate} if chaos else None
    _replace(folders.facts, json.dumps({"shared_address": network.shared, "chaos": said, **facts}))


def _replace(path: Path, content: str) -> None:
    """Replace a file at once by one that only its owner can read."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    fresh.replace(path)
