"""kube-proxy: listens on the addresses of Services, and forwards each connection to a ready pod."""
