# archive.mk - host tests of the bootstrap server's manifest.c and archive.c: `make -f tests/host/archive/archive.mk archive-host-test`.

ARCHIVE_TEST := build/host/archive/test
ARCHIVE_TEST_SRC := servers/bootstrap/manifest.c servers/bootstrap/archive.c $(wildcard tests/host/archive/*.c)
ARCHIVE_TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all -Iservers/bootstrap

.PHONY: archive-host-test
# Words of a manifest live as long as the system: what is left at the end is no leak.
archive-host-test: $(ARCHIVE_TEST)
	@ASAN_OPTIONS=detect_leaks=0 $(ARCHIVE_TEST) 2>$(ARCHIVE_TEST).log || cat $(ARCHIVE_TEST).log

$(ARCHIVE_TEST): $(ARCHIVE_TEST_SRC) $(wildcard tests/host/archive/*.h servers/bootstrap/*.h)
	@mkdir -p $(@D)
	@echo "  HOSTCC $@"; gcc $(ARCHIVE_TEST_CFLAGS) $(ARCHIVE_TEST_SRC) -lcmocka -o $@
