# Needs python3 (3.10 or newer) with venv, and make. Everything is installed into .venv/.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo demo-torch demo-ui ui test lint bench clean

help:
	@echo "make demo         train real models and show what was recorded"
	@echo "make demo-torch   the same with PyTorch, Lightning, Transformers too (a large download)"
	@echo "make demo-ui      the same in the browser, while one more network trains"
	@echo "make ui           fetch the dashboard's page libraries (needs npm)"
	@echo "make test         all tests"
	@echo "make lint         ruff and mypy"
	@echo "make bench        the benchmarks, with peers (large downloads)"
	@echo "make clean        remove .venv and what was built"

demo: .venv/demo
	.venv/bin/autotrack demo

# On Linux the index's torch brings CUDA, some gigabytes; PIP_EXTRA_INDEX_URL can name an index of CPU builds.
demo-torch: .venv/demo-torch
	.venv/bin/autotrack demo

demo-ui: .venv/demo
	test -d autotrack-demo || .venv/bin/autotrack demo
	cd autotrack-demo && { ../.venv/bin/autotrack run ../examples/live/slow_network.py > /dev/null 2>&1 & } && ../.venv/bin/autotrack ui

# A wheel has them; a clone does not, because git does not hold them.
ui:
	$(PYTHON) scripts/vendor.py

test: .venv/test node_modules
	.venv/bin/python -m pytest --numprocesses auto --dist loadfile

# axe-core, for the browser tests; without npm the tests that need it are skipped.
node_modules: package-lock.json
	-npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@test ! -d $@ || touch $@

lint: .venv/test
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: .venv/bench
	.venv/bin/python benchmarks/all.py

clean:
	rm -rf .venv build dist

# A stamp a set of packages: installed again only when pyproject.toml changes.
.venv/python:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/demo .venv/demo-torch .venv/test .venv/bench: .venv/%: pyproject.toml | .venv/python
	$(PIP) --editable '.[$*]'
	@touch $@
