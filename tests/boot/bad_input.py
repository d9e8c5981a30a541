"""bad_input.py - machines and images the system cannot use, or not all of: each is told in a clear sentence."""
import tarfile

from check import Checks
from machine import Machine

PROMPT = "build/test/prompt-release.iso"

# (what, image, options of the machine, the sentence)
REFUSED = [
    ("no modules", "build/test/no-modules.iso", {},
     r"panic: bootstrap: the boot loader gave 0 modules.*two are needed: the bootstrap program and the archive"),
    ("one module", "build/test/one-module.iso", {},
     r"panic: bootstrap: the boot loader gave 1 modules?.*two are needed: the bootstrap program and the archive"),
    ("a first module that is no program", "build/test/not-elf.iso", {},
     r"panic: bootstrap: module 1 \(bootstrap\) is not a static x86-64 ELF program"),
    ("a first module that is cut short", "build/test/broken-elf.iso", {},
     r"panic: bootstrap: segment \d+ of module 1 \(bootstrap\) is damaged"),
    ("too little memory", PROMPT, {"memory": 12}, r"panic: too little memory: \d+ MiB, 16 MiB are needed"),
    ("no NX", PROMPT, {"cpu": "qemu64,-nx"}, r"Portolan: this processor has no no-execute pages \(NX\), which the kernel needs\."),
    ("no long mode", PROMPT, {"cpu": "qemu32"},
     r"Portolan: this processor has no 64-bit mode \(long mode\), which the kernel needs\."),
]

# What is said of tests/boot/wrong.manifest, in whatever order.
WRONG_LINES = [
    r"bootstrap: /manifest:1: unknown word `colour`",
    r"bootstrap: /manifest:3: the name `twin` is already used on line 2",
    r"bootstrap: /manifest:4: ghost: the program /bin/ghost is missing in the archive",
    r"bootstrap: /manifest:5: io=nowhere: there is no service of that name",
    r"bootstrap: /manifest:6: all=everything: there is no such right",
    r"bootstrap: /manifest:7: broken: /tests/broken cannot be started: the program is damaged",
    r"bootstrap: /manifest:8: a quote is not closed",
    r"bootstrap: /manifest:9: restart=many: a number from 0 to 100 is wanted",
]


def refused():
    checks = Checks()
    for what, iso, options, sentence in REFUSED:
        with Machine(iso, timeout=20, **options) as m:
            if checks.guard(what, lambda m=m, sentence=sentence: m.expect(sentence, panic_fails=False)):
                checks.reached(what)
    return checks.result()


def wrong_manifest():
    """Each wrong line is told with its number, and everything else runs."""
    checks = Checks()
    with Machine("build/test/wrong-manifest.iso") as m:
        m.expect(r"\$ $")
        for sentence in WRONG_LINES:
            checks.expect("a wrong line", sentence, m.seen)
        checks.expect("the rest runs", r"Hello, world!", m.command_output("hello"))
        checks.expect("a damaged program", r"/tests/broken: the program is damaged", m.command_output("/tests/broken"))
        checks.expect("its exit status", r"^126\n", m.command_output("echo $?"))
        m.power_off()
    return checks.result()


def cut_archive():
    """The last file of the archive, the monitor of virtual machines, is cut short: it alone is missing."""
    checks = Checks()
    with tarfile.open("build/user/archive.tar") as archive:
        last = archive.getnames()[-1]
    with Machine("build/test/cut-archive.iso") as m:
        m.expect(r"\$ $")
        checks.expect("the file is named", rf"bootstrap: archive: /{last} is cut short", m.seen)
        m.command_output("vm run /bin/true")
        checks.expect("the program is told missing", rf"vm_master: no /{last}: there is no such program", m.seen)
        checks.expect("other services are there", r"^Hello, world!\n", m.command_output("hello"))
        checks.expect("other files are", r"motd\n", m.command_output("ls /etc"))
        m.power_off()
    return checks.result()


def restart():
    """A session and a service that end at once are started again, and not for ever."""
    checks = Checks()
    with Machine("build/test/restart.iso", timeout=30) as m:
        stays = r"(?s)sh ended with exit status 7; it was started again too often in a minute and now stays down"
        m.expect(stays)
        m.drain()
        checks.expect("the service stays down", r"moody ended with exit status 1; it was started again too often", m.seen)
        for what, sentence, wanted in (
                ("the session ran three times", "a session", 3),
                ("the session was started again twice", "sh ended with exit status 7; starting it again", 2),
                ("the service was started again once", "moody ended with exit status 1; starting it again", 1)):
            checks.expect(what, rf"^{wanted}$", str(m.seen.count(sentence)))
    return checks.result()
