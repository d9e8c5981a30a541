"""firmware.py - SeaBIOS in a virtual machine: it boots a sector from a disk, and this system from its image, which are disks of this computer."""
import tempfile

from check import Checks
from machine import Machine

SECTOR = 512
SECTORS = 2048
BOOT = "build/test/guests/boot"
IMAGE = "build/test/prompt-release.iso"


def drive(n, image, *options):
    return ["-drive", ",".join([f"if=none,id=disk{n},format=raw,file={image}", *options]), "-device", f"virtio-blk-pci,drive=disk{n},disable-legacy=on"]


def sector(m, checks, firmware, words):
    """The first sector of a disk is booted, and reads and writes others by the BIOS."""
    m.send(f"vm run /guests/{firmware} disk=disk0 {words}\r")
    for line in (r"SeaBIOS|SeaBIOS", r"a sector that firmware has booted", r"a sector that the BIOS has read", r"written"):
        m.expect(line, 40)
    m.expect(rf"vm: {firmware}: the guest turned the power off")
    m.settle()
    checks.reached(f"a sector booted by {firmware}")


def system(m, checks):
    """The boot loader finds the system, and that comes up as on a computer."""
    m.send("vm run /guests/bios name=system disk=disk1,ro memory=256\r")
    m.expect(r"GRUB loading", 40)
    m.expect(r"Portolan \d\S* \(x86-64\): 1 processors, 2\d\d MiB", 60)
    m.expect(r"ready after \d+ ns", 60)
    m.settle()
    checks.expect("programs run inside", r"^Hello, Ann!\n", m.command_output("hello Ann"))
    m.send("poweroff\r")
    m.expect(r"vm: system: the guest turned the power off", 40)
    m.settle()


def nothing(m, checks):
    """Without a disk there is nothing to boot."""
    m.send("vm run /guests/bios\r")
    m.expect(r"b.?o.?o.?t.?a.?b.?l.?e", 40)
    m.leave_guest()
    m.command_output("vm kill bios")
    checks.expect("none is left", r"^$", m.command_output("vm list"))


def use(iso="build/test/firmware-release.iso", **options):
    checks = Checks()
    with open(BOOT, "rb") as f:
        boot = f.read()
    with tempfile.NamedTemporaryFile(prefix="portolan-disk-") as disk:
        disk.write(boot.ljust(SECTORS * SECTOR, b"\0"))
        disk.flush()
        with Machine(iso, memory=512, timeout=20, extra=drive(0, disk.name) + drive(1, IMAGE, "readonly=on"), **options) as m:
            m.expect(r"fs: ext2:disk0 is not mounted")  # before the first prompt or behind it
            m.settle()
            checks.guard("a sector", sector, m, checks, "bios", "")
            checks.guard("a sector, by large firmware", sector, m, checks, "bios-256k", "cpus=2")
            for part in (system, nothing):
                checks.guard(part.__name__, part, m, checks)
            m.power_off()
        disk.seek(SECTOR)
        second, third = disk.read(SECTOR), disk.read(SECTOR)
        checks.expect("the sector was written to the disk", "True", str(second == third == boot[SECTOR:]))
    return checks.result()
