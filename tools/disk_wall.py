#!/usr/bin/env python3
"""disk_wall.py - how fast a disk is read by the clock on the wall, in MB/s, beside what Linux does in the same emulator. For people:
what is measured is the emulator and how busy its host is, so nothing depends on it (docs/measuring.md).

usage: tools/disk_wall.py ISO [--rounds N]
Boots the system with a virtio disk and has a program read FEW MiB and then MANY: the bytes by which they differ, by the time by which they
do, each time the shortest of N. Linux's figures are those of tests/bench/peers.json, with the machine they are from."""
import argparse
import json
import os
import re
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from disk_count import make_disk  # noqa: E402
from machine import Machine  # noqa: E402

FEW, MANY = 16, 128  # MiB
DISK_MIB = 160
MEMORY_MIB = 512
COMMANDS = {
    "disk.read.raw": "/tests/disk reads disk0 {}",
    "fs.read.cold": "/tests/cold read /disk/big {}",
    "fs.mmap.cold": "/tests/cold map /disk/big {}",
}
PEER = "disk, virtio-blk + ext2, MB/s of wall time"


def seconds(m, command):
    return float(re.search(r"real (\d+\.\d+) s", m.command_output(f"time {command}")).group(1))


def measure(iso, disk, rounds):
    """figure -> MB/s"""
    extra = ["-drive", f"if=none,id=disk,format=raw,file={disk}", "-device", "virtio-blk-pci,drive=disk,disable-legacy=on"]
    with Machine(iso, memory=MEMORY_MIB, extra=extra, timeout=300) as m:
        m.expect(r"\$ $")
        for name, command in COMMANDS.items():
            few, many = (min(seconds(m, command.format(mib)) for _ in range(rounds)) for mib in (FEW, MANY))
            yield name, ((MANY - FEW) << 20) / 1e6 / (many - few) if many > few else None
        m.power_off()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("iso")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with open(os.path.join(ROOT, "tests/bench/peers.json"), encoding="utf-8") as f:
        linux = json.load(f)["Linux"][PEER]
    print(f"{'MB/s of wall time':28} {'here':>10} {'Linux':>10}   Linux: {linux['_config']}")
    with tempfile.TemporaryDirectory(prefix="portolan-wall-") as folder:
        for name, rate in measure(arguments.iso, make_disk(folder, MANY, DISK_MIB), arguments.rounds):
            print(f"{name:28} {'too short' if rate is None else round(rate):>10} {linux[name]:>10}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
