# kernel.mk - the kernel, in $(BUILD) (build/release or build/debug).

KERNEL_DIRS := kernel kernel/kern kernel/ipc kernel/vm kernel/device kernel/hv kernel/ddb kernel/arch/x86_64
KERNEL_TESTS := $(if $(filter 1,$(DEBUG)),$(wildcard tests/kernel/*.c))
KERNEL_C := $(filter-out $(KERNEL_OMIT),$(foreach d,$(KERNEL_DIRS),$(wildcard $(d)/*.c))) $(KERNEL_TESTS)
KERNEL_ASM := boot/entry.asm boot/ap_trampoline.asm kernel/arch/x86_64/entry.asm kernel/hv/svm_switch.asm kernel/hv/vmx_switch.asm

# interfaces the kernel serves, and messages it sends
KERNEL_SERVED := mach mach_port mach_host mach4 gnumach mach_debug mach_i386 portolan hardware hv
KERNEL_CONSTANTS := kernel/kern/constant_routines
KERNEL_SENT := task_notify exc notify device_notify memory_object memory_object_default
KERNEL_GEN_C := $(foreach i,$(KERNEL_SERVED),$(GEN)/$(i)_kernel_server.c) $(foreach i,$(KERNEL_SENT),$(GEN)/$(i)_kernel_user.c)
KERNEL_GEN_H := $(KERNEL_GEN_C:.c=.h) $(GEN)/mach_interfaces.h

KERNEL_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(KERNEL_C)) $(patsubst %.asm,$(BUILD)/%.asm.o,$(KERNEL_ASM)) \
              $(patsubst $(GEN)/%.c,$(BUILD)/gen/%.o,$(KERNEL_GEN_C))

KERNEL_CFLAGS := -std=gnu11 -ffreestanding -O2 -g -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie \
    -fno-strict-aliasing -fno-common -fno-omit-frame-pointer -momit-leaf-frame-pointer -fstack-protector-strong -mstack-protector-guard=global \
    -fno-delete-null-pointer-checks -Wall -Wextra -Wno-unused-parameter -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla \
    -DKERNEL=1 -DCONFIG_DEBUG=$(DEBUG) -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include -I$(GEN)
ifeq ($(DEBUG),1)
KERNEL_CFLAGS += -fsanitize=undefined -fno-sanitize=alignment,null,object-size,nonnull-attribute
endif
KERNEL_LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments -T boot/kernel.ld

.SECONDARY: $(KERNEL_GEN_C) $(KERNEL_GEN_H)

$(GEN)/%_kernel_server.c $(GEN)/%_kernel_server.h &: kernel/include/mach/defs/%.defs $(MIG) $(DEFS) $(KERNEL_CONSTANTS)
	@mkdir -p $(GEN)
	@$(MIG) -I kernel/include -constants $(KERNEL_CONSTANTS) -kernel-server $(GEN)/$*_kernel_server.c -sheader $(GEN)/$*_kernel_server.h $<

$(GEN)/%_kernel_user.c $(GEN)/%_kernel_user.h &: kernel/include/mach/defs/%.defs $(MIG) $(DEFS)
	@mkdir -p $(GEN)
	@$(MIG) -I kernel/include -kernel-user $(GEN)/$*_kernel_user.c -header $(GEN)/$*_kernel_user.h $<

$(GEN)/mach_interfaces.h: tools/mk/kernel.mk
	@mkdir -p $(GEN)
	@{ echo "/* Interfaces the kernel serves. Generated. */"; \
	   for i in $(KERNEL_SERVED); do echo "#include \"$${i}_kernel_server.h\""; done; \
	   echo "#define KOBJECT_INTERFACES(X) $(foreach i,$(KERNEL_SERVED),X($(i)))"; } >$@

$(BUILD)/%.o: %.c | $(KERNEL_GEN_H)
	@mkdir -p $(dir $@)
	@echo "  CC $<"; $(CC_TARGET) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(GEN)/%.c | $(KERNEL_GEN_H)
	@mkdir -p $(dir $@)
	@echo "  CC $<"; $(CC_TARGET) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

# Called by entry.asm alone, which has saved all registers: it keeps none (but %rbp, which GCC insists on), and has no use for a frame.
$(BUILD)/kernel/ipc/ipc_fastpath.o: KERNEL_CFLAGS += -fomit-frame-pointer -fno-stack-protector \
    -fcall-used-rbx -fcall-used-r12 -fcall-used-r13 -fcall-used-r14 -fcall-used-r15

# The code in boot/ has several sections in a file, which NASM's line numbers cannot describe: gdb would complain.
$(BUILD)/%.asm.o: %.asm
	@mkdir -p $(dir $@)
	@echo "  NASM $<"; nasm -f elf64 $(if $(filter boot/%,$<),,-g -F dwarf) -o $@ $<

$(BUILD)/kernel.elf: $(KERNEL_OBJ) boot/kernel.ld tools/symbols.py
	@echo "  LD $@"
	@$(LD_TARGET) $(KERNEL_LDFLAGS) -o $@.1 $(KERNEL_OBJ)
	@nm -n $@.1 | python3 tools/symbols.py >$(BUILD)/symbols.S
	@$(CC_TARGET) -c -o $(BUILD)/symbols.o $(BUILD)/symbols.S
	@$(LD_TARGET) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJ) $(BUILD)/symbols.o

-include $(KERNEL_OBJ:.o=.d)
