"""Watches: the stream of changes that a client asks for."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import Resource
from localcluster.storage.store import Change, Store

log = logging.getLogger(__name__)
BOOKMARK = 30.0  # seconds between bookmarks
DEFAULT_TIMEOUT = 1800.0  # seconds; how long a watch lasts if the client does not say
BEHIND = 8192  # changes that can wait for a client; the watch of a slower client is closed


async def watch(
    store: Store,
    resource: Resource,
    selected: Callable[[Object], bool],
    *,
    version: str,
    timeout: float | None,  # noqa: ASYNC109 - the client's timeoutSeconds, not an error
    bookmarks: bool,
) -> AsyncIterator[tuple[str, Object]]:
    """Yield (type, object) from a resource version on; without one, first every existing object as ADDED.

    An object that starts to match the selector is ADDED, one that stops to match is DELETED. If the version is too old,
    the only event is an ERROR with Status 410. A client that reads too slowly is disconnected, and can resume.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + (timeout or DEFAULT_TIMEOUT)
    with _changes(store, resource) as changes:
        if version in ("", "0"):
            for obj in list(store.peek_all(resource)):
                if selected(obj):
                    yield "ADDED", obj
        else:
            try:
                missed = store.since(resource, int(version))
            except ApiError as error:
                yield "ERROR", error.status()
                return
            for change in missed:
                for event in _events(change, selected):
                    yield event
        while (left := end - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(changes.get(), min(left, BOOKMARK))
            except TimeoutError:
                if bookmarks:
                    yield "BOOKMARK", _bookmark(resource, store.version)
                continue
            for event in _events(change, selected):
                yield event


@contextlib.contextmanager
def _changes(store: Store, resource: Resource) -> Iterator[asyncio.Queue[Change]]:
    """Provide a queue of later changes of one kind; cancel the current task if it does not empty the queue."""
    queue: asyncio.Queue[Change] = asyncio.Queue()
    watcher = asyncio.current_task()
    assert watcher is not None

    def take(change: Change) -> None:
        if change.resource == resource and queue.qsize() < BEHIND:
            queue.put_nowait(change)
        elif change.resource == resource:
            log.info("a watch of %s is closed: its client is %d changes behind", resource.plural, BEHIND)
            stop()
            watcher.cancel()

    stop = store.listen(take)
    try:
        yield queue
    finally:
        stop()


def _events(change: Change, selected: Callable[[Object], bool]) -> Iterator[tuple[str, Object]]:
    was = change.previous is not None and selected(change.previous)
    is_now = change.type != "DELETED" and selected(change.object)
    if is_now:
        yield ("MODIFIED" if was else "ADDED"), change.object
    elif was:
        yield "DELETED", change.object


def _bookmark(resource: Resource, version: int) -> Object:
    meta = {"resourceVersion": str(version), "creationTimestamp": None}
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}


def line(kind: str, obj: dict[str, Any]) -> bytes:
    """Return an event as a line of JSON."""
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
