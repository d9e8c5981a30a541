#!/usr/bin/env python3
"""trace_count.py - where the instructions of a round trip go, from an execution trace of the emulator.

usage: tools/trace_count.py ISO-PROMPT KERNEL [--steps] [--functions]
Runs the benchmarks of FIGURES at the prompt with every instruction of the kernel logged, takes the round trip that most of them are, and counts
in it the instructions that cost more than one cycle, by kind. --steps also prints all of them by step (STEPS), --functions by function, those
that were inlined apart. Writes build/bench-expensive.json."""
import argparse
import array
import bisect
import collections
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Machine, Monitor  # noqa: E402

# How often a round trip enters the kernel
FIGURES = {"ipc.rpc.inter.0": 2, "ipc.rpc.inter.32": 2, "ipc.rpc.inter.1024": 2, "ipc.kernel_rpc": 1}
KERNEL_BASE = 0xffffffff80000000
EXECUTED = re.compile(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]{16})/")
SAME_ENOUGH = 200  # of the 288 round trips of a measurement
# A form of `xchg` with an operand in memory is locked without the prefix.
KINDS = [
    ("locked", r"lock |xchg (?!%\w+,%\w+$)"),
    ("CR3", r"mov .*,%cr3$"),
    ("CR0, CR4", r"mov .*,%cr[04]$"),
    ("MSR", r"rdmsr|wrmsr"),
    ("swapgs", r"swapgs"),
    ("serialising", r"cpuid|iret|invlpg|invpcid|mov .*,%cr"),
    ("XSAVE, XRSTOR", r"xsave|xrstor|fxsave|fxrstor"),
    ("FS, GS base", r"(rd|wr)[fg]sbase"),
    ("SSE, x87 control", r"stmxcsr|ldmxcsr|fnstcw|fldcw"),
    ("SMAP", r"nopl \(%rax\)$|stac|clac"),
    ("SYSRET", r"sysret"),
    ("rep", r"rep "),
]
# The step an instruction belongs to: that of the innermost of the functions it is in which is named here.
STEPS = [
    ("entry", r"syscall_entry"),
    ("checks", r"ipc_fastpath|ipc_fastpath_(call|reply)"),
    ("lookup", r"ipc_fastpath_(find|has)"),
    ("locks", r"spin_\w+"),
    ("receiver", r"ipc_fastpath_(call_receiver|reply_from|can_take|can_wait|claim|number|wait)"),
    ("reply right", r"ipc_fastpath_(make|use)_reply|ipc_space_(has_free|can_give)|ipc_kcall_address"),
    ("copy", r"fastpath_(open|close|read_header|write_header|copy)|ipc_fastpath_copy(_if_long)?|pmap_peer_\w+|copyout|user\w+"),
    ("kernel object", r"ipc_kcall|ipc_kmsg_\w+|ipc_port_unref|ipc_right_\w+|ipc_space_(ref|unref)|kobject_\w+|stub_\w+|mig_\w+|mach_port_\w+"
                      r"|convert_\w+|interrupt_enable"),
    ("switch", r"ipc_fastpath_arrive|thread_quick_switch"),
    ("exit", r"fastpath_leave|thread_syscall_return|syscall_return"),
]
STEP_NAMES = [step for step, _ in STEPS] + ["rest"]


def kernel_functions(kernel):
    """Addresses and names of the kernel's functions, in order."""
    lines = subprocess.run(["nm", "-n", kernel], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    found = [(int(address, 16), name) for address, kind, name in (line.split() for line in lines) if kind in "tT" and "." not in name]
    return [(address, name) for address, name in found if address >= KERNEL_BASE]


def read_log(path):
    """Addresses executed, in order."""
    with open(path, encoding="ascii", errors="replace") as f:
        return array.array("Q", (int(found.group(1), 16) for found in map(EXECUTED.match, f) if found))


def traces(iso, first, last):
    """(figure, its value, addresses executed in the kernel meanwhile) of each figure."""
    m = Machine(iso, icount=True, timeout=300, monitored=True, extra=["-singlestep", "-dfilter", f"{first:#x}..{last:#x}"])
    with m:
        m.expect(r"\$ $")
        monitor = Monitor(m)
        for figure in FIGURES:
            log = os.path.join(m.scratch, figure)
            monitor.command(f"logfile {log}")
            m.send(f"bench {figure}")
            monitor.command("log exec,nochain")
            m.send("\r")
            value = int(m.expect(rf"bench {re.escape(figure)} (\d+)\r").group(1))
            monitor.command("log none")
            yield figure, value, read_log(log)
            os.remove(log)
        monitor.close()


def round_trip(figure, addresses, entry):
    """The addresses of the most frequent run of passes through the kernel: what interrupts did to others is left out."""
    starts = [i for i, address in enumerate(addresses) if address == entry]
    runs = collections.Counter(addresses[a:b].tobytes() for a, b in zip(starts, starts[FIGURES[figure]:]))
    chosen, times = runs.most_common(1)[0] if runs else (b"", 0)
    if times < SAME_ENOUGH:
        sys.exit(f"trace_count: {figure}: no round trip came {SAME_ENOUGH} times; the most frequent one came {times}")
    return array.array("Q", chosen)


def disassembly(kernel):
    """address -> instruction, of the whole kernel; -D, since what follows a local label of NASM counts as data."""
    out = subprocess.run(["objdump", "-D", "-j", ".text", "--no-show-raw-insn", kernel], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {int(address, 16): " ".join(text.split()) for address, text in re.findall(r"^(ffffffff[0-9a-f]{8}):\s+(.*)$", out, re.M)}


def chains(kernel, functions, addresses):
    """address -> the functions it is in, the innermost of those inlined first."""
    starts = [address for address, _ in functions]
    out = subprocess.run(["addr2line", "-a", "-f", "-i", "-e", kernel], input="\n".join(f"{a:#x}" for a in sorted(addresses)),
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    found = {}
    for block in out.split("\n0x"):
        lines = block.splitlines()
        address = int(lines[0].removeprefix("0x"), 16)
        symbol = functions[bisect.bisect(starts, address) - 1][1]  # what was assembled has no function in its line numbers
        found[address] = [symbol if name == "??" else name.split(".")[0] for name in lines[1::2]]
    return found


def step_of(chain):
    """"rest" if none of the functions has a step."""
    return next((step for name in chain for step, pattern in STEPS if re.fullmatch(pattern, name)), "rest")


def count(value, addresses, text, chain):
    """What build/bench-expensive.json has of a figure."""
    kinds = {kind: sum(1 for a in addresses if re.match(pattern, text[a])) for kind, pattern in KINDS}
    steps = collections.Counter(step_of(chain[a]) for a in addresses)
    functions = collections.Counter(chain[a][0] for a in addresses)
    return {"instructions": value, "kernel": len(addresses), "expensive": kinds,
            "steps": {step: steps[step] for step in STEP_NAMES}, "functions": dict(functions.most_common())}


def print_table(results, key, names):
    """A line a figure, with the program's instructions and the kernel's in front."""
    print("\n" + f"{'a round trip':20} {'user':>6} {'kernel':>6} " + " ".join(f"{name:>6}" for name in names))
    for figure, result in results.items():
        print(f"{figure:20} {result['instructions'] - result['kernel']:6} {result['kernel']:6} " +
              " ".join(f"{result[key][name]:{max(len(name), 6)}}" for name in names))


def print_functions(results):
    names = dict.fromkeys(name for result in results.values() for name in result["functions"])
    print("\n" + f"{'function':32}" + " ".join(f"{figure:>18}" for figure in results))
    for name in names:
        print(f"{name:32}" + " ".join(f"{result['functions'].get(name, 0):18}" for result in results.values()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("iso")
    parser.add_argument("kernel")
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--functions", action="store_true")
    arguments = parser.parse_args()
    functions = kernel_functions(arguments.kernel)
    entry = next(address for address, name in functions if name == "syscall_entry")
    text = disassembly(arguments.kernel)
    results = {}
    for figure, value, log in traces(arguments.iso, functions[0][0], functions[-1][0] + 4096):
        addresses = round_trip(figure, log, entry)
        results[figure] = count(value, addresses, text, chains(arguments.kernel, functions, set(addresses)))
    with open(os.path.join(ROOT, "build/bench-expensive.json"), "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    print_table(results, "expensive", [kind for kind, _ in KINDS])
    if arguments.steps:
        print_table(results, "steps", STEP_NAMES)
    if arguments.functions:
        print_functions(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
