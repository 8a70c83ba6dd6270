"""Reads the cluster: Deployments, their pods, Services, and what goes wrong with them."""
