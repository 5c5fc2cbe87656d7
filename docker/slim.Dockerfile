# The smallest image with a node: no ROS 2 base, but ROS 2's Python wheels (Kilted; x86_64 only) on plain Debian.
# Bookworm, because its Python is 3.11: what CI runs, and what .ci/constraints.txt fixes the versions for.
# Build in the repository's root: docker build -f docker/slim.Dockerfile -t opendr-har:slim .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008 # a stable Debian replaces versions by security fixes only, and removes the old ones
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates g++ gcc python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The stand-in for vision_msgs needs the compilers. Nothing here is needed to run: pip, headers, tests of libraries.
RUN python3 -m venv /opt/har \
 && /opt/har/bin/pip install --no-cache-dir --constraint .ci/constraints.txt '.[ros,live]' ./interfaces/vision_msgs \
 && /opt/har/bin/pip uninstall --yes pip setuptools \
 && find /opt/har -type d \( -name __pycache__ -o -name tests -o -name include \) -prune -exec rm -rf {} +

FROM ${BASE}
# hadolint ignore=DL3008 # as above
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-minimal libpython3.11 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 har
COPY --from=build /opt/har /opt/har
ENV PATH=/opt/har/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/har
ENTRYPOINT ["recognizer"]
CMD ["--ros-args", "--params-file", "/opt/har/share/opendr_har_ros/config/recognizer.yaml"]
