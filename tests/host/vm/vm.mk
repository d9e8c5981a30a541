# vm.mk - host tests of the memory system: `make -f tests/host/vm/vm.mk vm-host-test` from the top of the tree.
VM_HOST_DIR := tests/host/vm
VM_HOST_OUT ?= build/host/vm
VM_HOST_CFLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
    -Wall -Wextra -Wno-unused-parameter -Werror -DCONFIG_HOST_TEST=1 -DCONFIG_DEBUG=1 -DKERNEL=1 \
    -I$(VM_HOST_DIR)/include -I$(VM_HOST_DIR) -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include
VM_HOST_SOURCES := $(filter-out kernel/vm/vm_traps.c,$(wildcard kernel/vm/*.c)) kernel/kern/rbtree.c kernel/ddb/vm_check.c kernel/ddb/slab_debug.c \
    $(wildcard $(VM_HOST_DIR)/*.c)
VM_HOST_OBJECTS := $(patsubst %.c,$(VM_HOST_OUT)/%.o,$(VM_HOST_SOURCES))

.PHONY: vm-host-test
vm-host-test: $(VM_HOST_OUT)/vm_host_test
	$(VM_HOST_OUT)/vm_host_test

$(VM_HOST_OUT)/vm_host_test: $(VM_HOST_OBJECTS)
	@gcc $(VM_HOST_CFLAGS) -o $@ $^ -lcmocka -lpthread

$(VM_HOST_OUT)/%.o: %.c
	@mkdir -p $(dir $@)
	@gcc $(VM_HOST_CFLAGS) -MMD -MP -c -o $@ $<

-include $(VM_HOST_OBJECTS:.o=.d)
