# Replaces locustio/locust.
ARG EDITION
FROM canary-lab/python:${EDITION}
RUN pip install --no-cache-dir locust==2.47.0
USER 1000
WORKDIR /home/locust
ENTRYPOINT ["locust"]
