#!/usr/bin/env python3
"""plot.py - draw the cost of a round trip against the size of its message, from build/bench.json and the figures of other systems.

usage: tools/plot.py [OUTPUT.svg]     (default: build/plots/rpc-size.svg)"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Title; where in peers.json (system, name, configuration); bytes of body of each figure there
PEERS = [
    ("GNU Mach, SMP kernel", "GNU Mach", "ipc.rpc.inter 32/128/1024/4096 bytes of message, rt", "smp", [32, 128, 1024, 4096]),
    ("Fiasco, default build", "Fiasco", "ipc.rpc.inter 0/16/60 words, rt", "default", [0, 128, 480]),
    ("seL4, 2 processors compiled in", "seL4", "same with 2 nodes compiled in (-smp 2), 0/4/5/120 words", None, [0, 32, 40, 960]),
    ("Linux, two pipes", "Linux", "pipe ping-pong 1 B / 128 B / 4 KiB, 2 processes, rt", None, [1, 128, 4096]),
]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return json.load(f)


def series():
    """(title, [(bytes, instructions)]) of each system."""
    bench = read("build/bench.json")
    peers = read("tests/bench/peers.json")
    sizes = re.compile(r"ipc\.rpc\.inter\.(\d+)$")
    ours = sorted((int(sizes.match(n).group(1)), v["value"]) for n, v in bench.items() if sizes.match(n))
    yield "Portolan", ours
    for title, system, name, configuration, counts in PEERS:
        figures = peers[system][name]
        figures = figures[configuration] if configuration else figures
        yield title, list(zip(counts, figures))


def script(output, all_series):
    titles = ", ".join(f"'-' using 1:2 with linespoints linewidth {2 if t == 'Portolan' else 1} title \"{t}\"" for t, _ in all_series)
    data = "".join("".join(f"{max(x, 1)} {y}\n" for x, y in points) + "e\n" for _, points in all_series)
    return (f"set terminal svg size 760,460 font 'sans,12' background '#ffffff'\nset output '{output}'\n"
            "set logscale xy\nset xlabel 'bytes of body, each way (0 drawn at 1)'\nset ylabel 'instructions a round trip'\n"
            f"set key left top\nset grid\nplot [1:8192] {titles}\n{data}")


def main():
    output = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/plots/rpc-size.svg")
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    subprocess.run(["gnuplot"], input=script(output, list(series())), text=True, check=True)
    print(f"drawn: {os.path.relpath(output, ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
