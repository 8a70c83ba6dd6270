# Replaces fortio/fortio.
FROM canary-lab/debian:12
COPY fortio /usr/bin/fortio
USER 65532
ENTRYPOINT ["/usr/bin/fortio"]
CMD ["server"]
