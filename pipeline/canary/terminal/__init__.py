"""Shows a release to the person who waits for it."""

from canary.terminal.terminal import Output, Terminal

__all__ = ["Output", "Terminal"]
