"""Watches: a stream of what changes, for as long as the client wants it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from localcluster.objects.status import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from localcluster.objects.resources import Resource
    from localcluster.objects.store import Change, Object, Store

BOOKMARK = 30.0  # seconds between bookmarks
LONGEST = 1800.0  # seconds that a watch lasts when the client does not say


async def watch(
    store: Store,
    resource: Resource,
    selected: Callable[[Object], bool],
    *,
    version: str,
    timeout: float | None,  # noqa: ASYNC109 - the client's timeoutSeconds, an ordinary end of the stream
    bookmarks: bool,
) -> AsyncIterator[tuple[str, Object]]:
    """Yield (type, object) from a resource version on; without one, every object that exists comes first as ADDED.

    An object that comes to be selected is ADDED, one that ceases to be is DELETED. A version that is too old yields
    one ERROR with the Status 410.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + (timeout or LONGEST)
    with store.queue() as changes:
        if version in ("", "0"):
            for obj in list(store.peek(resource)):
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
            if change.resource == resource:
                for event in _events(change, selected):
                    yield event


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
    """Return one event as it goes over the wire."""
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
