# bee. `make` shows what there is; the two that matter are `make run` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
PYTEST := $(VENV)/bin/python -m pytest

# What bee runs with on Debian, and what its tests need beside that.
RUN_PACKAGES := dbus-daemon polkitd udev pciutils pci.ids smartmontools nvme-cli util-linux uidmap memtester \
	stressapptest stress-ng
TEST_PACKAGES := chromium chromium-driver curl dmidecode e2fsprogs g++ gcc ipmitool iproute2 libc6-dev libxml2-utils \
	linux-libc-dev lshw mandoc mmdebstrap openssh-client ovmf patch qemu-system-x86 qemu-utils shellcheck systemd systemd-container tmux xorriso xz-utils
BENCH_PACKAGES := grub-common grub-efi-amd64-bin grub-pc-bin mtools squashfs-tools

# Where `make install` puts things. What systemd, dbus and polkit read stands where they look for it.
PREFIX ?= /usr/local
DESTDIR ?=
LIB := $(PREFIX)/lib/bee
PACKAGES := dbus/bee_bus services/bee_machine services/bee_charts services/bee_audit services/bee_gpu services/bee_sat clients/bee_cli \
	clients/bee_tui clients/bee_web
SYSTEM_FOLDERS := \
	dbus/system.d/*.conf:/usr/share/dbus-1/system.d \
	dbus/system-services/*.service:/usr/share/dbus-1/system-services \
	dbus/polkit/*.policy:/usr/share/polkit-1/actions \
	dbus/polkit/*.rules:/usr/share/polkit-1/rules.d \
	systemd/*.service:/usr/lib/systemd/system \
	systemd/*.socket:/usr/lib/systemd/system \
	systemd/modules-load.d/*.conf:/usr/lib/modules-load.d \
	systemd/sysusers.d/*.conf:/usr/lib/sysusers.d \
	systemd/tmpfiles.d/*.conf:/usr/lib/tmpfiles.d
SHARED_FOLDERS := \
	dbus/interfaces/*.xml:$(PREFIX)/share/bee/interfaces \
	dbus/schemas/*.json:$(PREFIX)/share/bee/schemas \
	clients/man/*.1:$(PREFIX)/share/man/man1

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

.PHONY: run
run: deps $(READY) kernels web-assets ## audit this machine on a private bus, and serve the web page until interrupted
	@exec $(VENV)/bin/python -m bee_cli.workbench

.PHONY: test
test: deps test-deps $(READY) kernels web-assets ## everything: style, unit, contract, bus, booted systemd, a whole server, the live image
	$(PYTEST) -m "not fuzz" --ignore=tests/bench $(ARGS)

.PHONY: test-fast
test-fast: deps $(READY) kernels web-assets ## the tests that boot nothing
	$(PYTEST) -m "not fuzz and not system and not qemu and not iso" --ignore=tests/bench $(ARGS)

.PHONY: iso
iso: ## the live image, as root, into dist/: make iso ARGS="--authorized-keys ~/.ssh/id_ed25519.pub"
	@iso/build-in-container.sh $(ARGS)

.PHONY: test-iso
test-iso: deps test-deps $(READY) kernels ## build the live image, boot it in QEMU by BIOS and by UEFI, and look
	$(PYTEST) tests/iso $(ARGS)

.PHONY: fuzz
fuzz: $(READY) ## the long property tests of the decoders
	$(PYTEST) -m fuzz --timeout=0 $(ARGS)

.PHONY: bench
bench: deps test-deps bench-deps $(READY) ## speed, as ratios measured in one run
	$(PYTEST) tests/bench -s --timeout=0 $(ARGS)

.PHONY: schemas
schemas: $(READY) ## write dbus/schemas and the web's openapi.json from the typed documents
	$(VENV)/bin/python -m bee_bus.documents.schema dbus/schemas
	$(VENV)/bin/python -m bee_web.openapi clients/bee_web/openapi.json

.PHONY: web-assets
web-assets: $(READY) ## the chart library of the web pages, from the npm registry (kept in dist/web)
	@$(VENV)/bin/python -m bee_web.vendor

.PHONY: kernels
kernels: $(READY) ## compile what bee-gpu-stress runs on a GPU, if it changed (needs no GPU)
	@$(VENV)/bin/python -m bee_sat.gpu_stress.kernels.build

.PHONY: venv
venv: $(READY) ## the Python side, in .venv

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bee: needs Python 3.11 or newer; say which with make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

.PHONY: deps
deps: ## the Debian packages that bee runs with
	@.ci/packages $(RUN_PACKAGES)

.PHONY: test-deps
test-deps: ## the Debian packages that its tests need
	@.ci/packages $(TEST_PACKAGES)

.PHONY: bench-deps
bench-deps: ## and those that only the bench needs
	@.ci/packages $(BENCH_PACKAGES)

.PHONY: install
install: kernels web-assets ## into DESTDIR, as a Debian 13 system wants it (PREFIX=/usr/local)
	@for package in $(PACKAGES); do \
		name=$${package##*/}; \
		rm -rf "$(DESTDIR)$(LIB)/$$name"; \
		(cd "$${package%/*}" && find "$$name" -type f ! -path '*/__pycache__/*' ! -name '.*' \
			-exec install -D -m 0644 -T {} "$(DESTDIR)$(LIB)/{}" \;); \
	done
	@for file in dist/web/vendor/*.*; do \
		install -D -m 0644 "$$file" "$(DESTDIR)$(LIB)/bee_web/static/vendor/$${file##*/}"; \
	done
	@$(call launcher,bee,bee_cli.main,../lib/bee,$(PREFIX)/bin/bee)
	@$(call launcher,bee-tui,bee_tui.main,..,$(LIB)/bin/bee-tui)
	@$(call launcher,bee-web,bee_web.main,..,$(LIB)/bin/bee-web,speaks no TLS)
	@$(call script,clients/console/bee-tui,0755,$(PREFIX)/bin/bee-tui)
	@$(call script,clients/console/menu,0755,$(PREFIX)/bin/menu)
	@$(call script,clients/console/profile.sh,0644,$(PREFIX)/share/bee/profile)
	@$(call launcher,bee-auditd,bee_audit.main,..,$(LIB)/bin/bee-auditd)
	@$(call launcher,bee-gpud,bee_gpu.main,..,$(LIB)/bin/bee-gpud)
	@$(call launcher,bee-satd,bee_sat.main,..,$(LIB)/bin/bee-satd)
	@$(call launcher,bee-gpu-stress,bee_sat.gpu_stress.main,..,$(LIB)/bin/bee-gpu-stress)
	@ln -sf ../lib/bee/bin/bee-gpu-stress "$(DESTDIR)$(PREFIX)/bin/bee-gpu-stress"
	@for pair in $(foreach pair,$(SYSTEM_FOLDERS) $(SHARED_FOLDERS),'$(pair)'); do \
		for file in $${pair%:*}; do \
			[[ -e $$file ]] || continue; \
			target="$(DESTDIR)$${pair##*:}/$${file##*/}"; \
			install -D -m 0644 "$$file" "$$target"; \
			[[ $(PREFIX) == /usr/local ]] || sed -i 's#/usr/local/#$(PREFIX)/#g' "$$target"; \
		done; \
	done
	@install -D -m 0644 clients/completions/bee.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/bee"
	@$(compile)

.PHONY: uninstall
uninstall: ## what install put there
	@rm -rf "$(DESTDIR)$(LIB)" "$(DESTDIR)$(PREFIX)/share/bee"
	@rm -f "$(DESTDIR)$(PREFIX)/bin/bee" "$(DESTDIR)$(PREFIX)/bin/bee-gpu-stress" "$(DESTDIR)$(PREFIX)/bin/bee-tui" "$(DESTDIR)$(PREFIX)/bin/menu" "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/bee"
	@for pair in $(foreach pair,$(SYSTEM_FOLDERS) $(SHARED_FOLDERS),'$(pair)'); do \
		for file in $${pair%:*}; do rm -f "$(DESTDIR)$${pair##*:}/$${file##*/}"; done; \
	done

.PHONY: clean
clean: ## what was built here
	rm -rf $(VENV) dist services/bee_sat/gpu_stress/objects .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# launcher PROGRAM,MODULE,PACKAGES,PATH,LESS: a small script that runs one program with the packages beside it.
# LESS: words of a line that this program goes without.
launcher = sed $(if $(5),-e '/$(5)/d') -e 's\#@PROGRAM@\#$(1)\#' -e 's\#@MODULE@\#$(2)\#' -e 's\#@PACKAGES@\#$(3)\#' clients/launcher.in | \
	install -D -m 0755 /dev/stdin "$(DESTDIR)$(4)"

# script FILE,MODE,PATH: a file that names programs where they are installed.
script = sed 's\#/usr/local/\#$(PREFIX)/\#g' $(1) | install -D -m $(2) /dev/stdin "$(DESTDIR)$(3)"

# Compiled modules make the first start fast where nobody may write them later (a live image). They are of
# use only to the Python that made them: the target's own, or one of the same minor version.
compile = if [[ -x /usr/bin/python3 && "$$(readlink "$(DESTDIR)/usr/bin/python3")" == "$$(readlink /usr/bin/python3)" ]]; then \
		/usr/bin/python3 -m compileall -q -s "$(DESTDIR)" -p / "$(DESTDIR)$(LIB)" || true; \
	fi
