# iommu.mk - host tests of what the IOMMU's driver does without its registers: `make -f tests/host/iommu/iommu.mk iommu-host-test`.

IOMMU_BUILD := build/host/iommu
IOMMU_TESTS := $(IOMMU_BUILD)/dmar_test $(IOMMU_BUILD)/table_test
IOMMU_TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-DCONFIG_HOST_TEST=1 -DCONFIG_DEBUG=1 -DKERNEL=1 -Ikernel -Ikernel/include -Ikernel/arch/x86_64/include -Ikernel/arch/x86_64

.PHONY: iommu-host-test
iommu-host-test: $(IOMMU_TESTS)
	@for t in $(IOMMU_TESTS); do $$t >$$t.log 2>&1 || grep -v -e '  OK ' -e 'RUN' -e ' passed, ' $$t.log; tail -n 1 $$t.log; done | \
	    awk '/^[0-9]+ passed, [0-9]+ failed$$/ { passed += $$1; failed += $$3; n++; next } { print } \
	         END { failed += $(words $(IOMMU_TESTS)) - n; print passed + 0 " passed, " failed " failed"; exit failed != 0 }'

$(IOMMU_BUILD)/%_test: tests/host/iommu/%_test.c kernel/arch/x86_64/dmar.c kernel/arch/x86_64/vtd_table.c $(wildcard kernel/arch/x86_64/include/arch/*.h)
	@mkdir -p $(@D)
	@echo "  HOSTCC $@"; gcc $(IOMMU_TEST_CFLAGS) $< -lcmocka -o $@
