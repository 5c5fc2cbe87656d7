# `make demo` and `make test` set up what they need in .venv, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
SIZE ?= s

# With ROS 2 sourced its own packages are used; without, its wheels and a stand-in for vision_msgs.
ifdef ROS_DISTRO
VENV_FLAGS := --system-site-packages
EXTRAS :=
else
VENV_FLAGS :=
EXTRAS := ros
endif
comma := ,

.PHONY: help demo test lint weights default-model clean

help:
	@echo "make demo [MODEL=bundle.onnx] [VIDEO=file or 0]   play a video to the recognizer, print its labels"
	@echo "make test [PYTEST_ARGS=...]                       run the tests"
	@echo "make lint                                         check style and types"
	@echo "make weights [SIZE=xs|s|m|l]                      fetch official weights, make downloads/*.onnx of them"
	@echo "make default-model WEIGHTS=x3d_xs.pyth            train the packaged model anew (40 minutes)"
	@echo "make clean                                        remove $(VENV) and what was built"

demo: $(VENV)/.run-ready
	$(BIN)/demo $(if $(MODEL),--model "$(MODEL)") $(if $(VIDEO),--video "$(VIDEO)")

test: $(VENV)/.develop-ready
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.develop-ready
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary

weights: $(VENV)/.develop-ready
	$(BIN)/opendr-har download $(SIZE) --to downloads
	$(BIN)/opendr-har export downloads/x3d_$(SIZE).pyth downloads/x3d_$(SIZE).onnx --network x3d --size $(SIZE)
	$(BIN)/opendr-har export downloads/x3d_$(SIZE).pyth downloads/cox3d_$(SIZE).onnx --network cox3d --size $(SIZE)

default-model: $(VENV)/.develop-ready
	$(BIN)/python -m opendr_har_core.training.default_model --weights "$(WEIGHTS)"

clean:
	rm -rf $(VENV) build install log *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.made:
	@.ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	@touch $@

$(VENV)/.run-ready: $(VENV)/.made setup.py $(wildcard interfaces/vision_msgs/*/*.py interfaces/vision_msgs/*.py interfaces/vision_msgs/msg/*)
	@echo "Setting up $(VENV) ..."
	$(PIP) --editable '.[$(EXTRAS)]'
	@$(BIN)/python -c 'import vision_msgs' 2>/dev/null || $(PIP) ./interfaces/vision_msgs
	@touch $@

# Exactly this torch: a newer one would bring gigabytes that the tests don't need.
$(VENV)/.develop-ready: $(VENV)/.run-ready
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[train$(comma)bags$(comma)live$(comma)completion$(comma)docs$(comma)dev$(if $(EXTRAS),$(comma)$(EXTRAS))]'
	@touch $@
