"""boot.py - the tests that boot: inside the kernel, user programs, and the matrix of machines."""
import re

from machine import Failure, Machine

KERNEL_ISO = "build/test/kernel-tests.iso"


class Suite:
    """A named group of tests; run() returns (passed, failed, output)."""

    def __init__(self, name, function):
        self.name = name
        self.function = function

    def run(self):
        try:
            return self.function()
        except Failure as failure:
            return 0, 1, str(failure)


def kernel_tests(cpus):
    with Machine(KERNEL_ISO, cpus=cpus, timeout=120) as m:
        match = m.expect(r"ktest: (\d+) passed, (\d+) failed")
        m.wait_off()
        return int(match.group(1)), int(match.group(2)), "\n".join(
            line for line in m.seen.splitlines() if re.search("FAILED|expected|before,", line))


KERNEL = []
USER = []
MATRIX = []
