#!/bin/sh
# debug.sh - start the machine halted and gdb attached to it.
# usage: tools/debug.sh KERNEL ISO [gdb argument ...]      SMP and MEM are taken from the environment
set -eu

kernel=$1
iso=$2
shift 2
scratch=$(mktemp -d)
trap 'kill "$machine" 2>/dev/null || true; rm -rf "$scratch"' EXIT

qemu-system-x86_64 -cpu max -smp "${SMP:-1}" -m "${MEM:-256}" -cdrom "$iso" -boot d -no-reboot -display none -monitor none \
    -serial "file:$scratch/serial" -S -chardev "socket,path=$scratch/gdb,server=on,wait=off,id=gdb" -gdb chardev:gdb &
machine=$!
tries=0
while [ ! -S "$scratch/gdb" ]; do
    tries=$((tries + 1))
    [ "$tries" -gt 100 ] && { echo "debug: the emulator did not start" >&2; exit 1; }
    sleep 0.1
done
echo "debug: the serial line is written to $scratch/serial; commands: tasks, threads, ports TASK, where THREAD, symbols PROGRAM"
gdb -q -iex "set auto-load safe-path /" -iex "set pagination off" -x "$(dirname "$0")/gdb/portolan.py" \
    -ex "target remote $scratch/gdb" -ex "hbreak kernel_main" "$@" "$kernel"
