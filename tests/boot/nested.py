"""nested.py - Portolan in Portolan: the same kernel and servers boot to their prompt in a virtual machine, with the devices of a PC or with
nothing but calls to the monitor, and work there."""
import re

from check import Checks
from machine import Machine

# (line, what it prints in the guest)
COMMANDS = [
    ("uname", r"^Portolan\n"),
    ("hello Ann", r"^Hello, Ann!\n"),
    ("ls /", r"(?m)^bin$"),
    ("echo kept > /tmp/note; cat /tmp/note", r"^kept\n"),
    ("ps", r"(?m) console$"),
    ("sha256sum /etc/motd; echo status $?", r"status 0\n$"),
]


def boots(m, checks, words):
    """Until the guest's prompt."""
    m.send(f'vm run /guests/kernel memory=96 module="/guests/bootstrap bootstrap" module="/guests/archive archive" cmdline="{words}"\r')
    m.expect(r"Portolan \S+ \(x86-64\): 1 processors, \d+ MiB", 30)
    m.expect(r"ready after \d+ ns", 30)
    m.expect(r"\$ $")
    checks.reached(f"the guest's prompt, `{words}`")


def commands(m, checks):
    for line, pattern in COMMANDS:
        checks.expect(f"`{line}` in the guest", pattern, m.command_output(line))
    with_uart = m.command_output("dmesg")
    checks.expect("its kernel's messages", r"Portolan \S+ \(x86-64\)", with_uart)


def off(m, checks):
    m.send("poweroff\r")
    m.expect(r"vm: kernel: the guest turned the power off")
    m.expect(r"\$ $")  # what is typed before would be the console's
    m.settle()
    checks.expect("nothing is left", r"^$", m.command_output("vm list"))


def exits(m):
    """How often the guest has been left for a port, and for a hypercall; seen from outside."""
    m.leave_guest()
    info = m.command_output("vm info kernel")
    m.send("vm console kernel\r")
    m.expect(r"vm console kernel\r+\n")
    m.send(" \r")  # outside, a return typed too early becomes a new line, and inside one right after a return is part of it
    m.expect(r"\$ $")
    return {name: int(count) for name, count in re.findall(r"(?m)^(\S+) +(\d+) +\d+/s", info)}


def use(words, iso="build/test/nested-release.iso", **options):
    checks = Checks()
    with Machine(iso, memory=384, timeout=30, one_thread=True, **options) as m:
        m.come_up()
        for part in (lambda: boots(m, checks, words), lambda: commands(m, checks)):
            if not checks.failures:
                checks.guard("the guest", part)
        if not checks.failures:
            counts = exits(m)
            checks.expect("its console", r"^hypercalls$" if words else r"^ports$", "hypercalls" if counts.get("hypercall", 0) > 20 else "ports")
            checks.guard("power", off, m, checks)
    return checks.result()


def user_tests(words, iso="build/test/nested-tests.iso"):
    """All programs of the user tests, in a debug kernel that is a guest."""
    with Machine(iso, memory=640, timeout=60, one_thread=True) as m:
        m.come_up()
        start = len(m.seen)
        m.send(f'vm run /guests/kernel memory=256 module="/guests/bootstrap bootstrap" module="/guests/archive archive" '
               f'cmdline="memdisk=64M {words} -- run=/tests/runner"\r')
        m.expect(r"runner: (\d+) programs, (\d+) with failures", 3000)
        m.expect(r"vm: kernel: the guest turned the power off")
        passed, failed = (re.findall(rf"^case {word} .*", m.seen[start:], re.M) for word in ("ok", "FAILED"))
        return len(passed), len(failed), "\n".join(failed)
