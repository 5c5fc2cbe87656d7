# `make demo` and `make test` set up what they need in .venv, once; with ROS=kilted in .venv-kilted.

PYTHON ?= python3
# The versions that the tests passed with, where Python is the one that they were tried on.
PIP = $(BIN)/pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
SIZE ?= s

# With ROS 2 sourced its own packages are used; without, the wheels of a distribution and a substitute for vision_msgs.
ROS ?= jazzy
ifdef ROS_DISTRO
VENV := .venv
VENV_FLAGS := --system-site-packages
else
VENV := $(if $(filter jazzy,$(ROS)),.venv,.venv-$(ROS))
WHEELS := ,$(ROS)
WHEELS_DEV := ,$(ROS)$(if $(filter jazzy,$(ROS)),$(WHEELS)-dev)
endif
BIN := $(VENV)/bin

# Tests wait for other processes half of their time, so more of them than cores run at once; those of a file stay together,
# for what they share.
JOBS ?= 4
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

.PHONY: help demo test test-all test-ros test-arm lint docs weights default-model kinetics400-model lock sbom clean

help:
	@echo "make demo [PEOPLE=1] [MODEL=...] [VIDEO=file or 0]     play a video to the recognizer, print its labels"
	@echo "make test [PYTEST_ARGS=...]                       run the tests but the slow ones (minutes)"
	@echo "make test-all [PYTEST_ARGS=...]                   run all tests"
	@echo "make test-ros [PYTEST_ARGS=...]                   run the tests of the nodes but the slow ones, without PyTorch"
	@echo "make test-arm [PYTEST_ARGS=...]                   run the tests of inference on an emulated Jetson TX2's core"
	@echo "make lint                                         check style and types"
	@echo "make docs                                         build these pages as a site: build/docs/index.html"
	@echo "make weights [SIZE=xs|s|m|l]                      fetch official weights, make downloads/*.onnx of them"
	@echo "make default-model WEIGHTS=x3d_xs.pyth            train both packaged models of drawn actions (45 minutes)"
	@echo "make kinetics400-model WEIGHTS=x3d_xs.pyth        write the packaged model of Kinetics-400's classes again"
	@echo "make lock                                         note the installed versions and their licences"
	@echo "make sbom                                         write what is installed to build/sbom.json (CycloneDX)"
	@echo "any of them with ROS=kilted or PYTHON=python3.12  use another distribution's wheels, another Python"
	@echo "make clean                                        remove the environments and what was built"

demo: $(VENV)/.run-ready
	$(BIN)/python -m opendr_har_ros.demo $(if $(PEOPLE),--people) $(if $(MODEL),--model "$(MODEL)") $(if $(VIDEO),--video "$(VIDEO)")

test: $(VENV)/.develop-ready
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-all: $(VENV)/.develop-ready
	$(PYTEST) $(PYTEST_ARGS)

test-ros: $(VENV)/.ros-test-ready
	$(PYTEST) -m "not slow" test/ros $(PYTEST_ARGS)

test-arm: $(VENV)/.develop-ready
	test/arm/run $(BIN)/python $(PYTEST_ARGS)

lint: $(VENV)/.develop-ready
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary

# A dead link, a page in no table of contents or a docstring that can't be read is an error.
docs: $(VENV)/.develop-ready
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/docs

weights: $(VENV)/.develop-ready
	$(BIN)/opendr-har download $(SIZE)
	$(BIN)/opendr-har export downloads/x3d_$(SIZE).pyth --output downloads/x3d_$(SIZE).onnx --network x3d --size $(SIZE)
	$(BIN)/opendr-har export downloads/x3d_$(SIZE).pyth --output downloads/cox3d_$(SIZE).onnx --network cox3d --size $(SIZE)

default-model: $(VENV)/.develop-ready
	$(BIN)/python benchmarks/accuracy/train_default_model.py --weights "$(WEIGHTS)"

kinetics400-model: $(VENV)/.develop-ready
	@mkdir -p build
	$(BIN)/opendr-har export "$(WEIGHTS)" --output build/kinetics400.onnx --network cox3d --size xs --lookahead none \
		--source "X3D-XS with Kinetics-400 weights (PyTorchVideo's model zoo, Apache-2.0), run as a CoX3D without lookahead; its card is docs/kinetics400-model.md"
	$(BIN)/opendr-har quantize build/kinetics400.onnx --output opendr_har_core/models/kinetics400.onnx

lock: $(VENV)/.develop-ready
	$(BIN)/python .ci/lock.py > build.lock && mv build.lock .ci/constraints.txt
	$(BIN)/python .ci/licences.py > build.lock && mv build.lock docs/licences.md

sbom: $(VENV)/.develop-ready
	@mkdir -p build
	$(PYTHON) -m venv build/sbom-tool
	build/sbom-tool/bin/pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=5,<8'
	build/sbom-tool/bin/cyclonedx-py environment --output-reproducible --of JSON -o build/sbom.json $(BIN)/python

clean:
	rm -rf .venv .venv-* build install log *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.made:
	@.ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	@touch $@

$(VENV)/.run-ready: $(VENV)/.made setup.py $(wildcard interfaces/*/*.py interfaces/*/*.xml interfaces/*/msg/* interfaces/*/srv/* interfaces/*/action/*)
	@echo "Setting up $(VENV) ..."
	$(PIP) --editable '.[live$(WHEELS)]'
ifndef ROS_DISTRO
	$(PIP) --no-deps --no-build-isolation ./interfaces/vision_msgs ./interfaces/opendr_har_msgs
endif
	@touch $@

# What the tests of the nodes need, without PyTorch.
$(VENV)/.ros-test-ready: $(VENV)/.run-ready
	$(PIP) --editable '.[bags,live,completion,test$(WHEELS)]'
	@touch $@

# Exactly this torch: a newer one would bring gigabytes that the tests don't need.
$(VENV)/.develop-ready: $(VENV)/.run-ready
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[train,bags,live,scale,completion,docs,dev$(WHEELS_DEV)]'
	@touch $@
