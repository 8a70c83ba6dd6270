"""The API server: the Kubernetes REST API, as clients see it."""
