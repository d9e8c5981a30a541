"""iommu.py - what a device reaches of memory: with an IOMMU what was pinned for it, without one everything; and what a driver
reaches beside memory, which is its own function either way."""
import re
import struct
import tempfile
import time

import disk
from check import Checks
from machine import Machine, Monitor

UNIT = ["-device", "intel-iommu"]
WIDE = ["-device", "intel-iommu,caching-mode=on,aw-bits=48"]  # which remembers what was absent, and has 4 levels of tables
REGISTERS = 0xfed90000  # of QEMU's unit
STRANGE = 0x0fe80000  # in the memory disk of the image, which nobody uses
KERNEL = 0x00100000   # where the kernel begins
WORD = 0x600dcafe
PLACE = "00:03.0"     # of the device, the first behind what the machine has; the disk is behind it


def table(*structures):
    """What QEMU is told to have a DMAR of its own making, the last the firmware has: address width, flags, and structures."""
    file = tempfile.NamedTemporaryFile(prefix="portolan-dmar-")  # pylint: disable=consider-using-with
    file.write(struct.pack("<BB10x", 38, 0) + b"".join(structures))
    file.flush()
    return file, ["-acpitable", f"sig=DMAR,rev=1,data={file.name}"]


def unit_at(registers):
    return struct.pack("<HHBBHQ", 0, 16, 1, 0, 0, registers)


def region_of(slot, first, last):
    """Memory for a device of bus 0."""
    return struct.pack("<HHHHQQ", 1, 32, 0, 0, first, last) + struct.pack("<BBHBBBB", 1, 8, 0, 0, 0, slot, 0)


class Strayer:
    """A machine with the driver that strays, a disk beside it, and a look at its memory from outside."""

    def __init__(self, iso, unit, cpus=1, dma_mask=0xfffffff):
        self.disk = disk.Disk()
        options = ["iommu_platform=on"] if unit else []
        self.machine = Machine(f"build/test/{iso}.iso", cpus=cpus, timeout=120, one_thread=True, monitored=True, extra=[
            "-machine", "q35", *unit, "-device", f"edu,addr=3,dma_mask={dma_mask:#x}", *self.disk.drive(), *self.disk.device("addr=4", *options)])
        self.monitor = None

    def __enter__(self):
        self.machine.__enter__()
        self.machine.expect(r"\$ $")
        self.monitor = Monitor(self.machine)
        return self

    def __exit__(self, *arguments):
        if self.monitor:
            self.monitor.close()
        self.machine.__exit__(*arguments)

    def word(self, address):
        """A word of memory, as it is."""
        return int(re.search(r": 0x([0-9a-f]+)", self.monitor.command(f"xp /1wx {address:#x}")).group(1), 16)

    def stray(self, line, timeout=120):
        return self.machine.command_output(f"/tests/stray {line}", timeout)

    def refused(self):
        """How many accesses of the device were refused, as the device master lists it."""
        time.sleep(2.5)  # it asks once a second, and says so the first time
        self.machine.drain()
        self.machine.settle()
        counted = re.search(rf"(?m)^{PLACE} .*\((\d+) accesses refused\)$", self.machine.command_output("devices"))
        return int(counted.group(1)) if counted else 0


def goes_on(m, checks, what):
    checks.expect(f"the disk {what}", disk.READ, m.command_output("/tests/disk read disk0 0 2000", 60))
    checks.expect(f"others {what}", r"^Hello, Ann!\n", m.command_output("hello Ann"))


def refused(iso="stray-release", unit=tuple(UNIT), cpus=1, storm=150, kept=100):
    """Whatever the driver has the device do, memory it was not given is as it was, and nobody else notices."""
    checks = Checks()
    with Strayer(iso, list(unit), cpus) as s:
        m = s.machine
        checks.expect("the unit is on", r"iommu: 1 unit, [34] levels", m.seen)
        before = s.word(STRANGE), s.word(KERNEL)
        checks.expect("the kernel is there", "^0xe85250d6$", hex(before[1]))  # Multiboot2 specification 2.0, 3.1.1
        s.stray(f"write {STRANGE:#x} {WORD:#x}")
        s.stray(f"write {KERNEL:#x} {WORD:#x}")
        checks.expect("memory is as it was", re.escape(str(before)), str((s.word(STRANGE), s.word(KERNEL))))
        m.drain()
        checks.expect("the first is told", rf"iommu: {PLACE} may not write {STRANGE:#x} \(reason \d+\)", m.seen)
        checks.expect("the first only", "^1$", str(len(re.findall("may not", m.seen))))
        checks.expect("the kernel is not read", rf"^read 0x(?!{before[1]:08x})", s.stray(f"read {KERNEL:#x}"))
        checks.expect("they are counted", "^3$", str(s.refused()))
        checks.expect("its master knows", r"edu of 00:03.0 tries to reach memory it was not given", m.seen)
        checks.expect("pinned to be written, beside it, not pinned, to be read", r"^reached: 1 0 0 0\n", s.stray("pinned"))
        checks.expect("those, too", "^6$", str(s.refused()))
        goes_on(m, checks, "after that")
        s.stray(f"storm {storm} {STRANGE:#x}", 300)
        checks.expect("a storm is told", rf"iommu: {PLACE} goes on; not recorded any more", m.seen)
        checks.expect("and not recorded", f"^{kept}$", str(s.refused()))
        checks.expect("nor let through", f"^{before[0]}$", str(s.word(STRANGE)))
        goes_on(m, checks, "after a storm")
        disk.kill(m, "edu")
        m.settle()
        checks.expect("the next driver reaches its own", r"(?m)^reached: 1 0 0 0$", s.stray("pinned"))
        # its page may be where the one before it had none, beside the pinned one
        checks.expect("what it is refused is recorded", f"^({kept + 2}|{kept + 3})$", str(s.refused()))
        if "debug" in iso:
            shown(m, checks)
        m.power_off()
    return checks.result()


def shown(m, checks):
    """What the kernel debugger tells."""
    m.send("/tests/hold debugger\r")
    m.expect(r"ddb: host_reboot; .*ddb> $")
    told = m.command_output("iommu", prompt=r"ddb> $")
    checks.expect("units", "^units: 1\n", told)
    for place in (PLACE, "00:04.0"):
        checks.expect(f"the domain of {place}", rf"(?m)^{place} +\d+ +1  0x1000000$", told)
    checks.expect("faults", r"(?m)^00:03.0 10\d, 0x", told)
    m.send("c\r")
    m.expect(r"\$ $")


def without():
    """What the same driver reaches where there is no IOMMU: the tests above can fail."""
    checks = Checks()
    with Strayer("stray-release", []) as s:
        s.stray(f"write {STRANGE:#x} {WORD:#x}")
        checks.expect("memory is overwritten", f"^{WORD}$", str(s.word(STRANGE)))
        checks.expect("memory is read", rf"^read {WORD:#x}\n", s.stray(f"read {STRANGE:#x}"))
        checks.expect("pinned to be written, not pinned, to be read", r"^reached: 1 \d 1 1\n", s.stray("pinned"))
        checks.expect("nothing is counted", "^0$", str(s.refused()))
        s.machine.power_off()
    return checks.result()


def rights(unit=()):
    """A driver reaches no registers, ports, interrupts or configuration but its function's."""
    checks = Checks()
    with Strayer("stray-debug", list(unit)) as s:
        checks.expect("I/O ports, rights, numbers", r"^reached: 0 0 0\n", s.stray("rights"))
        checks.expect("no word of one", r"^(?!(?s:.*)REACHED)", s.machine.seen)
        goes_on(s.machine, checks, "after that")
        s.machine.power_off()
    return checks.result()


def past():
    """A disk that goes past the unit: its driver does not serve it, and memory is not written at addresses of the bus."""
    checks, plain = Checks(), disk.Disk()
    with Machine("build/test/system-release.iso", extra=["-machine", "q35", *UNIT, *plain.drive(), *plain.device()]) as m:
        m.come_up()
        given_up = time.time() + 30
        while " down" not in m.command_output("devices", 60) and time.time() < given_up:
            m.settle()
        m.settle()
        checks.expect("it is told", r"virtio_blk: the device goes past the IOMMU; QEMU: iommu_platform=on", m.seen)
        checks.expect("and given up", r"virtio_blk of 00:03.0 did not come up too often and stays down", m.seen)
        checks.expect("it is not there", r"(?m)^00:03.0 .* virtio_blk +down *$", m.command_output("devices", 60))
        m.power_off()
    return checks.result()


def bridges():
    """Disks behind bridges: of PCI Express, whose functions have their own names, and of PCI, where the bridge speaks for both."""
    checks = Checks()
    for what, options in (("PCI Express", ["-device", "pcie-root-port,id=bridge,chassis=1,slot=1"]),
                          ("PCI", ["-device", "pcie-pci-bridge,id=bridge"])):
        first, second = disk.Disk(), disk.Disk()
        extra = ["-machine", "q35", *UNIT, *options, *first.drive(), *first.device("iommu_platform=on", "bus=bridge")]
        if what == "PCI":
            extra += second.drive(name="second") + second.device("iommu_platform=on", "bus=bridge", name="second")
        with Machine("build/test/system-debug.iso", cpus=2, extra=extra, timeout=120) as m:
            m.come_up()
            checks.expect(f"{what}: a disk", disk.READ, m.command_output("/tests/disk read disk0 0 8000", 120))
            if what == "PCI":
                checks.expect("PCI: the other", disk.READ, m.command_output("/tests/disk read disk1 0 8000", 120))
                disk.kill(m, "virtio_blk")
                m.settle()
                checks.expect("PCI: a disk again", disk.READ, m.command_output("/tests/disk read disk0 0 8000", 120))
                checks.expect("PCI: the other, too", disk.READ, m.command_output("/tests/disk read disk1 0 8000", 120))
            checks.expect(f"{what}: nothing was refused", r"^(?!(?s:.*)(refused|may not))", m.command_output("devices") + m.seen)
            m.power_off()
    return checks.result()


def regions():
    """The firmware may say that a device needs memory, but none that the kernel has."""
    checks = Checks()
    given, beside = 0x0fff0000, 0x0fff1000  # in what the firmware keeps to itself
    file, words = table(unit_at(REGISTERS), region_of(3, given, given + 0xfff), region_of(3, STRANGE, STRANGE + 0xfff),
                        region_of(4, KERNEL, KERNEL + 0xfff))
    with file, Strayer("stray-debug", UNIT + words) as s:
        checks.expect("memory of the kernel's is not given", rf"iommu: the firmware's region {STRANGE:#x} is not believed", s.machine.seen)
        checks.expect("nor the kernel", rf"iommu: the firmware's region {KERNEL:#x} is not believed", s.machine.seen)
        before = s.word(STRANGE), s.word(beside)
        for address in (given, STRANGE, beside):
            s.stray(f"write {address:#x} {WORD:#x}")
        checks.expect("the region is reached", f"^{WORD:#x}$", hex(s.word(given)))
        checks.expect("what is no region is not", re.escape(str(before)), str((s.word(STRANGE), s.word(beside))))
        checks.expect("pages of the driver's", r"(?m)^reached: 1 0 0 0$", s.stray("pinned"))
        disk.kill(s.machine, "edu")
        s.machine.settle()
        s.stray(f"write {given:#x} 0x12345678")
        checks.expect("the next driver's device reaches it, too", "^0x12345678$", hex(s.word(given)))
        goes_on(s.machine, checks, "with regions")
        s.machine.power_off()
    return checks.result()


def tables():
    """Tables that are wrong, and units that are not there: the system starts, says so, and goes without."""
    checks = Checks()
    for what, structures, told in (
            ("a length", [unit_at(REGISTERS), struct.pack("<HH", 1, 200)], "acpi: DMAR is damaged, ignored"),
            ("a length of nothing", [struct.pack("<HH", 0, 0)], "acpi: DMAR is damaged, ignored"),
            ("an address", [unit_at(REGISTERS + 8)], "acpi: DMAR is damaged, ignored"),
            ("registers in memory", [unit_at(0x1000000)], "iommu: a unit's registers are in memory"),
            ("registers nowhere", [unit_at(0xfed80000)], "iommu: a unit has no queue for commands"),
            ("registers of another device", [unit_at(REGISTERS), unit_at(0xfec00000)], "iommu: a unit has no queue for commands"),
            ("registers out of reach", [unit_at(1 << 40)], "iommu: a unit's registers are in memory")):
        file, words = table(*structures)
        with file, Machine("build/test/system-debug.iso", extra=["-machine", "q35", *UNIT, *words, "-device", "edu"]) as m:
            m.expect(r"\$ $")
            checks.expect(f"{what}: told", re.escape(told), m.seen)
            checks.expect(f"{what}: everything works", r"^5! = 120\n", m.command_output("factorial 5", 60))
            m.power_off()
    return checks.result()
