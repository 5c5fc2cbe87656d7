# The node for a robot: on the image of the robot's own ROS 2 distribution (x86_64 and arm64), run by the CPU.
# Build in the repository's root: docker build -f docker/cpu.Dockerfile -t opendr-har:cpu .
ARG ROS_DISTRO=jazzy

FROM ros:${ROS_DISTRO}-ros-core AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008 # distributions replace versions by fixes, and remove the old ones
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-numpy python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# NumPy stays the distribution's: ROS 2's messages are compiled for it, and those of Humble and Jazzy can't load NumPy 2.
# OpenCV 4.12 and later ask for NumPy 2.
RUN python3 -m venv --system-site-packages /opt/har \
 && /opt/har/bin/pip install --no-cache-dir 'numpy<2' 'opencv-python-headless<4.12' '.[live]' \
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
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/har
ENTRYPOINT ["/ros_entrypoint.sh", "recognizer"]
CMD ["--ros-args", "--params-file", "/opt/har/share/opendr_har_ros/config/recognizer.yaml"]
