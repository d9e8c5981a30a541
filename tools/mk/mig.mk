# mig.mk - the stub generator, a program of the host.

MIG := build/mig/mig
MIG_SRC := $(wildcard tools/mig/*.c)
DEFS := $(wildcard kernel/include/mach/defs/*.defs libmach/defs/*.defs)

$(MIG): $(MIG_SRC) $(wildcard tools/mig/*.h)
	@mkdir -p $(dir $@)
	@echo "  HOSTCC $@"; gcc -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -o $@ $(MIG_SRC)
