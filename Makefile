# Portolan. `make help` lists what can be made; `make run` and `make test` are all a newcomer needs.

# What can be set on the command line
DEBUG ?= 0
SMP ?= 1
THREADS ?= one
MEM ?= 256
GUI ?= 0
FIRMWARE ?= bios
EMU ?= qemu
DISK ?= build/disk.img
DEVICE ?=
MANIFEST ?= iso/manifest
CROSS_COMPILE ?=
WORDS ?=
ACCEPT ?= 0
STEPS ?= 0

JOBS ?= $(shell nproc)

CC_TARGET := $(CROSS_COMPILE)gcc
LD_TARGET := $(CROSS_COMPILE)ld
CONFIG := $(if $(filter 1,$(DEBUG)),debug,release)
BUILD := build/$(CONFIG)
GEN := build/gen

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include tools/mk/mig.mk
include tools/mk/kernel.mk
include libmach/libmach.mk
include servers/servers.mk
include userland/userland.mk
include tools/mk/iso.mk
include tests/tests.mk

.PHONY: all help run debug test mutation bench demo-scheduling trace-fault lint size clean setup iso

all: build/kernel.elf build/portolan.iso

help:
	@echo "make run      boot to the prompt (leave with: poweroff)"
	@echo "make test     run all tests; the last line counts them"
	@echo "make mutation take checks out one by one; the tests must notice"
	@echo "make iso      build/portolan.iso, from MANIFEST=$(MANIFEST)"
	@echo "make debug    the machine halted, gdb attached: tasks, threads, ports TASK, where THREAD"
	@echo "make bench    figures in instructions, beside other systems': build/bench.json"
	@echo "make demo-scheduling  guests and threads on one processor, who gets what share: build/plots/scheduling.svg"
	@echo "make trace-fault  a page fault from a mapping to the disk and back, as a picture: build/trace-fault.html"
	@echo "make lint     layout, locks, leftovers"
	@echo "make size     how big the code is, against its budgets"
	@echo "make clean    remove build/"
	@echo
	@echo "SMP=$(SMP) THREADS=$(THREADS) (one|many) MEM=$(MEM) GUI=$(GUI) FIRMWARE=$(FIRMWARE) (bios|uefi) EMU=$(EMU) (qemu|bochs) DISK=$(DISK) DEVICE=$(DEVICE) DEBUG=$(DEBUG) MANIFEST=$(MANIFEST) CROSS_COMPILE=$(CROSS_COMPILE)"

setup:
	@tools/setup.sh

# Commands for people first see that the tools are there, then build with them.
run: setup
	@$(MAKE) -j$(JOBS) --no-print-directory build/portolan.iso
	@SMP=$(SMP) THREADS=$(THREADS) MEM=$(MEM) GUI=$(GUI) FIRMWARE=$(FIRMWARE) EMU=$(EMU) DISK=$(DISK) DEVICE=$(DEVICE) tools/run.sh build/portolan.iso

debug: setup
	@$(MAKE) -j$(JOBS) --no-print-directory DEBUG=1 build/debug/kernel.elf build/debug.iso
	@SMP=$(SMP) MEM=$(MEM) tools/debug.sh build/debug/kernel.elf build/debug.iso

test: setup
	@$(MAKE) -j$(JOBS) --no-print-directory DEBUG=0 test-release
	@$(MAKE) -j$(JOBS) --no-print-directory DEBUG=1 test-debug
	@python3 tests/run.py

mutation: setup
	@$(MAKE) -j$(JOBS) --no-print-directory DEBUG=1 build/debug/kernel.elf build/test/archive.tar
	@python3 tests/mutation.py --write

bench: setup
	@$(MAKE) -j$(JOBS) --no-print-directory DEBUG=0 test-release
	@python3 tools/bench.py build/test/bench.iso build/test/prompt-release.iso --sizes build/test/bench-copy.iso build/test/bench-share.iso $(if $(filter 1,$(ACCEPT)),--accept)
	@python3 tools/trace_count.py build/test/prompt-release.iso build/release/kernel.elf $(if $(filter 1,$(STEPS)),--steps --functions)
	@python3 tools/disk_count.py build/test/system-release.iso build/release/kernel.elf $(if $(filter 1,$(STEPS)),--functions)
	@python3 tools/disk_wall.py build/test/system-release.iso
	@python3 tools/plot.py

demo-scheduling: setup
	@$(MAKE) -j$(JOBS) --no-print-directory DEBUG=0 build/test/machines-release.iso
	@python3 tools/demo_scheduling.py build/test/machines-release.iso

trace-fault: setup
	@$(MAKE) -j$(JOBS) --no-print-directory build/portolan.iso
	@python3 tools/trace_fault.py build/portolan.iso

lint:
	@tools/lint.sh

size:
	@python3 tools/size.py

clean:
	rm -rf build
