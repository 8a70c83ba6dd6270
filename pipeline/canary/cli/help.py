"""Commands with examples in their help texts, and with --verbose for their errors."""

import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import click

from canary.errors import CanaryError


class Command(click.Command):
    """A command whose help ends with examples. With --verbose it prints the traceback of an error."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - as click
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_block(formatter, "Examples", self.examples)
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CanaryError:
            if ctx.params.get("verbose"):
                traceback.print_exc(file=sys.stderr)
            raise


class Group(click.Group):
    """Lists commands in the order in which they were added, then blocks of lines."""

    def __init__(self, *args: Any, blocks: Mapping[str, Sequence[str]], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.blocks = blocks

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands, in that order."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the blocks."""
        for heading, lines in self.blocks.items():
            write_block(formatter, heading, lines)
        super().format_epilog(ctx, formatter)


def write_block(formatter: click.HelpFormatter, heading: str, lines: Sequence[str]) -> None:
    """Write lines as they are, below a heading."""
    if lines:
        with formatter.section(heading):
            for line in lines:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
