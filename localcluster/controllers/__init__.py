"""What makes the cluster be what objects ask for: Deployments, ReplicaSets, EndpointSlices."""
