# fs.mk - host tests of ext2: `make -f tests/host/fs/fs.mk fs-host-test` (SCALE=10 SEED=7: more random ones, others; ONLY=power: one group).

FS_TEST := build/host/fs/test
FS_TEST_SRC := $(wildcard servers/fs/ext2_*.c) $(wildcard tests/host/fs/*.c)
FS_TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Wno-unused-result -fsanitize=address,undefined \
    -fno-sanitize-recover=all -Iservers/fs
FS_TEST_OBJ := $(FS_TEST_SRC:%.c=build/host/fs/%.o)
SCALE ?= 1
SEED ?= 1

.PHONY: fs-host-test
fs-host-test: $(FS_TEST)
	@$(FS_TEST) $(SCALE) $(SEED) $(ONLY) 2>$(FS_TEST).log || cat $(FS_TEST).log

$(FS_TEST): $(FS_TEST_OBJ)
	@echo "  HOSTLD $@"; gcc $(FS_TEST_CFLAGS) $^ -lcmocka -o $@

build/host/fs/%.o: %.c
	@mkdir -p $(@D)
	@gcc $(FS_TEST_CFLAGS) -MMD -MP -c -o $@ $<

-include $(FS_TEST_OBJ:.o=.d)
