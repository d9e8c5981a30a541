#!/usr/bin/env python3
"""run.py - run the tests of all levels and count them.

usage: tests/run.py [--level host|kernel|user|coverage|boot|bench|all|long] [--filter TEXT] [--verbose]

`long` is what takes many minutes and is not part of `all`. Closes with `N passed, N failed`; the exit status is 0 only when nothing failed. tests/README.md says how to add a test."""
import argparse
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import boot    # noqa: E402
import machine  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# host level: (name, command); each prints `N passed, N failed` last
HOST = [
    ("mig", ["make", "-s", "-f", "tests/host/mig/mig.mk", "mig-test"]),
    ("ipc", ["make", "-s", "-f", "tests/host/ipc/ipc.mk", "ipc-host-test"]),
    ("vm", ["make", "-s", "-f", "tests/host/vm/vm.mk", "vm-host-test"]),
    ("libmach", ["make", "-s", "-f", "libmach/libmach.mk", "libmach-host-test"]),
    ("archive", ["make", "-s", "-f", "tests/host/archive/archive.mk", "archive-host-test"]),
    ("pager", ["make", "-s", "-f", "tests/host/pager/pager.mk", "pager-host-test"]),
    ("driver", ["make", "-s", "-f", "tests/host/driver/driver.mk", "driver-host-test"]),
    ("iommu", ["make", "-s", "-f", "tests/host/iommu/iommu.mk", "iommu-host-test"]),
    ("device", ["make", "-s", "-f", "tests/host/device/device.mk", "device-host-test"]),
    ("fs", ["make", "-s", "-f", "tests/host/fs/fs.mk", "fs-host-test"]),
    ("hv", ["make", "-s", "-f", "tests/host/hv/hv.mk", "hv-host-test"]),
    ("vmm", ["make", "-s", "-f", "tests/host/vmm/vmm.mk", "vmm-host-test"]),
    ("acpi", ["python3", "tests/host/vmm/iasl.py"]),
    ("mkarchive", ["python3", "tests/host/archive/mkarchive_test.py"]),
    ("spin", ["python3", "tests/spin/spin_test.py"]),
    ("tutorial", ["python3", "tests/host/tutorial/tutorial_test.py"]),
    ("documents", ["python3", "tests/docs.py"]),
    ("error codes", ["python3", "tests/error_codes.py"]),
    ("mutations", ["python3", "tests/mutation.py", "--check"]),
]
# boot level, beside everything else: minutes of work for one machine
BESIDE = [
    ("pressure", ["python3", "tests/pressure/pressure.py", "--seconds", "300"]),
]
# bench level: figures against their budgets
BENCH = [
    ("figures", ["python3", "tools/bench.py", "--check", "build/test/bench.iso", "build/test/prompt-release.iso"]),
    ("disk", ["python3", "tools/disk_count.py", "--check", "build/test/system-release.iso", "build/release/kernel.elf"]),
    ("guests", ["python3", "tools/guest_count.py", "--check"]),
    ("scheduling", ["python3", "tools/demo_scheduling.py", "--check", "build/test/machines-release.iso"]),
]
COUNT = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed", re.M)


class Totals:
    """Counts of tests, printed as they come."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, name, passed, failed, seconds, output=""):
        self.passed += passed
        self.failed += failed
        mark = "ok  " if failed == 0 else "FAIL"
        print(f"{mark} {name}: {passed} passed, {failed} failed ({seconds:.1f} s)", flush=True)
        if failed:
            lines = [line for line in output.splitlines() if line.strip()]
            if len(lines) > 60:  # what went wrong stands at the beginning, what it did last at the end
                lines = lines[:8] + ["[...]"] + lines[-52:]
            print("\n".join("     | " + line for line in lines), flush=True)


class Command:
    """A command that counts tests, started now."""

    def __init__(self, name, command):
        self.name = name
        self.start = time.time()
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, totals):
        output = self.process.communicate()[0]
        counts = COUNT.findall(output)
        if counts and (self.process.returncode == 0 or int(counts[-1][1]) > 0):
            passed, failed = map(int, counts[-1])
        else:
            passed, failed = 0, 1  # it did not get as far as counting
        totals.add(self.name, passed, failed, time.time() - self.start, output)


def start_commands(level, commands, only):
    """Start each when the one before has been taken care of."""
    return (Command(f"{level} {name}", command) for name, command in commands if only in name)


def run_commands(totals, level, commands, only):
    for command in start_commands(level, commands, only):
        command.finish(totals)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--level", default="all", choices=["host", "kernel", "user", "coverage", "boot", "bench", "all", "long"])
    parser.add_argument("--filter", default="")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    machine.VERBOSE = arguments.verbose
    totals = Totals()
    if arguments.level in ("host", "all"):
        run_commands(totals, "host", HOST, arguments.filter)
    beside = list(start_commands("boot", BESIDE, arguments.filter)) if arguments.level in ("boot", "all") else []
    for level, suites in (("kernel", boot.KERNEL), ("user", boot.USER), ("coverage", boot.COVERAGE), ("boot", boot.MATRIX), ("long", boot.LONG)):
        if arguments.level != level and (arguments.level != "all" or level == "long"):
            continue
        for suite in suites:
            if arguments.filter and arguments.filter not in suite.name:
                continue
            start = time.time()
            passed, failed, output = suite.run()
            totals.add(f"{level} {suite.name}", passed, failed, time.time() - start, output)
    for command in beside:
        command.finish(totals)
    if arguments.level in ("bench", "all"):
        run_commands(totals, "bench", BENCH, arguments.filter)
    print(f"{totals.passed} passed, {totals.failed} failed")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
