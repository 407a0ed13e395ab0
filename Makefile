# SPDX-License-Identifier: GPL-2.0-or-later
# The one front for both builds: Kbuild for the module, Meson for the programs. All output
# goes below build/; downloads and kernels are kept in ${XDG_CACHE_HOME:-~/.cache}/dm-envelope.

KERNEL ?= 6.1
DESTDIR ?=
SOAK_MINUTES ?= 100
MAKEFLAGS += --no-print-directory

modules_dir := build/modules/$(if $(KDIR),local,$(KERNEL))
module_sources := Kbuild $(wildcard kernel/*.[ch] kernel/compat/*.[ch])
# Debian's headers from the cache, unless KDIR says otherwise
kbuild = $(if $(KDIR),$(MAKE) -C $(KDIR) M=$(CURDIR)/$(modules_dir),\
	tests/kernels/make $(KERNEL) $(modules_dir) $(MAKEOVERRIDES))
# As the module itself says it; Debian names its kernels otherwise in kernel.release
kernel_release = $(firstword $(shell modinfo -F vermagic $(modules_dir)/dm_envelope.ko))

all: modules userspace

help:
	@echo 'make all          the module and the programs (modules, userspace)'
	@echo 'make demo         install what is needed, build, boot a VM and encrypt a disk in it'
	@echo 'make check        all tests; ends with "N passed, N failed"'
	@echo 'make bench        what requests cost, beside dm-linear and dm-crypt'
	@echo 'make coverage     which lines of the programs the unit tests run'
	@echo 'make soak         the tests again and again, for SOAK_MINUTES ($(SOAK_MINUTES))'
	@echo 'make mutants      plant known bugs: a test must catch each'
	@echo 'make vm-shell     a root shell in a VM with all of it installed'
	@echo 'make install      into DESTDIR; uninstall takes it away again'
	@echo 'make clean        remove build/'
	@echo
	@echo 'KERNEL=$(KERNEL)        a kernel of tests/kernels/table to build the module for, or'
	@echo 'KDIR=DIR          a kernel build tree, such as /lib/modules/$$(uname -r)/build'

deps-%:
	@tests/lib/deps $*

modules: deps-build
	@for file in $(module_sources); do \
		cmp -s $$file $(modules_dir)/$$file || \
		install -D -m 644 $$file $(modules_dir)/$$file || exit 1; \
	done
	@$(kbuild) modules

build/userspace/build.ninja: | deps-build deps-check
	meson setup build/userspace userspace --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
		--libexecdir=libexec --buildtype=debugoptimized

userspace: build/userspace/build.ninja
	@ninja -C build/userspace

install: modules userspace
	install -D -m 644 $(modules_dir)/dm_envelope.ko \
		$(DESTDIR)/usr/lib/modules/$(kernel_release)/updates/dm_envelope.ko
	meson install -C build/userspace --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))
	$(if $(DESTDIR),,depmod $(kernel_release))

uninstall:
	rm -f $(DESTDIR)/usr/lib/modules/*/updates/dm_envelope.ko
	$(if $(wildcard build/userspace/build.ninja),DESTDIR=$(DESTDIR) ninja -C build/userspace uninstall)

demo: deps-build deps-check deps-vm modules userspace
	tests/vm/run --kernel $(KERNEL) --timeout 600 tests/demo

vm-shell: deps-build deps-check deps-vm modules userspace
	tests/vm/run --kernel $(KERNEL) --shell

check: deps-build deps-check deps-vm
	tests/check

bench: deps-build deps-check deps-vm deps-bench
	tests/bench/run

coverage: deps-build deps-check deps-coverage
	tests/coverage

soak: deps-build deps-check deps-vm
	tests/soak/run $(SOAK_MINUTES)

mutants: deps-build deps-check deps-vm
	tests/mutants/run

clean:
	rm -rf build

.PHONY: all help modules userspace install uninstall demo vm-shell check bench coverage soak mutants clean
