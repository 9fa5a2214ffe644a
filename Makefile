# make demo   sets up what is missing and runs the main job
# make test   sets up what is missing and passes the tests
# make docs   sets up what is missing and builds the documentation into site/
# make benchmarks   measures all tables anew, in hours; results in benchmarks/out/, a rerun goes on
PYTHON ?= python3
VENV   := .venv
READY  := $(VENV)/.ready
OUT    ?= imec_demo

.PHONY: demo test docs benchmarks setup clean
setup: $(READY)

# apt packages only where something is missing; root or sudo, else say what to install.
$(READY): pyproject.toml hatch_build.py finn_imec.pth scripts/setup.sh scripts/apt.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh
	touch $@

demo: $(READY)
	$(VENV)/bin/finn-imec demo --output $(OUT)

# Ubuntu has Chromium as a snap only: there the test that looks at the report in it skips.
test: $(READY)
	sh scripts/apt.sh chromium=chromium || echo "no Chromium: a test of the report skips"
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

benchmarks: $(READY)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh benchmarks/run.sh

clean:
	rm -rf $(VENV) $(OUT) site
