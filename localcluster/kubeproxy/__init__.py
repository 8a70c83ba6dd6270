"""Services: listeners that hand each connection to a ready pod, as kube-proxy does."""
