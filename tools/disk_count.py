#!/usr/bin/env python3
"""disk_count.py - how many instructions a byte costs that is read from a disk: driver, client and kernel together, idling left out.

usage: tools/disk_count.py ISO KERNEL [--check] [--functions]
Boots the system with a virtio disk, has `/tests/disk reads` read 1 MiB and then 5 MiB in pieces of 1 MiB while every instruction is logged, and
divides what the second takes more by the bytes. --check: as a test, `disk.read.raw` at most LIMIT. --functions: where the
kernel's are. Writes build/bench-disk.json."""
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

LIMIT = 0.5  # instructions a byte
FEW, MANY = 1, 5  # MiB
KERNEL_BASE = 0xffffffff80000000
EXECUTED = re.compile(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]{16})/")


def kernel_functions(kernel):
    lines = subprocess.run(["nm", "-n", kernel], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return [(int(address, 16), name) for address, kind, name in (line.split() for line in lines) if kind in "tT"]


def executed(iso, disk, mib):
    """How often each address was executed while so much was read."""
    m = Machine(iso, icount=True, timeout=300)
    path, log = os.path.join(m.scratch, "monitor"), os.path.join(m.scratch, "log")
    m.command += ["-singlestep", "-drive", f"if=none,id=disk,format=raw,file={disk}", "-device",
                  "virtio-blk-pci,drive=disk,disable-legacy=on", "-qmp", f"unix:{path},server=on,wait=off"]
    with m:
        m.expect(r"\$ $")
        m.command_output("/tests/disk reads disk0 1")  # the programs are in memory then
        monitor = Monitor(path)
        monitor.command(f"logfile {log}")
        m.send(f"/tests/disk reads disk0 {mib}")
        monitor.command("log exec,nochain")
        m.command_output("")
        monitor.command("log none")
        monitor.close()
        with open(log, encoding="ascii", errors="replace") as f:
            return collections.Counter(found.group(1) for found in map(EXECUTED.match, f) if found)


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
    arguments = parser.parse_args()
    functions = kernel_functions(arguments.kernel)
    with tempfile.NamedTemporaryFile(prefix="portolan-disk-") as disk:
        disk.truncate(16 << 20)
        few, many = (by_function(executed(arguments.iso, disk.name, mib), functions) for mib in (FEW, MANY))
    many.subtract(few)
    total = sum(n for name, n in many.items() if "idle" not in name) / ((MANY - FEW) << 20)
    print(f"disk.read.raw {total:.3f} instructions a byte (at most {LIMIT})")
    if arguments.functions:
        for name, n in many.most_common(30):
            print(f"  {name:32} {n / ((MANY - FEW) << 8):8.1f} a page")
    with open(os.path.join(ROOT, "build/bench-disk.json"), "w", encoding="utf-8") as f:
        json.dump({"disk.read.raw": {"value": round(total, 4), "unit": "instructions a byte"}}, f, indent=1)
    if arguments.check:
        good = 0 < total <= LIMIT
        print(f"{int(good)} passed, {int(not good)} failed")
        return int(not good)
    return 0


if __name__ == "__main__":
    sys.exit(main())
