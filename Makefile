# `make demo` and `make test` need python3 and make alone: each makes .venv and installs into it
# what is missing, with uv where it is installed, else with venv and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# As the command line has it: threads that wait leave the cores to the tests of other processes.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: install demo test thorough fuzz torture matrix dist coverage lint docs

ifdef UV
MAKE_VENV = test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV)
INSTALL = uv pip install --quiet --python $(BIN)/python
else
MAKE_VENV = test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
# As uv does, each module is compiled when it is first imported: most of torch's never are.
INSTALL = $(BIN)/python -m pip install --quiet --no-compile
endif

install: $(VENV)/.installed

# What a study needs, without what the tests need.
$(VENV)/.demo: pyproject.toml
	$(MAKE_VENV)
	$(INSTALL) --editable '.[train]'
	touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.demo
ifndef UV
	$(INSTALL) --upgrade 'pip>=25.1'
endif
	$(INSTALL) --editable '.[train]' --group dev
	touch $@

demo: $(VENV)/.demo
	$(BIN)/normscope scan --epochs 25 --survival 12 --out runs/demo

test: install
	$(BIN)/pytest --numprocesses auto --dist loadfile

# Those that kill processes and nodes, repeat what chance decides, or take minutes besides.
thorough: install
	$(BIN)/pytest --numprocesses auto --dist loadfile -m thorough

# make fuzz SEED=x CALLS=50000: other calls than before, and more of them.
SEED ?= $(shell date +%s)
CALLS ?= 10000

fuzz: install
	$(BIN)/python -m tests.fuzz $(SEED) $(CALLS)

# make torture SEED=x KILLS=1000 PARTS=kills: commands killed, raced, on full disks and so on.
KILLS ?= 100
PARTS ?=

torture: install
	$(BIN)/python -m tests.torture $(SEED) $(KILLS) $(PARTS)

# make matrix CELLS='*-core-*': what is said to be supported, or a part of it, each installed alone.
CELLS ?= *
MATRIX_UV := $(if $(UV),$(UV),$(BIN)/uv)

matrix:
	$(MAKE_VENV)
	$(if $(UV),,$(INSTALL) uv)
	$(BIN)/python -m tests.matrix --uv $(MATRIX_UV) '$(CELLS)'

# make dist TAG=v1.2.3: what a release uploads, if the tag says the package's version.
dist:
	$(MAKE_VENV)
	$(INSTALL) build check-wheel-contents twine
	$(BIN)/python -c "import runpy, sys; version = runpy.run_path('src/normscope/_version.py')['__version__']; sys.exit(sys.argv[1] not in ('', 'v' + version) and f'the tag must be v{version}, as of _version.py, got {sys.argv[1]}')" '$(TAG)'
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

# Apart, since it makes the tests a quarter slower.
coverage: install
	$(BIN)/pytest --numprocesses auto --dist loadfile --cov --cov-report term

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/zizmor --quiet --offline --no-progress .github action.yml
	$(BIN)/hadolint Containerfile

docs: install
	$(BIN)/mkdocs build --strict --site-dir site
