#!/usr/bin/env python3
"""guest_count.py - what a virtual machine costs those who are in it, in instructions.

usage: tools/guest_count.py [--check] [--only rpc|linux]
rpc    a round trip of messages (ipc.rpc.inter.32) in Portolan, and in Portolan that is a guest of Portolan: at most 1 % more
linux  from the start of an unmodified Linux to its shell, on the bare emulator and as a guest, what its processor is idle not counted: at
       most twice as many
Needs build/test/nested-release.iso and linux-release.iso. The emulator counts (-icount): the same each time."""
import argparse
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from machine import Machine, Program  # noqa: E402

FIGURE = "ipc.rpc.inter.32"
GUEST = 'vm run /guests/kernel memory=96 module="/guests/bootstrap bootstrap" module="/guests/archive archive" cmdline="{}"'
LINUX = "console=ttyS0 panic=-1 tsc_early_khz=1000000 tsc=reliable"
SHELL = r"/ # (\x1b\[6n)?$"
LIMITS = {"rpc": 1.01, "linux": 2.0}


def bench(m):
    return float(re.search(rf"bench {re.escape(FIGURE)} (\S+)", m.command_output(f"bench {FIGURE}", 120)).group(1))


def rpc():
    """(outside, inside) in instructions."""
    with Machine("build/test/nested-release.iso", memory=384, icount=True, timeout=200) as m:
        m.come_up()
        outside = bench(m)
        m.send(GUEST.format("") + "\r")
        m.expect(r"ready after \d+ ns")
        m.expect(r"\$ $")
        return outside, bench(m)


def linux_bare():
    """Seconds of a processor that does an instruction a nanosecond, until the shell, without idling."""
    command = ["qemu-system-x86_64", "-cpu", "max", "-smp", "1", "-m", "128", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
               "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-kernel", "build/linux/vmlinuz", "-initrd", "build/test/guests/initrd",
               "-append", LINUX]
    with Program(command, None, timeout=300) as m:
        m.expect(SHELL)
        m.send("cat /proc/uptime\r")
        m.expect(r"(\d+\.\d+) (\d+\.\d+)\r*\n")
        uptime, idle = map(float, re.findall(r"(\d+\.\d+) (\d+\.\d+)\r*\n", m.seen)[-1])
        return uptime - idle


def linux_guest():
    """The same, of the monitor's task: guest, monitor, and what the kernel does for both."""
    with Machine("build/test/linux-release.iso", memory=384, icount=True, timeout=300) as m:
        m.come_up()
        m.send(f'vm run /guests/linux initrd=/guests/initrd memory=128 cmdline="{LINUX}"\r')
        m.expect(SHELL)
        m.leave_guest()
        return float(re.search(r"(\d+\.\d+) vmm$", m.command_output("ps"), re.M).group(1))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", choices=LIMITS)
    arguments = parser.parse_args()
    failed = done = 0
    if arguments.only != "linux":
        outside, inside = rpc()
        print(f"{FIGURE}: {outside:.0f} outside, {inside:.0f} inside: {inside / outside:.4f} (at most {LIMITS['rpc']})", flush=True)
        failed += inside / outside > LIMITS["rpc"]
        done += 1
    if arguments.only != "rpc":
        bare, guest = linux_bare(), linux_guest()
        print(f"Linux to its shell: {bare:.3f} G bare, {guest:.3f} G as a guest: {guest / bare:.3f} (at most {LIMITS['linux']})", flush=True)
        failed += guest / bare > LIMITS["linux"]
        done += 1
    if arguments.check:
        print(f"{done - failed} passed, {failed} failed")
        return int(failed != 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
