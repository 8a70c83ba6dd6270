# Holds a pod's network; it is killed, not asked to stop.
FROM canary-lab/debian:12
ENTRYPOINT ["sleep", "infinity"]
