# vm.mk - host tests of the memory system: `make -f tests/host/vm/vm.mk vm-host-test` from the top of the tree.
include tools/mk/mig.mk

VM_HOST_DIR := tests/host/vm
VM_HOST_OUT ?= build/host/vm
VM_HOST_GEN := $(VM_HOST_OUT)/gen
VM_HOST_CFLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
    -Wall -Wextra -Wno-unused-parameter -Werror -DCONFIG_HOST_TEST=1 -DCONFIG_DEBUG=1 -DKERNEL=1 \
    -I$(VM_HOST_DIR)/include -I$(VM_HOST_DIR) -I$(VM_HOST_GEN) -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include
VM_HOST_SOURCES := $(filter-out kernel/vm/vm_traps.c,$(wildcard kernel/vm/*.c)) kernel/kern/rbtree.c kernel/ddb/vm_check.c kernel/ddb/slab_debug.c \
    $(wildcard $(VM_HOST_DIR)/*.c)
VM_HOST_OBJECTS := $(patsubst %.c,$(VM_HOST_OUT)/%.o,$(VM_HOST_SOURCES))

.DEFAULT_GOAL := vm-host-test
.PHONY: vm-host-test
vm-host-test: $(VM_HOST_OUT)/vm_host_test
	$(VM_HOST_OUT)/vm_host_test

$(VM_HOST_OUT)/vm_host_test: $(VM_HOST_OBJECTS)
	@gcc $(VM_HOST_CFLAGS) -o $@ $^ -lcmocka -lpthread

# what kernel/vm sends to pagers, and serves
$(VM_HOST_GEN)/headers: $(MIG) $(DEFS) $(VM_HOST_DIR)/vm.mk
	@mkdir -p $(VM_HOST_GEN)
	@$(MIG) -I kernel/include -header $(VM_HOST_GEN)/memory_object_kernel_user.h -kernel-user $(VM_HOST_GEN)/memory_object.c \
	    kernel/include/mach/defs/memory_object.defs
	@$(MIG) -I kernel/include -header $(VM_HOST_GEN)/memory_object_default_kernel_user.h \
	    -kernel-user $(VM_HOST_GEN)/memory_object_default.c kernel/include/mach/defs/memory_object_default.defs
	@$(MIG) -I kernel/include -constants kernel/kern/constant_routines -kernel-server $(VM_HOST_GEN)/mach.c \
	    -sheader $(VM_HOST_GEN)/mach_kernel_server.h kernel/include/mach/defs/mach.defs
	@$(MIG) -I kernel/include -constants kernel/kern/constant_routines -kernel-server $(VM_HOST_GEN)/mach4.c \
	    -sheader $(VM_HOST_GEN)/mach4_kernel_server.h kernel/include/mach/defs/mach4.defs
	@touch $@

$(VM_HOST_OUT)/%.o: %.c $(VM_HOST_GEN)/headers
	@mkdir -p $(dir $@)
	@gcc $(VM_HOST_CFLAGS) -MMD -MP -c -o $@ $<

-include $(VM_HOST_OBJECTS:.o=.d)
