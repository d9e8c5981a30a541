# userland.mk - the programs: one folder each, build/user/bin/NAME, and the boot archive.
# Alone: make -f userland/userland.mk userland (or archive)

.DELETE_ON_ERROR:

ifndef USER_PROGRAM
include servers/servers.mk
endif

MANIFEST ?= iso/manifest
ARCHIVE := $(USER_BUILD)/archive.tar
PROGRAMS := bench cat cp date devices df dmesg echo factorial false find grep head hello hello-server hexdump kill ls mem mkdir mount \
	mv notifications pages ports poweroff ps reboot rights rm sh sha256sum sleep swap sync time top true \
	umount uname vm vmmap wc whyfault

USERLAND_LIB := $(patsubst userland/%.c,$(USER_BUILD)/obj/userland/%.o,$(wildcard userland/lib/*.c))
HELLO_STUBS := $(USER_BUILD)/obj/userland/hello-server/stubs

.PHONY: userland archive
userland: servers $(PROGRAMS:%=$(USER_BIN)/%)
archive: $(ARCHIVE)

$(USER_BUILD)/obj/userland/%.o: userland/%.c | $(USER_GEN_H)
	@mkdir -p $(@D)
	@echo "  CC $<"; $(USER_CC) $(USER_CFLAGS) -D_GNU_SOURCE -Iuserland/lib -MMD -MP -c -o $@ $<

# The interface of the tutorial's server.
$(HELLO_STUBS)/greet_user.c $(HELLO_STUBS)/greet_server.c $(HELLO_STUBS)/greet.h \
		$(HELLO_STUBS)/greet_server.h &: userland/hello-server/greet.defs $(MIG)
	@mkdir -p $(@D)
	@$(MIG) -Ikernel/include -user $(HELLO_STUBS)/greet_user.c -server $(HELLO_STUBS)/greet_server.c \
	    -header $(HELLO_STUBS)/greet.h -sheader $(HELLO_STUBS)/greet_server.h $<

# The interface that is measured.
BENCH_STUBS := $(USER_BUILD)/obj/userland/bench/stubs
$(BENCH_STUBS)/sum_user.c $(BENCH_STUBS)/sum_server.c $(BENCH_STUBS)/sum.h $(BENCH_STUBS)/sum_server.h &: \
		userland/bench/sum.defs $(MIG)
	@mkdir -p $(@D)
	@$(MIG) -Ikernel/include -user $(BENCH_STUBS)/sum_user.c -server $(BENCH_STUBS)/sum_server.c \
	    -header $(BENCH_STUBS)/sum.h -sheader $(BENCH_STUBS)/sum_server.h $<

$(BENCH_STUBS)/%.o: $(BENCH_STUBS)/%.c
	@echo "  CC $<"; $(USER_CC) $(USER_CFLAGS) -c -o $@ $<

$(USER_BUILD)/obj/userland/bench/%.o: USER_CFLAGS += -I$(BENCH_STUBS)
$(USER_BUILD)/obj/userland/bench/server.o $(USER_BUILD)/obj/userland/bench/transfer.o: | $(BENCH_STUBS)/sum.h

$(HELLO_STUBS)/%.o: $(HELLO_STUBS)/%.c
	@echo "  CC $<"; $(USER_CC) $(USER_CFLAGS) -Iuserland/hello-server -c -o $@ $<

$(USER_BUILD)/obj/userland/hello%.o: USER_CFLAGS += -I$(HELLO_STUBS) -Iuserland/hello-server
$(USER_BUILD)/obj/userland/hello/hello.o $(USER_BUILD)/obj/userland/hello-server/hello-server.o: \
	| $(HELLO_STUBS)/greet.h

# The names of all messages.
WHYFAULT_GEN := $(USER_BUILD)/obj/userland/whyfault/gen
$(WHYFAULT_GEN)/names_all.h: userland/userland.mk libmach/libmach.mk | $(LIBMACH_IDL:%=$(USER_GEN)/%_names.h)
	@mkdir -p $(@D)
	@{ printf '#include "%s_names.h"\n' $(LIBMACH_IDL); echo '#define NAMES_ALL(X) \'; \
	    printf '    MIG_NAMES_%s(X) \\\n' $(LIBMACH_IDL); echo '    /* end */'; } >$@
$(USER_BUILD)/obj/userland/whyfault/%.o: USER_CFLAGS += -I$(WHYFAULT_GEN)
$(USER_BUILD)/obj/userland/whyfault/names.o: | $(WHYFAULT_GEN)/names_all.h

EXTRA_bench := $(BENCH_STUBS)/sum_user.o $(BENCH_STUBS)/sum_server.o
EXTRA_hello := $(HELLO_STUBS)/greet_user.o
EXTRA_hello-server := $(HELLO_STUBS)/greet_server.o
$(foreach p,$(PROGRAMS),$(eval $(call USER_PROGRAM,$(p),userland/$(p),$(USERLAND_LIB) $(EXTRA_$(p)))))

# Made again when the manifest or any file it names changes.
ARCHIVE_FILES := $(shell tools/mkarchive.py --files $(MANIFEST) 2>/dev/null)
$(ARCHIVE): $(MANIFEST) $(ARCHIVE_FILES) tools/mkarchive.py $(USER_BUILD)/manifest.name
	@echo "  ARCHIVE $@"; tools/mkarchive.py $(MANIFEST) $@

# Another MANIFEST= than last time makes the archive again too.
$(USER_BUILD)/manifest.name: FORCE
	@mkdir -p $(@D)
	@echo '$(MANIFEST)' | cmp -s - $@ || echo '$(MANIFEST)' >$@
.PHONY: FORCE

-include $(wildcard $(USER_BUILD)/obj/userland/*/*.d)
