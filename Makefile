# Portolan: `make help` lists what can be made.

DEBUG ?= 0
SMP ?= 1
MEM ?= 256
GUI ?= 0
FIRMWARE ?= bios
EMU ?= qemu
MANIFEST ?= iso/manifest
CROSS_COMPILE ?=

CC_TARGET := $(CROSS_COMPILE)gcc
LD_TARGET := $(CROSS_COMPILE)ld
BUILD := build/$(if $(filter 1,$(DEBUG)),debug,release)
GEN := build/gen

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include tools/mk/mig.mk
include tools/mk/kernel.mk

all: $(BUILD)/kernel.elf

test: setup $(MIG)
	@$(MAKE) --no-print-directory DEBUG=0 build/release/kernel.elf
	@$(MAKE) --no-print-directory DEBUG=1 build/debug/kernel.elf
	@python3 tests/run.py

setup:
	@tools/setup.sh

clean:
	rm -rf build

.PHONY: all test setup clean
