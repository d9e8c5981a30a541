#!/usr/bin/env python3
"""mutation.py - do the attack programs notice when a check is gone?

usage: tests/mutation.py [--filter PATTERN] [--write]
       tests/mutation.py --check

For each line of tests/mutations/table.py: takes the check out of a copy of the tree (build/mutation), builds the debug system, runs the
attack program on 4 processors, and demands that a case fails, the kernel panics, or the machine stands still; for the programs `model` and
`ext2`, that the random histories of kernel/vm or the tests of servers/fs fail on the host, for `dmar` and `tables` those of tests/host/iommu, for
`hv_check` and `vmx_check` those of tests/host/hv; for `stray` the test of tests/boot/iommu.py; for `svm` and `vmx` those of guests in QEMU and Bochs.
Closes with `N noticed, N missed`; --write keeps the result in tests/mutations/README.md. Takes minutes.

--check only looks whether each old text is in the source exactly once, and prints `N passed, N failed`."""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
sys.path.insert(0, os.path.join(ROOT, "tests", "mutations"))

from table import MUTATIONS  # noqa: E402

TREE = os.path.join(ROOT, "build", "mutation")
README = os.path.join(ROOT, "tests", "mutations", "README.md")
ISO = "build/test/attack.iso"
# One program takes ten seconds on a quiet machine, and a case that has failed already is not waited for long.
STILL = 240
AFTER = 15
# programs of the host: what makes them, what runs them
HOST = {
    "model": (["-f", "tests/host/vm/vm.mk", "build/host/vm/vm_host_test"], ["build/host/vm/vm_host_test", "1", "400", "1000"]),
    "ext2": (["-f", "tests/host/fs/fs.mk", "build/host/fs/test"], ["build/host/fs/test"]),
    "apic": (["-f", "tests/host/hv/hv.mk", "build/host/hv/apic_test"], ["build/host/hv/apic_test"]),
    "dmar": (["-f", "tests/host/iommu/iommu.mk", "build/host/iommu/dmar_test"], ["build/host/iommu/dmar_test"]),
    "block": (["-f", "tests/host/device/device.mk", "build/host/device/block_test"], ["build/host/device/block_test"]),
    "tables": (["-f", "tests/host/iommu/iommu.mk", "build/host/iommu/table_test"], ["build/host/iommu/table_test"]),
    "hv_check": (["-f", "tests/host/hv/hv.mk", "build/host/hv/hv_test"], ["build/host/hv/hv_test"]),
    "vmx_check": (["-f", "tests/host/hv/hv.mk", "build/host/hv/vmx_test"], ["build/host/hv/vmx_test"]),
    "svm": (["DEBUG=1", "build/test/hv.iso"], ["python3", "tests/run.py", "--level", "user", "--filter", "guests on an EPYC"]),
    "vmx": (["DEBUG=1", "build/test/hv.iso"], ["python3", "tests/run.py", "--level", "user", "--filter", "guests in bochs 1 cpu"]),
    "stray": (["DEBUG=1", "build/test/stray-debug.iso"], ["python3", "tests/run.py", "--level", "boot", "--filter", "iommu refuses debug"]),
}


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def check():
    """Each old text is there once and the new one is another."""
    failed = 0
    for threat, gone, file, old, new, program in MUTATIONS:
        count = read(os.path.join(ROOT, file)).count(old)
        there = program in HOST or os.path.exists(os.path.join(ROOT, "tests", "user", f"attack_{program}_test.c"))
        if count != 1 or old == new or not there:
            print(f"{threat} {gone}: FAILED: in {file} {count} times, program {'there' if there else 'missing'}")
            failed += 1
    print(f"{len(MUTATIONS) - failed} passed, {failed} failed")
    return failed == 0


def make_copy():
    """A copy of what is here, with what is built: only what a mutation changes is built again."""
    shutil.rmtree(TREE, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split("\0")
    for name in filter(None, names):
        if os.path.exists(os.path.join(ROOT, name)):
            target = os.path.join(TREE, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), target)
    for name in ("debug", "gen", "mig", "user", "host"):
        built = os.path.join(ROOT, "build", name)
        if os.path.isdir(built):
            shutil.copytree(built, os.path.join(TREE, "build", name), symlinks=True)


def build(program):
    goal = ["DEBUG=1", "attack-iso", f"ATTACK=attack_{program}_test"]
    if program in HOST:
        goal = HOST[program][0]
    result = subprocess.run(["make", f"-j{os.cpu_count()}"] + goal, cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise RuntimeError("does not build:\n" + "\n".join(result.stdout.splitlines()[-20:]))


def histories(program):
    """What showed that a history failed, or None."""
    with subprocess.Popen(HOST[program][1], cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          start_new_session=True) as process:
        try:
            output = process.communicate(timeout=STILL)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the emulator, too
            return "it does not end"
    lines = re.findall(r"^\[  (?:FAILED  |ERROR   )\] ([a-z]\w+)", output, re.M) or \
        re.findall(r"^SUMMARY: \w+: (\S+)", output, re.M) or \
        re.findall(r"^     \| +([^:]*(?::\d+)?): expected", output, re.M) or \
        [line for line in output.splitlines() if line.strip("= ")]
    return None if process.returncode == 0 else re.sub(r"^==\d+==", "", lines[0])


def boot(program):
    """What the machine said that shows a failure, or None when all cases passed."""
    if program in HOST:
        return histories(program)
    import machine  # needs the emulator's packages, which --check does not
    end = r"case FAILED [^\r\n]*[\r\n]|runner: \d+ programs, 0 with failures"
    with machine.Machine(os.path.join(TREE, ISO), cpus=4, timeout=STILL) as m:
        try:
            unmet = m.expect(rf"  tests/user/\S+ expected [^\r\n]*[\r\n]|{end}").group(0)
            if "expected" not in unmet:
                return verdict(unmet)
        except machine.Failure as failure:
            panic = re.search(r"panic: ([^\r\n\x1b]*)", str(failure))
            return "panic: " + panic.group(1) if panic else f"it stands still {last_case(m.log())}"
        try:  # the case's name comes at its end, if it comes to one
            return verdict(m.expect(end, timeout=AFTER).group(0))
        except machine.Failure:
            return unmet.strip()


def verdict(line):
    failed = re.search(r"case FAILED \S+ (\S+)", line)
    return failed.group(1) if failed else None


def last_case(text):
    cases = re.findall(r"case ok \S+ (\S+)", text)
    return f"after {cases[-1]}" if cases else "before the first case ended"


def run_one(mutation):
    threat, gone, file, old, new, program = mutation
    path = os.path.join(TREE, file)
    text = read(path)
    write(path, text.replace(old, new))
    try:
        build(program)
        return boot(program)
    finally:
        write(path, text)


def run(only):
    """Returns the results: (mutation, what failed)."""
    results = []
    make_copy()
    chosen = [m for m in MUTATIONS if re.search(only, f"{m[0]} {m[1]} {m[2]}")]
    for program in sorted({m[5] for m in chosen}):
        build(program)
        failed = boot(program)
        if failed is not None:
            raise RuntimeError(f"{program} fails with every check in place: {failed}")
    for mutation in chosen:
        start = time.time()
        failed = run_one(mutation)
        results.append((mutation, failed))
        print(f"{'ok  ' if failed else 'MISS'} {mutation[0]} {mutation[1]}: {failed or 'nobody noticed'} ({time.time() - start:.0f} s)",
              flush=True)
    return results


def row(threat, gone, file):
    """How the line of a mutation in the README begins."""
    return f"| {threat} | {gone} | `{file}` | "


def keep(results):
    """Put the results into the table in the README, in the order of MUTATIONS; the lines of mutations that were not tried stay."""
    text = read(README)
    head, table = text[:text.index("| threat |")], text[text.index("| threat |"):].splitlines()
    rows = {row(*m[:3]): line for m in MUTATIONS for line in table if line.startswith(row(*m[:3]))}
    for mutation, failed in results:
        rows[row(*mutation[:3])] = row(*mutation[:3]) + (failed.replace("|", " ") if failed else "nothing") + " |"
    write(README, head + "\n".join(table[:2] + [rows[row(*m[:3])] for m in MUTATIONS if row(*m[:3]) in rows]) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--filter", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not check():
        return 1
    if arguments.check:
        return 0
    results = run(arguments.filter)
    if arguments.write:
        keep(results)
    missed = sum(failed is None for _, failed in results)
    print(f"{len(results) - missed} noticed, {missed} missed")
    return 1 if missed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
