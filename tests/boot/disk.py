"""disk.py - disks of user drivers: what is read is what the image holds, what is written is in the image afterwards, and a
driver that is killed under load takes nobody with it."""
import re
import struct
import tempfile
import time
import uuid
import zlib

import volume
from check import Checks
from machine import Bochs, Failure, Machine

SECTOR = 512
SECTORS = 32768  # 16 MiB
ISO = "build/test/system-release.iso"
LOAD = r"load: (\d+) requests, (\d+) wrong, driver opened anew (\d+) times"
DRIVERS = {"virtio": "virtio_blk", "ahci": "ahci", "ide": "ata", "cd": "ata"}
READ = r"(?m)^(\d+ bytes at a time: 0 words wrong\n){6}"
REFUSED = r"^(?!(?s:.*)WRONG)(.*: ok -?\d+\n){39}$"  # all that is said of requests that cannot be


def pattern(first, count, add=0):
    """Each sector holds its number."""
    return b"".join(struct.pack("<Q", first + i + add) * (SECTOR // 8) for i in range(count))


def gpt(entries):
    """The sectors of a GPT and their numbers: protective MBR, and both copies. entries: (place, first, last)."""
    table = bytearray(128 * 128)
    for place, first, last in entries:
        table[128 * (place - 1):128 * place] = struct.pack(
            "<16s16sQQQ72s", uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le, uuid.uuid4().bytes_le, first, last, 0,
            "test".encode("utf-16-le"))
    guid = uuid.uuid4().bytes_le

    def header(at, other, where):
        def head(crc):
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, at, other, 34, SECTORS - 34, guid, where, 128,
                               128, zlib.crc32(table))
        return head(zlib.crc32(head(0))).ljust(SECTOR, b"\0")
    last = SECTORS - 1
    mbr = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff\xff\xff", 1, last) + bytes(48) + b"\x55\xaa"
    return [(0, mbr), (1, header(1, last, 2)), (2, bytes(table)), (last - 32, bytes(table)), (last, header(last, 1, last - 32))]


def mbr_entry(kind, first, count):
    return struct.pack("<B3sB3sII", 0, b"\0\0\0", kind, b"\0\0\0", first, count)


def mbr():
    """Two primary partitions, and an extended one with two logical ones."""
    def sector(*entries):
        return bytes(446) + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"
    return [(0, sector(mbr_entry(0x83, 64, 1000), mbr_entry(0x82, 2048, 2048), mbr_entry(0x05, 8192, 16384))),
            (8192, sector(mbr_entry(0x83, 64, 4000), mbr_entry(0x05, 8192, 4096))),
            (16384, sector(mbr_entry(0x83, 8, 1000)))]


class Disk:
    """An image of a disk with the pattern and some sectors of other contents. kind: what it is plugged into, a key of DRIVERS."""

    def __init__(self, sectors=(), kind="virtio", count=SECTORS):
        self.kind = kind
        self.driver = DRIVERS[kind]
        self.file = tempfile.NamedTemporaryFile(prefix="portolan-disk-")  # pylint: disable=consider-using-with
        self.file.write(pattern(0, count))
        for at, data in sectors:
            self.file.seek(at * SECTOR)
            self.file.write(data)
        self.file.flush()

    def drive(self, *options, name="disk"):
        """The image as a drive of that name."""
        return ["-drive", ",".join([f"if=none,id={name},format=raw,file={self.file.name}", *options])]

    def device(self, *options, name="disk", place=0):
        """The drive in the place of that number of its controller."""
        channel = f"bus=ide.{place // 2},unit={place % 2}"
        word = {"virtio": f"virtio-blk-pci,drive={name},disable-legacy=on", "ahci": f"ide-hd,drive={name},bus=ide.{place}",
                "ide": f"ide-hd,drive={name},{channel}", "cd": f"ide-cd,drive={name},{channel}"}[self.kind]
        return ["-device", ",".join([word, *options])]

    def arguments(self, machine, *options, unit=()):
        """unit: what QEMU is told of an IOMMU, which is there before the disk."""
        if unit and self.kind == "virtio":
            options += ("iommu_platform=on",)
        return ["-machine", machine, *unit] + self.drive() + self.device(*options)

    def contents(self, first, count):
        with open(self.file.name, "rb") as f:
            f.seek(first * SECTOR)
            return f.read(count * SECTOR)

    def holds(self, first, count, add):
        return self.contents(first, count) == pattern(first, count, add)


def devices(m, driver="virtio_blk"):
    """The names of the driver's devices."""
    listed = re.search(rf" {driver} +running(.*)\n", m.command_output("devices"))
    return listed.group(1).split() if listed else []


def use(machine, cpus=1, kind="virtio", memory=256, unit=()):
    """Read all of a disk, write some of it, and what is refused."""
    checks, disk = Checks(), Disk(kind=kind)
    with Machine(ISO, cpus=cpus, memory=memory, extra=disk.arguments(machine, unit=unit)) as m:
        m.expect(r"\$ $")
        checks.expect("its size", rf"^disk0: {SECTORS} records of 512 bytes\n", m.command_output("devices disk0"))
        checks.expect("all of it", READ, m.command_output(f"/tests/disk read disk0 0 {SECTORS}", 120))
        checks.expect("what is refused", REFUSED, m.command_output("/tests/disk codes disk0"))
        checks.expect("requests that are not waited for", r"^(.*: ok\n){21}$", m.command_output("/tests/device_request disk0", 60))
        for first, count, add in ((100, 1, 5), (200, 3000, 6), (SECTORS - 1, 1, 7)):
            checks.expect("a write", r"^written: yes\n", m.command_output(f"/tests/disk write disk0 {first} {count} {add}", 60))
            checks.expect("is read back", READ, m.command_output(f"/tests/disk read disk0 {first} {count} {add}", 60))
        m.power_off()
        checks.expect("an IOMMU, if there is one, is on", "iommu: 1 unit" if unit else "", m.seen)
        checks.expect("no access was refused", r"^(?!(?s:.*)may not (read|write))", m.seen)
    for first, count, add in ((0, 100, 0), (100, 1, 5), (101, 99, 0), (200, 3000, 6), (3200, 20000, 0), (SECTORS - 1, 1, 7)):
        checks.expect(f"the image from sector {first} on", "True", str(disk.holds(first, count, add)))
    return checks.result()


def partitions():
    """Names for what tables say, and reads that stay inside."""
    checks = Checks()
    cases = [("GPT", gpt([(1, 64, 1063), (3, 2048, 4095)]), {"s1": (64, 1000), "s3": (2048, 2048)}),
             ("MBR", mbr(), {"s1": (64, 1000), "s2": (2048, 2048), "s5": (8256, 4000), "s6": (16392, 1000)})]
    damaged = gpt([(1, 64, 1063)])
    damaged[1] = (1, b"EFI PART".ljust(SECTOR, b"\1"))
    cases.append(("the second GPT", damaged, {"s1": (64, 1000)}))
    for what, sectors, parts in cases:
        disk = Disk(sectors)
        with Machine(ISO, extra=disk.arguments("q35")) as m:
            m.expect(r"\$ $")
            checks.expect(f"{what}: names", re.escape(str(["disk0"] + ["disk0" + p for p in parts])), str(devices(m)))
            for name, (first, count) in parts.items():
                checks.expect(f"{what}: size of {name}", rf"^disk0{name}: {count} records", m.command_output(f"devices disk0{name}"))
                checks.expect(f"{what}: contents of {name}", READ,
                              m.command_output(f"/tests/disk read disk0{name} 0 {count} {first}", 60))
            m.power_off()
    return checks.result()


def lines():
    """Two disks that have no messages and, on the first machine, share an interrupt line with others."""
    checks = Checks()
    for machine in ("pc", "q35"):
        disk, second = Disk(), Disk()
        arguments = disk.arguments(machine, "vectors=0") + second.drive(name="second") + second.device("vectors=0", name="second")
        with Machine(ISO, cpus=2, extra=arguments) as m:
            m.come_up()
            for name in ("disk0", "disk1"):
                checks.expect(f"{machine}: {name}", READ, m.command_output(f"/tests/disk read {name} 0 {SECTORS // 4}", 120))
            under_load(m, checks, 3, lambda m=m, machine=machine: checks.expect(
                f"{machine}: both", r"(?s)load: \d+ requests, 0 wrong.*load: \d+ requests, 0 wrong",
                m.command_output("/tests/disk load disk1 8", 60)))
            m.power_off()
    return checks.result()


def read_only():
    """A disk that cannot be written says so."""
    checks, disk = Checks(), Disk()
    arguments = disk.arguments("pc")
    arguments[3] += ",readonly=on"
    with Machine(ISO, extra=arguments) as m:
        m.expect(r"\$ $")
        checks.expect("it is told", r"^disk0: .*, read-only\n", m.command_output("devices disk0"))
        checks.expect("a write is refused", r"^written: .*[Rr]ead-only", m.command_output("/tests/disk write disk0 1 1 1"))
        checks.expect("a read is not", READ, m.command_output("/tests/disk read disk0 0 1000", 60))
        m.power_off()
    return checks.result()


def counts(m):
    """How many tasks, threads, ports, rights, memory objects and map entries there are, once what ended is gone; and wrong counts of rights."""
    time.sleep(2)
    return [int(word) for word in re.search(r"counts:([\d ]+)\n", m.command_output("/tests/disk counts disk0")).group(1).split()]


def kill(m, name):
    """Kill the task of that name. Returns: was there one?"""
    task = re.search(rf"^ *(\d+) .* {name}$", m.command_output("ps"), re.M)
    if task:
        m.command_output(f"kill {task.group(1)}")
    return task is not None


def under_load(m, checks, seconds, disturb, driver="virtio_blk"):
    """Four threads read and write while disturb() does something. Returns: how often the driver was opened anew."""
    start = len(m.seen)
    m.send(f"/tests/disk load disk0 {seconds} &\r")
    m.settle()
    disturb()
    late = time.time() + 120
    while not (end := re.search(LOAD, m.seen[start:])):
        if time.time() > late:
            raise Failure(f"the load does not end; seen:\n{m.log()}")
        m.drain()
    m.send("\r")
    m.drain()  # that the job is done
    m.settle()
    checks.expect("nothing was wrong", r"^0 wrong", f"{end.group(2)} wrong of {end.group(1)}")
    checks.expect("the disk is there", r"'disk0'", str(devices(m, driver)))
    return int(end.group(3))


def killed(machine, times, iso=ISO, cpus=2, kind="virtio", unit=()):
    """The driver is killed again and again while it is used."""
    checks, disk = Checks(), Disk(kind=kind)
    with Machine(iso, cpus=cpus, one_thread=True, extra=disk.arguments(machine, unit=unit), timeout=120) as m:
        m.expect(r"\$ $")
        checks.expect("without a kill", r"load: \d+ requests, 0 wrong, driver opened anew 0 times",
                      m.command_output("/tests/disk load disk0 2", 60))
        kill(m, disk.driver)
        before = counts(m)
        kills = []
        # longer than the kills take: its last line, right behind a prompt, would hide that
        anew = under_load(m, checks, times // 2 + 10, lambda: kills.extend(kill(m, disk.driver) for _ in range(times)), disk.driver)
        checks.expect("the driver was killed", "True", str(sum(kills) > times // 2 and anew > times // 4) + f" {kills}, {anew} anew")
        after = counts(m)  # a server may have grown its heap once
        checks.expect("nothing is left of those before", "True",
                      str(all(b - a <= 2 for a, b in zip(before, after))) + f" {before} {after}")
        m.power_off()
        checks.expect("no access was refused", r"^(?!(?s:.*)may not (read|write))", m.seen)
    return checks.result()


def restarts(machine, times, iso=ISO, cpus=1):
    """The driver is killed very often: under load, where nothing may be wrong then; and without, where nothing may be left. On one
    processor: QEMU 7.2 itself may end when one writes a device's register while another stops that device (seen after hundreds)."""
    checks, disk = Checks(), Disk()
    with Machine(iso, cpus=cpus, extra=disk.arguments(machine), timeout=120) as m:
        m.expect(r"\$ $")
        kill(m, "virtio_blk")
        load, alone = times
        before = counts(m)
        output = []
        anew = under_load(m, checks, load // 5 + 2, lambda: output.append(m.command_output(f"/tests/disk kill disk0 virtio_blk {load} 20", 400)))
        checks.expect("the driver was killed under load", rf"killed virtio_blk {load} times", output[0])
        checks.expect("and opened anew by who used it", "^True", str(anew > load // 8) + f" {anew}")
        checks.expect("and without", rf"killed virtio_blk {alone} times", m.command_output(f"/tests/disk kill disk0 virtio_blk {alone} 1", 900))
        m.settle()
        after = counts(m)  # a server may have grown its heap once
        checks.expect("nothing is left of those before", "^True",
                      str(len(after) == 7 and after[6] == 0 and all(b - a <= 2 for a, b in zip(before, after))) + f" {before} {after}")
        m.power_off()
    return checks.result()


def faults(count, seed=1, iso=ISO, cpus=1, driver="virtio_blk", device=""):
    """Bytes of the driver's code and registers of its threads are changed while it works, or, with what it is plugged into, registers of its
    device and words of its queues: nobody else ends or hangs."""
    checks = Checks()
    words = f"{driver} {count} 10 {seed}" + (" device" if device else "")
    with volume.Volume() as v, v.machine(iso, device or "virtio", cpus=cpus, timeout=120) as m:
        m.expect(r"\$ $")
        output = m.command_output(f"/tests/driver_fault {words}", 3600)
        checks.expect("all faults were put in, and whoever asked was answered", rf"(?m)^faults: {count} of {count}, \d+ uses, \d+ errors, 0 hang", output)
        kill(m, driver)
        m.settle()
        checks.expect("the file system answers", r"big|Input/output error|I/O error", m.command_output("ls /disk", 120))
        checks.expect("the disk can be read", r"(?m)^disk0: \d+ records", m.command_output("devices disk0", 60))
        checks.expect("the system is still there", r"(?m)^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.send("poweroff\r")
        m.wait_off(60)
    return checks.result()


def master_killed():
    """The device master ends, and with it the driver, while the disk is used."""
    checks, disk = Checks(), Disk()
    with Machine(ISO, cpus=2, one_thread=True, extra=disk.arguments("q35"), timeout=120) as m:
        m.expect(r"\$ $")

        def disturb():
            for _ in range(3):
                master = re.search(r"^ *(\d+) .* device_master$", m.command_output("ps"), re.M)
                m.send(f"kill {master.group(1)}\r")  # its driver may say something behind the prompt
                time.sleep(1)
                m.drain()
                m.settle()
        checks.expect("the driver was opened anew", r"^[1-9]", str(under_load(m, checks, 15, disturb)))
        m.power_off()
    return checks.result()


def errors(machine="q35", kind="virtio", says="status 1"):
    """A sector that cannot be read, and one that cannot be written: EIO and a line in the log, and everything else goes on."""
    checks, disk = Checks(), Disk(kind=kind, count=SECTORS + 64)  # the load below leaves some of them alone
    broken = (f"driver=blkdebug,node-name=disk,image.driver=file,image.filename={disk.file.name}"
              ",inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=8200"
              ",inject-error.1.event=none,inject-error.1.iotype=write,inject-error.1.sector=8202")
    with Machine(ISO, extra=["-machine", machine, "-blockdev", broken] + disk.device("rerror=report,werror=report")) as m:
        m.expect(r"\$ $")
        for what, line, pattern in (
                ("before it", "read disk0 0 900", READ),
                ("it", "read disk0 8200 1", rf"{disk.driver}: .*read of 512 bytes at sector 8200: {says}(?s:.*)read at 8200: I/O error\n"),
                ("behind it", "read disk0 8203 900", READ),
                ("one to be written", "write disk0 8202 1 1",
                 rf"{disk.driver}: .*write of 512 bytes at sector 8202: {says}(?s:.*)written: I/O error\n"),
                ("its neighbour", "write disk0 8201 1 1", r"^written: yes\n")):
            checks.expect(what, pattern, m.command_output(f"/tests/disk {line}", 60))

        def disturb():
            for _ in range(5):
                checks.expect("it, beside others", "I/O error", m.command_output("/tests/disk read disk0 8200 1", 60))
        under_load(m, checks, 4, disturb, disk.driver)
        m.power_off()
    return checks.result()


def order():
    """Disks are numbered in the order of functions, and of ports within one, whichever driver is ready first."""
    checks = Checks()
    names = ["ahci 0", "ahci 1", "virtio", "ahci 2"]
    disks = [Disk(kind=name.split()[0], count=1000 + i) for i, name in enumerate(names)]
    drives = [argument for i, disk in enumerate(disks) for argument in disk.drive(name=f"d{i}")]
    with Machine(ISO, extra=["-machine", "pc", *drives, "-device", "ich9-ahci,id=a,addr=4", "-device", "ide-hd,drive=d1,bus=a.4",
                             "-device", "ide-hd,drive=d0,bus=a.1", "-device", "ich9-ahci,id=b,addr=6",
                             "-device", "ide-hd,drive=d3,bus=b.0"] + disks[2].device("addr=5", name="d2")) as m:
        m.come_up()
        for _ in range(2):
            for i in range(len(disks)):
                checks.expect(f"disk{i}", rf"(?m)^disk{i}: {1000 + i} records", m.command_output(f"devices disk{i}"))
                checks.expect(f"contents of disk{i}", READ, m.command_output(f"/tests/disk read disk{i} 0 {1000 + i}", 60))
            kill(m, "ahci")  # the first that is listed
            m.settle()
        m.power_off()
    return checks.result()


def read_beside(m, checks, name):
    """Read all of a device while what others do at its side may print lines of its own."""
    output = m.command_output(f"/tests/disk read {name} 0 {SECTORS}", 120)
    m.settle()
    checks.expect(f"the contents of {name}", "^6 ", f"{len(re.findall('at a time: 0 words wrong', output))} {output}")


def two():
    """Two disks of one driver used at once, and a CD beside them."""
    checks, disk, second, cd = Checks(), Disk(kind="ahci"), Disk(kind="ahci"), Disk(kind="cd")
    arguments = disk.arguments("q35") + second.drive(name="second") + second.device(name="second", place=3)
    arguments += cd.drive("readonly=on", name="cd") + ["-device", "ide-cd,drive=cd,bus=ide.4"]
    with Machine(ISO, cpus=2, extra=arguments) as m:
        m.come_up()
        checks.expect("their names", r"\['disk0', 'cd0', 'disk1', 'cd1'\]", str(devices(m, "ahci")))
        checks.expect("the CD", rf"(?m)^cd1: {SECTORS // 4} records of 2048 bytes, read-only$", m.command_output("devices cd1"))

        def disturb():
            read_beside(m, checks, "cd1")
            checks.expect("it cannot be written", r"(?m)^written: .*[Rr]ead-only", m.command_output("/tests/disk write cd1 0 4 0"))
            checks.expect("both", r"(?s)load: \d+ requests, 0 wrong.*load: \d+ requests, 0 wrong",
                          m.command_output("/tests/disk load disk1 8", 60))
        under_load(m, checks, 8, disturb, "ahci")
        m.power_off()
    return checks.result()


def four():
    """Two disks on one channel, and two CDs on the other: the one it boots from, and one that is read while both disks are used."""
    checks, disks, cd = Checks(), [Disk(kind="ide"), Disk(kind="ide")], Disk(kind="cd")
    arguments = disks[0].arguments("pc") + disks[1].drive(name="second") + disks[1].device(name="second", place=1)
    with Machine(ISO, cpus=2, extra=arguments + cd.drive("readonly=on", name="cd") + cd.device(name="cd", place=3)) as m:
        m.come_up()
        checks.expect("their names", r"\['disk0', 'disk1', 'cd0', 'cd1'\]", str(devices(m, "ata")))
        checks.expect("the CD", rf"(?m)^cd1: {SECTORS // 4} records of 2048 bytes, read-only$", m.command_output("devices cd1"))

        def disturb():
            m.send("/tests/disk load disk1 8 &\r")
            m.settle()
            read_beside(m, checks, "cd1")
            checks.expect("it cannot be written", r"(?m)^written: .*[Rr]ead-only", m.command_output("/tests/disk write cd1 0 4 0"))
            m.settle()
        under_load(m, checks, 8, disturb, "ata")
        time.sleep(4)
        m.drain()
        checks.expect("both disks were right", r"(?s)load: \d+ requests, 0 wrong.*load: \d+ requests, 0 wrong", m.seen)
        m.power_off()
    return checks.result()


def bochs():
    """A disk with partitions on Bochs: read, written, and right in the image."""
    checks, disk = Checks(), Disk(mbr())
    parts = {"s1": (64, 1000), "s2": (2048, 2048), "s5": (8256, 4000), "s6": (16392, 1000)}
    with Bochs(ISO, timeout=300, disk=disk.file.name) as m:
        m.expect(r"\$ $")
        checks.expect("the date", r"^Sun Sep  9 01:\d\d:\d\d UTC 2001\n", m.command_output("date"))  # 1,000,000,000 s
        checks.expect("names", re.escape(str(["disk0"] + ["disk0" + p for p in parts] + ["cd0"])), str(devices(m, "ata")))
        checks.expect("its size", rf"(?m)^disk0: {SECTORS} records of 512 bytes$", m.command_output("devices disk0"))
        checks.expect("some of it", READ, m.command_output("/tests/disk read disk0 1 4000", 120))
        for name, (first, count) in parts.items():
            checks.expect(f"size of {name}", rf"(?m)^disk0{name}: {count} records", m.command_output(f"devices disk0{name}"))
            checks.expect(f"contents of {name}", READ, m.command_output(f"/tests/disk read disk0{name} 0 {count} {first}", 120))
        checks.expect("a write", r"(?m)^written: yes$", m.command_output("/tests/disk write disk0s2 10 2000 5", 120))
        m.power_off()
    for first, count, add in ((1, 2047, 0), (2048, 10, 0), (2058, 2000, 5 - 2048), (4058, 4000, 0)):
        checks.expect(f"the image from sector {first} on", "True", str(disk.holds(first, count, add)))
    return checks.result()


def stopped(kind="virtio"):
    """A driver that does not answer is ended and started again."""
    checks, disk = Checks(), Disk(kind=kind)
    with Machine(ISO, extra=disk.arguments("q35")) as m:
        m.expect(r"\$ $")
        checks.expect("it is stopped", rf"^stopped {disk.driver}\n", m.command_output(f"/tests/disk stop disk0 {disk.driver}"))
        m.expect(rf"{disk.driver} of \S+ does not answer", 60)
        m.expect(rf"{disk.driver} of \S+ ended; starting it again", 60)
        m.settle()
        checks.expect("and goes on", READ, m.command_output("/tests/disk read disk0 0 1000", 60))
        m.power_off()
    return checks.result()
