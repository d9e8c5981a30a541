# iso.mk - bootable images. The kernel's command line is WORDS.

BOOTSTRAP := $(USER_BIN)/bootstrap

iso: build/portolan.iso

build/kernel.elf: $(BUILD)/kernel.elf build/config.name
	@cp $< $@

# Another DEBUG= or WORDS= than last time makes the image again.
build/config.name: FORCE
	@mkdir -p $(@D)
	@echo '$(CONFIG) $(WORDS)' | cmp -s - $@ || echo '$(CONFIG) $(WORDS)' >$@

build/portolan.iso: build/kernel.elf $(BOOTSTRAP) $(ARCHIVE) tools/mkiso.sh
	@echo "  ISO $@"; tools/mkiso.sh $@ build/kernel.elf $(BOOTSTRAP) $(ARCHIVE) $(WORDS)

build/debug.iso: build/debug/kernel.elf $(BOOTSTRAP) $(ARCHIVE) tools/mkiso.sh
	@echo "  ISO $@"; tools/mkiso.sh --small $@ $< $(BOOTSTRAP) $(ARCHIVE) $(WORDS)
