# The programs that kubeadm starts on the node. All their image names are tags of this one image.
FROM canary-lab/debian:12
RUN apt-get update && apt-get install -y --no-install-recommends conntrack iptables kmod \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
 && update-alternatives --set iptables /usr/sbin/iptables-legacy \
 && update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy
COPY etcd etcdctl kube-apiserver kube-controller-manager kube-scheduler kube-proxy coredns /usr/local/bin/
# Only CoreDNS is started without a command.
ENTRYPOINT ["coredns"]
