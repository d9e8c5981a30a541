# tests.mk - the programs and images that tests boot. Host tests have rules of their own (tests/host/*).

TEST_BIN := $(USER_BUILD)/tests
TEST_PROGRAMS := $(patsubst tests/user/%.c,%,$(wildcard tests/user/*_test.c)) fuzz_test
TEST_ARCHIVE := build/test/archive.tar
TEST_LIB := $(patsubst %.c,$(USER_BUILD)/obj/%.o,$(wildcard tests/user/lib/*.c))

.SECONDARY: $(TEST_LIB) $(TEST_PROGRAMS:%=$(USER_BUILD)/obj/tests/user/%.o) $(USER_BUILD)/obj/tests/boot/cold.o $(USER_BUILD)/obj/tests/boot/dirty.o $(USER_BUILD)/obj/tests/boot/hold.o $(USER_BUILD)/obj/tests/boot/fill.o $(USER_BUILD)/obj/tests/boot/forge.o $(USER_BUILD)/obj/tests/boot/stray.o $(USER_BUILD)/obj/tests/boot/swap.o $(USER_BUILD)/obj/tests/boot/disk.o $(USER_BUILD)/obj/tests/boot/driver_fault.o $(USER_BUILD)/obj/tests/boot/device_fault.o $(USER_BUILD)/obj/tests/boot/device_request.o $(USER_BUILD)/obj/tests/boot/shares.o $(USER_BUILD)/obj/tests/boot/vm_rights.o

$(USER_BUILD)/obj/tests/%.o: tests/%.c | $(USER_GEN_H)
	@mkdir -p $(@D)
	@echo "  CC $<"; $(USER_CC) $(USER_CFLAGS) -D_GNU_SOURCE -MMD -MP -c -o $@ $<

$(TEST_BIN)/%_test: $(USER_BUILD)/obj/tests/user/%_test.o $(TEST_LIB) $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$< $(TEST_LIB)) && strip $@

$(TEST_BIN)/runner: $(USER_BUILD)/obj/tests/user/runner/runner.o $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$<) && strip $@

$(TEST_BIN)/fuzz_test: $(USER_BUILD)/obj/tests/fuzz/fuzz.o $(USER_BUILD)/obj/tests/fuzz/fuzz_calls.o $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$(filter %.o,$(filter-out $(USER_CRT),$^))) && strip $@

# The system's manifest, and the test programs in the archive. A small file system is easily full. The
# runner passes the hardware and the hypervisor on to those who need it.
build/test/manifest: iso/manifest tests/tests.mk $(wildcard tests/user/*_test.c)
	@mkdir -p $(@D)
	@sed -e 's|tmpfs:64=/tmp|& tmpfs:2=/small|' -e '/^session/s|host=host|& hardware=hardware hv=hv|' iso/manifest >$@
	@echo "file /tests/runner $(TEST_BIN)/runner" >>$@
	@for t in $(TEST_PROGRAMS); do echo "file /tests/$$t $(TEST_BIN)/$$t" >>$@; done

$(TEST_ARCHIVE): build/test/manifest $(ARCHIVE) $(TEST_PROGRAMS:%=$(TEST_BIN)/%) $(TEST_BIN)/runner tools/mkarchive.py
	@echo "  ARCHIVE $@"; tools/mkarchive.py $< $@

# Programs of the boot tests, and a program and an archive cut short.
$(TEST_BIN)/cold $(TEST_BIN)/dirty $(TEST_BIN)/hold $(TEST_BIN)/fill $(TEST_BIN)/forge $(TEST_BIN)/stray $(TEST_BIN)/swap: $(TEST_BIN)/%: $(USER_BUILD)/obj/tests/boot/%.o $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$<) && strip $@

# With the file system's client of drivers.
$(USER_BUILD)/obj/tests/boot/disk.o: USER_CFLAGS += -I.
$(TEST_BIN)/disk: $(USER_BUILD)/obj/tests/boot/disk.o $(USER_BUILD)/obj/servers/fs/block_device.o $(USERLAND_LIB) $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$(filter %.o,$(filter-out $(USER_CRT),$^))) && strip $@

$(USER_BUILD)/obj/tests/boot/driver_fault.o $(USER_BUILD)/obj/tests/boot/device_fault.o: USER_CFLAGS += -I.
$(TEST_BIN)/driver_fault: $(USER_BUILD)/obj/tests/boot/driver_fault.o $(USER_BUILD)/obj/tests/boot/device_fault.o $(USERLAND_LIB) $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$(filter %.o,$(filter-out $(USER_CRT),$^))) && strip $@

$(USER_BUILD)/obj/tests/boot/shares.o: USER_CFLAGS += -Iuserland/lib
$(TEST_BIN)/shares: $(USER_BUILD)/obj/tests/boot/shares.o $(USERLAND_LIB) $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$(filter %.o,$(filter-out $(USER_CRT),$^))) && strip $@

$(USER_BUILD)/obj/tests/boot/device_request.o $(USER_BUILD)/obj/tests/boot/vm_rights.o: USER_CFLAGS += -I.
$(TEST_BIN)/device_request $(TEST_BIN)/vm_rights: $(TEST_BIN)/%: $(USER_BUILD)/obj/tests/boot/%.o $(USERLAND_LIB) $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$(filter %.o,$(filter-out $(USER_CRT),$^))) && strip $@

PRESSURE_OBJECTS := $(patsubst %.c,$(USER_BUILD)/obj/%.o,$(wildcard tests/pressure/*.c))
$(TEST_BIN)/pressure: $(PRESSURE_OBJECTS) $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$(PRESSURE_OBJECTS)) && strip $@

build/test/abi: tests/boot/abi.asm
	@mkdir -p $(@D)
	@echo "  NASM $<"; nasm -f elf64 -o $@.o $< && ld -static -z noexecstack -o $@ $@.o

# Guests of virtual machines: those with a Multiboot header are linked, the others are code alone.
GUESTS := $(patsubst tests/guests/%.asm,build/test/guests/%,$(wildcard tests/guests/*.asm))
GUESTS_LINKED := hello
.SECONDARY: $(GUESTS)
build/test/guests/%: tests/guests/%.asm $(wildcard tests/guests/*.inc) tests/guests/guest.ld
	@mkdir -p $(@D)
	@echo "  NASM $<"; $(if $(filter $*,$(GUESTS_LINKED)),nasm -f elf32 -Itests/guests/ -o $@.o $< && \
	    ld -m elf_i386 --no-warn-rwx-segments -n -T tests/guests/guest.ld -o $@ $@.o,nasm -f bin -Itests/guests/ -o $@ $<)

build/linux/vmlinuz build/linux/busybox &: tools/linux.sh
	@echo "  FETCH Linux"; tools/linux.sh build/linux && touch build/linux/vmlinuz build/linux/busybox

build/test/guests/initrd: tests/guests/mkinitramfs.py tests/guests/init build/linux/busybox
	@mkdir -p $(@D)
	@tests/guests/mkinitramfs.py $@ build/linux/busybox tests/guests/init build/linux/modules/*.ko

# A disk with one file, for guests.
build/test/guests/disk:
	@mkdir -p $(@D)/files
	@echo "this file is on a disk" >$(@D)/files/hello
	@/usr/sbin/mke2fs -q -F -t ext2 -d $(@D)/files $@ 2048k

build/test/guests/kernel: build/release/kernel.elf
	@mkdir -p $(@D)
	@strip -o $@ $<

build/test/guests/kernel-debug: build/debug/kernel.elf
	@mkdir -p $(@D)
	@strip -o $@ $<

build/test/nested.tar: build/test/guests/kernel
build/test/paravirtual.tar: build/test/guests/kernel build/test/system.tar
build/test/nested_tests.tar: build/test/guests/kernel-debug $(TEST_ARCHIVE)

build/test/firmware.tar: /usr/share/seabios/bios.bin /usr/share/seabios/bios-256k.bin
build/test/inside.tar: build/release/kernel.elf $(BOOTSTRAP) $(TEST_ARCHIVE) build/test/guests/disk
build/test/linux.tar: build/linux/vmlinuz build/test/guests/initrd build/test/guests/disk

build/test/broken: $(USER_BIN)/true
	@mkdir -p $(@D)
	@head -c 5000 $< >$@

build/test/broken-bootstrap: $(BOOTSTRAP)
	@mkdir -p $(@D)
	@head -c 50000 $< >$@

# The last file of the archive, a program nothing else needs, loses its end.
build/test/cut.tar: $(ARCHIVE)
	@mkdir -p $(@D)
	@head -c -40000 $< >$@

# The benchmarks may use the hardware and the hypervisor.
build/test/bench.manifest: iso/manifest tests/tests.mk
	@mkdir -p $(@D)
	@sed '/^session/s|host=host|& hardware=hardware hv=hv|' iso/manifest >$@

build/test/bench.tar: build/test/bench.manifest $(ARCHIVE) tools/mkarchive.py
	@echo "  ARCHIVE $@"; tools/mkarchive.py $< $@

BOOT_FILES := docs/tutorials/manifest $(USER_BIN)/edu $(USER_BIN)/factorial $(TEST_BIN)/cold $(TEST_BIN)/dirty $(TEST_BIN)/dirty $(USER_BIN)/rights $(USER_BIN)/notifications $(USER_BIN)/pages $(TEST_BIN)/hold $(TEST_BIN)/fill $(TEST_BIN)/forge $(TEST_BIN)/stray $(TEST_BIN)/swap $(TEST_BIN)/disk $(TEST_BIN)/device_request $(TEST_BIN)/driver_fault $(TEST_BIN)/shares $(TEST_BIN)/vm_rights $(TEST_BIN)/pressure $(TEST_BIN)/fault_test build/test/broken build/test/abi $(GUESTS)
build/test/%.tar: tests/boot/%.manifest $(BOOT_FILES) $(wildcard tests/boot/*) $(ARCHIVE) tools/mkarchive.py
	@echo "  ARCHIVE $@"; tools/mkarchive.py $(if $(filter wrong,$*),--unchecked) $< $@

# $(call TEST_ISO,name,kernel configuration,bootstrap and archive,words)
define TEST_ISO
build/test/$(1).iso: build/$(2)/kernel.elf $(filter-out -,$(3)) tools/mkiso.sh tests/tests.mk
	@mkdir -p build/test
	@echo "  ISO $$@"; tools/mkiso.sh --small $$@ build/$(2)/kernel.elf $(3) $(4)
endef

$(eval $(call TEST_ISO,prompt-release,release,$(BOOTSTRAP) $(ARCHIVE),))
$(eval $(call TEST_ISO,bench,release,$(BOOTSTRAP) build/test/bench.tar,-- run=/bin/bench))
$(eval $(call TEST_ISO,bench-copy,release,$(BOOTSTRAP) $(ARCHIVE),ool=copy -- run=/bin/bench sizes))
$(eval $(call TEST_ISO,bench-share,release,$(BOOTSTRAP) $(ARCHIVE),ool=share -- run=/bin/bench sizes))
$(eval $(call TEST_ISO,system-release,release,$(BOOTSTRAP) build/test/system.tar,))
$(eval $(call TEST_ISO,machines-release,release,$(BOOTSTRAP) build/test/machines.tar,))
$(eval $(call TEST_ISO,paravirtual-release,release,$(BOOTSTRAP) build/test/paravirtual.tar,))
$(eval $(call TEST_ISO,inside-release,release,$(BOOTSTRAP) build/test/inside.tar,))
$(eval $(call TEST_ISO,linux-release,release,$(BOOTSTRAP) build/test/linux.tar,))
$(eval $(call TEST_ISO,firmware-release,release,$(BOOTSTRAP) build/test/firmware.tar,))
$(eval $(call TEST_ISO,nested-release,release,$(BOOTSTRAP) build/test/nested.tar,))
$(eval $(call TEST_ISO,nested-tests,release,$(BOOTSTRAP) build/test/nested_tests.tar,))
$(eval $(call TEST_ISO,machines-debug,debug,$(BOOTSTRAP) build/test/machines.tar,))
$(eval $(call TEST_ISO,wrong-manifest,release,$(BOOTSTRAP) build/test/wrong.tar,))
$(eval $(call TEST_ISO,restart,release,$(BOOTSTRAP) build/test/restart.tar,))
$(eval $(call TEST_ISO,forge,release,$(BOOTSTRAP) build/test/forge.tar,))
$(eval $(call TEST_ISO,stray-release,release,$(BOOTSTRAP) build/test/stray.tar,memdisk=2M))
$(eval $(call TEST_ISO,stray-debug,debug,$(BOOTSTRAP) build/test/stray.tar,memdisk=2M ddb))
$(eval $(call TEST_ISO,abi,release,$(BOOTSTRAP) build/test/abi.tar,))
$(eval $(call TEST_ISO,cut-archive,release,$(BOOTSTRAP) build/test/cut.tar,))
$(eval $(call TEST_ISO,no-modules,release,- -,))
$(eval $(call TEST_ISO,one-module,release,$(BOOTSTRAP) -,))
$(eval $(call TEST_ISO,not-elf,release,iso/motd $(ARCHIVE),))
$(eval $(call TEST_ISO,broken-elf,release,build/test/broken-bootstrap $(ARCHIVE),))
$(eval $(call TEST_ISO,prompt-debug,debug,$(BOOTSTRAP) $(ARCHIVE),))
$(eval $(call TEST_ISO,swap-release,release,$(BOOTSTRAP) build/test/system.tar,memdisk=320M))
$(eval $(call TEST_ISO,swap-machines,release,$(BOOTSTRAP) build/test/machines.tar,memdisk=320M))
$(eval $(call TEST_ISO,swap-full,release,$(BOOTSTRAP) build/test/system.tar,memdisk=16M))
$(eval $(call TEST_ISO,swap-debug,debug,$(BOOTSTRAP) build/test/system.tar,memdisk=320M))
$(eval $(call TEST_ISO,system-debug,debug,$(BOOTSTRAP) build/test/system.tar,))
$(eval $(call TEST_ISO,ddb,debug,$(BOOTSTRAP) build/test/system.tar,ddb))
$(eval $(call TEST_ISO,rights-release,release,$(BOOTSTRAP) $(TEST_ARCHIVE),-- run=/tests/rights_test))
$(eval $(call TEST_ISO,million-release,release,$(BOOTSTRAP) $(TEST_ARCHIVE),-- run=/tests/nested_test))
$(eval $(call TEST_ISO,kernel-tests,debug,$(BOOTSTRAP) $(ARCHIVE),ktest memdisk=8M))
$(eval $(call TEST_ISO,fuzz,debug,$(BOOTSTRAP) $(TEST_ARCHIVE),))
$(eval $(call TEST_ISO,user-tests,debug,$(BOOTSTRAP) $(TEST_ARCHIVE),memdisk=16M -- run=/tests/runner -hv_))
$(eval $(call TEST_ISO,user-tests-slow,debug,$(BOOTSTRAP) $(TEST_ARCHIVE),fastpath=off memdisk=16M -- run=/tests/runner -hv_))
$(eval $(call TEST_ISO,hv,debug,$(BOOTSTRAP) $(TEST_ARCHIVE),memdisk=16M -- run=/tests/runner hv_))
$(eval $(call TEST_ISO,hv-slow,debug,$(BOOTSTRAP) $(TEST_ARCHIVE),fastpath=off memdisk=16M -- run=/tests/runner hv_))

build/test/prompt-text.iso: build/release/kernel.elf $(BOOTSTRAP) $(ARCHIVE) tools/mkiso.sh
	@mkdir -p build/test
	@echo "  ISO $@"; tools/mkiso.sh --small --text $@ build/release/kernel.elf $(BOOTSTRAP) $(ARCHIVE)

# One test program in the debug system: for tests/mutation.py.
ATTACK ?= attack
.PHONY: attack-iso
attack-iso: build/debug/kernel.elf $(BOOTSTRAP) $(TEST_ARCHIVE) tools/mkiso.sh
	@mkdir -p build/test
	@echo "  ISO build/test/attack.iso"; tools/mkiso.sh --small build/test/attack.iso build/debug/kernel.elf $(BOOTSTRAP) $(TEST_ARCHIVE) -- run=/tests/runner $(ATTACK)

RELEASE_ISOS := firmware-release inside-release paravirtual-release nested-release linux-release swap-machines machines-release swap-full swap-release prompt-text prompt-release bench bench-copy bench-share system-release wrong-manifest restart forge stray-release abi cut-archive no-modules one-module not-elf broken-elf rights-release million-release
DEBUG_ISOS := nested-tests machines-debug hv hv-slow swap-debug stray-debug prompt-debug system-debug ddb kernel-tests fuzz user-tests user-tests-slow

.PHONY: test-release test-debug
test-release: $(RELEASE_ISOS:%=build/test/%.iso) build/portolan.iso
test-debug: $(DEBUG_ISOS:%=build/test/%.iso) build/debug.iso

-include $(wildcard $(USER_BUILD)/obj/tests/user/*.d $(USER_BUILD)/obj/tests/user/*/*.d $(USER_BUILD)/obj/tests/fuzz/*.d $(USER_BUILD)/obj/tests/boot/*.d $(USER_BUILD)/obj/tests/pressure/*.d)
