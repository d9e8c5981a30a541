# device.mk - host tests of kernel/device, with a monitor that does as it is told: `make -f tests/host/device/device.mk device-host-test`.
include tools/mk/mig.mk

DEVICE_BUILD := build/host/device
DEVICE_SOURCES := kernel/device/hardware_block.c kernel/device/hardware_dma.c
DEVICE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wno-unused-parameter -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-DCONFIG_HOST_TEST=1 -DCONFIG_DEBUG=1 -DKERNEL=1 -Itests/host/device/include -Itests/host/vm/include -I$(DEVICE_BUILD)/gen -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include

.DEFAULT_GOAL := device-host-test
.PHONY: device-host-test
device-host-test: $(DEVICE_BUILD)/block_test
	@$< >$<.log 2>&1 || grep -v -e '  OK ' -e 'RUN' -e ' passed, ' $<.log; tail -n 1 $<.log; ! grep -q FAILED $<.log

$(DEVICE_BUILD)/gen/hardware_kernel_server.h: $(MIG) $(DEFS)
	@mkdir -p $(@D)
	@$(MIG) -I kernel/include -constants kernel/kern/constant_routines -kernel-server $(@:.h=.c) -sheader $@ kernel/include/mach/defs/hardware.defs

$(DEVICE_BUILD)/block_test: tests/host/device/block_test.c $(DEVICE_SOURCES) $(DEVICE_BUILD)/gen/hardware_kernel_server.h $(wildcard kernel/device/*.h tests/host/device/include/kern/*.h)
	@mkdir -p $(@D)
	@echo "  HOSTCC $@"; gcc $(DEVICE_CFLAGS) $< $(DEVICE_SOURCES) -lcmocka -o $@
