#!/usr/bin/env python3
"""iasl.py - the ACPI tables of a machine, judged by Intel's compiler: each is taken apart and put together again without a complaint."""
import glob
import os
import re
import subprocess
import sys
import tempfile

PROGRAM = "build/host/vmm/acpi_test"
TABLES = {"APIC", "DSDT", "FACP", "HPET"}


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def judge(path):
    """What is wrong with a table, or None."""
    run("iasl", "-d", path)
    source = path[:-4] + ".dsl"
    if not os.path.exists(source):
        return "it cannot be taken apart"
    output = run("iasl", "-p", source + ".aml", source)
    return None if re.search(r"Compilation successful\. 0 Errors, 0 Warnings", output) else output


def main():
    subprocess.run(["make", "-s", "-f", "tests/host/vmm/vmm.mk", PROGRAM], check=True)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as directory:
        run(PROGRAM, directory)
        paths = sorted(glob.glob(os.path.join(directory, "*.dat")))
        found = {os.path.basename(path)[:-4] for path in paths}
        for name in sorted(TABLES ^ found):
            print(f"{name}: is it there or not?")
            failed += 1
        for path in paths:
            wrong = judge(path)
            passed += wrong is None
            failed += wrong is not None
            if wrong:
                print(os.path.basename(path), wrong)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
