"""linux.py - an unmodified Linux in a virtual machine: to a shell on its serial line, and off again."""
import re
import time

from check import Checks
from machine import Bochs, Machine

ISO = "build/test/linux-release.iso"
MEMORY = 384
PROMPT = r"/ # (\x1b\[6n)?$"
COMMANDS = [
    ("uname -s -m", r"^Linux x86_64\r*$"),
    ("echo $((6 * 7))", r"^42\r*$"),
    ("head -c 1000000 /dev/zero | sha256sum", r"^d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025 "),
    ("cat /proc/interrupts", r"^ *0: +[1-9]\d* .*IO-APIC +2-edge +timer"),
    ("cat /proc/interrupts", r"^ *LOC: +[1-9]\d\d"),
    ("cat /proc/interrupts", r"PCI-MSI .*virtio2-req"),
    ("cat /sys/devices/system/clocksource/clocksource0/current_clocksource", r"^tsc"),
    ("grep -c . /proc/iomem", r"^\d+\r*$"),
    ("dmesg | grep -c 'ACPI: PCI Root Bridge'", r"^1\r*$"),
    ("sleep 1; echo slept", r"^slept\r*$"),
    ("cat /sys/class/misc/hw_random/rng_current", r"^virtio_rng"),
    ("head -c 100 /dev/hwrng | sha256sum", r"^[0-9a-f]{64}"),
]
# A disk in a file that the monitor may write, one in a file that it may only read.
DISKS = [
    ("mount -t ext2 /dev/vda /mnt && cat /mnt/hello", r"^this file is on a disk\r*$"),
    ("echo written by the guest > /mnt/new && head -c 300000 /dev/urandom > /mnt/large && sha256sum /mnt/large", r"^[0-9a-f]{64}"),
    ("umount /mnt && mount -t ext2 /dev/vda /mnt && cat /mnt/new", r"^written by the guest\r*$"),
    ("sha256sum < /mnt/large | grep -c $(sha256sum < /mnt/large | head -c 64) && umount /mnt", r"^1\r*$"),
    ("mount -r -t ext2 /dev/vdb /mnt && cat /mnt/hello && umount /mnt", r"^this file is on a disk\r*$"),
    ("echo x > /dev/vdb || echo refused", r"refused"),
    ("cat /sys/block/vda/size /sys/block/vdb/ro /sys/block/vda/serial", r"^4096\r*\n1\r*\ndisk0"),
]


def shell(m, line):
    """Type a line at the guest's shell. Returns: what it printed."""
    m.send(line + "\r")
    m.expect(r"[^\n]*\n")
    start = len(m.seen)
    m.expect(PROMPT)
    return m.seen[start:]


def to_the_shell(m, checks, processors):
    start = time.time()
    m.command_output("cp /guests/disk /tmp/disk")
    m.send(f"vm run /guests/linux initrd=/guests/initrd memory=128 cpus={processors} disk=/tmp/disk disk=/guests/disk,ro cmdline=\"console=ttyS0 panic=-1\"\r")
    m.expect(r"Linux version 6\.\S+-cloud-amd64", 3 * m.timeout)
    m.expect(r"guest: Linux \S+ is up after \S+ s", 3 * m.timeout)
    m.expect(PROMPT)
    m.seen += f"({time.time() - start:.1f} s to the guest's shell)\n"
    shell(m, "dmesg -n 1")  # what its kernel says would come in between
    checks.reached("the guest's shell")


def commands(m, checks):
    for line, pattern in COMMANDS + DISKS:
        checks.expect(f"`{line}` in the guest", f"(?m){pattern}", shell(m, line))


def consoles(m, checks):
    """What is typed goes to the console that the guest wrote to last. The echo is on the other one, and may come later than what is written here."""
    m.send("sleep 1; echo go > /dev/hvc0; read line < /dev/hvc0; echo \"read: $line\"\r")
    m.expect(r"\ngo\r*\n")
    m.send("across\r")
    m.expect(r"read: across")
    m.expect(PROMPT)
    checks.reached("a line by the virtio console")


def looked_at(m, checks):
    """It is left, looked at from outside, stands still, and is joined again."""
    m.leave_guest()
    checks.expect("it runs on", r"^linux +running\n$", m.command_output("vm list"))
    info = m.command_output("vm info linux")
    checks.expect("figures by reason", r"^port +\d+ +\d+/s\n", re.sub(r"(?s).*?(?=^port)", "", info, count=1, flags=re.M))
    m.command_output("vm pause linux")
    checks.expect("it stands still", r"^linux +paused\n$", m.command_output("vm list"))
    m.command_output("vm resume linux")
    m.send("vm console linux\r")
    m.expect(r"vm console linux\r+\n")
    m.send("\r")
    m.expect(PROMPT)
    checks.expect("it answers", r"(?m)^again\r*$", shell(m, "echo again"))


def off(m, checks):
    digest = re.search(r"^[0-9a-f]{64}", shell(m, "sha256sum /dev/vda"), re.M).group(0)
    m.send("exit\r")
    m.expect(r"vm: linux: the guest turned the power off")
    m.expect(r"\$ $")  # what is typed before would be the console's
    m.settle()
    checks.expect("nothing is left", r"^$", m.command_output("vm list"))
    checks.expect("what the guest wrote is in the file", rf"^{digest} ", m.command_output("sha256sum /tmp/disk"))
    checks.expect("and not in the one it may only read", rf"^(?!{digest})", m.command_output("sha256sum /guests/disk"))
    checks.expect("the system is as before", r"^Hello, world!\n", m.command_output("hello"))


def use(machine=None, processors=1, **options):
    checks = Checks()
    with machine or Machine(ISO, memory=MEMORY, timeout=20, one_thread=True, **options) as m:
        m.come_up()
        checks.guard("to the shell", to_the_shell, m, checks, processors)
        for part in (commands, consoles, looked_at, off):
            if checks.failures:
                break
            checks.guard(part.__name__, part, m, checks)
        if not checks.failures:
            checks.expect("all processors were there", rf"smp: Brought up 1 node, {processors} CPU", m.seen)
    return checks.result()


def bochs():
    """The same by VMX."""
    return use(Bochs(ISO, memory=MEMORY, timeout=300))
