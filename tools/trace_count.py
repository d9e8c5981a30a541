#!/usr/bin/env python3
"""trace_count.py - where the kernel's instructions of one round trip go, from an execution trace of the emulator.

usage: tools/trace_count.py ISO-BENCH KERNEL [--steps]
Traces `bench ipc.rpc.inter.0`, takes one call and one reply, and counts the instructions that cost more than one cycle by kind; --steps
also prints all of them by function, functions that were inlined apart. Writes build/bench-expensive.json."""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Machine  # noqa: E402

FIGURE = "ipc.rpc.inter.0"
# What is traced: the way in and out, and the short way itself; everything else of the kernel is too much to log.
TRACED = ("syscall_entry", "thread_syscall_return", "fastpath_leave", "ipc_fastpath")
KINDS = [
    ("locked", re.compile(r"^(lock |xchg .*\()")),
    ("write CR3", re.compile(r"^mov .*,%cr3")),
    ("write CR0 or CR4", re.compile(r"^mov .*,%cr[04]")),
    ("MSR", re.compile(r"^(rdmsr|wrmsr)")),
    ("swapgs", re.compile(r"^swapgs")),
    ("serialising", re.compile(r"^(cpuid|iret|invlpg|mov .*,%cr)")),
    ("XSAVE, XRSTOR", re.compile(r"^(xsave|xrstor|fxsave|fxrstor)")),
    ("FS, GS base", re.compile(r"^(rd|wr)[fg]sbase")),
    ("SSE, x87 control", re.compile(r"^(stmxcsr|ldmxcsr|fnstcw|fldcw)")),
    ("SMAP open, close", re.compile(r"^nopl +\(%rax\)$")),
    ("SYSCALL, SYSRET", re.compile(r"^sysret")),
]


def symbols(kernel):
    """name -> (first, behind), of functions, by address."""
    found = []
    for line in subprocess.run(["nm", "-n", kernel], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        address, kind, name = line.split()
        if kind in "tT" and "." not in name:
            found.append((int(address, 16), name))
    return {name: (a, found[i + 1][0] if i + 1 < len(found) else a + 4096) for i, (a, name) in enumerate(found)}


def trace(iso, ranges):
    """Addresses executed in the ranges, until the figure has been printed."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        extra = ["-singlestep", "-d", "exec,nochain", "-D", log.name, "-dfilter", ",".join(f"{a:#x}+{b - a:#x}" for a, b in ranges)]
        with Machine(iso, icount=True, timeout=300, extra=extra) as m:
            m.expect(re.escape(f"bench {FIGURE} "))
        with open(log.name, encoding="ascii", errors="replace") as f:
            return [int(x, 16) for x in re.findall(r"/(ffffffff[0-9a-f]{8})/", f.read())]


def round_trip(addresses, functions):
    """One call and its reply: the last two neighbouring passes that both leave by the short way."""
    entry, leave = functions["syscall_entry"][0], functions["fastpath_leave"][0]
    starts = [i for i, a in enumerate(addresses) if a == entry]
    passes = [addresses[a:b] for a, b in zip(starts, starts[1:])]
    pairs = [p + q for p, q in zip(passes, passes[1:]) if leave in p and leave in q and len(p) != len(q)]
    if not pairs:
        sys.exit("trace_count: no round trip took the short way")
    return pairs[len(pairs) // 2]


def disassembly(kernel, ranges):
    text = {}
    for a, b in ranges:
        out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--start-address={a:#x}", f"--stop-address={b:#x}", kernel],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
        for address, instruction in re.findall(r"^(ffffffff[0-9a-f]{8}):\s+(.*)$", out, re.M):
            text[int(address, 16)] = re.sub(r"\s+", " ", instruction).strip()
    return text


def places(kernel, addresses):
    """The innermost function of each address, in the order of first execution."""
    distinct = list(dict.fromkeys(addresses))
    out = subprocess.run(["addr2line", "-f", "-e", kernel], input="\n".join(f"{a:#x}" for a in distinct), stdout=subprocess.PIPE,
                         text=True, check=True).stdout.splitlines()
    name = dict(zip(distinct, out[0::2]))
    counts = collections.OrderedDict()
    for a in addresses:
        label = name[a] if name[a] != "??" else out[2 * distinct.index(a) + 1].split("/")[-1].split(":")[0]
        counts[label] = counts.get(label, 0) + 1
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("iso")
    parser.add_argument("kernel")
    parser.add_argument("--steps", action="store_true")
    arguments = parser.parse_args()
    functions = symbols(arguments.kernel)
    ranges = [functions[name] for name in TRACED]
    ranges[0] = (functions["syscall_entry"][0], functions["switch_stacks"][0])
    addresses = round_trip(trace(arguments.iso, ranges), functions)
    text = disassembly(arguments.kernel, ranges)
    kinds = {kind: sum(1 for a in addresses if pattern.search(text.get(a, ""))) for kind, pattern in KINDS}
    print(f"{FIGURE}, kernel: {len(addresses)} instructions a round trip; of them " +
          ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
    if arguments.steps:
        for label, count in places(arguments.kernel, addresses).items():
            print(f"{count:6}  {label}")
    with open(os.path.join(ROOT, "build/bench-expensive.json"), "w", encoding="utf-8") as f:
        json.dump({FIGURE: {"kernel instructions": len(addresses), **kinds}}, f, indent=1)
        f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
