# vmm.mk - host tests of the monitor's devices and loaders, which need no kernel: `make -f tests/host/vmm/vmm.mk vmm-host-test`.

ifndef USER_GEN_H
include libmach/libmach.mk
endif

VMM_BUILD := build/host/vmm
VMM_TESTS := $(patsubst tests/host/vmm/%.c,$(VMM_BUILD)/%,$(wildcard tests/host/vmm/*_test.c))
# What asks the kernel for something, or serves messages.
VMM_KERNEL := main master machine vcpu exit exit_emulate service store store_device disk apic
VMM_TESTED := $(filter-out $(VMM_KERNEL:%=servers/vmm/%.c),$(wildcard servers/vmm/*.c))
VMM_OBJ := $(VMM_TESTED:%.c=$(VMM_BUILD)/%.o)
VMM_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Iservers/vmm -Itests/host/vmm -Ikernel/include

# libFuzzer (clang with libclang-rt-dev): make -f tests/host/vmm/vmm.mk vmm-fuzz RUNS=10000000
RUNS := 1000000

.PHONY: vmm-host-test vmm-fuzz
vmm-host-test: $(VMM_TESTS)
	@for t in $(VMM_TESTS); do $$t >$$t.log 2>&1 || grep -v -e '  OK ' -e 'RUN' -e ' passed, ' $$t.log; tail -n 1 $$t.log; done | \
	    awk '/^[0-9]+ passed, [0-9]+ failed$$/ { passed += $$1; failed += $$3; n++; next } { print } \
	         END { failed += $(words $(VMM_TESTS)) - n; print passed + 0 " passed, " failed " failed"; exit failed != 0 }'

$(VMM_BUILD)/%_test: tests/host/vmm/%_test.c $(VMM_OBJ) $(wildcard tests/host/vmm/*.h)
	@echo "  HOSTCC $@"; gcc $(VMM_CFLAGS) $(filter %.c %.o,$^) -lcmocka -lZydis -o $@

# A disk in a device, with the file server's client of drivers, and stubs that the test has.
VMM_STORE_OBJ := $(VMM_BUILD)/servers/vmm/store_device.o $(VMM_BUILD)/servers/fs/block_device.o
$(VMM_BUILD)/store_test: $(VMM_STORE_OBJ)
$(VMM_BUILD)/store_test $(VMM_STORE_OBJ): VMM_CFLAGS += -DMACH_IN_PLACE=0 $(USER_INCLUDES) -I.
$(VMM_STORE_OBJ): | $(USER_GEN_H)

$(VMM_BUILD)/virtio_fuzz_test: $(VMM_BUILD)/tests/host/vmm/virtio_fuzz.o
vmm-fuzz: $(VMM_BUILD)/virtio_fuzzer
	@mkdir -p $(VMM_BUILD)/corpus
	$< -runs=$(RUNS) -max_len=4096 -artifact_prefix=$(VMM_BUILD)/ -print_final_stats=1 $(VMM_BUILD)/corpus

$(VMM_BUILD)/virtio_fuzzer: tests/host/vmm/virtio_fuzz.c $(VMM_TESTED) $(wildcard tests/host/vmm/*.h servers/vmm/*.h)
	@mkdir -p $(@D)
	@echo "  CLANG $@"; clang $(VMM_CFLAGS) -fsanitize=fuzzer $< $(VMM_TESTED) -o $@

$(VMM_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@gcc $(VMM_CFLAGS) -MMD -MP -c -o $@ $<

-include $(VMM_OBJ:.o=.d) $(VMM_STORE_OBJ:.o=.d)
