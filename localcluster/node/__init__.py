"""The one node: pods as processes, their probes and volumes, and Services as listeners."""
