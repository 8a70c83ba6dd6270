"""The command line: the composition root, which builds clients, reads the environment and imports all else."""

from canary.cli.main import kubectl_completion, kubectl_plugin, main

__all__ = ["kubectl_completion", "kubectl_plugin", "main"]
