"""The canary driver: deploys variants next to stable, compares them, and promotes or rejects."""

__version__ = "0.1.0"
