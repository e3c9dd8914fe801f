# docker build --tag feishu-batch:local .
# One image for every process: `feishu-batch up` by default, `feishu-batch run ROLE` in docker-compose.yml.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/feishu-batch
COPY pyproject.toml constraints.txt README.md ./
COPY client/ client/
COPY config/ config/
COPY worker/ worker/
COPY tasks/ tasks/
COPY sandbox/ sandbox/
# For traces as well: --build-arg EXTRAS=flower,otel
ARG EXTRAS=flower
RUN /opt/feishu-batch/bin/pip install --constraint constraints.txt ./client ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="feishu-batch" \
      org.opencontainers.image.description="Changes fields of Feishu Project work items in bulk, at its rate limit" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number, so that an orchestrator can see that it is not root.
RUN groupadd --gid 10001 feishu && useradd --uid 10001 --gid feishu --no-create-home --home-dir /nonexistent feishu \
 && install --directory --owner=feishu --group=feishu --mode=0700 /var/lib/feishu-batch
COPY --from=build /opt/feishu-batch /opt/feishu-batch
# Logs as data; no bytecode, for nothing can be written but /tmp and the data directory.
ENV PATH=/opt/feishu-batch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FEISHU_BATCH_DATA_DIR=/var/lib/feishu-batch \
    FEISHU_BATCH_LOG_FORMAT=json
WORKDIR /var/lib/feishu-batch
VOLUME /var/lib/feishu-batch
USER 10001:10001
# What is being sent may finish: `up` takes 30 s at most. Give it `--stop-timeout 40`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=20s --start-period=60s --retries=3 CMD ["feishu-batch", "health"]
CMD ["feishu-batch", "up"]
