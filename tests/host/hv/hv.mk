# hv.mk - host tests of the parts of kernel/hv that need no processor of their own: `make -f tests/host/hv/hv.mk hv-host-test apic-host-test`.

HV_BUILD := build/host/hv
HV_SOURCES := $(addprefix kernel/hv/,hv_apic.c hv_check.c hv_cpuid.c hv_msr.c hv_tag.c svm_map.c vmx_check.c vmx_map.c) tests/host/hv/no_apic.c
HV_TESTS := $(HV_BUILD)/hv_test $(HV_BUILD)/apic_test $(HV_BUILD)/vmx_test
HV_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-DKERNEL=1 -DCONFIG_DEBUG=0 -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include

.PHONY: hv-host-test
hv-host-test: $(HV_TESTS)
	@for t in $(HV_TESTS); do $$t >$$t.log 2>&1 || grep -v -e '  OK ' -e 'RUN' -e ' passed, ' $$t.log; tail -n 1 $$t.log; done | \
	    awk '/^[0-9]+ passed, [0-9]+ failed$$/ { passed += $$1; failed += $$3; n++; next } { print } \
	         END { failed += $(words $(HV_TESTS)) - n; print passed + 0 " passed, " failed " failed"; exit failed != 0 }'

$(HV_TESTS): $(HV_BUILD)/%: tests/host/hv/%.c $(HV_SOURCES) $(wildcard kernel/hv/*.h kernel/include/mach/hv.h)
	@mkdir -p $(@D)
	@echo "  HOSTCC $@"; gcc $(HV_CFLAGS) $< $(HV_SOURCES) -lcmocka -o $@
