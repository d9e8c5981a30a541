#!/usr/bin/env python3
"""bench.py - boot the release system where the time stamp counter counts instructions, run the benchmarks, print them beside other systems.

usage: tools/bench.py ISO-BENCH ISO-PROMPT [--check]
ISO-BENCH runs /bin/bench and switches off; ISO-PROMPT comes to the prompt. Writes build/bench.json: name -> {"value", "unit"}.
--check: exit 1 when a figure is above its limit (tests/bench/figures.json)."""
import argparse
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Machine  # noqa: E402


def run_benchmarks(iso):
    values = {}
    with Machine(iso, icount=True, timeout=300) as m:
        m.expect(r"exit status (\d+)")
        m.wait_off()
        for name, value in re.findall(r"^bench (\S+) (\d+)", m.seen, re.M):
            values[name] = int(value)
    return values


def measure_prompt(iso):
    with Machine(iso, icount=True, timeout=300) as m:
        ready = m.expect(r"ready after (\d+) ns, (\d+) KiB in use")
        m.expect(r"\$ ")
        return int(ready.group(1)), int(ready.group(2)) * 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("prompt")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    with open(os.path.join(ROOT, "tests/bench/figures.json")) as f:
        figures = json.load(f)
    values = run_benchmarks(arguments.bench)
    values["boot.kernel_to_prompt"], values["memory.at_prompt"] = measure_prompt(arguments.prompt)
    over = 0
    print(f"{'figure':28} {'here':>12} {'limit':>12}  others")
    for name in list(figures) + sorted(set(values) - set(figures)):
        figure = figures.get(name, {})
        if name not in values:
            print(f"{name:28} {'missing':>12}")
            over += 1
            continue
        limit = figure.get("limit")
        mark = " OVER" if limit and values[name] > limit else ""
        over += 1 if mark else 0
        others = ", ".join(f"{k} {v}" for k, v in figure.get("peers", {}).items())
        print(f"{name:28} {values[name]:12} {limit or '':>12}{mark}  {others}")
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    with open(os.path.join(ROOT, "build/bench.json"), "w") as f:
        json.dump({n: {"value": v, "unit": figures.get(n, {}).get("unit", "insns")} for n, v in sorted(values.items())}, f, indent=1)
        f.write("\n")
    return 1 if arguments.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
