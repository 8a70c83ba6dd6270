# Holds a pod's network namespace. containerd stops it with SIGKILL.
FROM canary-lab/debian:12
ENTRYPOINT ["sleep", "infinity"]
