# ipc.mk - host tests of kernel/ipc: `make -f tests/host/ipc/ipc.mk ipc-host-test` from the top of the tree, or include it there.

IPC_TEST_DIR := tests/host/ipc
IPC_TEST_OUT ?= build/host/ipc
IPC_TEST_BIN := $(IPC_TEST_OUT)/ipc_test
# the simulator has no processor to switch threads on: it always takes the slow way
IPC_TEST_SRC := $(filter-out kernel/ipc/ipc_fast%.c,$(wildcard kernel/ipc/*.c)) kernel/ddb/ipc_check.c $(wildcard $(IPC_TEST_DIR)/*.c)
IPC_TEST_OBJ := $(patsubst %.c,$(IPC_TEST_OUT)/%.o,$(IPC_TEST_SRC))
IPC_TEST_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -Werror -fno-strict-aliasing \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-DKERNEL=1 -DCONFIG_DEBUG=1 -DCONFIG_HOST_TEST=1 \
	-I$(IPC_TEST_DIR)/include -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include

.PHONY: ipc-host-test
ipc-host-test: $(IPC_TEST_BIN)
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 $(IPC_TEST_BIN) $(ONLY)

$(IPC_TEST_BIN): $(IPC_TEST_OBJ)
	$(CC) -fsanitize=address,undefined -o $@ $^ -lcmocka -lpthread

$(IPC_TEST_OUT)/%.o: %.c
	@mkdir -p $(dir $@)
	$(CC) $(IPC_TEST_CFLAGS) -MMD -MP -c -o $@ $<

-include $(IPC_TEST_OBJ:.o=.d)
