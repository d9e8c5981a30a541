"""paravirtual.py - a guest without device drivers: Portolan in Portolan has its disks and gives memory back by calls to the monitor."""
import hashlib
import os
import re
import time

import disk
from check import Checks
from machine import Machine
from volume import Volume

MODULES = "module=\"/guests/bootstrap bootstrap\" module=\"/guests/archive archive\""
SECTORS = 8192  # of the disk without a file system
KILLS = 8
MEMORY = 128  # MiB of the guest that gives some of it back
FILL = 80  # that a program in it writes


class Disks:
    """A volume with the files that are the guest's disks in it: one with a file system, one with numbered sectors, and that once more."""

    def __init__(self, outer, inner):
        self.outer, self.inner = outer, inner
        self.numbers = os.path.join(outer.scratch, "numbers")
        with open(self.numbers, "wb") as f:
            f.write(disk.pattern(0, SECTORS))
        for path, name in ((inner.image, "files"), (self.numbers, "numbers"), (self.numbers, "constant")):
            outer.tool("debugfs", "-w", "-R", f"write {path} {name}", outer.image)

    def take_out(self):
        """The files as they are now."""
        for path, name in ((self.inner.image, "files"), (self.numbers, "numbers")):
            self.outer.tool("debugfs", "-R", f"dump {name} {path}", self.outer.image)

    def sectors(self, first, count):
        with open(self.numbers, "rb") as f:
            f.seek(first * disk.SECTOR)
            return f.read(count * disk.SECTOR)


def boot(m, memory, words):
    m.send(f"vm run /guests/kernel name=inner memory={memory} {words} {MODULES} cmdline=paravirtual\r")
    m.expect(r"Portolan \S+ \(x86-64.*\): \d+ processors, \d+ MiB", 40)
    m.expect(r"ready after \d+ ns", 40)
    m.expect(r"\$ $")
    m.settle()


def off(m, checks):
    m.send("poweroff\r")
    m.expect(r"vm: inner: the guest turned the power off", 40)
    m.expect(r"\$ $")  # what is typed before would be the console's
    m.settle()
    checks.reached("the guest is off")


def files(m, checks, digest):
    """What there is, and each once: the monitor has the same disks as PCI functions, too."""
    listed = m.command_output("devices")
    checks.expect("the disks", r"(?m)^fixed .* hypercall_blk +running +disk0 disk1 disk2 *$", listed)
    checks.expect("and not once more", r"^(?!(?s:.*)virtio_blk)", listed)
    checks.expect("one is mounted", r"(?m)^disk0 /disk ext2 rw$", m.command_output("mount"))
    checks.expect("a small file", r"^hello disk\n", m.command_output("cat /disk/dir/hello.txt"))
    checks.expect("a large file", digest, m.command_output("sha256sum /disk/big"))
    checks.expect("a copy of it", r"^0\n", m.command_output("cp /disk/big /disk/copy; echo $?"))


def requests(m, checks):
    checks.expect("sizes", rf"^disk1: {SECTORS} records of 512 bytes\ndisk2: .*, read-only\n", m.command_output("devices disk1; devices disk2"))
    checks.expect("all of a disk", disk.READ, m.command_output(f"/tests/disk read disk1 0 {SECTORS}"))
    checks.expect("what is refused", disk.REFUSED, m.command_output("/tests/disk codes disk1"))
    checks.expect("requests that are not waited for", r"^(.*: ok\n){21}$", m.command_output("/tests/device_request disk1"))
    checks.expect("a write", r"^written: yes\n", m.command_output("/tests/disk write disk1 200 3000 6"))
    checks.expect("is read back", disk.READ, m.command_output("/tests/disk read disk1 200 3000 6"))
    checks.expect("a disk that cannot be written", r"^written: .*[Rr]ead-only", m.command_output("/tests/disk write disk2 1 1 1"))
    checks.expect("can be read", disk.READ, m.command_output("/tests/disk read disk2 0 1000"))


def kills(m, checks, digest):
    """The driver dies with requests under way; who asks again is answered by the next."""
    m.command_output("/tests/disk reads disk1 400 >/tmp/reads &")
    m.command_output("cp /disk/big /disk/again &")
    killed = m.command_output(f"/tests/disk kill disk1 hypercall_blk {KILLS} 100")
    checks.expect("the driver is killed", rf"(?m)killed hypercall_blk {KILLS} times", killed)
    m.command_output("wait")
    m.settle()
    checks.expect("it is there", r"(?m)^fixed .* hypercall_blk +running +disk0 disk1 disk2 *$", m.command_output("devices"))
    checks.expect("the copy is made", digest, m.command_output("sha256sum /disk/again"))
    checks.expect("and the rest is as it was", disk.READ, m.command_output("/tests/disk read disk1 200 3000 6"))


def master_killed(m, checks, digest):
    """The device master ends, and with it the driver; the next one begins anew."""
    m.command_output("cp /disk/big /disk/third &")
    master = re.search(r"^ *(\d+) .* device_master$", m.command_output("ps"), re.M)
    m.send(f"kill {master.group(1)}\r")
    m.expect(r"device_master died")
    m.settle()
    m.command_output("wait")
    m.settle()
    checks.expect("the copy is made", digest, m.command_output("sha256sum /disk/third"))
    checks.expect("the disks have their names", r"(?m)^fixed .* hypercall_blk +running +disk0 disk1 disk2 *$", m.command_output("devices"))
    checks.expect("another disk", disk.READ, m.command_output("/tests/disk read disk2 0 1000"))


def disks(iso="build/test/paravirtual-release.iso", processors=1, **options):
    checks = Checks()
    with Volume("ext3") as outer, Volume("ext3", 16) as inner:
        held = Disks(outer, inner)
        digest = hashlib.sha256(inner.big).hexdigest()
        with outer.machine(iso, memory=384, timeout=30, one_thread=True, **options) as m:
            m.come_up()
            boot(m, 128, f"cpus={processors} disk=/disk/files disk=/disk/numbers disk=/disk/constant,ro")
            for part in (lambda: files(m, checks, digest), lambda: requests(m, checks), lambda: kills(m, checks, digest), lambda: master_killed(m, checks, digest)):
                if not checks.failures:
                    checks.guard("the guest", part)
            if not checks.failures:
                off(m, checks)
                m.power_off()
        held.take_out()
        inner.judge(checks, "the guest's disk", replay=False)
        for name in ("/copy", "/again", "/third"):
            checks.expect(f"Linux's tools see {name}", "^same$", "same" if inner.contents(name) == inner.big else "other contents")
        checks.expect("what was written", "^True$", str(held.sectors(200, 3000) == disk.pattern(200, 3000, 6)))
        checks.expect("and what was not", "^True$", str(held.sectors(4000, 4000) == disk.pattern(4000, 4000)))
        outer.judge(checks, "the disk it is in", replay=False)
    return checks.result()


def host_mib(m):
    """Memory that is used outside, in MiB."""
    return int(re.search(r"(?m)^ *(\d+) KiB used$", m.command_output("mem")).group(1)) >> 10


def outside(m):
    m.leave_guest()


def inside(m):
    m.send("vm console inner\r")
    m.expect(r"vm console inner\r+\n")
    m.settle()


def given(m, asked, late=15):
    """Ask the guest for so much. Returns: what it has given, when that is all or it gives no more."""
    said = m.command_output(f"vm balloon inner {asked}")
    before, end = None, time.time() + late
    while not said and time.time() < end:
        now = re.search(r"(?m)^balloon: (\d+) MiB given back of (\d+) asked for$", m.command_output("vm info inner"))
        if now and int(now.group(2)) == asked and (int(now.group(1)) == asked or now.group(1) == before):
            return int(now.group(1))
        before = now and now.group(1)
        time.sleep(1)
    return -1


def between(checks, what, low, number, high):
    checks.expect(what, "^True", f"{low <= number <= high}: {low} <= {number} <= {high}")


def shrinks(m, checks, start):
    """Memory the guest has used and gives back is the host's again. start: what was used before it ran."""
    checks.expect("it writes much of its memory", rf"^filled {FILL} MiB\n", m.command_output(f"/tests/fill {FILL}"))
    outside(m)
    before = host_mib(m) - start
    between(checks, "which the host has given it", FILL, before, MEMORY + 16)
    between(checks, "it gives back what it is asked for", 64, given(m, 64), 64)
    between(checks, "the host has it, but for what was never used", before - 68, host_mib(m) - start, before - 40)
    between(checks, "it keeps what it needs", 64, given(m, MEMORY), MEMORY - MEMORY // 8)
    inside(m)
    checks.expect("it works", r"^Hello, Ann!\n", m.command_output("hello Ann"))
    checks.expect("its files are there", r"status 0\n$", m.command_output("sha256sum /etc/motd; echo status $?"))


def grows(m, checks, start):
    """It has it again when it is not asked for it any more, or when it needs it."""
    checks.expect("a program gets what is given back", rf"^filled {FILL} MiB\n", m.command_output(f"/tests/fill {FILL}"))
    outside(m)
    between(checks, "and it is given again afterwards", 64, given(m, 64), 64)
    before = host_mib(m) - start
    between(checks, "it takes all back", 0, given(m, 0), 0)
    inside(m)
    checks.expect("and can use it", rf"^filled {FILL} MiB\n", m.command_output(f"/tests/fill {FILL}"))
    outside(m)
    between(checks, "the host gives it again", before + 32, host_mib(m) - start, MEMORY + 16)
    inside(m)


def balloon(iso="build/test/paravirtual-release.iso", processors=1, **options):
    checks = Checks()
    with Machine(iso, memory=384, timeout=30, one_thread=True, **options) as m:
        m.come_up()
        start = host_mib(m)
        boot(m, MEMORY, f"cpus={processors}")
        for part in (shrinks, grows):
            if not checks.failures:
                checks.guard(part.__name__, part, m, checks, start)
        if not checks.failures:
            off(m, checks)
            checks.expect("nothing is left", r"^$", m.command_output("vm list"))
            between(checks, "nor of its memory", 0, host_mib(m) - start, 16)
            m.power_off()
    return checks.result()
