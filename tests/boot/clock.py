"""clock.py - how fast the time stamp counter counts is found out right on a machine that has other things to do; the date."""
import os
import re
import subprocess
import sys

from check import Checks
from machine import Machine

BOOTS = 6
PERCENT = 2  # from the slowest to the fastest


def busy():
    """The clock is the same each time, with more running on the host than it has processors for."""
    checks = Checks()
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        seen = []
        for _ in range(BOOTS):
            with Machine("build/test/prompt-release.iso") as m:
                seen.append(int(m.expect(r"TSC (\d+) MHz").group(1)))
    finally:
        for other in others:
            other.kill()
            other.wait()
    spread = (max(seen) - min(seen)) * 100 / min(seen)
    checks.expect(f"within {PERCENT} %", "^yes", ("yes" if spread <= PERCENT else "no") + f": {seen} MHz")
    return checks.result()


def date():
    """The date is that of the clock with the battery, can be set in both, and outlives the driver and the system."""
    checks = Checks()
    with Machine("build/test/prompt-release.iso", stay=True, extra=["-rtc", "base=2031-05-06T07:08:09"]) as m:
        m.expect(r"\$ $")
        checks.expect("the clock's date", r"^Tue May  6 07:0[89]:\d\d UTC 2031\n", m.command_output("date"))
        checks.expect("of a file", r" 2031-05-06 07:", m.command_output("echo x >/tmp/x; ls -l /tmp"))
        checks.expect("the device", r"(?m)^fixed +41d0:0b00 080301 rtc +running +rtc0$", m.command_output("devices"))
        for word in ("2031-02-29 12:00:00", "1969-12-31 23:59:59", "2031-05-06", "2031-05-06 24:00:00", "now"):
            checks.expect(f"`{word}`", r"is not a date like.*\n2\n", m.command_output(f"date -s '{word}'; echo $?"))
        checks.expect("as it was", r"^2031-05-06\n", m.command_output("date +%F"))
        checks.expect("is set", r"^0\nSun Feb 29 12:00:\d\d UTC 2128\n", m.command_output("date -s '2128-02-29 12:00:00'; echo $?; date"))
        driver = re.search(r"^ *(\d+) .* rtc$", m.command_output("ps"), re.M)
        m.send(f"kill {driver.group(1)}\r")
        m.settle()
        checks.expect("without its driver", r"^2128-02-29 12:0\d\n", m.command_output("date '+%F %H:%M'"))
        checks.expect("by the next", r"^0\n2200-01-01\n", m.command_output("date -s '2200-01-01 00:00:00'; echo $?; date +%F"))
        m.send("reboot\r")
        m.expect(r"processors, \d+ MiB")
        m.expect(r"\$ $")
        checks.expect("after a restart", r"^2200-01-01 00:0\d\n", m.command_output("date '+%F %H:%M'"))
        m.power_off()
    return checks.result()
