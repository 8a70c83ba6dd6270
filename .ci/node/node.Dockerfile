# Replaces kindest/node. Its containerd loads the images in images.tar when it first starts.
FROM canary-lab/debian:12
RUN apt-get update && apt-get install -y --no-install-recommends \
      ca-certificates conntrack containerd containernetworking-plugins hostname iproute2 iptables jq kmod mount procps runc \
      systemd systemd-sysv util-linux \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \
 && update-alternatives --set iptables /usr/sbin/iptables-legacy \
 && update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy
COPY kubeadm kubectl kubelet /usr/bin/
COPY rootfs/ /
COPY images.tar /kind/images.tar
ARG VERSION
# Start only what a node needs: a container has no devices to wait for and no disks to mount.
RUN rm -f /lib/systemd/system/*.target.wants/*udev* /lib/systemd/system/multi-user.target.wants/* \
          /lib/systemd/system/local-fs.target.wants/* /etc/systemd/system/*.wants/* \
 && systemctl enable containerd kubelet \
 && systemctl mask systemd-binfmt systemd-tmpfiles-setup \
 && mkdir -p /etc/kubernetes/manifests && echo "$VERSION" >/kind/version
STOPSIGNAL SIGRTMIN+3
ENV container=docker
ENTRYPOINT ["entrypoint", "/sbin/init"]
