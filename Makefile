.DEFAULT_GOAL := help
.NOTPARALLEL:
PYTHON ?= python3
BIN    := .venv/bin
# A worker for each processor; a file of tests stays together, for its fixtures.
PYTEST := $(BIN)/python -m pytest -n $(shell getconf _NPROCESSORS_ONLN) --dist loadfile
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test test-all check docs pictures wheel-smoke clean

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

# One stamp per extra: `make demo` never pays for the developer's tools, and a second run installs nothing.
.venv/.%: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { echo "No virtual environment: on Debian, apt-get install python3-venv"; rm -rf .venv; exit 1; }
	@echo "Installing the '$*' set into .venv (first time: about a minute) ..."
	@$(PIP) install -qq -c constraints.txt -e '.[$*]'
	@touch $@

demo: .venv/.demo  ## A simulated experiment with known truth, analysed; then how to open the dashboard
	@$(BIN)/caig demo $(ARGS)

test: .venv/.dev  ## The fast suite: no network, no accelerator
	$(PYTEST) -m "not slow" $(ARGS)

test-all: .venv/.dev  ## The fast suite and the simulations of error rate and coverage
	$(PYTEST) $(ARGS)

check: .venv/.dev  ## Lint, format, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.dev  ## Write the generated pages: contracts, command line, configuration
	$(BIN)/python -m caig.contracts.document > docs/.page && mv docs/.page docs/contracts.md
	$(BIN)/python -m caig.cli_page > docs/.page && mv docs/.page docs/cli.md
	$(BIN)/python -m caig.config_page > docs/.page && mv docs/.page docs/configuration.md

pictures: .venv/.dev  ## Take the pictures in docs/images anew (needs Chromium)
	$(BIN)/python docs/take_pictures.py

wheel-smoke: .venv/.dev  ## Build the wheel, install it in a clean venv, use it from another folder
	BIN=$(CURDIR)/$(BIN) bash .ci/wheel-smoke

clean:  ## Remove the virtual environment and caches; runs are kept
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
