"""The Kubernetes REST API, as clients see it."""
