# vmm.mk - host tests of the monitor's devices and loaders, which need no kernel: `make -f tests/host/vmm/vmm.mk vmm-host-test`.

VMM_BUILD := build/host/vmm
VMM_TESTS := $(patsubst tests/host/vmm/%.c,$(VMM_BUILD)/%,$(wildcard tests/host/vmm/*_test.c))
# What asks the kernel for something, or serves messages.
VMM_KERNEL := main
VMM_TESTED := $(filter-out $(VMM_KERNEL:%=servers/vmm/%.c),$(wildcard servers/vmm/*.c))
VMM_OBJ := $(VMM_TESTED:%.c=$(VMM_BUILD)/%.o)
VMM_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Iservers/vmm -Itests/host/vmm -Ikernel/include

.PHONY: vmm-host-test
vmm-host-test: $(VMM_TESTS)
	@for t in $(VMM_TESTS); do $$t >$$t.log 2>&1 || grep -v -e '  OK ' -e 'RUN' -e ' passed, ' $$t.log; tail -n 1 $$t.log; done | \
	    awk '/^[0-9]+ passed, [0-9]+ failed$$/ { passed += $$1; failed += $$3; n++; next } { print } \
	         END { failed += $(words $(VMM_TESTS)) - n; print passed + 0 " passed, " failed " failed"; exit failed != 0 }'

$(VMM_BUILD)/%_test: tests/host/vmm/%_test.c $(VMM_OBJ) $(wildcard tests/host/vmm/*.h)
	@echo "  HOSTCC $@"; gcc $(VMM_CFLAGS) $< $(VMM_OBJ) -lcmocka -lZydis -o $@

$(VMM_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@gcc $(VMM_CFLAGS) -MMD -MP -c -o $@ $<

-include $(VMM_OBJ:.o=.d)
