"""first_driver.py - the driver of the tutorial: it answers one after the other, and one that dies is replaced."""
import re

from check import Checks
from machine import Machine


def use(iso="build/test/system-release.iso", extra=("-device", "edu"), **options):
    checks = Checks()
    with Machine(iso, one_thread=True, extra=extra, timeout=120, **options) as m:
        m.expect(r"\$ $")
        checks.expect("a factorial", r"^5! = 120\n$", m.command_output("factorial 5"))
        checks.expect("the largest", r"^12! = 479001600\n$", m.command_output("factorial 12"))
        checks.expect("one too large", r"^no factorial of 13: the record number is out of range\n$", m.command_output("factorial 13"))
        checks.expect("none of a negative number", "^no factorial of -1", m.command_output("factorial -1"))
        both = m.command_output("factorial 7 & factorial 8; wait")
        checks.expect("two at once", r"(?ms)^7! = 5040$.*^8! = 40320$|^8! = 40320$.*^7! = 5040$", both)
        for _ in range(3):
            task = re.search(r"(?m)^ *(\d+) .* edu$", m.command_output("ps"))
            m.command_output(f"kill {task.group(1)}" if task else "echo no driver")
            checks.expect("the next driver", r"^6! = 720\n$", m.command_output("factorial 6"))
        m.command_output("factorial 9 &")  # under way when the driver dies
        task = re.search(r"(?m)^ *(\d+) .* edu$", m.command_output("ps"))
        m.command_output(f"kill {task.group(1)}" if task else "echo no driver")
        m.settle()
        checks.expect("and after one that was busy", r"^4! = 24\n$", m.command_output("factorial 4"))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()
