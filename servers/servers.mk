# servers.mk - the servers: one folder each, build/user/bin/NAME. Also the rule every program of user
# space is made by. Alone: make -f servers/servers.mk servers

.DELETE_ON_ERROR:

ifndef USER_LINK
include libmach/libmach.mk
endif

USER_BIN := $(USER_BUILD)/bin
SERVERS := bootstrap console device_master edu fs pager rtc vm_master vmm
DISK_DRIVERS := virtio_blk hypercall_blk ahci ata
ATA_DRIVERS := ahci ata
ATA_OBJ := $(USER_BUILD)/obj/servers/disk/ata_device.o $(USER_BUILD)/obj/servers/disk/ata_packet.o

.PHONY: servers
servers: $(SERVERS:%=$(USER_BIN)/%) $(DISK_DRIVERS:%=$(USER_BIN)/%)

# $(call USER_PROGRAM,name,folder,more objects): bin/NAME of the folder's .c files, stripped; the
# symbols stay in bin/NAME.debug for gdb.
define USER_PROGRAM
$(1)_OBJ := $$(patsubst %.c,$(USER_BUILD)/obj/%.o,$$(wildcard $(2)/*.c)) $(3)
USER_PROGRAM_OBJ += $$($(1)_OBJ)
$(USER_BIN)/$(1).debug: $$($(1)_OBJ) $(USER_CRT) $(LIBMACH)
	@mkdir -p $$(@D)
	@echo "  LD $(USER_BIN)/$(1)"; $$(call USER_LINK,$$@,$$($(1)_OBJ))
$(USER_BIN)/$(1): $(USER_BIN)/$(1).debug
	@$(CROSS_COMPILE)strip -o $$@ $$<
endef

# Programs have libc's own rules for names; generated headers come first.
$(USER_BUILD)/obj/servers/%.o: servers/%.c | $(USER_GEN_H)
	@mkdir -p $(@D)
	@echo "  CC $<"; $(USER_CC) $(USER_CFLAGS) -D_GNU_SOURCE -MMD -MP -c -o $@ $<

$(USER_BUILD)/obj/servers/rtc/%.o: USER_CFLAGS += -I.
# The pager and the monitor ask drivers as the file server does.
$(USER_BUILD)/obj/servers/pager/%.o: USER_CFLAGS += -I.
EXTRA_pager := $(USER_BUILD)/obj/servers/fs/block_device.o
$(USER_BUILD)/obj/servers/vmm/store_device.o: USER_CFLAGS += -I.
EXTRA_vmm := $(USER_BUILD)/obj/servers/fs/block_device.o
$(foreach s,$(SERVERS),$(eval $(call USER_PROGRAM,$(s),servers/$(s),$(EXTRA_$(s)))))
$(foreach s,$(DISK_DRIVERS),$(eval $(call USER_PROGRAM,$(s),servers/disk/$(s),$(if $(filter $(s),$(ATA_DRIVERS)),$(ATA_OBJ)))))

-include $(wildcard $(USER_BUILD)/obj/servers/*/*.d $(USER_BUILD)/obj/servers/*/*/*.d)
