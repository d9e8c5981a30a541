# tests.mk - the programs and images that tests boot. Host tests have rules of their own (tests/host/*).

TEST_BIN := $(USER_BUILD)/tests
TEST_PROGRAMS := $(patsubst tests/user/%.c,%,$(wildcard tests/user/*_test.c))
TEST_ARCHIVE := build/test/archive.tar
TEST_LIB := $(USER_BUILD)/obj/tests/user/lib/test.o

$(USER_BUILD)/obj/tests/%.o: tests/%.c | $(USER_GEN_H)
	@mkdir -p $(@D)
	@echo "  CC $<"; $(USER_CC) $(USER_CFLAGS) -D_GNU_SOURCE -MMD -MP -c -o $@ $<

$(TEST_BIN)/%_test: $(USER_BUILD)/obj/tests/user/%_test.o $(TEST_LIB) $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$< $(TEST_LIB)) && strip $@

$(TEST_BIN)/runner: $(USER_BUILD)/obj/tests/user/runner/runner.o $(USER_CRT) $(LIBMACH)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(call USER_LINK,$@,$<) && strip $@

# The system's manifest, and the test programs in the archive.
build/test/manifest: iso/manifest tests/tests.mk $(wildcard tests/user/*_test.c)
	@mkdir -p $(@D)
	@cp iso/manifest $@
	@echo "file /tests/runner $(TEST_BIN)/runner" >>$@
	@for t in $(TEST_PROGRAMS); do echo "file /tests/$$t $(TEST_BIN)/$$t" >>$@; done

$(TEST_ARCHIVE): build/test/manifest $(ARCHIVE) $(TEST_PROGRAMS:%=$(TEST_BIN)/%) $(TEST_BIN)/runner tools/mkarchive.py
	@echo "  ARCHIVE $@"; tools/mkarchive.py $< $@

# $(call TEST_ISO,name,kernel configuration,archive,words)
define TEST_ISO
build/test/$(1).iso: build/$(2)/kernel.elf $(BOOTSTRAP) $(3) tools/mkiso.sh tests/tests.mk
	@mkdir -p build/test
	@echo "  ISO $$@"; tools/mkiso.sh --small $$@ build/$(2)/kernel.elf $(BOOTSTRAP) $(3) $(4)
endef

$(eval $(call TEST_ISO,prompt-release,release,$(ARCHIVE),))
$(eval $(call TEST_ISO,bench,release,$(ARCHIVE),-- run=/bin/bench))
$(eval $(call TEST_ISO,prompt-debug,debug,$(ARCHIVE),))
$(eval $(call TEST_ISO,kernel-tests,debug,$(ARCHIVE),ktest))
$(eval $(call TEST_ISO,user-tests,debug,$(TEST_ARCHIVE),-- run=/tests/runner))

.PHONY: test-release test-debug
test-release: build/test/prompt-release.iso build/test/bench.iso build/portolan.iso
test-debug: build/test/prompt-debug.iso build/test/kernel-tests.iso build/test/user-tests.iso

-include $(wildcard $(USER_BUILD)/obj/tests/user/*.d $(USER_BUILD)/obj/tests/user/*/*.d)
