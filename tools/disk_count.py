#!/usr/bin/env python3
"""disk_count.py - what reading from a disk costs in instructions of the whole system: driver, file server, client and kernel, idling left out.

usage: tools/disk_count.py ISO KERNEL [--check] [--functions] [--only FIGURE]
Boots the system with a virtio disk, has a program read FEW MiB and then MANY while every instruction is logged, and divides what
the second takes more by the bytes, or pages. --check: as a test, each figure at most its limit. --functions: where the
instructions are. Writes build/bench-disk.json.

disk.read.raw    a byte of the disk, read in pieces of 1 MiB
fs.read.cold     a byte of a file on it (ext2) no page of which is in memory, read in pieces of 1 MiB
fs.mmap.cold     a page of such a file, mapped, touched in order"""
import argparse
import bisect
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Machine, Monitor  # noqa: E402

FEW, MANY = 1, 5  # MiB
DISK_MIB = 32
# The command that reads so many MiB, what a figure is for (bytes), and what it may be: a few parts in a hundred more than it was
FIGURES = {
    "disk.read.raw": ("/tests/disk reads disk0 {}", 1, 0.5),
    "fs.read.cold": ("/tests/cold read /disk/big {}", 1, 1.25),
    "fs.mmap.cold": ("/tests/cold map /disk/big {}", 4096, 3400),
}
KERNEL_BASE = 0xffffffff80000000
EXECUTED = re.compile(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]{16})/")


def kernel_functions(kernel):
    lines = subprocess.run(["nm", "-n", kernel], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return [(int(address, 16), name) for address, kind, name in (line.split() for line in lines) if kind in "tT"]


def make_disk(folder, file_mib, disk_mib):
    """An image with a file in an ext2."""
    root, image = os.path.join(folder, "root"), os.path.join(folder, "disk.img")
    os.mkdir(root)
    with open(os.path.join(root, "big"), "wb") as f:
        f.write(bytes(range(256)) * (file_mib << 12))
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    subprocess.run(["mke2fs", "-q", "-t", "ext2", "-b", "4096", "-d", root, image, f"{disk_mib}M"], env=environment, check=True,
                   stdout=subprocess.DEVNULL)
    return image


def executed(m, monitor, log, command):
    """How often each address was executed meanwhile."""
    monitor.command(f"logfile {log}")
    m.send(command)
    monitor.command("log exec,nochain")
    m.command_output("")
    monitor.command("log none")
    with open(log, encoding="ascii", errors="replace") as f:
        counts = collections.Counter(found.group(1) for found in map(EXECUTED.match, f) if found)
    os.remove(log)
    return counts


def measure(iso, disk, functions, names):
    """figure -> how often each function was executed for what MANY reads more than FEW."""
    m = Machine(iso, icount=True, timeout=300, monitored=True, extra=[
        "-singlestep", "-drive", f"if=none,id=disk,format=raw,file={disk}", "-device", "virtio-blk-pci,drive=disk,disable-legacy=on"])
    log = os.path.join(m.scratch, "log")
    with m:
        m.expect(r"\$ $")
        monitor = Monitor(m)
        for name in names:
            command = FIGURES[name][0]
            m.command_output(command.format(MANY))  # the programs are in memory then
            few, many = (by_function(executed(m, monitor, log, command.format(mib)), functions) for mib in (FEW, MANY))
            many.subtract(few)
            yield name, many
        monitor.close()


def by_function(counts, functions):
    starts = [address for address, _ in functions]
    result = collections.Counter()
    for text, n in counts.items():
        address = int(text, 16)
        result[functions[bisect.bisect(starts, address) - 1][1] if address >= KERNEL_BASE else "user"] += n
    return result


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("iso")
    parser.add_argument("kernel")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--functions", action="store_true")
    parser.add_argument("--only", choices=FIGURES)
    arguments = parser.parse_args()
    functions = kernel_functions(arguments.kernel)
    values = {}
    with tempfile.TemporaryDirectory(prefix="portolan-disk-") as folder:
        for name, more in measure(arguments.iso, make_disk(folder, MANY, DISK_MIB), functions, [arguments.only] if arguments.only else FIGURES):
            _, part, limit = FIGURES[name]
            total = sum(n for function, n in more.items() if "idle" not in function)
            values[name] = total * part / ((MANY - FEW) << 20)
            print(f"{name} {values[name]:.3f} instructions a {'byte' if part == 1 else 'page'} (at most {limit})")
            if arguments.functions:
                for function, n in more.most_common(40):
                    print(f"  {function:32} {n / ((MANY - FEW) << 8):8.1f} a page")
    with open(os.path.join(ROOT, "build/bench-disk.json"), "w", encoding="utf-8") as f:
        json.dump({name: {"value": round(value, 4), "unit": f"insns/{'byte' if FIGURES[name][1] == 1 else 'page'}"}
                   for name, value in values.items()}, f, indent=1)
    if arguments.check:
        failed = [name for name, value in values.items() if not 0 < value <= FIGURES[name][2]]
        print(f"{len(values) - len(failed)} passed, {len(failed)} failed")
        return int(bool(failed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
