"""The kubelet of the one node: pods as processes, with their probes, volumes and logs."""
