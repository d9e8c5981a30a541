#!/usr/bin/env python3
"""long.py - the fuzzer for longer than `make test` has time for.

usage: tests/fuzz/long.py [--seeds FIRST-LAST] [--calls N] [--threads N] [--cpus N]

Boots the debug system (build/test/fuzz.iso: `make DEBUG=1 test-debug`) once and runs fuzz_test with each seed by way of the runner,
which compares the counts of all kernel objects and the ledger of rights before and after each. A line each; closes with `N passed, N failed`."""
import argparse
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from machine import Failure, Machine  # noqa: E402

ISO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/test/fuzz.iso")
SECONDS_A_CALL = 0.005  # on the slowest host


def fuzz(m, seed, calls, threads):
    """One seed; (passed and nothing was left behind, output)."""
    output = m.command_output(f"/tests/runner fuzz_test {seed} {calls} {threads}", timeout=120 + 2 * calls * SECONDS_A_CALL)
    return re.search(r"^runner: 1 programs, 0 with failures$", output, re.M) is not None, output


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1-10")
    parser.add_argument("--calls", type=int, default=1000000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=2)
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("-")
    passed = failed = 0
    try:
        with Machine(ISO, cpus=arguments.cpus) as m:
            m.expect(r"\$ $")
            fuzz(m, 0, 200000, arguments.threads)  # page tables and tables of servers reach their size: from here on nothing more may stay
            for seed in range(int(first), int(last or first) + 1):
                start = time.time()
                good, output = fuzz(m, seed, arguments.calls, arguments.threads)
                good = good and "once more" not in output
                passed += good
                failed += not good
                print(f"{'ok  ' if good else 'FAIL'} seed {seed}: {arguments.calls} calls, {arguments.threads} threads, "
                      f"{time.time() - start:.0f} s", flush=True)
                print("\n".join("     | " + line for line in output.splitlines()), flush=True)
            m.power_off()
    except Failure as failure:
        failed += 1
        print(failure)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
