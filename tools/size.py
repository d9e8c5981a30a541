#!/usr/bin/env python3
"""size.py - how big the code is, against the budgets of the project (docs/style.md).

usage: size.py [--check] [DIRECTORY ...]     --check: exit 1 when a hard budget is passed"""
import argparse
import os
import re
import statistics
import subprocess
import sys

ROOTS = ["kernel", "libmach", "servers", "userland", "tools/mig"]
HARD_LONGEST_FUNCTION = 80
HARD_LONGEST_FILE = 800
HARD_KERNEL_LINES = 20000


def strip(text):
    """The code lines: without comments, blank lines and string contents."""
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', text)
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return [line for line in text.split("\n") if line.strip()]


def functions(path):
    """(name, lines) of each function, by ctags."""
    out = subprocess.run(["ctags", "-x", "--_xformat=%N %n %{end}", "--kinds-C=f", "--fields=+e", path],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in out.splitlines():
        name, start, end = line.split()
        if end.isdigit():
            yield name, int(end) - int(start) + 1


def measure(root):
    lines, files, sizes, ifs, asserts = 0, [], [], 0, 0
    for folder, subfolders, names in os.walk(root):
        if folder == "kernel":
            subfolders[:] = [s for s in subfolders if s not in ("ddb", "include")]  # the debugger, the ABI
        for name in sorted(names):
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                text = f.read()
            code = strip(text)
            lines += len(code)
            files.append((text.count("\n"), path))
            guard = 1 if name.endswith(".h") else 0
            ifs += max(0, sum(1 for line in code if re.match(r"\s*#\s*if", line)) - guard)
            asserts += sum(len(re.findall(r"\b(?:static_|_Static_)?assert\(", line)) for line in code)
            if name.endswith(".c"):
                sizes += [(n, f"{path}:{fn}") for fn, n in functions(path)]
    return lines, files, sizes, ifs, asserts


def report(root):
    lines, files, sizes, ifs, asserts = measure(root)
    lengths = sorted(n for n, _ in sizes) or [0]
    longest = max(sizes, default=(0, "-"))
    biggest = max(files, default=(0, "-"))
    over = sum(1 for n in lengths if n > 40)
    print(f"{root}: {lines} code lines in {len(files)} files")
    print(f"  functions: {len(sizes)}, median {statistics.median(lengths):.0f} (<= 12), "
          f"p90 {lengths[int(len(lengths) * 0.9)]} (<= 40), over 40 lines: {over}, longest {longest[0]} {longest[1]} (<= 80)")
    print(f"  biggest file: {biggest[0]} lines {biggest[1]} (<= 800)")
    print(f"  #if: {1000 * ifs / max(lines, 1):.1f} per kLOC (<= 2), asserts: {1000 * asserts / max(lines, 1):.1f} per kLOC (>= 15)")
    problems = [f"{where}: function of {n} lines" for n, where in sizes if n > HARD_LONGEST_FUNCTION]
    problems += [f"{path}: file of {n} lines" for n, path in files if n > HARD_LONGEST_FILE]
    return lines, problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("roots", nargs="*", default=ROOTS)
    arguments = parser.parse_args()
    problems = []
    for root in arguments.roots:
        lines, found = report(root)
        problems += found
        if root == "kernel" and lines > HARD_KERNEL_LINES:
            problems.append(f"kernel: {lines} code lines, {HARD_KERNEL_LINES} are the limit")
    tests = measure("tests")[0]
    print(f"tests: {tests} code lines")
    for problem in problems:
        print("over budget:", problem)
    return 1 if arguments.check and problems else 0


if __name__ == "__main__":
    sys.exit(main())
