# Needs make, a POSIX shell and Python 3.11, 3.12 or 3.13; the rest goes into .venv by itself.
#
#   ARGS="..."    is passed on to the program or to pytest
#   PYTHON=...    is the interpreter (a name or a path) to make .venv with; without it, the newest
#                 suitable one that is found
#
# All paths are relative, so the checkout may lie in a directory with a space in its name.

SHELL = /bin/sh
ARGS =
PYTHON ?=

# Tests are shared among processes, file by file; tests/conftest.py says how many.
SHARED = -n auto --dist loadfile

VENV = .venv
PY = $(VENV)/bin/python
# An editable installation warns of folders that have the name of the package: here they are links.
PIP = PYTHONWARNINGS=ignore $(PY) -m pip -q --disable-pip-version-check

.PHONY: help run serve test test-slow test-page fuzz streams golden environment mutate audit sweeps results gallery explore lint format hooks bench bench-ratio size peers docs clean FORCE

help: ## print this list
	@echo 'make TARGET [ARGS="..."] [PYTHON=...]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.dev ## run a simulation (ARGS: options of `run.py run`)
	$(PY) run.py run $(ARGS)

serve: $(VENV)/.serve ## open the interactive page (ARGS: options of `run.py serve`)
	$(PY) run.py serve $(ARGS)

test: $(VENV)/.dev ## run the tests, without the slow ones (ARGS: options of pytest)
	$(PY) -m pytest $(SHARED) $(ARGS)

# 5 is pytest's way of saying that it found no test to run.
test-slow: $(VENV)/.dev ## run the slow tests (ARGS: options of pytest)
	$(PY) -m pytest $(SHARED) -m slow $(ARGS) || test $$? -eq 5

sweeps: $(VENV)/.dev ## run the shipped designs and draw their figures (ARGS: options of `run.py sweep`)
	for design in designs/*.toml; do \
		$(PY) run.py sweep "$$design" --resume $(ARGS) || exit; \
	done
	PYTHONPATH=. $(PY) designs/draw.py results docs

test-page: $(VENV)/.browser ## test the page in Chromium, if one is installed (ARGS: of pytest)
	$(PY) -m pytest -m "slow or not slow" tests/test_page_browser.py -rs $(ARGS)

results: $(VENV)/.dev ## run what README and docs tell, and write their tables and pictures (half an hour)
	PYTHONPATH=. $(PY) docs/results.py results/docs

gallery: $(VENV)/.dev ## draw the figures of docs/gallery.md (runs what they need, some minutes)
	PYTHONPATH=. $(PY) docs/gallery.py results/gallery

fuzz: $(VENV)/.dev ## try thousands of faulty inputs (ARGS: options of tests/fuzz.py)
	PYTHONPATH=. $(PY) tests/fuzz.py $(ARGS)

streams: $(VENV)/.dev ## try each command with streams closed, unread and full (ARGS: only these commands)
	PYTHONPATH=. $(PY) tests/streams.py $(ARGS)

golden: $(VENV)/.dev ## agree to what the golden runs give now; refused where CI is set
	PYTHONPATH=. $(PY) tests/golden.py $(ARGS)

environment: $(VENV)/.dev ## see whether kernels, variables or processors change a run (half an hour)
	PYTHONPATH=. $(PY) tests/environment.py $(ARGS)

mutate: $(VENV)/.mutate ## see which small faults of the simulation the tests find (ARGS: options of tests/mutate.py)
	PYTHONPATH=. $(PY) tests/mutate.py $(ARGS)

audit: $(VENV)/.dev ## look up known vulnerabilities of what constraints.txt pins (asks the package index)
	$(PY) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip -q --disable-pip-version-check install 'pip-audit>=2.10,<3'
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt $(ARGS)

lint: $(VENV)/.dev ## check style, formatting, types and spelling
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m codespell_lib

format: $(VENV)/.dev ## format the code and mend what can be mended by itself
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

hooks: $(VENV)/.hooks ## let every commit check what `make lint` does (prek.toml)
	$(VENV)/bin/prek install

bench: $(VENV)/.dev ## measure speed and memory (ARGS: options of the benchmark)
	PYTHONPATH=. $(PY) benchmarks/bench.py $(ARGS)

bench-ratio: $(VENV)/.dev ## fail if rounds are less than half as fast as was last agreed to (some seconds)
	PYTHONPATH=. $(PY) benchmarks/ratio.py

size: $(VENV)/.dev ## see how effects change with the number of copies (runs for some minutes)
	PYTHONPATH=. $(PY) benchmarks/size.py $(ARGS)

peers: $(VENV)/.peers ## compare with EGTTools
	PYTHONPATH=. $(PY) benchmarks/peers.py $(ARGS)

explore: $(VENV)/.explore ## install what `run.py discover` needs

docs: $(VENV)/.docs ## write the documentation to site/ (ARGS: options of `mkdocs build`)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict $(ARGS)

clean: ## remove .venv and all caches; results/ stays
	rm -rf $(VENV) .compiled site build multicopy.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# The environment. A stamp is written last, so that what was interrupted is done again.

# Says which Python it is, or fails where it is not suitable or cannot make an environment.
PROBE = import sys, ensurepip, ssl, venv, zlib; \
	(3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit(1); \
	print(sys.implementation.name, sys.version.split()[0])

# Looked at each time, written only when .venv is made: if there is none, if it no longer works,
# or if PYTHON asks for another version.
$(VENV)/.python: FORCE
	@probe='$(PROBE)'; want='$(PYTHON)'; \
	have=$$($(PY) -c "$$probe" 2>/dev/null) && test "$$have" = "$$(cat $@ 2>/dev/null)" || have=; \
	if test -n "$$want"; then set -- "$$want"; \
	elif test -n "$$have"; then exit 0; \
	else \
		set --; set -f; IFS=:; \
		for name in python3.13 python3.12 python3.11 python3 python; do for dir in $$PATH; do \
			if test -x "$$dir/$$name"; then set -- "$$@" "$$dir/$$name"; fi; \
		done; done; \
	fi; \
	for py in "$$@"; do \
		is=$$("$$py" -c "$$probe" 2>/dev/null) || continue; \
		if test "$$is" = "$$have"; then exit 0; fi; \
		rm -rf $(VENV); \
		if "$$py" -m venv $(VENV) >/dev/null 2>&1; then echo "$$is" >$@; exit 0; fi; \
		rm -rf $(VENV); \
	done; \
	echo "$${want:+PYTHON=$$want will not do: }Python 3.11, 3.12 or 3.13 with its venv and ensurepip modules is needed; name one with make PYTHON=..." >&2; \
	exit 1

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	@rm -f $@
	@echo "installing into $(VENV) (once), with $$(cat $(VENV)/.python) ..."
	@$(PIP) install -c constraints.txt pip setuptools
	@$(PIP) install -c constraints.txt --no-build-isolation -e '.[dev]'
	@rm -rf build multicopy.egg-info
	@touch $@

$(VENV)/.serve: $(VENV)/.dev
	@rm -f $@
	@echo "installing what the interactive page needs into $(VENV) (once) ..."
	@$(PIP) install -c constraints.txt --build-constraint constraints.txt -e '.[serve]'
	@rm -rf build multicopy.egg-info
	@touch $@

$(VENV)/.browser: $(VENV)/.serve
	@rm -f $@
	@echo "installing what tests in a browser need into $(VENV) (once) ..."
	@$(PIP) install -c constraints.txt --build-constraint constraints.txt -e '.[browser]'
	@rm -rf build multicopy.egg-info
	@touch $@

$(VENV)/.peers: WHAT = it is compared with
$(VENV)/.explore: WHAT = scenario discovery needs
$(VENV)/.docs: WHAT = the documentation needs
$(VENV)/.mutate: WHAT = mutation testing needs
$(VENV)/.hooks: WHAT = hooks before a commit need
$(VENV)/.peers $(VENV)/.explore $(VENV)/.docs $(VENV)/.mutate $(VENV)/.hooks: $(VENV)/.%: $(VENV)/.dev
	@rm -f $@
	@echo "installing what $(WHAT) into $(VENV) (once) ..."
	@$(PIP) install -c constraints.txt --no-build-isolation -e '.[$*]'
	@rm -rf build multicopy.egg-info
	@touch $@
