# Replaces python:3-slim. It has `python` and `pip`, and pip installs system-wide.
FROM canary-lab/debian:12
COPY ca-certificates/ /usr/local/share/ca-certificates/
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip python-is-python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/lib/python3*/EXTERNALLY-MANAGED
