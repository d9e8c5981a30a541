#!/usr/bin/env python3
"""plot.py - draw, from build/bench.json, the cost of a round trip against the size of its message beside other systems, and of memory out of line
copied against shared.

usage: tools/plot.py [BENCH.json [FOLDER]]     (default: build/bench.json build/plots)
Writes rpc-size.svg, and ool-crossover.svg if there are figures ipc.ool.copy.N and ipc.ool.remap.N (N bytes)."""
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


def figures_by_size(bench, prefix):
    """(bytes, instructions) of the figures PREFIX.BYTES, smallest first."""
    name = re.compile(re.escape(prefix) + r"\.(\d+)$")
    return sorted((int(name.match(n).group(1)), v["value"]) for n, v in bench.items() if name.match(n))


def rpc_series(bench):
    """(title, [(bytes, instructions)]) of each system."""
    peers = read("tests/bench/peers.json")
    yield "Portolan", figures_by_size(bench, "ipc.rpc.inter")
    for title, system, name, configuration, counts in PEERS:
        figures = peers[system][name]
        figures = figures[configuration] if configuration else figures
        yield title, list(zip(counts, figures))


def draw(output, xlabel, smallest, all_series):
    titles = ", ".join(f"'-' using 1:2 with linespoints linewidth {2 if t == 'Portolan' else 1} title \"{t}\"" for t, _ in all_series)
    data = "".join("".join(f"{max(x, 1)} {y}\n" for x, y in points) + "e\n" for _, points in all_series)
    largest = max(x for _, points in all_series for x, _ in points)
    script = (f"set terminal svg size 760,460 font 'sans,12' background '#ffffff'\nset output '{output}'\n"
              f"set logscale xy\nset xlabel '{xlabel}'\nset ylabel 'instructions a round trip'\n"
              f"set key left top\nset grid\nplot [{smallest}:{largest * 2}] {titles}\n{data}")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    print(f"drawn: {os.path.relpath(output, ROOT)}")


def main():
    bench = read(sys.argv[1] if len(sys.argv) > 1 else "build/bench.json")
    folder = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "build/plots"))
    os.makedirs(folder, exist_ok=True)
    draw(os.path.join(folder, "rpc-size.svg"), "bytes of body, each way (0 drawn at 1)", 1, list(rpc_series(bench)))
    ways = [("copied", figures_by_size(bench, "ipc.ool.copy")), ("shared copy-on-write", figures_by_size(bench, "ipc.ool.remap"))]
    if all(points for _, points in ways):
        draw(os.path.join(folder, "ool-crossover.svg"), "bytes of memory out of line", "*", ways)
    else:
        print("not drawn: ool-crossover.svg, as there are no figures ipc.ool.copy.N and ipc.ool.remap.N")
    return 0


if __name__ == "__main__":
    sys.exit(main())
