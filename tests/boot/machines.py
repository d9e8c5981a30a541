"""machines.py - virtual machines at the prompt: they run, are looked at, and end, and nothing else notices."""
import re

from check import Checks
from machine import Failure, Machine


# (line, what it prints, the exit status)
RUNS = [
    ("vm run /guests/hello cmdline=\"a line of words\"", r"Hello from a guest: a line of words\n(.*\n)*vm: hello: the guest turned the power off", 0),
    ("vm run /guests/exit", r"vm: exit: the guest ended with 42", 42),
    ("vm run /guests/exit name=other memory=2", r"vm: other: the guest ended with 42", 42),
    ("vm run /guests/sector", r"a sector in real mode\n(.*\n)*vm: sector: the guest ended with 0", 0),
    ("vm run /guests/triple", r"vm: triple: triple fault: .* \(rip 0x100000, cr0 0x11, ", 1),
    ("vm run /guests/stray", r"vm: stray: the guest wanted to run code at 0xd0000000, where nothing is", 1),
    ("vm run /guests/strings", r"said by a string instruction\n(.*\n)*vm: strings: the guest ended with 0", 0),
    ("vm run /guests/hypercall name=calls", r"said by a hypercall\n(.*\n)*vm: calls: the guest (ended with 0|turned the power off)", 0),
    ("vm run /guests/registers", r"vm: registers: the guest ended with 0", 0),
    ("vm run /guests/hello memory=1", r"memory= is a number of MiB", 1),
    ("vm run /guests/hello memory=65537", r"memory= is a number of MiB", 1),
    ("vm run /guests/hello memory=8192", r"the guest turned the power off", 0),  # more than the host has
    ("vm run /guests/hello cpus=17", r"cpus= is a number from 1 to 16", 1),
    ("vm run /guests/hello colour=red", r"there is no such argument", 1),
    ("vm run /guests/exit module=/etc/motd", r"a flat image has no use for anything", 1),
    ("vm run /guests/none", r"/guests/none: .*[Nn]o such file", 1),
    ("vm run /bin/true", r"an ELF program without a multiboot header", 1),
    ("vm run /guests/exit name=a/b", r"a/b: ", 1),
    ("vm run /guests/noise", r"vm: noise: the guest (ended with 0|turned the power off|reset the machine)", None),
    ("vm info nobody", r"no machine has the name `nobody`", 1),
    ("vm kill nobody", r"no machine has the name `nobody`", 1),
    ("vm", r"usage: vm run IMAGE", 2),
]

# Guests that are a test each: (name, options, what they end with)
CASES = [
    ("exceptions", "", "ended with 0"),
    ("paging", "", "ended with 0"),
    ("long", "", "ended with 0"),
    ("timer", "", "ended with 0"),
    ("serialirq", "", "ended with 0"),
    ("date", "", "ended with 0"),
    ("pci", "", "ended with 0"),
    ("acpi", "", "ended with 0"),
    ("apic", "", "ended with 0"),
    ("apictimer", "", "ended with 0"),
    ("ioapic", "", "ended with 0"),
    ("hpet", "", "ended with 0"),
    ("smp", "cpus=4", "ended with 0"),
    ("msrs", "", "ended with 0"),
    ("msrnoise", "", "ended with 0"),
    ("scatter", "", "ended with 0"),
    ("memory", "", "ended with 0"),
    ("cpuid", "", "ended with 0"),
    ("keyboardreset", "", "reset the machine"),
    ("acpireset", "", "reset the machine"),
    ("losttables", "", r"a page table of the guest is at 0xd0000000, where nothing is \(rip 0x[0-9a-f]+, cr3 0xd0000000\)"),
]


def status(m, line):
    """What a line prints, and its exit status."""
    output = m.command_output(f"{line}; echo status $?")
    match = re.search(r"status (\d+)\n$", output)
    return output, int(match.group(1)) if match else None


def runs(m, checks):
    for line, pattern, number in RUNS:
        output, got = status(m, line)
        checks.expect(f"`{line}`", pattern, output)
        if number is not None:
            checks.expect(f"the status of `{line}`", rf"^{number}$", str(got))
    checks.expect("none is left", r"^$", m.command_output("vm list"))


def cases(m, checks):
    for name, options, end in CASES:
        checks.expect(f"the guest {name}", rf"vm: {name}: .*{end}\n", m.command_output(f"vm run /guests/{name} {options}"))


def spinning(m, checks):
    """A guest that never gives the processor back is a task like others."""
    checks.expect("a machine of its own", r"^status 0\n$", status(m, "vm run /guests/spin name=s1 detach")[0])
    checks.expect("a second one", r"^status 0\n$", status(m, "vm run /guests/spin name=s2 detach")[0])
    checks.expect("no name twice", r"a machine of the name `s1` already", m.command_output("vm run /guests/spin name=s1"))
    checks.expect("the prompt answers", r"^usable\n", m.command_output("echo usable", 15))
    checks.expect("programs run", r"^Hello, Ann!\n", m.command_output("hello Ann", 15))
    checks.expect("both are listed", r"^s1 +running\ns2 +running\n$", m.command_output("vm list"))
    checks.expect("one stands still", r"^status 0\n$", status(m, "vm pause s1")[0])
    checks.expect("which is told", r"^s1 +paused\ns2 +running\n$", m.command_output("vm list"))
    checks.expect("figures", r"^s1: paused, 1 processors, 64 MiB, \d+\.\d{3} s\n(kernel +\d+ +\d+/s\n)?kicked +\d+ +\d+/s\n", m.command_output("vm info s1"))
    for mib, why in (("1", "the guest gives no memory back"), ("65", "no number of MiB that the machine has"), ("x", "no number of MiB that the machine has")):
        checks.expect(f"a balloon of {mib}", rf"^vm: .*{why}\nstatus 1\n$", status(m, f"vm balloon s1 {mib}")[0])
    checks.expect("and goes on", r"^status 0\n$", status(m, "vm resume s1")[0])
    checks.expect("as it was", r"^s1 +running\n", m.command_output("vm list"))
    checks.expect("an end", r"^status 0\n$", status(m, "vm kill s1")[0])
    match = re.search(r"^ *(\d+) .* s2$|^ *(\d+) .* vmm$", m.command_output("ps"), re.M)
    if not match:
        raise Failure("`ps` does not show the monitor")
    m.send(f"kill {match.group(1) or match.group(2)}\r")
    m.expect(r"vm_master: the monitor of s2 was ended")
    m.settle()
    checks.expect("none is left", r"^$", m.command_output("vm list"))


def rights(m, checks):
    """Who may look at a machine and end it: who started it, and who has the privileged host port."""
    checks.expect("what is refused", r"^(?!(?s:.*)WRONG)(.*: ok -?\d+\n){12}$", m.command_output("/tests/vm_rights /guests/spin", 30))
    m.settle()
    checks.expect("none is left", r"^$", m.command_output("vm list"))


def forgotten(m, checks):
    """The service that knows machines ends; the next one knows them again."""
    m.command_output("vm run /guests/spin name=s3 detach")
    m.command_output("vm run /guests/spin name=s4 detach")
    number = re.search(r"^ *(\d+) .* vm_master$", m.command_output("ps"), re.M).group(1)
    m.send(f"kill {number}\r")
    m.expect(r"bootstrap: vm_master died; starting it again")
    m.settle()
    for _ in range(20):
        listed = m.command_output("vm list")
        if listed.count("\n") == 2:
            break
    checks.expect("both are known", r"^s[34] +running\ns[34] +running\n$", listed)
    checks.expect("and looked at", r"^s3: running", m.command_output("vm info s3"))
    checks.expect("no name twice", r"a machine of the name `s3` already", m.command_output("vm run /guests/spin name=s3"))
    checks.expect("one is ended", r"^status 0\n$", status(m, "vm kill s3")[0])
    match = re.search(r"^ *(\d+) .* s4$|^ *(\d+) .* vmm$", m.command_output("ps"), re.M)
    m.send(f"kill {match.group(1) or match.group(2)}\r")
    m.settle()
    checks.expect("the end of the other is noticed", r"^$", m.command_output("vm list"))


def typing(m, checks):
    """What is typed goes to the guest; it is left and joined again."""
    m.send("vm run /guests/echo\r")
    m.expect(r"!")  # the terminal is the guest's
    for c in "ab":
        m.send(c)
        m.expect(rf"\[{c}\]")
    m.leave_guest()
    checks.expect("it runs on", r"^echo +running\n$", m.command_output("vm list"))
    m.send("sleep 1; vm console echo\r")
    m.expect(r"vm console echo\r+\n")
    m.send("d")  # before the terminal is the guest's
    m.expect(r"\[d\]")
    m.send("\x03c")  # Ctrl-C is the guest's, too
    m.expect(r"\[\x03\]\[c\]")
    m.send("q")
    m.expect(r"vm: echo: the guest ended with 7")
    m.settle()
    checks.expect("none is left", r"^$", m.command_output("vm list"))


def use(iso="build/test/machines-release.iso", **options):
    checks = Checks()
    with Machine(iso, timeout=20, one_thread=True, **options) as m:
        m.come_up()
        for part in (runs, cases, spinning, rights, forgotten, typing):
            checks.guard(part.__name__, part, m, checks)
        checks.expect("the kernel has nothing to say against it", r"(?m)^0 errors$|checked by the debug kernel alone", m.command_output("ports --check"))
        m.send("poweroff\r")
        m.wait_off()
    return checks.result()
