"""swap.py - more memory in use than the machine has: what is paged out comes back as it was."""
import os
import re
import shutil
import subprocess
import tempfile

import disk as disks
import volume
from check import Checks
from machine import Machine

SWAP_MIB = 320
SWAP_FILE_MIB = 100
GUEST_MIB = 96
MEMORY_MIB = 64  # what the system has beside the memory disk


def swap(iso, mib, cpus=1):
    """More memory in one program than there is."""
    checks = Checks()
    with Machine(iso, cpus=cpus, memory=MEMORY_MIB + SWAP_MIB) as m:
        memory = m.expect(r"processors?, (\d+) MiB")
        checks.expect("the disk is not the kernel's memory", r"^[56]\d$", memory.group(1))
        m.expect(r"\$ $")
        for what in ("memory comes back", "and again, the swap space being free"):
            checks.expect(what, rf"^{mib} MiB written and read twice, 0 pages wrong\n", m.command_output(f"/tests/swap {mib}", 300))
        checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


def guests(iso, cpus=1):
    """A virtual machine with more memory than there is: the guest's pages go out and come back while it runs."""
    checks = Checks()
    with Machine(iso, cpus=cpus, memory=MEMORY_MIB + SWAP_MIB, one_thread=True) as m:
        m.come_up()
        for what in ("a guest's memory comes back", "and again"):
            checks.expect(what, r"^\n?vm: fill: the guest ended with 0\n", m.command_output(f"vm run /guests/fill memory={GUEST_MIB}", 300))
            checks.expect("the machine is gone", r"^$", m.command_output("vm list", 60))
            used = re.search(r"(\d+) KiB used", m.command_output("swap", 60))  # by what others have there
            checks.expect("and its memory with it", "^True", str(used is not None and 0 < int(used.group(1)) < GUEST_MIB * 1024 // 4) + f" {used}")
        checks.expect("the kernel has nothing to say against it", r"(?m)^0 errors|checked by the debug kernel alone", m.command_output("ports --check", 60))
        checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


def full(iso):
    """More memory wanted than there is with swap: who wants it has no luck, and nobody's contents are lost."""
    checks = Checks()
    with Machine(iso, memory=64, icount=True) as m:
        m.expect(r"\$ $")
        output = m.command_output("time /tests/swap 80", 120)
        checks.expect("who wants too much gets an exception", r"\(code (6|10)\).*the task is ended", output)
        checks.expect("within two seconds: memory is not searched again and again", r"\nreal [01]\.", output)
        checks.expect("no page was thrown away", r"^(?!(?s:.*)swap is full)", m.command_output("dmesg", 60))
        checks.expect("memory comes back after that", r"^40 MiB written and read twice, 0 pages wrong\n", m.command_output("/tests/swap 40", 120))
        checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


class SwapDisk:
    """A disk with two partitions, the second of them swap, marked by mkswap."""

    FIRST = 2048  # sector of the second partition

    def __init__(self, mib=SWAP_MIB, marked=True):
        self.scratch = tempfile.mkdtemp(prefix="portolan-")
        self.image = os.path.join(self.scratch, "disk.img")
        sectors = mib * 2048
        part = os.path.join(self.scratch, "part")
        with open(part, "wb") as f:
            f.truncate(sectors * 512)
        subprocess.run(["mkswap", part], env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        with open(part, "rb") as f:
            header = f.read(4096)
        with open(self.image, "wb") as f:
            f.truncate((self.FIRST + sectors) * 512)
            f.write(bytes(446) + (disks.mbr_entry(0x83, 64, 1000) + disks.mbr_entry(0x82, self.FIRST, sectors)).ljust(64, b"\0") + b"\x55\xaa")
            f.seek(self.FIRST * 512)
            f.write(header if marked else b"somebody's data".ljust(4096, b"."))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.scratch)

    def machine(self, iso, broken="", kind="virtio", **options):
        """broken: what fails, as blkdebug has it, of a virtio disk."""
        others = {"ide": ["-drive", f"file={self.image},format=raw,if=ide,index=0"],
                  "ahci": ["-machine", "q35", "-drive", f"file={self.image},format=raw,if=none,id=disk", "-device", "ide-hd,drive=disk,bus=ide.0"]}
        if kind in others:
            return Machine(iso, memory=MEMORY_MIB, extra=others[kind], **options)
        drive = f"driver=blkdebug,node-name=disk,image.driver=file,image.filename={self.image}{broken}"
        return Machine(iso, memory=MEMORY_MIB, extra=[
            "-blockdev", drive, "-device", "virtio-blk-pci,drive=disk,disable-legacy=on,rerror=report,werror=report"], **options)

    def written(self):
        """Pages of the swap that are not zero, the first of the disk and the first of the swap excepted."""
        with open(self.image, "rb") as f:
            f.seek(self.FIRST * 512 + 4096)
            return sum(any(page) for page in iter(lambda: f.read(4096), b""))

    def first(self, count):
        with open(self.image, "rb") as f:
            f.seek(self.FIRST * 512)
            return f.read(count)


def use_memory(m, mib, kills=0):
    """What the program says that uses so much memory. While a driver is killed, lines about that come on the same terminal
    at any time: then it goes to a file that is read afterwards."""
    if not kills:
        return m.command_output(f"/tests/swap {mib}", 400)
    for line in (f"/tests/disk kill disk0 virtio_blk {kills} 500 >/tmp/kills &", f"/tests/swap {mib} >/tmp/said", "wait"):
        m.send(line + "\r")
        m.settle(400)
    return m.command_output("cat /tmp/said", 60)


def disk(iso, mib, cpus=1, kills=0, kind="virtio"):
    """The same on a partition of a disk; its driver may be killed meanwhile."""
    checks = Checks()
    with SwapDisk() as swap_disk:
        header = swap_disk.first(4096)
        with swap_disk.machine(iso, cpus=cpus, one_thread=kills != 0, timeout=120, kind=kind) as m:
            m.expect(rf"pager: swap on disk0s2, {SWAP_MIB - 1} MiB")  # before the prompt or behind it
            m.settle()
            for what in ("memory comes back", "and again, the swap space being free"):
                checks.expect(what, rf"^{mib} MiB written and read twice, 0 pages wrong\n", use_memory(m, mib, kills))
            checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
            log = m.command_output("dmesg", 60)
            checks.expect("nothing was lost", "^$", "".join(line for line in log.splitlines() if "is lost" in line))
            if kills:
                checks.expect("the driver was killed", "^yes$", "yes" if log.count("ended; starting it again") > kills else log)
            m.power_off()
        checks.expect("it went to the disk", r"^\d{4,}$", str(swap_disk.written()))
        checks.expect("the mark is as it was", "True", str(swap_disk.first(4096) == header))
    return checks.result()


def unmarked(iso):
    """A partition that is not marked is not written, whatever the partition table says."""
    checks = Checks()
    with SwapDisk(mib=16, marked=False) as swap_disk:
        before = swap_disk.first(16 << 20)
        with swap_disk.machine(iso) as m:
            m.expect(r"pager: disk0s2 is not used: it is not marked as swap")
            m.settle()
            checks.expect("who wants too much gets an exception", r"the task is ended", m.command_output("/tests/swap 80", 120))
            m.power_off()
        checks.expect("it is as it was", "True", str(swap_disk.first(16 << 20) == before))
    return checks.result()


def errors(iso):
    """A page that cannot be written, or not be read, is lost to the program whose it is, with a line; its place is not used again."""
    checks = Checks()
    # Places 20 MiB on, as nobody else has so much; several, as one may have got a page of another program, which nobody touches again.
    places = (5000, 6000, 7000)
    for what, line in (("write", r"pager: swap cannot be written"), ("read", r"virtio_blk: read of \d+ bytes at sector \d+: status 1")):
        with SwapDisk() as swap_disk:
            broken = "".join(f",inject-error.{n}.event=none,inject-error.{n}.iotype={what},inject-error.{n}.sector={swap_disk.FIRST + 8 * place}"
                             for n, place in enumerate(places))
            with swap_disk.machine(iso, broken=broken, timeout=120) as m:
                m.expect(r"pager: swap on disk0s2")
                m.settle()
                output = m.command_output("/tests/swap 80", 300)
                checks.expect(f"{what}: the program gets an exception", r"task swap .*\(code 10\).*the task is ended", output)
                checks.expect(f"{what}: it is told", line, m.command_output("dmesg", 60))
                checks.expect(f"{what}: nobody else is", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
                if what == "write":
                    for _ in places:  # it may end before it has come to all of them
                        output = m.command_output("/tests/swap 80", 300)
                        if "code 10" not in output:
                            break
                    checks.expect("a next program has other places", r"^80 MiB written and read twice, 0 pages wrong\n", output)
                m.power_off()
    return checks.result()


def make_file(v, mib, marked=True):
    """A file marked by mkswap, without holes, in the file system: in several pieces, as its map of blocks lies in between."""
    path = os.path.join(v.scratch, "swap")
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(b"\xa5" * (1 << 20))
    if marked:
        v.tool("mkswap", path)
    v.tool("debugfs", "-w", "-R", f"write {path} swap", v.image)


def file(iso, mib, kind="ext3", cpus=1, kills=0):
    """Swap in a file: paged out and in past the file server; nobody can cut, remove, write or read the file; the file system is in order."""
    checks = Checks()
    with volume.Volume(kind, 256, 4096) as v:
        make_file(v, SWAP_FILE_MIB)
        with v.machine(iso, cpus=cpus, memory=MEMORY_MIB, one_thread=kills != 0, timeout=120) as m:
            m.expect(rf"pager: swap on /disk/swap, {SWAP_FILE_MIB - 1} MiB")  # before the prompt or behind it
            m.settle()
            for line, why in (("echo x >/disk/swap", "not permitted"), ("cp /disk/dir/hello.txt /disk/swap", "not permitted"), ("rm -f /disk/swap", "not permitted"),
                              ("mv /disk/swap /disk/other", "not permitted"), ("mv /disk/dir/hello.txt /disk/swap", "not permitted"),
                              ("cat /disk/swap", "not permitted"), ("umount /disk", "in use")):
                checks.expect(f"`{line}`", rf"(?i){why}", m.command_output(line, 60))
            for what in ("memory comes back", "and again, the swap space being free"):
                checks.expect(what, rf"^{mib} MiB written and read twice, 0 pages wrong\n", use_memory(m, mib, kills))
            m.send(f"/tests/swap {mib} &\r")
            m.settle(60)
            checks.expect("files are written meanwhile", r"(?m)^0$", m.command_output("cp /disk/big /disk/copy; sync; echo $?", 300))
            m.command_output("wait", 300)
            m.settle(60)
            checks.expect("nothing was lost", "^$", "".join(line for line in m.command_output("dmesg", 60).splitlines() if "is lost" in line))
            m.power_off()
        v.judge(checks, "afterwards", replay=False)
        checks.expect("the copy is complete", "^same$", "same" if v.contents("/copy") == v.big else "other contents")
        contents = v.contents("/swap")
        pages = [contents[at:at + 4096] for at in range(0, len(contents), 4096)]
        checks.expect("it went to the file", "True", str(sum(page != b"\xa5" * 4096 for page in pages) > 1000))
        checks.expect("Linux's tools say that it stays", "----i", v.tool("debugfs", "-R", "stat /swap", v.image).stdout.decode(errors="replace").replace("Flags: 0x10", "----i"))
    return checks.result()


def file_refused(iso):
    """A file that is not marked, or has holes, is not swap; one without a mark is only read."""
    checks = Checks()
    for what, marked, hole, why in (("not marked", False, False, "it is not marked as swap"), ("with holes", True, True, "an argument is not acceptable")):
        with volume.Volume("ext3", 256, 4096) as v:
            make_file(v, 20, marked)
            if hole:
                v.tool("debugfs", "-w", "-R", "punch /swap 1000 1100", v.image)
            with v.machine(iso, memory=MEMORY_MIB, timeout=120) as m:
                m.expect(r"\$ $")
                checks.expect(what, rf"pager: /disk/swap is not used: {why}", m.command_output("dmesg"))
                checks.expect(f"{what}: there is no swap", r"^no swap", m.command_output("swap", 60))
                m.power_off()
    return checks.result()
