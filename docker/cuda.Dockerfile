# As cpu.Dockerfile, for a PC with an NVIDIA GPU: ONNX Runtime's wheel for CUDA 12 and the CUDA libraries that it loads,
# all from PyPI. The driver comes from the host: docker run --gpus all (NVIDIA's container toolkit).
# Build in the repository's root: docker build -f docker/cuda.Dockerfile -t opendr-har:cuda .
ARG ROS_DISTRO=jazzy

FROM ros:${ROS_DISTRO}-ros-core AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008 # distributions replace versions by fixes, and remove the old ones
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-numpy python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# onnxruntime and onnxruntime-gpu are the same module, so ours is installed without its own choice. The libraries get a
# folder of a name that does not depend on Python's version.
RUN python3 -m venv --system-site-packages /opt/har \
 && /opt/har/bin/pip install --no-cache-dir 'numpy<2' 'opencv-python-headless>=4.5,<4.12' 'av>=12,<19' 'aiohttp>=3.9,<4' \
    'onnxruntime-gpu[cuda,cudnn]>=1.21,<1.24' \
 && /opt/har/bin/pip install --no-cache-dir --no-deps . \
 && mkdir /opt/har/cuda \
 && find /opt/har/lib/ -path '*/nvidia/*/lib/*.so*' -exec ln -s {} /opt/har/cuda/ \; \
 && find /opt/har -type d -name __pycache__ -prune -exec rm -rf {} +

FROM ros:${ROS_DISTRO}-ros-core
ARG ROS_DISTRO
# hadolint ignore=DL3008 # as above
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-numpy "ros-${ROS_DISTRO}-vision-msgs" \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 har
COPY --from=build /opt/har /opt/har
ENV PATH=/opt/har/bin:$PATH \
    LD_LIBRARY_PATH=/opt/har/cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/har
ENTRYPOINT ["/ros_entrypoint.sh", "recognizer"]
CMD ["--ros-args", "--params-file", "/opt/har/share/opendr_har_ros/config/recognizer.yaml", "-p", "providers:=['cuda','cpu']"]
