# make run: the default study, set-up included.  make test: all tests, set-up included.
# The set-up is redone only when requirements.lock or the snakemake command changes. It links the package, and
# no script beside it, into the environment, so that a notebook can import prefgrid.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
LOCK := requirements.lock
COMMAND := workflow_scripts/snakemake.sh

.PHONY: run test verify bench bench-graph schema setup lint clean

run: $(READY)
	$(VENV)/bin/snakemake
	@echo "Report: results/report.html"

test: $(READY)
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal tests/unit tests/oracle
	$(VENV)/bin/python -m pytest tests/workflow # its Snakemake runs use the cores themselves

verify: $(READY) # ARGS: options of the run, such as ARGS="--configfile presets/spo_smoke.yaml"
	$(VENV)/bin/python workflow_scripts/verify.py $(ARGS)

bench: $(READY) # one table of ratios; `naive` needs the results of `make run`
	THP_MEM_ALLOC_ENABLE=1 PYTHONPATH=workflow_scripts $(VENV)/bin/python -m benchmarks.run

bench-graph: $(READY) # what a wide grid costs before any job; --dry 50000 --no-op 5000 takes long
	$(VENV)/bin/python -m benchmarks.graph

schema: $(READY) # what editors complete and check config.yaml and presets by
	PYTHONPATH=workflow_scripts $(VENV)/bin/python -m prefgrid.plan.json_schema > config.schema.json

setup: $(READY)

$(READY): $(LOCK) $(COMMAND)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || \
		{ echo "prefgrid needs Python 3.11 or 3.12: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet $$(grep '^torch==' $(LOCK))
	$(VENV)/bin/python -m pip install --quiet --requirement $(LOCK)
	ln -s ../../../../workflow_scripts/prefgrid $(VENV)/lib/python3.*/site-packages/
	cp $(COMMAND) $(VENV)/bin/snakemake # in place of the one that pip wrote
	touch $@

lint: $(READY)
	$(VENV)/bin/ruff check workflow_scripts tests benchmarks
	$(VENV)/bin/ruff format --check workflow_scripts tests benchmarks
	$(VENV)/bin/snakefmt --check Snakefile rules
	$(VENV)/bin/snakemake --lint

clean: # keeps results/README.md
	git clean -fdxq results
	rm -rf .snakemake
