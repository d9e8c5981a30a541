# mig.mk - builds tools/mig, makes every interface's stubs with it, and tests them on the host.
# Alone: make -f tests/host/mig/mig.mk mig-test. Included by another Makefile: targets mig, mig-test.

MIG_OUT ?= build/mig
MIG := $(MIG_OUT)/mig
MIG_DEFS := kernel/include/mach/defs
MIG_GEN := $(MIG_OUT)/gen
MIG_T := tests/host/mig

# Served by the kernel, sent by the kernel, and all.
MIG_KERNEL_SERVER := mach mach_port mach_host mach4 gnumach device mach_debug mach_i386 \
	$(patsubst $(MIG_DEFS)/%.defs,%,$(wildcard $(MIG_DEFS)/portolan.defs $(MIG_DEFS)/hardware.defs))
MIG_KERNEL_USER := memory_object memory_object_default exc notify task_notify device_reply \
	device_notify
MIG_ALL := $(MIG_KERNEL_SERVER) $(MIG_KERNEL_USER) device_request default_pager

MIG_CC ?= gcc
MIG_WARN := -std=gnu11 -Wall -Wextra -Werror
MIG_SAN := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -DMACH_IN_PLACE=0
MIG_KFLAGS := $(MIG_WARN) -O2 -ffreestanding -fno-pie -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-strict-aliasing -Wmissing-prototypes -Wstrict-prototypes -DKERNEL=1 \
	-DCONFIG_DEBUG=1 -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include

MIG_SOURCES := $(wildcard tools/mig/*.c)
MIG_HEADERS := $(wildcard tools/mig/*.h)
MIG_ALL_DEFS := $(wildcard $(MIG_DEFS)/*.defs)
MIG_MACH := $(wildcard kernel/include/mach/*.h kernel/include/mach/*.def)

MIG_TESTS := $(MIG_ALL:%=$(MIG_OUT)/test_%)
MIG_KERNEL_CHECKS := $(MIG_KERNEL_SERVER:%=$(MIG_OUT)/%_kserver.ok) \
	$(MIG_KERNEL_USER:%=$(MIG_OUT)/%_kuser.ok)
MIG_ABI_STUBS := mach mach_port mach_host mach4 mach_debug gnumach device exc

.PHONY: mig mig-test mig-clean
.SECONDARY:

mig: $(MIG_OUT)/mig

# All parts at once, then the count. A test that fails does not keep the others from running.
mig-test:
	@rm -f $(MIG_OUT)/tally
	@$(MAKE) --no-print-directory -f $(MIG_T)/mig.mk -j$$(nproc) mig-test-build
	@for t in $(MIG_TESTS) $(MIG_OUT)/test_abi $(MIG_OUT)/test_kernel_stubs; do \
	    $$t $(MIG_OUT)/tally > $$t.log 2>&1 || grep -v -e '  OK ' -e 'RUN' $$t.log; done
	@$(MIG_OUT)/test_golden $(MIG_OUT)/mig $(MIG_OUT)/tally > $(MIG_OUT)/test_golden.log 2>&1 || \
	    grep -v -e '  OK ' -e 'RUN' $(MIG_OUT)/test_golden.log
	@awk -v programs=$(words $(MIG_TESTS) abi kernel_stubs golden) \
	    '{ p += $$1; f += $$2; n += 1 } END { f += programs - n; \
	     print p " passed, " f " failed"; exit f != 0 }' $(MIG_OUT)/tally

.PHONY: mig-test-build
mig-test-build: $(MIG_TESTS) $(MIG_OUT)/test_abi $(MIG_OUT)/test_golden \
	$(MIG_OUT)/test_kernel_stubs $(MIG_KERNEL_CHECKS) $(MIG_ALL:%=$(MIG_GEN)/%.md) \
	$(MIG_OUT)/headers.ok

mig-clean:
	rm -rf $(MIG_OUT)

$(MIG_OUT)/mig: $(MIG_SOURCES) $(MIG_HEADERS)
	@mkdir -p $(@D)
	$(MIG_CC) $(MIG_WARN) -Wmissing-prototypes $(MIG_SAN) $(MIG_SOURCES) -o $@

# The stubs of user space. The test's server has other names than the user's stubs.
$(MIG_GEN)/%_test.c $(MIG_GEN)/%_user.c $(MIG_GEN)/%_server.c $(MIG_GEN)/%.h &: \
		$(MIG_DEFS)/%.defs $(MIG_ALL_DEFS) $(MIG_OUT)/mig
	@mkdir -p $(@D)
	$(MIG) -Ikernel/include -sprefix srv_ -user $(MIG_GEN)/$*_user.c \
	    -server $(MIG_GEN)/$*_server.c -header $(MIG_GEN)/$*.h -test $(MIG_GEN)/$*_test.c $<

$(MIG_GEN)/%.md: $(MIG_DEFS)/%.defs $(MIG_ALL_DEFS) $(MIG_OUT)/mig
	@mkdir -p $(@D)
	$(MIG) -Ikernel/include -sheader $(MIG_GEN)/$*_server.h -names $(MIG_GEN)/$*_names.h -doc $@ $<

$(MIG_OUT)/mig_test.o: $(MIG_T)/mig_test.c $(MIG_T)/mig_test.h $(MIG_MACH)
	@mkdir -p $(@D)
	$(MIG_CC) $(MIG_WARN) $(MIG_SAN) -Ikernel/include -c $< -o $@

$(MIG_OUT)/test_%: $(MIG_GEN)/%_test.c $(MIG_GEN)/%_user.c $(MIG_GEN)/%_server.c \
		$(MIG_OUT)/mig_test.o $(MIG_MACH)
	$(MIG_CC) $(MIG_WARN) $(MIG_SAN) -Ikernel/include -I$(MIG_T) $(filter %.c %.o,$^) -lcmocka -o $@

$(MIG_OUT)/test_abi: $(MIG_T)/abi_test.c $(MIG_ABI_STUBS:%=$(MIG_GEN)/%_user.c) $(MIG_MACH)
	$(MIG_CC) $(MIG_WARN) $(MIG_SAN) -O0 -Ikernel/include -I$(MIG_OUT) $(filter %.c,$^) -lcmocka -o $@

$(MIG_OUT)/test_golden: $(MIG_T)/golden_test.c $(MIG_OUT)/mig
	$(MIG_CC) $(MIG_WARN) -g -O1 $< -lcmocka -o $@

# The kernel's stubs: compiled as the kernel is, against its own headers.
$(MIG_GEN)/%_kserver.c $(MIG_GEN)/%_kserver.h &: $(MIG_DEFS)/%.defs $(MIG_ALL_DEFS) $(MIG_OUT)/mig
	@mkdir -p $(@D)
	$(MIG) -Ikernel/include -D ALL_ROUTINES=1 -kernel-server $(MIG_GEN)/$*_kserver.c \
	    -sheader $(MIG_GEN)/$*_kserver.h $<

$(MIG_GEN)/%_kuser.c $(MIG_GEN)/%_kuser.h &: $(MIG_DEFS)/%.defs $(MIG_ALL_DEFS) $(MIG_OUT)/mig
	@mkdir -p $(@D)
	$(MIG) -Ikernel/include -kernel-user $(MIG_GEN)/$*_kuser.c -header $(MIG_GEN)/$*_kuser.h $<

$(MIG_OUT)/%.ok: $(MIG_GEN)/%.c $(MIG_GEN)/%.h $(MIG_MACH)
	$(MIG_CC) $(MIG_KFLAGS) -fsyntax-only $<
	$(MIG_CC) $(MIG_KFLAGS) -x c -fsyntax-only $(word 2,$^)
	@touch $@

# Every header alone: in the kernel, in a C program on musl, in C++.
MIG_HEADERS_ALONE := $(patsubst kernel/include/%,%,$(filter %.h,$(MIG_MACH)))
$(MIG_OUT)/headers.ok: $(MIG_MACH)
	@mkdir -p $(@D)
	@for h in $(MIG_HEADERS_ALONE); do \
	    echo "#include <$$h>" | $(MIG_CC) $(MIG_KFLAGS) -x c -fsyntax-only - && \
	    echo "#include <$$h>" | musl-gcc $(MIG_WARN:-std=gnu11=-std=c11) -Ikernel/include \
	        -x c -fsyntax-only - && \
	    echo "#include <$$h>" | g++ -std=c++11 -Wall -Wextra -Werror -Ikernel/include \
	        -x c++ -fsyntax-only - || exit 1; done
	@touch $@

# Run on the host against kmsgs that only remember what is done to them.
$(MIG_OUT)/test_kernel_stubs: $(MIG_T)/kernel_stubs_test.c $(MIG_GEN)/mach_kserver.c \
		$(MIG_GEN)/mach_i386_kserver.c $(MIG_GEN)/mach_kserver.h $(MIG_GEN)/memory_object_kuser.c \
		$(MIG_GEN)/exc_kuser.c $(wildcard $(MIG_T)/shim/*/*.h) $(MIG_MACH)
	$(MIG_CC) $(MIG_WARN) $(MIG_SAN) -fno-strict-aliasing -fno-pie -no-pie \
	    -Wl,--unresolved-symbols=ignore-all \
	    -DKERNEL=1 -DCONFIG_HOST_TEST=1 -I$(MIG_T)/shim -I$(MIG_OUT) -Ikernel/include \
	    $(filter %.c,$^) -lcmocka -o $@
