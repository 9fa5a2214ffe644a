# make demo   sets up what is missing and runs the main job
# make test   sets up what is missing and passes the tests
# make test-quick   the tests that compile, synthesize and train nothing
# make coverage   all tests, and which lines of the package they run; pages in htmlcov/
# make docs   sets up what is missing and builds the documentation into site/
# make release   builds wheel and sdist into dist/ and checks them
# make benchmarks   measures all tables anew, in hours; results in benchmarks/out/, a rerun goes on
PYTHON ?= python3
VENV   := .venv
READY  := $(VENV)/.ready
OUT    ?= imec_demo
PYTEST := $(VENV)/bin/python -m pytest -n 2 --dist loadfile
QUICK  := not (slow or simulation or synthesis or training)

.PHONY: demo test test-quick lint coverage docs release fuzz benchmarks setup clean
setup: $(READY)

# apt packages only where something is missing; root or sudo, else say what to install.
$(READY): pyproject.toml hatch_build.py finn_imec.pth scripts/setup.sh scripts/apt.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh
	touch $@

demo: $(READY)
	$(VENV)/bin/finn-imec demo --output $(OUT)

# Ubuntu has Chromium as a snap only: there the test that looks at the report in it skips.
test: lint
	sh scripts/apt.sh chromium=chromium || echo "no Chromium: a test of the report skips"
	$(PYTEST)

test-quick: lint
	$(PYTEST) -m "$(QUICK)"

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

coverage: $(READY)
	$(PYTEST) --cov --cov-report=term --cov-report=html

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

release: $(READY)
	PYTHON=$(VENV)/bin/python sh scripts/release.sh

# 5,000 broken inputs, in hours; FUZZ has options: --minutes 30, --seed 1. A rerun goes on.
fuzz: $(READY)
	$(VENV)/bin/python benchmarks/fuzz.py --out benchmarks/out/fuzz.jsonl $(FUZZ)

benchmarks: $(READY)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh benchmarks/run.sh

clean:
	rm -rf $(VENV) $(OUT) site dist htmlcov .coverage
