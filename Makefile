# The same commands for people and for CI. The environment is .venv, made by whichever target needs it first.
#
#   make demo    paint the bundled pair into build/demo.png
#   make test    everything that the tests need, then the tests (as root also those in a real Krita and GIMP)
#   make check   formatting, lint, types, who imports whom
#   make hosts   only what drives a real Krita and GIMP: build their root if necessary, then the tests
#   make bench   the figures of the README
#   make gpu     what a GPU alone can show, in less than nine minutes; small sizes where there is none
#   make torture mutated messages, jobs among kills, a soak, power cuts, a studio: 30 minutes (SHORT=1: four)
#   make dist    wheel, sdist and the plug-ins' zips, built and checked
#   make lock    renew the versions and hashes that CI installs
#   make audit   known vulnerabilities of what is locked, where a database can be reached
#
# PYTHON names the interpreter to make .venv with (3.11 or newer, with venv).

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
BIN := .venv/bin
READY := .venv/ready
# CI installs what requirements.lock says, hash by hash; people the newest that fits.
ifeq ($(CI),true)
INSTALL = $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock \
	&& $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
else
INSTALL = $(BIN)/python -m pip install --quiet --editable '.[dev]'
endif
TESTS ?=
# Two files at a time, since most tests wait for a program or a clock; PARALLEL= runs them one after the other. By themselves
# before come those that need the processor to themselves: workers that are judged after a second.
PARALLEL ?= -n 2 --dist loadfile
ALONE := tests/faults/test_chaos.py
COVERAGE := --cov --cov-branch --cov-report=term:skip-covered --cov-fail-under=95

.PHONY: demo test check hosts host-root bench gpu torture dist bundle lock audit clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Vaporbrush needs Python 3.11 or newer; '$(PYTHON)' is older or not there. Name another: make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || echo "Making .venv (torch's GPU build takes 5 GB and some minutes; README.md says how to choose another) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL)
	@touch $@

demo: $(READY)
	$(BIN)/vaporbrush demo --out build/demo.png

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: $(READY) host-root
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS) $(COVERAGE)
else
	$(BIN)/python -m pytest $(ALONE) --cov --cov-branch --cov-report=
	$(BIN)/python -m pytest $(addprefix --ignore ,$(ALONE)) $(PARALLEL) --cov-append $(COVERAGE)
endif

# Without root there is no chroot, so the tests in real programs run only where the system's own are new enough.
host-root: $(READY)
	@if [ "$$(id -u)" = 0 ] || $(BIN)/python tests/hosts/root.py --check >/dev/null 2>&1; then \
		$(BIN)/python tests/hosts/root.py; \
	elif [ "$$CI" = true ]; then \
		echo "CI has to run the tests in a real Krita and GIMP, and building their root needs root." >&2; exit 1; \
	else \
		echo "Left out without root: the tests in a real Krita and GIMP (tests/hosts)."; \
	fi

hosts: $(READY) host-root
	$(BIN)/python -m pytest tests/hosts

bench: $(READY)
	$(BIN)/python -m tests.bench

gpu: $(READY)
	$(BIN)/python -m tests.bench.gpu

torture: $(READY)
	PYTHONPATH=tests $(BIN)/python -m torture $(if $(SHORT),--short)

dist: $(READY)
	$(BIN)/python daemon/tools/release.py

lock: $(READY)
	$(BIN)/python daemon/tools/lock.py
	$(BIN)/python daemon/tools/painter_locks.py

# Everything that a plug-in would fetch, in one file for computers without a network; BUNDLE="linux-x86_64-cpu 3.13".
bundle: dist
	PYTHONPATH=plugins/common $(BIN)/python daemon/tools/bundle.py $(BUNDLE)

audit: $(READY)
	$(BIN)/python daemon/tools/audit.py

clean:
	rm -rf build dist
