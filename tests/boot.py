"""boot.py - the tests that boot: inside the kernel, user programs, and the matrix of machines."""
import re

from machine import Failure, Machine, bochs

KERNEL_ISO = "build/test/kernel-tests.iso"
USER_ISO = "build/test/user-tests.iso"


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


def failures(text):
    """The lines of a failed run that say what went wrong."""
    return "\n".join(line for line in text.splitlines() if re.search("FAILED|expected|before,|cannot|panic", line))


def user_tests(cpus):
    with Machine(USER_ISO, cpus=cpus, timeout=300) as m:
        m.expect(r"runner: (\d+) programs, (\d+) with failures")
        m.wait_off()
        passed = len(re.findall(r"^case ok ", m.seen, re.M))
        failed = len(re.findall(r"^case FAILED ", m.seen, re.M))
        return passed, failed, failures(m.seen)


def session(iso, cpus=1, **options):
    """Come to the prompt, look around as a person would, and switch the machine off."""
    passed = 0
    with Machine(iso, cpus=cpus, timeout=60, **options) as m:
        m.expect(r"\$ ")
        for line, pattern in SESSION:
            output = m.command_output(line)
            if not re.search(pattern, output):
                raise Failure(f"`{line}` printed {output!r}, expected {pattern!r}")
            passed += 1
        m.send("poweroff\r")
        m.wait_off(30)
    return passed + 1, 0, ""


SESSION = [
    ("hello", r"Hello, world!"),
    ("ls /bin", r"hello\n"),
    ("ps", r"console"),
    ("echo 'two  words' and \"more\"; false; echo $?", r"two  words and more\n1\n"),
    ("nosuchprogram", r"nosuchprogram: command not found"),
    ("cat /no/such/file", r"[Nn]o such file"),
    ("kill 99999", r"99999"),
]


def emulated(name):
    def run():
        text = bochs("build/test/prompt-debug.iso", "$ ", 240)
        ok = "$ " in text and "panic:" not in text
        return (1, 0, "") if ok else (0, 1, text[-2000:])
    return Suite(name, run)


KERNEL = [Suite(f"{n} cpu", lambda n=n: kernel_tests(n)) for n in (1, 4)]
USER = [Suite(f"{n} cpu", lambda n=n: user_tests(n)) for n in (1, 2, 4)]
MATRIX = [
    Suite("bios 1 cpu 32 MiB", lambda: session("build/test/prompt-release.iso", memory=32)),
    Suite("bios 2 cpus 256 MiB debug", lambda: session("build/test/prompt-debug.iso", cpus=2)),
    Suite("bios 4 cpus 6 GiB", lambda: session("build/test/prompt-release.iso", cpus=4, memory=6144)),
    Suite("bios plain 64-bit cpu", lambda: session("build/test/prompt-release.iso", cpu="qemu64")),
    Suite("uefi 1 cpu 256 MiB", lambda: session("build/portolan.iso", firmware="uefi")),
    emulated("bochs"),
]
