"""The Kubernetes API: connection, requests, objects."""
