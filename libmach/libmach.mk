# libmach.mk - the user library: stubs for every interface, build/user/crt1.o, build/user/libmach.a.
# Alone: make -f libmach/libmach.mk libmach (or libmach-host-test). Included: the same targets, and
# for programs USER_CC, USER_CFLAGS, USER_LDFLAGS, USER_CRT, LIBMACH, USER_GEN_H, USER_LINK.

.DELETE_ON_ERROR:

ifndef MIG_SRC
include tools/mk/mig.mk
endif

USER_BUILD := build/user
USER_GEN := $(USER_BUILD)/gen
USER_CRT := $(USER_BUILD)/crt1.o
LIBMACH := $(USER_BUILD)/libmach.a

USER_CC ?= musl-gcc
USER_WARN := -std=gnu11 -Wall -Wextra -Werror
USER_INCLUDES := -Ikernel/include -Ilibmach/include -I$(USER_GEN)
USER_CFLAGS := $(USER_WARN) -O2 -g -fno-pie -ffunction-sections -fdata-sections $(USER_INCLUDES)
USER_LDFLAGS := -static -no-pie -nostartfiles -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
	-Wl,--gc-sections -Wl,-Ttext-segment=0x400000
# $(call USER_LINK,output,objects)
USER_LINK = $(USER_CC) $(USER_LDFLAGS) -o $(1) $(USER_CRT) $(2) $(LIBMACH)

# Interfaces of the kernel, and ours. All have user stubs. Those user space serves have server stubs
# in the library too; the others would have the names of the calls.
LIBMACH_KERNEL_IDL := mach mach_port mach_host mach4 gnumach device mach_debug mach_i386 portolan \
	hardware hv memory_object memory_object_default exc notify task_notify device_reply \
	device_notify device_request default_pager
LIBMACH_REQUEST_IDL := mach_port_request
LIBMACH_OWN_IDL := bootstrap io dir file console console_notify process driver device_master block block_reply vm_machine vm_master
LIBMACH_SERVED := device memory_object memory_object_default exc notify task_notify device_reply \
	device_notify default_pager $(LIBMACH_OWN_IDL)

LIBMACH_IDL := $(LIBMACH_KERNEL_IDL) $(LIBMACH_REQUEST_IDL) $(LIBMACH_OWN_IDL)
USER_GEN_H := $(LIBMACH_IDL:%=$(USER_GEN)/%.h)

LIBMACH_DIRS := core spawn server pager driver posix start
LIBMACH_C := $(foreach d,$(LIBMACH_DIRS),$(wildcard libmach/$(d)/*.c))
LIBMACH_S := libmach/posix/entry.S
LIBMACH_OBJ := $(patsubst libmach/%.c,$(USER_BUILD)/obj/%.o,$(LIBMACH_C)) \
	$(patsubst libmach/%.S,$(USER_BUILD)/obj/%.o,$(LIBMACH_S)) \
	$(LIBMACH_IDL:%=$(USER_BUILD)/stubs/%_user.o) $(LIBMACH_SERVED:%=$(USER_BUILD)/stubs/%_server.o)

# The library runs inside emulated system calls and before libc: it must leave vector registers
# alone and need nothing of the thread's libc block.
LIBMACH_CFLAGS := $(USER_CFLAGS) -mgeneral-regs-only -fno-stack-protector -fno-strict-aliasing \
	-fno-tree-loop-distribute-patterns \
	-Wmissing-prototypes -Wstrict-prototypes -Wvla -Ilibmach

.PHONY: libmach libmach-host-test
.SECONDARY: $(foreach i,$(LIBMACH_IDL),$(addprefix $(USER_GEN)/$(i),_user.c _server.c .h _server.h _names.h))
libmach: $(USER_CRT) $(LIBMACH)

$(USER_GEN)/%_user.c $(USER_GEN)/%_server.c $(USER_GEN)/%.h $(USER_GEN)/%_server.h $(USER_GEN)/%_names.h &: \
		kernel/include/mach/defs/%.defs $(MIG) $(DEFS)
	@mkdir -p $(USER_GEN)
	@$(MIG) -Ikernel/include -user $(USER_GEN)/$*_user.c -server $(USER_GEN)/$*_server.c \
	    -header $(USER_GEN)/$*.h -sheader $(USER_GEN)/$*_server.h -names $(USER_GEN)/$*_names.h $<

$(USER_GEN)/%_user.c $(USER_GEN)/%_server.c $(USER_GEN)/%.h $(USER_GEN)/%_server.h $(USER_GEN)/%_names.h &: \
		libmach/defs/%.defs $(MIG) $(DEFS)
	@mkdir -p $(USER_GEN)
	@$(MIG) -Ikernel/include -user $(USER_GEN)/$*_user.c -server $(USER_GEN)/$*_server.c \
	    -header $(USER_GEN)/$*.h -sheader $(USER_GEN)/$*_server.h -names $(USER_GEN)/$*_names.h $<

$(USER_BUILD)/stubs/%.o: $(USER_GEN)/%.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(USER_CC) $(LIBMACH_CFLAGS) -MMD -MP -c -o $@ $<

$(USER_BUILD)/obj/%.o: libmach/%.c | $(USER_GEN_H)
	@mkdir -p $(@D)
	@echo "  CC $<"; $(USER_CC) $(LIBMACH_CFLAGS) -MMD -MP -c -o $@ $<

$(USER_BUILD)/obj/%.o: libmach/%.S
	@mkdir -p $(@D)
	@echo "  AS $<"; $(USER_CC) -g -MMD -MP -c -o $@ $<

$(USER_CRT): libmach/start/crt1.S
	@mkdir -p $(@D)
	@echo "  AS $<"; $(USER_CC) -g -c -o $@ $<

# What a driver does not serve itself is found in unserved.o, before the servers of whole classes.
$(LIBMACH): $(LIBMACH_OBJ) libmach/libmach.mk
	@echo "  AR $@"; rm -f $@; ar rcs $@ $(filter %/unserved.o,$(LIBMACH_OBJ)) $(filter-out %/unserved.o,$(LIBMACH_OBJ))

-include $(wildcard $(USER_BUILD)/obj/*/*.d $(USER_BUILD)/stubs/*.d)

# The parts that need no kernel, on the host. Prints "N passed, M failed".
LIBMACH_TEST := build/host/libmach/test
LIBMACH_TESTED := $(addprefix libmach/,core/error.c core/ports.c core/message_destroy.c \
	spawn/elf_image.c spawn/stack_image.c spawn/error.c spawn/wait.c posix/path.c posix/file.c \
	posix/pipe.c start/complete_stack.c)

libmach-host-test: $(LIBMACH_TEST)
	@$(LIBMACH_TEST) >$(LIBMACH_TEST).log 2>&1 || grep -v -e '  OK ' -e 'RUN' $(LIBMACH_TEST).log
	@tail -n 1 $(LIBMACH_TEST).log; tail -n 1 $(LIBMACH_TEST).log | grep -q ' 0 failed$$'

$(LIBMACH_TEST): $(LIBMACH_TESTED) $(wildcard tests/host/libmach/*.[ch] libmach/*/*.h) $(USER_GEN_H)
	@mkdir -p $(@D)
	@echo "  HOSTCC $@"; gcc $(USER_WARN) -D_GNU_SOURCE -g -O1 -fsanitize=address,undefined \
	    -fno-sanitize-recover=all -DMACH_IN_PLACE=0 $(USER_INCLUDES) -Ilibmach -Itests/host/libmach \
	    $(LIBMACH_TESTED) $(wildcard tests/host/libmach/*.c) -Wl,--gc-sections -ffunction-sections \
	    -lcmocka -o $@
