# make demo, make test: everything they need is installed by the first target that needs it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
LAB_PACKAGES := user-mode-linux mmdebstrap iptables iproute2 iputils-ping e2fsprogs openssh-client tcpdump \
  apt-utils dpkg-dev gpg gpg-agent gpgv sqv busybox-static curl systemd wireguard-tools wireguard-go \
  keepalived \
  $(shell grep -qsw amx_tile /proc/cpuinfo && echo gcc) # lab/xstate.c
KERNEL_PACKAGES := bc bison flex gcc libc6-dev libelf-dev make xz-utils
ARM64_PACKAGES := qemu-system-arm qemu-user-binfmt kmod
BROWSER_PACKAGES := chromium fonts-dejavu-core

.PHONY: help install system browser kernel-packages arm64-packages check check-newest-pyinfra test unit netns engines mutation lifecycle arm64 demo bench lab-up lab-kernel lab-down clean package

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## bring up four hosts, build the cluster on them, show it
	@$(BIN)/python scripts/demo.py

test: $(READY) browser ## everything that must pass (about 20 minutes)
	@$(BIN)/python tests/run.py test

lifecycle: $(READY) kernel-packages arm64-packages ## the longer scenarios (five hours)
	@$(BIN)/python tests/run.py lifecycle

arm64: $(READY) arm64-packages ## emulated boards on the lab (some twenty minutes; once, their image is built)
	@$(BIN)/python tests/run.py arm64

unit: $(READY) ## the pure core only (some minutes)
	@$(BIN)/python -m pytest -q tests/unit -n 2 --dist loadgroup

netns: $(READY) ## real iptables, users and mounts in namespaces (some minutes, as root)
	@$(BIN)/python -m pytest -q tests/netns

engines: $(READY) ## real Docker engines in namespaces (some minutes, as root)
	@$(BIN)/python tests/run.py test engines

mutation: $(READY) ## do the tests notice changes? (MODULE=pyinfra_swarm/ssh/plan.py, RECORD=1)
	@nice $(BIN)/python -m tests.mutation $(MODULE) $(if $(RECORD),--record)

check: $(READY) ## types and style, in Python and in the programs for the hosts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/shellcheck pyinfra_swarm/*/onhost/*.sh

package: ## the wheel and the source, built and checked, in dist/
	@$(MAKE) --no-print-directory LAB_PACKAGES= $(READY)
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/check-wheel-contents dist/*.whl

check-newest-pyinfra: $(READY) ## what the newest pyinfra would break, told and no failure
	@sh scripts/check-newest-pyinfra $(BIN)/python

bench: $(READY) ## measure on the lab, against the floor
	@$(BIN)/python -m tests.bench

lab-up: $(READY) ## the four hosts of the lab, for playing
	@$(BIN)/pyinfra-swarm lab up

lab-kernel: $(READY) kernel-packages ## a kernel for the lab with nftables and WireGuard, built once (some minutes)
	@$(BIN)/pyinfra-swarm lab kernel

lab-down: $(READY) ## end the lab, leaving nothing behind
	@$(BIN)/pyinfra-swarm lab down

install: $(READY) ## Python packages into .venv, Debian packages for the lab

$(READY): requirements.txt pyproject.toml | system
	@echo "Installing Python packages into $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

system:
	@sh scripts/system-packages $(PYTHON) $(LAB_PACKAGES)

browser:
	@sh scripts/system-packages $(PYTHON) $(BROWSER_PACKAGES)

kernel-packages:
	@sh scripts/system-packages $(PYTHON) $(KERNEL_PACKAGES)

arm64-packages:
	@sh scripts/system-packages $(PYTHON) $(ARM64_PACKAGES)

clean: ## remove what make has made here (the lab's cache stays)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
