"""Shows a release to the person who waits for it."""

from canary.terminal.terminal import Terminal

__all__ = ["Terminal"]
