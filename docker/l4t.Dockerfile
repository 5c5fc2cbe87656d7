# For a Jetson. It was NOT built or run: no Jetson was at hand.
# BASE is a JetPack image that has ROS 2 in it, of the JetPack release that the board runs (such images mount CUDA,
# cuDNN and TensorRT, or contain them). It has no default, because only the board's owner knows the release.
# Put NVIDIA's onnxruntime_gpu wheel for that JetPack, aarch64 and its Python, into docker/wheels/ first; PyPI has none.
# docker build -f docker/l4t.Dockerfile --build-arg BASE=... --build-arg ROS_DISTRO=humble -t opendr-har:l4t .
ARG BASE

# hadolint ignore=DL3006 # the tag is part of BASE
FROM ${BASE} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008 # distributions replace versions by fixes, and remove the old ones
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-numpy python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python3 -m venv --system-site-packages /opt/har \
 && /opt/har/bin/pip install --no-cache-dir --upgrade 'pip<25.1' \
 && /opt/har/bin/pip install --no-cache-dir 'numpy<2' 'opencv-python-headless>=4.5,<4.12' 'av>=12,<19' 'aiohttp>=3.9,<4' \
    docker/wheels/onnxruntime_gpu-*.whl \
 && /opt/har/bin/pip install --no-cache-dir --no-deps . \
 && find /opt/har -type d -name __pycache__ -prune -exec rm -rf {} +

# hadolint ignore=DL3006 # as above
FROM ${BASE}
ARG ROS_DISTRO=humble
# hadolint ignore=DL3008 # as above
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-numpy "ros-${ROS_DISTRO}-vision-msgs" \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 --groups video har
COPY --from=build /opt/har /opt/har
ENV PATH=/opt/har/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/har
ENTRYPOINT ["/ros_entrypoint.sh", "recognizer"]
CMD ["--ros-args", "--params-file", "/opt/har/share/opendr_har_ros/config/recognizer.yaml", "-p", "providers:=['tensorrt','cuda','cpu']"]
