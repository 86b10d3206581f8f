# The two commands of the README are `make run` and `make test`. Each sets up all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BROWSERS := chromium-headless-shell chromium chromium-browser google-chrome
PEERS := agno adk langgraph bare
# What shares a server or a cluster stays in one process. Three keep two cores busy; where servers
# and clusters start, with time limits of their own, two do.
TEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
# The others start servers and clusters and wait for them.
WITHOUT_SERVERS := tests/unit tests/api
WITH_SERVERS := tests/faults tests/e2e tests/ray tests/sdk tests/contract tests/conformance
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help run desk cluster test faults conformance bench bench-cluster bench-limits bench-peers lint types \
	format lock openapi clean
help: ## Say what each command does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: $(VENV)/.run ## Start the server with an agent model that runs on this machine
	$(BIN)/everruns serve

desk: $(VENV)/.run ## Start the example of a whole application: a support desk
	$(BIN)/python -m examples.support_desk

test: $(VENV)/.test $(VENV)/.generators $(VENV)/.browser ## Run every test
	$(TEST) -n 3 $(WITHOUT_SERVERS)
	$(TEST) -n 2 $(WITH_SERVERS)

faults: $(VENV)/.test ## Kill, pause and cut everything, for long
	$(BIN)/python -m pytest tests/faults -vv -s -m "long or not long"
	$(BIN)/python -m pytest tests --ignore=tests/faults -vv -s -m long

conformance: $(VENV)/.test ## Run the MCP conformance suite against our client
	$(BIN)/python -m tests.conformance.suite

bench: $(VENV)/.run ## Measure the running server with the simulated model
	$(BIN)/python -m bench

cluster: $(VENV)/.test ## Start three nodes and PostgreSQL on this machine, until Ctrl-C
	$(BIN)/python -m bench.cluster --postgres

bench-cluster: $(VENV)/.test ## Measure PostgreSQL, what each further node adds, and a hundred
	$(BIN)/python -m bench.cluster.stores
	$(BIN)/python -m bench.cluster.growth --postgres
	$(BIN)/python -m bench.cluster.scale

bench-peers: $(VENV)/.run $(PEERS:%=$(VENV)/peers/%/.installed) ## Measure it beside other servers of agents
	$(BIN)/python -m bench.peers

bench-limits: $(VENV)/.run ## Measure what a server costs and where it ends
	$(BIN)/python -m bench.limits

lint: $(VENV)/.test ## Check style, formatting and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.test ## Check types, strictly
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

format: $(VENV)/.test ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: $(VENV)/.run ## Write docs/openapi.json anew
	$(BIN)/python -m everruns.api.docs docs/openapi.json

lock: $(VENV)/.uv ## Resolve every dependency anew
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) -c requirements/run.txt pyproject.toml requirements/test.in -o requirements/test.txt
	$(COMPILE) --no-deps requirements/local.in -o requirements/local.txt
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) requirements/generators.in -o requirements/generators.txt
	for peer in $(PEERS); do \
		$(COMPILE) requirements/peers/$$peer.in -o requirements/peers/$$peer.txt || exit 1; \
	done

clean: ## Remove what these commands made (never your data)
	rm -rf $(VENV) build dist tests/node/node_modules .pytest_cache .ruff_cache .hypothesis

$(VENV)/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements/run.txt requirements/local.txt pyproject.toml
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/run.txt
	$(UV) pip install --python $(BIN)/python --require-hashes --no-deps -r requirements/local.txt
	$(UV) pip install --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt tests/node/package-lock.json
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/test.txt
	cd tests/node && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

# What generates clients needs other versions of packages than the product and its tests.
$(VENV)/.generators: $(VENV)/.uv requirements/generators.txt
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(VENV)/generators
	$(UV) pip sync --quiet --python $(VENV)/generators/bin/python --require-hashes \
		requirements/generators.txt
	@touch $@

# The browser is the system's. Where it cannot be installed, the tests that need it say so.
$(VENV)/.browser: $(VENV)/.run
	@for browser in $$EVERRUNS_CHROMIUM $(BROWSERS); do \
		if command -v $$browser >/dev/null; then touch $@; exit; fi; \
	done; \
	{ test "$$(id -u)" = 0 && apt-get update -qq && \
		apt-get install -qq --no-install-recommends chromium-headless-shell && touch $@; } || \
	echo "Some tests need a browser: install chromium-headless-shell or chromium, or name yours" \
		"in EVERRUNS_CHROMIUM."

$(VENV)/peers/%/.installed: requirements/peers/%.txt $(VENV)/.uv
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(@D)
	$(UV) pip sync --python $(@D)/bin/python --require-hashes $<
	@touch $@
