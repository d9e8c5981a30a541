"""inside.py - what the system can do in a virtual machine of itself: a disk that is a file outside, user tests."""
import re

from check import Checks
from machine import Machine

PREFIX = "port_"  # of the user tests (tests/user) that are run inside
MODULES = "module=\"/guests/bootstrap bootstrap\" module=\"/guests/archive archive\""


def run(m, words, cmdline=""):
    m.send(f"vm run /guests/kernel name=inside memory=128 {words} {MODULES} cmdline=\"{cmdline}\"\r")


def at_the_prompt(m, checks):
    """The system inside does what the one outside does; its disk is a file."""
    m.command_output("cp /guests/disk /tmp/disk")
    run(m, "disk=/tmp/disk")
    m.expect(r"Portolan \d\S* \(x86-64\): 1 processors, 1\d\d MiB", 40)
    m.expect(r"ready after \d+ ns", 60)
    m.expect(r"\$ ", 30)
    checks.reached("the prompt inside")
    m.settle()
    checks.expect("programs run inside", r"^Hello, Ann!\n", m.command_output("hello Ann"))
    checks.expect("it finds its disk", r"^this file is on a disk\n", m.command_output("cat /disk/hello"))
    checks.expect("and writes it", r"^written inside\n", m.command_output("echo written inside > /disk/new; sync; cat /disk/new"))
    m.send("poweroff\r")
    m.expect(r"vm: inside: the guest turned the power off", 40)
    m.settle()
    checks.expect("outside all is as before", r"^Hello, Bob!\n", m.command_output("hello Bob"))


def tests(m, checks):
    """Its user tests."""
    run(m, "", f"-- run=/tests/runner {PREFIX}")
    match = m.expect(r"runner: (\d+) programs, (\d+) with failures", 90)
    m.expect(r"vm: inside: .*\n", 30)
    m.settle()
    checks.expect("programs of tests that fail inside", r"^0$", match.group(2))
    checks.expect("and those that do not", r"^[1-9]", match.group(1))
    checks.expect("cases", r"(?m)^case ok ", re.sub(r"\r+\n", "\n", m.seen))


def use(iso="build/test/inside-release.iso", **options):
    checks = Checks()
    with Machine(iso, memory=512, timeout=20, **options) as m:
        m.come_up()
        for part in (at_the_prompt, tests):
            checks.guard(part.__name__, part, m, checks)
    return checks.result()
