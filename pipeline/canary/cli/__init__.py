"""The command line: the composition root, which builds clients, reads the environment and imports all else."""

from canary.cli.main import main

__all__ = ["main"]
