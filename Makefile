# `make demo` and `make test` set everything up themselves, in .venv. They need Python 3.11 or newer, and the network once;
# `make test` needs npm, too, for the tests with a ClickHouse server.
# More arguments for the command: make demo ARGS="--strategies 100", make test ARGS="-k ring".

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
MAKEFLAGS += --no-print-directory
# Tests start hundreds of processes, each of which would compile all modules anew.
export PYTHONDONTWRITEBYTECODE :=
.DELETE_ON_ERROR:

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: demo
demo: $(VENV)/demo ## run the demo
	@$(BIN)/ringbuf demo $(ARGS)

PARALLEL := --numprocesses $$(($$(nproc) + 1)) --maxprocesses 4 --dist worksteal

.PHONY: test
test: lint ## check style and types, then run the tests; one by one: make test ARGS="-n 0"
	@.ci/fetch >$(VENV)/left-out
	@$(MAKE) $(VENV)/bench || echo "what the benchmarks compare with: pip cannot install it, see above" >>$(VENV)/left-out
	@$(BIN)/python -m pytest $(PARALLEL) -m "$(or $(CHOSEN),not long)" --durations 40 $(ARGS); code=$$?; \
	if [ -s $(VENV)/left-out ]; then \
	    echo; echo "Left out, so the tests that need it were skipped:"; sed 's/^/  /' $(VENV)/left-out; \
	fi; \
	exit $$code

.PHONY: long
long: ## run the tests that `make test` leaves out, since they take long
	@$(MAKE) test CHOSEN=long

COMPILED := $(VENV)/compiled

.PHONY: compiled
compiled: $(VENV)/test ## run the tests of the rules with the rules compiled, as releases have them
	@rm -rf $(COMPILED) build
	@RINGBUF_COMPILE=1 $(PIP) install --no-build-isolation --no-deps --target $(COMPILED) .
	@cp -r tests docs $(COMPILED)
	@cd $(COMPILED) && RINGBUF_COMPILE=1 $(CURDIR)/$(BIN)/python -m pytest -q $(PARALLEL) $(RULES) $(ARGS)

RULES := tests/unit/trading tests/unit/strategies $(addprefix tests/model/test_,adapters.py hedges.py inferred.py \
    inventory_values.py orders.py pages.py profit.py sessions.py venue.py)

MINUTES ?= 10

.PHONY: soak
soak: $(VENV)/test ## kill and cut everything at random, then compare; MINUTES=10, SEED=7
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

.PHONY: lint
lint: $(VENV)/test ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: fuzz
fuzz: $(VENV)/test ## damaged bytes for every parser: make fuzz INPUTS=100000 SEED=1
	@$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),100000) --seed $(or $(SEED),1)

.PHONY: doublebuy
doublebuy: $(VENV)/test ## a strategy that tops up, under bad feeds, never buys twice: make doublebuy RUNS=100000 SEED=1
	@$(BIN)/python -m tests.model.double_buy --runs $(or $(RUNS),100000) --seed $(or $(SEED),1)

.PHONY: clean
clean: ## remove everything made here
	rm -rf $(VENV) build dist *.egg-info ringbuf/ring/_native.*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each extra of pyproject.toml that was installed.
$(VENV)/demo $(VENV)/test $(VENV)/bench: pyproject.toml setup.py $(wildcard ringbuf/ring/*.[ch]) | $(BIN)/python
	@echo "Installing into $(VENV) what \`make $(@F)\` needs; half a minute or more ..."
	@$(PIP) install --editable '.[$(@F)]'
	@touch $@

$(BIN)/python:
	@for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	    if $$python -c '$(SUITABLE)' 2>/dev/null; then exec $$python -m venv $(VENV); fi; \
	done; \
	echo "No Python 3.11 or newer with its venv module was found on the PATH (python3 is: $$(python3 --version 2>&1))." >&2; \
	echo "Install one, for example on Debian or Ubuntu: sudo apt install python3 python3-venv" >&2; \
	exit 1
