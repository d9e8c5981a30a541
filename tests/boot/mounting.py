"""mounting.py - disks mounted and unmounted at the prompt; what e2fsck says of them afterwards."""
import re

from check import Checks
from machine import Machine
from volume import Volume

SYSTEM = "build/test/system-release.iso"


def drive(n, image):
    return ["-drive", f"file={image},format=raw,if=none,id=disk{n}", "-device", f"virtio-blk-pci,drive=disk{n},disable-legacy=on"]


def damage(image):
    """The superblock says that groups have no blocks."""
    with open(image, "r+b") as f:
        f.seek(1024 + 32)
        f.write(bytes(4))


def errors(m, checks):
    """What cannot be mounted or unmounted, and why."""
    for line, why in (("mount disk7 /mnt", "there is no such device"),
                      ("mount disk2 /mnt", "the size of its groups is impossible"),
                      ("mount disk1 /mnt -t xfs", "such a thing is not supported"),
                      ("mount disk1 /etc/motd", "not a directory"),
                      ("mount disk1 /nowhere", "no such file"),
                      ("mount disk1 /disk", "in use"),
                      ("mount disk0 /mnt", "in use"),
                      ("mount disk1", "usage: mount"),
                      ("mount disk1 /mnt -o sync", "usage: mount"),
                      ("umount /mnt", "not acceptable"),
                      ("umount /", "in use"),
                      ("umount", "usage: umount")):
        checks.expect(f"`{line}`", rf"{why}[^\n]*\n(.*\n)*[12]\n$", m.command_output(f"{line}; echo $?", 30))
    checks.expect("nothing is changed by that", r"^boot / archive ro\n64 /tmp tmpfs rw\ndisk0 /disk ext2 rw\n$", m.command_output("mount"))


def use(kind="ext3", cpus=1, iso=SYSTEM):
    """A second disk is mounted, used, unmounted, and in order; mounted again, what was written is there."""
    checks = Checks()
    with Volume(kind) as first, Volume(kind) as second, Volume(kind) as third:
        damage(third.image)
        extra = [word for n, v in enumerate((first, second, third)) for word in drive(n, v.image)]
        with Machine(iso, cpus=cpus, extra=extra, timeout=120) as m:
            m.expect(r"\$ $")
            errors(m, checks)
            checks.expect("mounted", r"(?m)^disk1 /mnt ext2 rw\n0$", m.command_output("mount disk1 /mnt && mount; echo $?", 30))
            checks.expect("it is read", r"^hello disk\n", m.command_output("cat /mnt/dir/hello.txt"))
            checks.expect("and written", r"^0\n", m.command_output("cp /mnt/big /mnt/copy; echo $?", 60))
            m.send("sleep 4 </mnt/copy &\r")
            m.settle()
            checks.expect("in use", r"in use\n1\n", m.command_output("umount /mnt; echo $?", 30))
            m.command_output("sleep 5", 30)
            m.settle()
            checks.expect("unmounted", r"^0\n", m.command_output("umount /mnt; echo $?", 60))
            checks.expect("its files are gone", r"No such file", m.command_output("ls /mnt/copy"))
            second.judge(checks, "after it was unmounted", replay=False)
            checks.expect("the copy is complete", "^same$", "same" if second.contents("/copy") == second.big else "other contents")
            checks.expect("mounted again, to be read", r"(?m)^disk1 /tmp/m ext2 ro\nhello disk$",
                          m.command_output("mkdir /tmp/m; mount disk1 /tmp/m -o ro; mount; cat /tmp/m/dir/hello.txt", 30))
            checks.expect("and not written", r"read-only", m.command_output("echo x >/tmp/m/x", 30).lower())
            checks.expect("relative", r"^0\n", m.command_output("cd /tmp; umount m; echo $?; cd /", 30))
            checks.expect("often", r"^mounted disk1 50 times\n", m.command_output("/tests/disk mounts disk1 /mnt 50", 600))
            before = m.command_output("/tests/disk counts disk1", 30)
            checks.expect("very often", r"^mounted disk1 1000 times\n", m.command_output("/tests/disk mounts disk1 /mnt 1000", 600))
            after = m.command_output("/tests/disk counts disk1", 30)
            grown = [b - a for a, b in zip(*(map(int, re.findall(r"-?\d+", text)) for text in (before, after)))]
            checks.expect("leaves nothing", "^True", str(len(grown) == 7 and max(grown) <= 2) + f" {before} {after}")
            m.command_output("mount disk1 /mnt; echo last > /mnt/last", 30)
            m.power_off()
        second.judge(checks, "after power off, mounted", replay=False)
        checks.expect("what was written last", "^last", second.contents("/last").decode())
        first.judge(checks, "the first disk", replay=False)
    return checks.result()
