"""check.py - counting what a suite of several expectations found."""
import re

from machine import Failure


class Checks:
    """Expectations of one suite: one that does not hold is noted, and the rest goes on."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def expect(self, what, pattern, text):
        """The text must contain the regular expression."""
        if re.search(pattern, text):
            self.passed += 1
        else:
            self.failures.append(f"{what}: expected {pattern!r}, saw {text[-1500:]!r}")

    def reached(self, what):
        """Something that fails by an exception came to its end."""
        del what
        self.passed += 1

    def guard(self, what, function, *arguments):
        """Call a part of the suite; when the machine fails it, note that and go on. Returns: what it returned, or None."""
        try:
            return function(*arguments)
        except Failure as failure:
            self.failures.append(f"{what}: {failure}")
            return None

    def result(self):
        return self.passed, len(self.failures), "\n".join(self.failures)
