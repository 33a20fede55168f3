# Everything a developer types. Python 3.11 or later and make are all that has to be there.

.DEFAULT_GOAL := help
PORT ?= 8000
PYTHON := .venv/bin/python
# The oldest supported version first: the packages are pinned and tested for it.
CANDIDATES := .venv/bin/python python3.11 python3.12 python3.13 python3 python3.14
COMPILE := .venv/uv/bin/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate

.PHONY: help venv demo demo-reset test test-fast check bench lock screenshots coverage-of-requirements

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-26s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: ## The virtual environment with the pinned packages (the other targets see to it)
	@for python in $(CANDIDATES); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec "$$python" tools/bootstrap.py; fi; \
	done; \
	echo "Python 3.11 or later is needed. On Debian and Ubuntu: apt-get install python3 python3-venv" >&2; exit 1

demo: venv ## The whole product with demo people, on PORT (default 8000); Ctrl-C stops it
	@exec $(PYTHON) -m sandbox.demo --follow-parent --port $(PORT)

demo-reset: venv ## Forget the demo's data
	@exec $(PYTHON) -m sandbox.demo --reset

test: venv ## All tests, on all cores, with PostgreSQL, Redis and Chromium
	@exec $(PYTHON) -m sandbox.run_tests --follow-parent --browser -n auto --dist loadgroup --durations 25 --requirements test-results/requirements.json

test-fast: venv ## The tests that are quick: no browser, no crash tests, nothing marked slow
	@exec $(PYTHON) -m sandbox.run_tests --follow-parent -n auto --dist loadgroup -m "not slow and not browser" --ignore tests/crash

check: venv ## Style, types, import rules, migrations in step, deployment settings
	@exec $(PYTHON) -m tools.check

bench: venv ## Measure SP-1 … SP-8 side by side (takes minutes; leave the machine alone)
	@exec $(PYTHON) -m bench

screenshots: venv ## Every page in both themes and on a phone, into screenshots/
	@exec $(PYTHON) -m sandbox.run_tests --follow-parent --browser tests/browser -m browser --screenshots screenshots

coverage-of-requirements: venv ## Rows of docs/features.md that no passing test shows (after `make test`)
	@exec $(PYTHON) -m tools.coverage_of_requirements

lock: venv ## Resolve requirements*.in anew into the pinned requirements*.txt
	$(PYTHON) -m pip install -q --upgrade --target .venv/uv uv
	$(COMPILE) --upgrade requirements.in -o requirements.txt
	$(COMPILE) --upgrade requirements-dev.in -o requirements-dev.txt
