#!/usr/bin/env python3
"""pressure.py - memory that is nearly all changed, for minutes or hours: contents stay, and everybody gets on.

usage: tests/pressure/pressure.py [--seconds N] [--cpus N] [--release]

Boots a system with swap (build/test/swap-debug.iso, or swap-release.iso: `make test-debug`, `make test-release`), runs /tests/pressure and
looks at what its tasks say. Closes with `N passed, N failed`."""
import argparse
import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [TESTS, os.path.join(TESTS, "boot")]

from check import Checks               # noqa: E402
from machine import Failure, Machine   # noqa: E402
from swap import MEMORY_MIB, SWAP_MIB  # noqa: E402

MIB = 80            # in use: half as much again as programs can have in memory
CALL_MS = 10000     # between two answers of a server: hosts have other things to do, too
WAIT_MS = 60000     # between two pages of a task whose memory is away
SAMPLES_MIN = 4     # of what is changed
ROLES = {"write": 2, "fork": 1, "pager": 1, "call": 1}


def check(checks, output):
    """The lines of the tasks, and those about memory."""
    lines = re.findall(r"^(\w+): (\d+) done, (\d+) wrong, longest wait (\d+) ms$", output, re.M)
    for role, tasks in ROLES.items():
        mine = [line for line in lines if line[0] == role]
        slowest = CALL_MS if role == "call" else WAIT_MS
        what = " ".join(f"{done} done, {wrong} wrong, {wait} ms" for _, done, wrong, wait in mine)
        good = len(mine) == tasks and all(int(done) > 100 and int(wrong) == 0 and int(wait) <= slowest for _, done, wrong, wait in mine)
        checks.expect(f"{role} keeps its contents and gets on", "^good", f"{'good' if good else 'bad'}: {what}\n{output}")
    samples = re.findall(r"^memory: .* changed: (enough|too few)$", output, re.M)
    good = len(samples) >= SAMPLES_MIN and "too few" not in samples
    checks.expect("nearly all memory is changed each time", "^good", f"{'good' if good else 'bad'}: {output}")
    checks.expect("all tasks end well", r"^pressure: good$", output.splitlines()[-1] if output else "")


def pressure(iso, seconds, cpus):
    checks = Checks()
    output = ""
    try:
        with Machine(iso, cpus=cpus, memory=MEMORY_MIB + SWAP_MIB) as m:
            m.expect(r"\$ $")
            output = m.command_output(f"/tests/pressure {MIB} {seconds}", seconds + 240)
            check(checks, output)
            checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
            m.power_off()
            checks.reached("poweroff")
    except Failure as failure:
        checks.failures.append(str(failure))
    return checks.result(), output


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--release", action="store_true")
    arguments = parser.parse_args()
    iso = f"build/test/swap-{'release' if arguments.release else 'debug'}.iso"
    (passed, failed, text), output = pressure(iso, arguments.seconds, arguments.cpus)
    print(text or output.strip())
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
