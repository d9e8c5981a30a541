"""foreign.py - a program that knows nothing of libmach (abi.asm), started by a manifest of its own."""
import re

from machine import Machine

SENTENCES = 9  # how many abi.asm has


def foreign():
    with Machine("build/test/abi.iso", timeout=30) as m:
        m.expect(r"abi: end")
        m.wait_off()
        passed = len(re.findall(r"abi ok: ", m.seen))
        return passed, SENTENCES - passed, m.seen
