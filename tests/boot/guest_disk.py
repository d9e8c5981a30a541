"""guest_disk.py - disks of this computer in a virtual machine: what its Linux reads and writes by virtio is what the images hold, also when
their drivers end meanwhile; and what is refused."""
import hashlib
import re

from check import Checks
from disk import SECTORS, Disk, pattern
from linux import PROMPT, shell
from machine import Machine
from volume import Volume

COPIED = [(100, 5000, 3000), (7, SECTORS - 1, 1), (20000, 12288, 2048)]  # sectors of disk1: from, to, how many


def digest(image):
    with open(image, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def copy(source, target, count):
    """A line that copies sectors of disk1."""
    return f"dd if=/dev/vda of=/dev/vda skip={source} seek={target} count={count} conv=fsync && echo copied"


def refused(m, checks):
    """What no machine is given, and says why."""
    for words, why in (("disk=disk7", "disk7: .*no device of that name"), ("disk=disk0", "disk0: disk0 is mounted"), ("disk=disk", "disk: .*no device of that name"),
                       ("disk=rtc0", "a disk's device cannot be opened, or is no disk"), ("disk=/dev/disk1", "/dev/disk1: .*[Nn]o such file")):
        checks.expect(f"`{words}`", rf"{why}[^\n]*\n(.*\n)*1\n$", m.command_output(f"vm run /guests/linux {words}; echo $?", 30))


def to_the_shell(m, checks):
    m.send("vm run /guests/linux initrd=/guests/initrd memory=128 disk=disk1 disk=disk2 disk=cd0 disk=disk0,ro cmdline=\"console=ttyS0 panic=-1\"\r")
    m.expect(r"guest: Linux \S+ is up after \S+ s", 90)
    m.expect(PROMPT)
    shell(m, "dmesg -n 1")  # what its kernel says would come in between
    checks.reached("the guest's shell")


def seen(m, checks, images):
    """Sizes and kinds are the devices', and so is every byte."""
    checks.expect("sizes", rf"(?m)^{SECTORS}\r*\n{SECTORS}\r*\n\d+\r*\n", shell(m, "cat /sys/block/vd[abc]/size"))
    checks.expect("which may be written", r"(?m)^0\r*\n1\r*\n1\r*\n1\r*\n", shell(m, "cat /sys/block/vd?/ro"))
    checks.expect("blocks", r"(?m)^512\r*\n512\r*\n2048\r*\n", shell(m, "cat /sys/block/vd[abc]/queue/logical_block_size"))
    for name, image in zip(("vda", "vdb", "vdc"), images):
        checks.expect(f"all of {name}", rf"(?m)^{digest(image)} ", shell(m, f"sha256sum < /dev/{name}"))
    checks.expect("one that cannot be written is not", r"refused", shell(m, "echo x > /dev/vdb || echo refused"))
    checks.expect("a file system that is mounted outside is read", r"(?m)^hello disk\r*$", shell(m, "mount -r -t ext2 /dev/vdd /mnt && cat /mnt/dir/hello.txt; umount /mnt").replace("\r", "\n"))


def written(m, checks):
    for source, target, count in COPIED:
        checks.expect("sectors are copied", r"(?m)^copied", shell(m, copy(source, target, count)))


def drivers_end(m, checks):
    """The guest does not notice that the drivers of its disks end, and others come."""
    shell(m, "echo 3 > /proc/sys/vm/drop_caches; for i in 1 2 3; do dd if=/dev/vda of=/dev/null bs=64k; echo 3 > /proc/sys/vm/drop_caches; done 2> /tmp/dd &")
    m.leave_guest()
    m.send("; ".join(f"kill {number}" for number in re.findall(r"^ *(\d+) .* virtio_blk$", m.command_output("ps"), re.M)) + "\r")
    m.expect(r"(device_master: virtio_blk of \S+ ended; starting it again.*?){3}")
    m.settle()
    m.send("vm console linux\r")
    m.expect(r"vm console linux\r+\n")
    m.send("wait\r")
    m.expect(PROMPT, 60)
    m.send("\r")
    m.expect(PROMPT)
    checks.expect("all is read", r"(?m)^3\r*$", shell(m, "grep -c '256+0 records in' /tmp/dd"))
    checks.expect("and written", r"(?m)^copied", shell(m, copy(300, 9000, 16)))
    checks.expect("without an error", r"(?m)^0\r*$", shell(m, "dmesg | grep -c 'I/O error'"))


def off(m, checks):
    m.send("exit\r")
    m.expect(r"vm: linux: the guest turned the power off")
    m.expect(r"\$ $")  # what is typed before would be the console's
    m.settle()
    checks.expect("the system is as before", r"^hello disk\n", m.command_output("cat /disk/dir/hello.txt"))
    m.power_off()


def use(iso="build/test/linux-release.iso", cpus=1):
    checks = Checks()
    disk, other = Disk(), Disk()
    with Volume("ext2") as mounted:
        extra = ["-drive", f"file={mounted.image},format=raw,if=none,id=disk0", "-device", "virtio-blk-pci,drive=disk0,disable-legacy=on"]
        extra += disk.drive(name="disk1") + disk.device(name="disk1") + other.drive("readonly=on", name="disk2") + other.device(name="disk2")
        with Machine(iso, cpus=cpus, memory=384, timeout=30, one_thread=True, extra=extra) as m:
            m.expect(r"pager: disk1 is not used")  # before the first prompt or behind it
            m.settle()
            checks.guard("refused", refused, m, checks)
            checks.guard("to the shell", to_the_shell, m, checks)
            if not checks.failures:
                checks.guard("seen", seen, m, checks, (disk.file.name, other.file.name, iso))
                for part in (written, drivers_end, off):
                    checks.guard(part.__name__, part, m, checks)
        for source, target, count in COPIED + [(300, 9000, 16)]:
            checks.expect(f"the image at sector {target}", "True", str(disk.contents(target, count) == pattern(source, count)))
        checks.expect("what was not written", "True", str(disk.holds(0, 5000, 0) and other.holds(0, SECTORS, 0)))
        mounted.judge(checks, "the disk that is mounted", replay=False)
    return checks.result()
