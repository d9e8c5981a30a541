#!/bin/sh
# run.sh - boot an image for a person: the terminal is the serial line. Leave with `poweroff` at the prompt, or Ctrl-A X in QEMU.
# usage: SMP= THREADS= MEM= GUI= FIRMWARE= EMU= DISK= DEVICE= tools/run.sh ISO
# DISK is an image with a file system, made when there is none (build/disk.img); what is written to /disk stays in it. DISK=none: no disk.
# All processors are run by one thread of the host, but with THREADS=many: then guests may fail (tests/README.md, Emulators).
# DEVICE is one more device for QEMU, as its option -device takes it.
set -eu

iso=$1
disk=${DISK:-build/disk.img}
if [ "$disk" != none ] && [ ! -e "$disk" ]; then
    mkdir -p "$(dirname "$disk")"
    truncate -s 256M "$disk.new"
    PATH=$PATH:/usr/sbin mke2fs -q -t ext3 -L portolan "$disk.new"
    mv "$disk.new" "$disk"
fi
if [ "${EMU:-qemu}" = bochs ]; then
    [ "$disk" != none ] || disk=
    exec python3 "$(dirname "$0")/../tests/machine.py" bochs "$iso" ${disk:+"$disk"}
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP TERM
set -- -cpu max -smp "${SMP:-1}" -m "${MEM:-256}" -cdrom "$iso" -boot d -no-reboot
if [ "${SMP:-1}" -gt 1 ] && [ "${THREADS:-one}" = one ]; then
    set -- "$@" -accel tcg,thread=single
fi
if [ "${FIRMWARE:-bios}" = uefi ]; then
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$scratch/vars.fd"
    set -- "$@" -machine q35 -drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
        -drive "if=pflash,format=raw,unit=1,file=$scratch/vars.fd"
fi
if [ -n "${DEVICE:-}" ]; then # before the disk, which an IOMMU is to be there for
    set -- "$@" -device "$DEVICE"
fi
if [ "$disk" != none ]; then
    set -- "$@" -drive "file=$disk,format=raw,if=none,id=disk" -device virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=on
fi
if [ "${GUI:-0}" = 1 ]; then
    if ! qemu-system-x86_64 -display help 2>/dev/null | grep -qE '^(gtk|sdl)'; then
        echo "run: this QEMU opens no windows (on Debian its package qemu-system-gui is missing)" >&2
        exit 1
    fi
    if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        echo "run: GUI=1 needs a desktop: neither DISPLAY nor WAYLAND_DISPLAY is set" >&2
        exit 1
    fi
    set -- "$@" -serial mon:stdio
else
    set -- "$@" -display none -serial mon:stdio
fi
qemu-system-x86_64 "$@"
