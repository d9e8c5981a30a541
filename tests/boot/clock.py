"""clock.py - how fast the time stamp counter counts is found out right on a machine that has other things to do."""
import os
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
