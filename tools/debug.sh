#!/bin/sh
# debug.sh - start the machine halted and gdb attached to it. In gdb, `continue` starts it and Ctrl-C stops it.
# usage: tools/debug.sh KERNEL ISO [gdb argument ...]      SMP and MEM are taken from the environment
set -eu

kernel=$1
iso=$2
shift 2
scratch=$(mktemp -d)
machine=
trap 'kill $machine 2>/dev/null || true; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP TERM
trap : INT # Ctrl-C is for gdb

# A session of its own: a Ctrl-C in the terminal must not end the machine.
setsid qemu-system-x86_64 -cpu max -smp "${SMP:-1}" -m "${MEM:-256}" -cdrom "$iso" -boot d -no-reboot -display none -monitor none \
    -serial "file:$scratch/serial" -S -chardev "socket,path=$scratch/gdb,server=on,wait=off,id=gdb" -gdb chardev:gdb \
    </dev/null 2>"$scratch/errors" &
machine=$!
tries=0
while [ ! -S "$scratch/gdb" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$machine" 2>/dev/null; then
        echo "debug: the emulator did not start" >&2
        cat "$scratch/errors" >&2
        exit 1
    fi
    sleep 0.1
done
echo "debug: the serial line is written to $scratch/serial; commands: tasks, threads, ports TASK, where THREAD, symbols PROGRAM"
gdb -q -iex "set auto-load safe-path /" -iex "set pagination off" -x "$(dirname "$0")/gdb/portolan.py" \
    -ex "target remote $scratch/gdb" -ex "hbreak kernel_main" "$@" "$kernel"
