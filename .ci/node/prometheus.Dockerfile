# Replaces prom/prometheus.
FROM canary-lab/debian:12
COPY prometheus /bin/prometheus
USER 65534
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
