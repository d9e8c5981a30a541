# pager.mk - host tests of the pager's store.c, object.c and swap_header.c: `make -f tests/host/pager/pager.mk pager-host-test`.

PAGER_TEST := build/host/pager/test
PAGER_TEST_SRC := servers/pager/store.c servers/pager/object.c servers/pager/swap_header.c $(wildcard tests/host/pager/*.c)
PAGER_TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all -Iservers/pager

.PHONY: pager-host-test
# The tables live as long as the pager: what is left at the end is no leak.
pager-host-test: $(PAGER_TEST)
	@ASAN_OPTIONS=detect_leaks=0 $(PAGER_TEST) 2>$(PAGER_TEST).log || cat $(PAGER_TEST).log

$(PAGER_TEST): $(PAGER_TEST_SRC) $(wildcard tests/host/pager/*.h servers/pager/*.h)
	@mkdir -p $(@D)
	@echo "  HOSTCC $@"; gcc $(PAGER_TEST_CFLAGS) $(PAGER_TEST_SRC) -lcmocka -o $@
