#!/usr/bin/env python3
"""spin_test.py - search all states of ipc.pml: the model must hold, and each seeded fault must be found. Closes with `N passed, N failed`.

usage: tests/spin/spin_test.py [--show FAULT]     FAULT: print the steps that lead to its failure (0: of the model as it is)."""
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "tests/spin/ipc.pml")
OUT = os.path.join(ROOT, "build/host/spin")
MEMORY_MIB = 1000  # of one search; two run at once
SECONDS = 600  # against a search that does not end: the longest takes a fiftieth of that

# Sizes in which the model as it is must hold: every two or three who may end a wait meet in one of them.
SENDER, RECEIVER = 1, 4  # bits of TIMED and ABORTED
PROOFS = [
    {"MESSAGES": 3, "TIMED": 0, "ABORTED": 0},
    {"MESSAGES": 3, "TIMED": SENDER, "ABORTED": 0},
    {"MESSAGES": 2, "TIMED": SENDER | RECEIVER, "ABORTED": 0},
    {"MESSAGES": 2, "TIMED": SENDER, "ABORTED": SENDER},
    {"MESSAGES": 1, "TIMED": RECEIVER, "ABORTED": RECEIVER},
]
# Sizes in which a fault shows, where that is not the first.
NEEDS = {
    "FAULT_CLAIM_TWO_STEPS": PROOFS[1],
    "FAULT_QUEUE_UNCLAIMED": PROOFS[1],
    "FAULT_STAY_LINKED": PROOFS[1],
    "FAULT_TIMER_LEFT": PROOFS[2],
    "FAULT_ABORT_UNSEEN": PROOFS[4],
}


def faults():
    """(number, name) of each seeded fault."""
    with open(MODEL, encoding="utf-8") as f:
        found = re.findall(r"^#define (FAULT_\w+)\s+(\d+)\s+/\*", f.read(), re.M)
    return [(int(number), name) for name, number in found]


def run(folder, *command):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False)


def search(fault, sizes):
    """Generate, build and run the search. Returns: (how many errors it found or None, what it printed, its folder)."""
    words = [f"-DFAULT={fault}"] + [f"-D{name}={value}" for name, value in sizes.items()]
    folder = os.path.join(OUT, "".join(words))
    os.makedirs(folder, exist_ok=True)
    # Not optimized: that takes longer than the search does, which it makes faster.
    for command in (["spin", *words, "-a", MODEL],
                    ["gcc", "-O0", "-w", "-DSAFETY", f"-DMEMLIM={MEMORY_MIB}", "-o", "pan", "pan.c"],
                    ["./pan", "-m10000", "-w24"]):
        result = run(folder, *command)
        if result.returncode != 0:
            return None, result.stdout, folder
    complete = "Search not completed" not in result.stdout and "max search depth too small" not in result.stdout
    errors = re.search(r"errors: (\d+)", result.stdout)
    return (int(errors.group(1)) if errors and (complete or errors.group(1) != "0") else None), result.stdout, folder


def judge(job):
    """Returns: (as expected, one line, what was printed)."""
    number, name, sizes = job
    errors, text, _ = search(number, sizes)
    states = re.search(r"(\d+) states, stored", text)
    first = re.search(r"^pan:\d+: (.*) \(at depth", text, re.M)
    line = f"{name} {sizes}: {states.group(1) if states else 'no'} states, {first.group(1) if first else 'no error'}"
    return errors == 0 if number == 0 else bool(errors), line, text


def show(number):
    name = dict(faults()).get(number, "FAULT_NONE")
    _, text, folder = search(number, NEEDS.get(name, PROOFS[0]))
    print(text)
    print(run(folder, "./pan", "-r").stdout)


def main():
    if sys.argv[1:2] == ["--show"]:
        show(int(sys.argv[2]))
        return 0
    jobs = [(0, "the model", sizes) for sizes in reversed(PROOFS)]
    jobs += [(number, name, NEEDS.get(name, PROOFS[0])) for number, name in faults()]
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for good, line, text in pool.map(judge, jobs):
            passed += good
            print("ok" if good else "FAILED", line)
            if not good:
                print(text)
    print(f"{passed} passed, {len(jobs) - passed} failed")
    return 1 if passed != len(jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
