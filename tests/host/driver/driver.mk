# driver.mk - host tests of the driver library's partition.c, and of the drivers with devices that lie:
# `make -f tests/host/driver/driver.mk driver-host-test`.

ifndef USER_GEN_H
include libmach/libmach.mk
endif

DRIVER_BUILD := build/host/driver
DRIVER_TESTS := $(DRIVER_BUILD)/partition_test $(DRIVER_BUILD)/virtio_test $(DRIVER_BUILD)/hypercall_test $(DRIVER_BUILD)/ahci_test $(DRIVER_BUILD)/ata_test $(DRIVER_BUILD)/rtc_test $(DRIVER_BUILD)/edu_test $(DRIVER_BUILD)/library_test
DRIVER_TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-DMACH_IN_PLACE=0 $(USER_INCLUDES) -I. -Ilibmach -Iservers/disk/virtio_blk

.PHONY: driver-host-test
driver-host-test: $(DRIVER_TESTS)
	@for t in $(DRIVER_TESTS); do $$t >$$t.log 2>&1 || grep -v -e '  OK ' -e 'RUN' -e ' passed, ' $$t.log; tail -n 1 $$t.log; done | \
	    awk '/^[0-9]+ passed, [0-9]+ failed$$/ { passed += $$1; failed += $$3; n++; next } { print } \
	         END { failed += $(words $(DRIVER_TESTS)) - n; print passed + 0 " passed, " failed " failed"; exit failed != 0 }'

# What is not reached needs no system.
$(DRIVER_BUILD)/library_test: DRIVER_TEST_CFLAGS += -ffunction-sections -Wl,--gc-sections

$(DRIVER_BUILD)/%_test: tests/host/driver/%_test.c $(wildcard libmach/driver/*.[ch] libmach/include/portolan/driver*.h servers/disk/*.[ch] servers/disk/*/*.[ch] servers/rtc/*.[ch] servers/edu/*.[ch]) $(USER_GEN_H)
	@mkdir -p $(@D)
	@echo "  HOSTCC $@"; gcc $(DRIVER_TEST_CFLAGS) $< -lcmocka -o $@
