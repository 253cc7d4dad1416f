# Everything a developer does, from a bare Python: `make help` lists it.
PYTHON ?= python3
IMAGE  ?= homing:0.1.0
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
DURATION ?= 60
RATE   ?= 300
SEED   ?= 7
STAMP  := $(VENV)/.installed
TOOLS  := $(VENV)/.tools
LOCK   := $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): requirements/dev.txt pyproject.toml examples/locations/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Homing needs Python 3.11 or later; say which: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned requirements into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e examples/locations
	@touch $@

$(TOOLS): $(STAMP) requirements/tools.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/tools.txt
	@touch $@

.PHONY: install
install: $(STAMP) ## make the virtual environment

.PHONY: up
up: $(STAMP) ## run everything on this machine: NATS, Postgres, API, reactors, web (ARGS="--reactors 3 …")
	@$(BIN)/homing up $(ARGS)

.PHONY: infra
infra: $(STAMP) ## run NATS and Postgres alone, for processes in terminals of their own
	@$(BIN)/homing infra $(ARGS)

.PHONY: test
test: $(TOOLS) ## run the tests (ARGS="tests/unit -k name")
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: torture
torture: $(STAMP) ## commands through crashes, freezes and cuts, and whether the books balance (DURATION= RATE= SEED=)
	@PYTHONPATH=tests $(BIN)/python -m torture --duration $(DURATION) --rate $(RATE) --seed $(SEED) $(ARGS)

.PHONY: wheel-test
wheel-test: $(STAMP) ## build the wheels, install them elsewhere, run a command through them
	@PYTHON=$(PYTHON) BIN=$(abspath $(BIN)) sh tests/wheel.sh

.PHONY: screenshots
screenshots: $(STAMP) ## take every screen of the page anew (ARGS="list detail"; needs Debian's chromium)
	@PYTHONPATH=tests $(BIN)/python -m support.screenshots docs/screenshots $(ARGS)

.PHONY: bench-idle
bench-idle: $(STAMP) ## what idle partitions cost (ARGS="--partitions 512")
	@PYTHONPATH=tests:tests/support/tally $(BIN)/python bench/idle.py $(ARGS)

.PHONY: bench-rounds
bench-rounds: $(STAMP) ## what bad and slow commands cost the others (ARGS="--refused 0.01 --hang 0.0005")
	@PYTHONPATH=tests:tests/support/tally $(BIN)/python bench/rounds.py $(ARGS)

.PHONY: bench-telemetry
bench-telemetry: $(STAMP) ## what metrics and traces cost the loop, against none (ARGS="--ratio 1")
	@PYTHONPATH=tests:tests/support/tally $(BIN)/python bench/telemetry.py $(ARGS)

.PHONY: e2e
e2e: $(STAMP) ## end-to-end tests on a cluster: kind, or what HOMING_CLUSTER_KIT names (ARGS="-k restart")
	@PYTHONPATH=tests HOMING_REQUIRE=browser,e2e $(BIN)/python -m support.cluster run $(BIN)/python -m pytest tests/e2e \
	  -W ignore::ResourceWarning $(ARGS) # kr8s replaces its session now and then, and leaves the old one open

.PHONY: cluster-up
cluster-up: $(STAMP) ## bring that cluster up, with the images in it, and say how to use it
	@PYTHONPATH=tests $(BIN)/python -m support.cluster up

.PHONY: cluster-down
cluster-down: $(STAMP) ## take it down
	@PYTHONPATH=tests $(BIN)/python -m support.cluster down

.PHONY: image
image: ## build the container image (IMAGE=name:tag, ARGS="--build-arg PYTHON_IMAGE=…")
	@docker build --target run -t $(IMAGE) --build-arg REVISION="$$(git rev-parse HEAD)" \
	  --build-arg CREATED="$$(git log -1 --format=%cI)" $(ARGS) .

.PHONY: manifests
manifests: $(TOOLS) ## write what is generated in deploy/ anew, after a change of chart or permissions
	@PYTHONPATH=tests $(BIN)/python -m support.generated

.PHONY: tables
tables: $(STAMP) ## write the tables of metrics and log actions in docs/ anew
	@PYTHONPATH=tests $(BIN)/python -m support.tables

.PHONY: check
check: $(STAMP) ## lint, formatting, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: $(STAMP) ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

.PHONY: diagrams
diagrams: $(STAMP) ## draw docs/diagrams anew, after a change of their source
	@$(BIN)/python docs/diagrams/draw.py

.PHONY: dashboards
dashboards: $(STAMP) ## write the Grafana boards of the chart anew, after a change in tools/boards
	@$(BIN)/python tools/dashboards.py

.PHONY: lock
lock: ## write the hashed requirement files anew
	@test -x $(VENV)-lock/bin/uv || { $(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv; }
	@$(LOCK) --extra server pyproject.toml -o requirements/server.txt $(ARGS)
	@$(LOCK) --extra server --extra embedded pyproject.toml -o requirements/embedded.txt $(ARGS)
	@$(LOCK) --extra server --extra embedded pyproject.toml requirements/dev.in -o requirements/dev.txt $(ARGS)
	@$(LOCK) requirements/build.in -o requirements/build.txt $(ARGS)
	@$(LOCK) --extra server pyproject.toml requirements/image-dev.in -o requirements/image-dev.txt $(ARGS)
	@$(LOCK) --no-deps requirements/tools.in -o requirements/tools.txt $(ARGS)

.PHONY: clean
clean: ## remove what the targets made, data included
	rm -rf $(VENV) $(VENV)-lock .homing .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
