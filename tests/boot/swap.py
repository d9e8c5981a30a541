"""swap.py - more memory in use than the machine has: what is paged out comes back as it was."""
from check import Checks
from machine import Machine

SWAP_MIB = 320
MEMORY_MIB = 64  # what the system has beside the memory disk


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


def full(iso):
    """More memory wanted than there is with swap: who wants it has no luck, and nobody's contents are lost."""
    checks = Checks()
    with Machine(iso, memory=64, icount=True) as m:
        m.expect(r"\$ $")
        output = m.command_output("time /tests/swap 80", 120)
        checks.expect("who wants too much gets an exception", r"\(code (6|10)\).*the task is ended", output)
        checks.expect("within two seconds: memory is not searched again and again", r"\nreal [01]\.", output)
        checks.expect("no page was thrown away", r"^(?!(?s:.*)swap is full)", m.command_output("dmesg", 60))
        checks.expect("memory comes back after that", r"^40 MiB written and read twice, 0 pages wrong\n", m.command_output("/tests/swap 40", 120))
        checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()
