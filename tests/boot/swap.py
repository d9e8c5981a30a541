"""swap.py - more memory in use than the machine has: what is paged out comes back as it was."""
from check import Checks
from machine import Machine

SWAP_MIB = 320
MEMORY_MIB = 64  # what the system has beside the memory disk


def swap(iso, cpus=1):
    """Four times as much memory as there is."""
    checks = Checks()
    with Machine(iso, cpus=cpus, memory=MEMORY_MIB + SWAP_MIB) as m:
        memory = m.expect(r"processors?, (\d+) MiB")
        checks.expect("the disk is not the kernel's memory", r"^[56]\d$", memory.group(1))
        m.expect(r"\$ $")
        for what in ("memory comes back", "and again, the swap space being free"):
            checks.expect(what, r"^256 MiB written and read twice, 0 pages wrong\n", m.command_output("/tests/swap 256", 300))
        checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()
