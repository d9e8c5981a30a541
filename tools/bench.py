#!/usr/bin/env python3
"""bench.py - boot the release system where the time stamp counter counts instructions, run the benchmarks, print them beside other systems.

usage: tools/bench.py ISO-BENCH ISO-PROMPT [--sizes ISO-COPY ISO-SHARE] [--check] [--accept]
ISO-BENCH runs /bin/bench and switches off; ISO-PROMPT comes to the prompt. Writes build/bench.json: name -> {"value", "unit"}.
--sizes: out-of-line memory by size too, all copied (ipc.ool.copy.N) and all shared (ipc.ool.remap.N), for tools/plot.py.
--check: as a test; a figure fails when it is missing or more than 2 % above its budget (tests/bench/budget.json), or
more than so many times another (`at_most` in tests/bench/figures.json).
--accept: make the figures of this run the budget."""
import argparse
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Machine  # noqa: E402

BUDGET = os.path.join(ROOT, "tests/bench/budget.json")
SLACK = 1.02
# what two processors do depends on when the emulator changes from one to the other
LOOSE = {"ipc.rpc.cross_cpu.32": 1.25}


def read_json(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def write_json(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
        f.write("\n")


def run_benchmarks(iso, cpus):
    with Machine(iso, cpus=cpus, icount=True, timeout=300) as m:
        m.expect(r"exit status (\d+)")
        m.wait_off()
        return {name: float(value) if "." in value else int(value)
                for name, value in re.findall(r"^bench (\S+) (\d+(?:\.\d+)?)", m.seen, re.M)}


def run_sizes(iso, prefix):
    return {name.replace("ipc.ool.size", prefix): value for name, value in run_benchmarks(iso, 1).items()}


def measure_prompt(iso):
    with Machine(iso, icount=True, timeout=300) as m:
        ready = m.expect(r"ready after (\d+) ns, (\d+) KiB in use")
        m.expect(r"\$ ")
        return int(ready.group(1)), int(ready.group(2)) * 1024


def is_over(name, value, budget):
    return name in budget and value > budget[name] * LOOSE.get(name, SLACK)


def is_apart(name, values, figure):
    """Is a figure that may be at most so many times another more than that?"""
    other, times = figure.get("at_most", (name, 1))
    return other in values and values[name] > values[other] * times


def remark(name, values, figure, budget):
    if name not in values:
        return "MISSING"
    if is_over(name, values[name], budget):
        return "OVER BUDGET"
    if is_apart(name, values, figure):
        return "APART"
    return "not yet" if values[name] > figure.get("done", values[name]) else ""


def print_table(values, figures, budget):
    print(f"{'figure':28} {'here':>10} {'budget':>10} {'done at':>10} {'goal':>10} {'':11}  others")
    for name in list(figures) + sorted(set(values) - set(figures)):
        figure = figures.get(name, {})
        others = ", ".join(f"{k} {v}" for k, v in figure.get("peers", {}).items())
        print(f"{name:28} {values.get(name, '-'):>10} {budget.get(name, ''):>10} {figure.get('done', ''):>10} "
              f"{figure.get('goal', ''):>10} {remark(name, values, figure, budget):11}  {others}")


def check(values, figures, budget):
    failed = [n for n in figures if n not in values or n not in budget or is_over(n, values[n], budget) or is_apart(n, values, figures[n])]
    for name in failed:
        at_most = "at most {1} times {0}; ".format(*figures[name]["at_most"]) if "at_most" in figures[name] else ""
        print(f"{name}: {values.get(name, 'not measured')}, budget {budget.get(name, 'none')}; {at_most}if that is meant, say why in the "
              "commit and run tools/bench.py --accept")
    print(f"{len(figures) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("prompt")
    parser.add_argument("--sizes", nargs=2)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--accept", action="store_true")
    arguments = parser.parse_args()
    figures = read_json(os.path.join(ROOT, "tests/bench/figures.json"))
    budget = read_json(BUDGET)
    values = run_benchmarks(arguments.bench, 1)
    values.update(run_benchmarks(arguments.bench, 2))
    if arguments.sizes:
        values.update(run_sizes(arguments.sizes[0], "ipc.ool.copy"))
        values.update(run_sizes(arguments.sizes[1], "ipc.ool.remap"))
    values["boot.kernel_to_prompt"], values["memory.at_prompt"] = measure_prompt(arguments.prompt)
    write_json(os.path.join(ROOT, "build/bench.json"),
               {n: {"value": v, "unit": figures.get(n, {}).get("unit", "insns")} for n, v in sorted(values.items())})
    if arguments.accept:
        write_json(BUDGET, {n: values[n] for n in figures if n in values})
    if arguments.check:
        return check(values, figures, budget)
    print_table(values, figures, budget)
    return 0


if __name__ == "__main__":
    sys.exit(main())
