"""A one-process stand-in for Kubernetes, for machines without Docker."""
