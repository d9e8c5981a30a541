"""swap.py - more memory in use than the machine has: what is paged out comes back as it was.

Alone, from the top of the tree, for longer than the tests do:
    python3 tests/boot/swap.py SECONDS [PROCESSORS]
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))


from check import Checks      # noqa: E402
from machine import Machine    # noqa: E402

SWAP_MIB = 320
MEMORY_MIB = 64  # what the system has beside the memory disk
PRESSURE_MIB = 72


def swap(iso, mib, cpus=1):
    """More memory in one program than there is."""
    checks = Checks()
    with Machine(iso, cpus=cpus, memory=MEMORY_MIB + SWAP_MIB) as m:
        memory = m.expect(r"processors?, (\d+) MiB")
        checks.expect("the disk is not the kernel's memory", r"^[56]\d$", memory.group(1))
        m.expect(r"\$ $")
        for what in ("memory comes back", "and again, the swap space being free"):
            checks.expect(what, rf"^{mib} MiB written and read twice, 0 pages wrong\n", m.command_output(f"/tests/swap {mib}", 300))
        checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


def pressure(iso, seconds, cpus=1):
    """All memory changed all the time, for so long."""
    checks = Checks()
    with Machine(iso, cpus=cpus, memory=MEMORY_MIB + SWAP_MIB) as m:
        m.expect(r"\$ $")
        checks.expect("every page is as it was left", r"^many pages changed, 0 wrong\n",
                      m.command_output(f"/tests/pressure {PRESSURE_MIB} {seconds}", seconds + 240))
        checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


if __name__ == "__main__":
    passed, failed, text = pressure("build/test/swap-debug.iso", int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(text)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)
