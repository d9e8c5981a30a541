#!/usr/bin/env python3
"""long.py - random histories of memory against the model, for longer than `make test` has time for.

usage: tests/host/vm/long.py [--seeds FIRST-LAST] [--operations N] [--keep-going]

Builds the host test with ASan and UBSan and runs a history of so many operations for each seed. Of one that fails, the operations that do
not matter are left out as long as it still fails; what is left is printed with the command that runs it again. Closes with
`N passed, N failed`."""
import argparse
import os
import re
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
PROGRAM = "build/host/vm/vm_host_test"
AT_ONCE = 50  # seeds in one process


def run(first, last, operations, only=None):
    """(what failed or None, output)."""
    command = [PROGRAM, str(first), str(last), str(operations)] + ([",".join(map(str, only))] if only is not None else [])
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if result.returncode == 0:
        return None, result.stdout
    found = re.search(r"^history (\d+) failed at operation (\d+)", result.stdout, re.M)
    return (tuple(map(int, found.groups())) if found else (first, operations)), result.stdout


def shrink(seed, operations, last):
    """The operations up to the last one without which the history does not fail."""
    kept = list(range(1, last + 1))
    if run(seed, seed, operations, kept)[0] is None:
        return kept
    size = max(len(kept) // 2, 1)
    while True:
        at = 0
        while at < len(kept):
            rest = kept[:at] + kept[at + size:]
            if rest and run(seed, seed, operations, rest)[0] is not None:
                kept = rest
            else:
                at += size
        if size == 1:
            return kept
        size //= 2


def tell(failure, operations, output):
    seed, last = failure
    print("\n".join("     | " + line for line in output.splitlines()[-60:]), flush=True)
    total = min(operations, (last + 63) // 64 * 64)
    kept = shrink(seed, total, last)
    print(f"FAIL seed {seed}: {len(kept)} of {last} operations are enough:")
    print("\n".join("     | " + line for line in run(seed, seed, total, kept)[1].splitlines()[-60:]))
    print(f"again: {PROGRAM} {seed} {seed} {total} {','.join(map(str, kept))}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1-5000")
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--keep-going", action="store_true")
    arguments = parser.parse_args()
    subprocess.run(["make", "-s", "-f", "tests/host/vm/vm.mk", PROGRAM], cwd=ROOT, check=True)
    first, _, last = arguments.seeds.partition("-")
    seed, end = int(first), int(last or first) + 1
    passed = failed = 0
    start = time.time()
    while seed < end:
        upto = min(seed + AT_ONCE, end) - 1
        failure, output = run(seed, upto, arguments.operations)
        passed += (failure[0] if failure else upto + 1) - seed
        seed = failure[0] + 1 if failure else upto + 1
        if failure:
            failed += 1
            tell(failure, arguments.operations, output)
            if not arguments.keep_going:
                break
        print(f"ok   seeds up to {seed - 1}: {passed * arguments.operations} operations, {time.time() - start:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
