#!/usr/bin/env python3
"""demo_scheduling.py - threads of guests and threads of the host on one processor, at one priority: who gets what share?

usage: tools/demo_scheduling.py [--check] ISO
Boots the system with one processor (its time counted in instructions, so that each run gives the same), starts virtual machines and a program
whose threads compute, and measures for some seconds. Prints a table and draws build/plots/scheduling.svg. With --check, a few cases only, and
each share must be what an equal one would be, within TOLERANCE."""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Machine  # noqa: E402

SECONDS, SECONDS_CHECK = 6, 2
TOLERANCE = 0.05  # of the whole
# (title, images of guests, threads of the host)
CASES = [
    ("a guest, a thread", ["spin"], 1),
    ("a guest, 3 threads", ["spin"], 3),
    ("3 guests, a thread", ["spin"] * 3, 1),
    ("2 guests, 2 threads", ["spin"] * 2, 2),
    ("a guest that always calls its monitor, a thread", ["chatty"], 1),
    ("a guest that always calls its monitor, a guest", ["chatty", "spin"], 0),
]
CASES_CHECK = [1, 4]
COLOURS = {"guest": [("#1f5f8b", "#ffffff"), ("#3b7ea8", "#ffffff")], "thread": [("#e8b04a", "#000000"), ("#f0c878", "#000000")]}
SHARE = re.compile(r"^share (\S+) (\d+) (\d\.\d+)$", re.M)


def measure(m, guests, threads, seconds):
    """[(who, share)], guests first."""
    for n, image in enumerate(guests):
        m.command_output(f"vm run /guests/{image} name={image}{n} detach")
    output = m.command_output(f"/tests/shares {threads} {seconds}")
    for n, image in enumerate(guests):
        m.command_output(f"vm kill {image}{n}")
    shares = [(name, float(share)) for name, _, share in SHARE.findall(output)]
    monitors = [share for name, share in shares if name == "vmm"]
    if len(monitors) != len(guests) or sum(name == "thread" for name, _ in shares) != threads:
        raise SystemExit(f"demo_scheduling: not all have had a share:\n{output}")
    return ([(f"guest {n + 1}" + (", chatty" if image == "chatty" else ""), share) for n, (image, share) in enumerate(zip(guests, monitors))]
            + [(f"thread {n + 1}", share) for n, share in enumerate(share for name, share in shares if name == "thread")])


def draw(rows, path):
    """A bar a case, a piece of it each guest (dark) and each thread (light)."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    objects, labels = [], []
    for y, (title, shares) in enumerate(reversed(rows)):
        x = 0.0
        labels.append(f'"{title}" {y}')
        for n, (who, share) in enumerate(shares):
            colour, text = COLOURS[who.split()[0]][n % 2]
            objects.append(f"set object rectangle from {x:.4f},{y - 0.35} to {x + share:.4f},{y + 0.35} fillcolor rgb '{colour}' fillstyle solid noborder")
            objects.append(f"set label \"{who}\\n{100 * share:.1f} %\" at {x + share / 2:.4f},{y} center font ',9' textcolor rgb '{text}'")
            x += share
    script = "\n".join([f"set terminal svg size 900,{90 * len(rows) + 90} font 'sans,12' background '#ffffff'", f"set output '{path}'",
                        "set title 'One processor, equal priority: who gets what share'", "set xrange [0:1]", f"set yrange [-0.6:{len(rows) - 0.4}]",
                        "set xtics ('0 %%' 0, '25 %%' 0.25, '50 %%' 0.5, '75 %%' 0.75, '100 %%' 1)", "set grid xtics", "unset key", f"set ytics ({', '.join(labels)})", *objects,
                        "plot 1/0 notitle", ""])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    print(f"drawn: {os.path.relpath(path, ROOT)}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("iso")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    rows, failed = [], 0
    with Machine(arguments.iso, icount=True, timeout=300) as m:
        m.come_up()
        for title, guests, threads in [CASES[n] for n in CASES_CHECK] if arguments.check else CASES:
            shares = measure(m, guests, threads, SECONDS_CHECK if arguments.check else SECONDS)
            rows.append((title, shares))
            print(f"{title:50} " + ", ".join(f"{who} {100 * share:.1f} %" for who, share in shares), flush=True)
            wrong = [who for who, share in shares if abs(share - 1 / len(shares)) > TOLERANCE]
            failed += bool(wrong)
            if wrong and arguments.check:
                print(f"  not an equal share: {', '.join(wrong)}")
    if arguments.check:
        print(f"{len(rows) - failed} passed, {failed} failed")
        return int(failed != 0)
    draw(rows, os.path.join(ROOT, "build/plots/scheduling.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
