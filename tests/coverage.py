#!/usr/bin/env python3
"""coverage.py - which source lines of kernel/ipc the kernel and user tests ran. Closes with `N passed, N failed`.

The emulator writes each block of instructions down when it translates it, which is just before it first runs (-d in_asm); the debug
kernel's line table says which line an instruction belongs to. The runs are those of the tests, so measuring costs next to nothing. An
instruction behind one that faulted counts as run: blocks end at jumps, not at faults.

The table is printed; build/coverage-ipc.txt has it with the lines that did not run. Fails under FLOOR percent."""
import bisect
import functools
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = "kernel/ipc"
FLOOR = 85
KERNEL = os.path.join(ROOT, "build/debug/kernel.elf")
LOGS = os.path.join(ROOT, "build/coverage")
REPORT = os.path.join(ROOT, "build/coverage-ipc.txt")
GAP = 4096  # ranges nearer to each other than this are watched as one


@functools.lru_cache
def rows():
    """(first address, address behind, file, line) of each piece of code of the folder, by address."""
    table = subprocess.run(["objdump", "--dwarf=decodedline", KERNEL], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    found = re.findall(r"^(\S+\.[chS]|\S+\.asm)\s+(\d+|-)\s+0x([0-9a-f]+)", table.stdout, re.M)
    names = {os.path.basename(p) for p in glob.glob(os.path.join(ROOT, FOLDER, "*.c"))}
    pieces = set()
    for (name, line, start), (_, _, end) in zip(found, found[1:]):
        if name in names and line != "-" and int(end, 16) > int(start, 16):
            pieces.add((int(start, 16), int(end, 16), name, int(line)))
    return sorted(pieces)


@functools.lru_cache
def ranges():
    """What to watch, as the emulator's -dfilter has it."""
    merged = []
    for start, end, _, _ in rows():
        if merged and start - merged[-1][1] < GAP:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    return ",".join(f"0x{start:x}+0x{end - start:x}" for start, end in merged)


def watch(name):
    """Arguments of the emulator that have it write down what runs."""
    os.makedirs(LOGS, exist_ok=True)
    return ["-d", "in_asm", "-dfilter", ranges(), "-D", os.path.join(LOGS, re.sub(r"\W+", "-", name) + ".log")]


def logs():
    """The logs of runs of this kernel."""
    return [p for p in sorted(glob.glob(os.path.join(LOGS, "*.log"))) if os.path.getmtime(p) >= os.path.getmtime(KERNEL)]


def executed():
    """Addresses of the instructions that ran, in order."""
    addresses = set()
    for path in logs():
        with open(path, encoding="utf-8", errors="replace") as f:
            addresses.update(re.findall(r"^0x([0-9a-f]{16}):", f.read(), re.M))
    return sorted(int(a, 16) for a in addresses)


def lines():
    """{file: {line: did it run}}: a line is run when any of its instructions is."""
    ran = executed()
    found = {}
    for start, end, name, line in rows():
        i = bisect.bisect_left(ran, start)
        hit = i < len(ran) and ran[i] < end
        of_file = found.setdefault(name, {})
        of_file[line] = of_file.get(line, False) or hit
    return found


def row(name, count, ran):
    return f"{name:24} {count:6} {ran:8} {100 * ran / max(count, 1):6.1f}"


def report(found):
    """The table, and the lines that did not run with their text."""
    table = [f"{'file of ' + FOLDER:24} {'lines':>6} {'covered':>8} {'%':>6}"]
    missed = []
    for name, of_file in sorted(found.items()):
        table.append(row(name, len(of_file), sum(of_file.values())))
        with open(os.path.join(ROOT, FOLDER, name), encoding="utf-8") as f:
            text = f.read().splitlines()
        missed += [f"{FOLDER}/{name}:{n}: {text[n - 1].strip()}" for n, ran in sorted(of_file.items()) if not ran]
    table.append(row("total", sum(map(len, found.values())), sum(sum(f.values()) for f in found.values())))
    return table, missed


def run():
    """Returns: (passed, failed, what to say), as the suites of boot.py do, and prints the table."""
    if not os.path.exists(KERNEL) or not logs():
        return 0, 1, f"no run of the kernel or user tests has been logged in {os.path.relpath(LOGS, ROOT)}"
    table, missed = report(lines())
    with open(REPORT, "w", encoding="utf-8") as f:
        f.write("\n".join(table + ["", f"lines that did not run in {', '.join(os.path.basename(p)[:-4] for p in logs())}:"] + missed) + "\n")
    print("\n".join(table), flush=True)
    percent = float(table[-1].split()[-1])
    if percent < FLOOR:
        return 0, 1, f"{percent} % of the lines were run, fewer than {FLOOR} %; {os.path.relpath(REPORT, ROOT)} lists the others"
    return 1, 0, ""


def main():
    passed, failed, text = run()
    if failed:
        print(text)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
