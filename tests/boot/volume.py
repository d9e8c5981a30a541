"""volume.py - a file system on a disk: made by mke2fs, used at the prompt, judged by e2fsck; and the picture of a page fault to it and back."""
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from check import Checks
from machine import ROOT, Failure, Machine, Monitor

ISO = "build/test/prompt-release.iso"
DEVICES = {"virtio": ["-device", "virtio-blk-pci,drive=disk,disable-legacy=on"],
           "ahci": ["-machine", "q35", "-device", "ide-hd,drive=disk,bus=ide.0"],
           "virtio iommu": ["-machine", "q35", "-device", "intel-iommu", "-device", "virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=on"],
           "ahci iommu": ["-machine", "q35", "-device", "intel-iommu", "-device", "ide-hd,drive=disk,bus=ide.0"],
           "ide": ["-machine", "pc", "-device", "ide-hd,drive=disk,bus=ide.0,unit=0"]}
ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
BIG = 3000000  # bytes
# What the fault of a page that is not in memory needs (the toucher, the file server, the driver).
COLD_THREADS = 3
BIG_OFFSET = 259 * 4096 + 4  # a byte of the large file; the places of this page and the 63 behind it stand in one block
# A fast disk may be done before its driver waits again; then a thread of the kernel keeps the interrupt for it.
COLD_TRIES = 40  # pages
KEPT = r"(?m)^ +\d+ +kernel\.\d+ sends device_intr_notify"
# A disk that has much else to do, for a while
SLOW_IOPS = 3
SLOW_S = 6


class Volume:
    """A disk image with a file system; a context that removes it in the end."""

    def __init__(self, kind="ext3", mib=64, block=None):
        self.scratch = tempfile.mkdtemp(prefix="portolan-")
        self.image = os.path.join(self.scratch, "disk.img")
        root = os.path.join(self.scratch, "root")
        os.makedirs(os.path.join(root, "dir"))
        self.big = random.Random(1).randbytes(BIG)
        with open(os.path.join(root, "big"), "wb") as f:
            f.write(self.big)
        with open(os.path.join(root, "dir", "hello.txt"), "w", encoding="utf-8") as f:
            f.write("hello disk\n")
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)
        self.tool("mke2fs", "-q", "-t", kind, *(["-b", str(block)] if block else []), "-d", root, self.image)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.scratch)

    def tool(self, *words):
        return subprocess.run(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def machine(self, iso=ISO, device="virtio", **options):
        return Machine(iso, extra=["-drive", f"file={self.image},format=raw,if=none,id=disk"] + DEVICES[device], **options)

    def judge(self, checks, what, replay=True):
        """The journal is replayed, and then there is nothing to repair; or it need not even be replayed."""
        if replay:
            first = self.tool("e2fsck", "-fp", self.image)
            checks.expect(f"{what}: e2fsck finds nothing to ask about", r"^[01] ", f"{first.returncode} {first.stdout.decode(errors='replace')}")
        else:
            checks.expect(f"{what}: it says that it is not in use", "False", str(says_in_use(self)))
        second = self.tool("e2fsck", "-fn", self.image)
        checks.expect(f"{what}: it is clean", r"^0 ", f"{second.returncode} {second.stdout.decode(errors='replace')}")

    def contents(self, path):
        return self.tool("debugfs", "-R", f"cat {path}", self.image).stdout.split(b"\n", 1)[1]  # after its own line


def use(kind="ext3", cpus=1, iso=ISO, device="virtio"):
    """What is written at the prompt is there for the next boot, and for Linux's tools."""
    checks = Checks()
    digest = hashlib.sha256()
    with Volume(kind) as volume:
        digest.update(volume.big)
        with volume.machine(iso, device, cpus=cpus) as m:
            m.expect(r"\$ $")
            checks.expect("it is mounted", r"(?m)^disk0 /disk ext2 rw$", m.command_output("mount"))
            checks.expect("a small file", r"^hello disk\n", m.command_output("cat /disk/dir/hello.txt"))
            checks.expect("a large file", digest.hexdigest(), m.command_output("sha256sum /disk/big", 120))
            checks.expect("a copy of it", r"^0\n", m.command_output("cp /disk/big /disk/copy; echo $?", 120))
            m.command_output("mkdir -p /disk/a/b; echo one > /disk/a/b/one; mv /disk/a/b/one /disk/a/two; rm -r /disk/dir")
            checks.expect("what there is then", r"^/disk/a\n/disk/a/b\n/disk/a/two\n", m.command_output("find /disk/a"))
            checks.expect("sync", r"^0\n", m.command_output("sync; echo $?", 120))
            m.power_off()
        volume.judge(checks, "after the first boot")
        checks.expect("Linux's tools see the copy", "^same$", "same" if volume.contents("/copy") == volume.big else "other contents")
        with volume.machine(iso, device, cpus=cpus) as m:
            m.expect(r"\$ $")
            checks.expect("the next boot finds it", digest.hexdigest(), m.command_output("sha256sum /disk/copy", 120))
            checks.expect("and the rest", r"^one\n", m.command_output("cat /disk/a/two"))
            checks.expect("what was removed is gone", "No such file", m.command_output("ls /disk/dir"))
            m.command_output("rm /disk/big /disk/copy; sync", 120)
            m.power_off()
        volume.judge(checks, "after the second boot")
    return checks.result()


def says_in_use(volume):
    """What Linux's tools say of the superblock: a journal to be replayed, or not unmounted."""
    text = volume.tool("dumpe2fs", "-h", volume.image).stdout.decode(errors="replace")
    return "needs_recovery" in text or not re.search(r"(?m)^Filesystem state: +clean$", text)


def off(kind="ext3", cpus=1, iso=ISO):
    """`poweroff` leaves the disk clean, with no sync before it; `reboot` too; and it can be written the next time."""
    checks = Checks()
    with Volume(kind) as volume:
        for n, last in enumerate(("poweroff", "/bin/poweroff", "reboot", "/bin/reboot")):
            with volume.machine(iso, cpus=cpus) as m:
                m.expect(r"\$ $")
                checks.expect(f"{last}: it can be written", r"(?m)^disk0 /disk ext2 rw$", m.command_output("mount"))
                if n:
                    checks.expect(f"{last}: the last boot's file", rf"^{n - 1}\n", m.command_output(f"cat /disk/file{n - 1}"))
                m.command_output(f"cp /disk/big /disk/copy{n} && echo {n} > /disk/file{n}", 120)
                m.command_output("sync; rm /disk/dir/hello.txt")
                checks.expect(f"{last}: in between the disk says that it is in use", "True", str(says_in_use(volume)))
                m.send(f"{last}\r")
                m.wait_off(60)
            checks.expect(f"{last}: it is clean", "False", str(says_in_use(volume)))
            second = volume.tool("e2fsck", "-fn", volume.image)
            checks.expect(f"{last}: nothing is to be repaired", r"^0 ", f"{second.returncode} {second.stdout.decode(errors='replace')}")
            checks.expect(f"{last}: the copy is complete", "^same$", "same" if volume.contents(f"/copy{n}") == volume.big else "other contents")
    return checks.result()


def limit(monitor, iops):
    """The disk has so many requests a second; 0: as many as it can."""
    monitor.ask({"execute": "block_set_io_throttle",
                 "arguments": {"device": "disk", "iops": iops, **dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops_rd", "iops_wr"), 0)}})


def dirty(kind="ext3", cpus=1, iso="build/test/system-release.iso", memory=64, mib=64):
    """A mapped file larger than the memory is changed throughout, without swap, while files are made and removed beside it;
    the disk is slow for a while, so that pages on their way to it are all there is to wait for."""
    checks = Checks()
    with Volume(kind, mib=256) as volume:
        with volume.machine(iso, cpus=cpus, memory=memory, monitored=True) as m:
            m.expect(r"\$ $")
            monitor = Monitor(m)
            m.send(f"/tests/dirty /disk/large {mib} 3\r")
            m.expect("round 0: 12288 pages", 300)
            limit(monitor, SLOW_IOPS)
            time.sleep(SLOW_S)
            limit(monitor, 0)
            m.expect(r"(?s)round 1: 16384 pages.*\$ $", 300)
            said = m.log()
            checks.expect("what is changed comes back", r"(?m)^dirty: good\r*$", said)
            monitor.close()
            checks.expect("the system is still there", r"^Hello, Ann!\n", m.command_output("hello Ann", 60))
            m.power_off()
        volume.judge(checks, "after that")
    return checks.result()


def off_alone():
    """A file server that does not answer is waited for a while, and no longer."""
    checks = Checks()
    with Volume() as volume, volume.machine("build/test/system-release.iso") as m:
        m.expect(r"\$ $")
        checks.expect("it is stopped", r"^stopped fs\n", m.command_output("/tests/disk stop disk0 fs"))
        m.send("poweroff\r")
        m.expect(r"the file server has not answered for 20 s: disks are not marked clean", 40)
        m.wait_off(20)
        checks.reached("poweroff")
    return checks.result()


def model(kind="ext3", cpus=1, first=1, count=12):
    """Random operations as a model has them, on a disk; e2fsck finds nothing, and the next boot what was left."""
    checks = Checks()
    line = f"MODEL_PLACE=/disk MODEL_FIRST={first} MODEL_COUNT={count} MODEL_KEEP=1 /tests/fs_model_test"
    with Volume(kind) as volume:
        with volume.machine("build/test/fuzz.iso", cpus=cpus) as m:
            m.expect(r"\$ $")
            checks.expect("the model", r"(?m)^case ok .*the_file_system_is_as_its_model", m.command_output(line, 600))
            files = " ".join(m.command_output("find /disk -type f -name '[a-z]'", 60).split())
            sums = m.command_output(f"sha256sum {files}", 120)
            m.power_off()
        checks.expect("some files are left", r"^\d{2,}$", str(len(sums.splitlines())))
        second = volume.tool("e2fsck", "-fn", volume.image)
        checks.expect("nothing is to be repaired", r"^0 ", f"{second.returncode} {second.stdout.decode(errors='replace')}")
        with volume.machine("build/test/fuzz.iso", cpus=cpus) as m:
            m.expect(r"\$ $")
            checks.expect("the next boot finds them as they were", "^same$",
                          "same" if m.command_output(f"sha256sum {files}", 120) == sums else "other contents")
            m.power_off()
    return checks.result()


def cold_fault(m):
    """The fault of a page that is not in memory, its place on the disk being known; the driver waits when the disk is done.
    Which of the two is first is the emulator's and its host's affair, so other pages are touched until it is so."""
    m.command_output(f"whyfault /disk/big {BIG_OFFSET}", 120)  # reads where the pages behind this one are
    for page in range(1, COLD_TRIES + 1):
        said = m.command_output(f"whyfault /disk/big {BIG_OFFSET + page * 4096}", 120)
        if not re.search(KEPT, said):
            return page, said
    raise Failure(f"the driver never waited for its disk; the last time:\n{said}")


def whyfault():
    """The way of a page from the disk into a mapping, told by the system itself."""
    checks = Checks()
    with Volume() as volume, volume.machine(icount=True, sleep="on", timeout=120) as m:
        m.expect(r"\$ $")
        page, cold = cold_fault(m)
        checks.expect("the kernel asks the file server", r"(?m)^ +\d+ +whyfault\.\d+ \S+ memory_object_data_request \(2203\)", cold)
        checks.expect("the file server asks the driver", r"(?m)^ +\d+ +fs\.\d+ \S+ device_read \(2804\)", cold)
        checks.expect("the device interrupts", r"(?m)^ +\d+ +interrupt line \d+$", cold)
        checks.expect("whom the interrupt comes upon does not wake the driver", r"^(?!(?s:.*)\.\d+ wakes virtio_blk)", cold)
        checks.expect("the page is moved", r"(?m)^ +\d+ +fs\.\d+ \d+ pages? moved, not copied$", cold)
        checks.expect("threads", rf"(?m)^threads involved: {COLD_THREADS}$", cold)
        checks.expect("a request and a reply to each side", r"(?m)^messages: 4, kernel calls: \d+, interrupts: 1$", cold)
        checks.expect("nothing is copied", r"(?m)^pages cleared: \d+, copied: 0, moved: 1$", cold)
        cached = m.command_output(f"whyfault /disk/big {BIG_OFFSET + page * 4096}", 120)
        checks.expect("a page that is there is one thread's affair", r"(?m)^threads involved: 1\nmessages: 0, kernel calls: 0, interrupts: 0$", cached)
        checks.expect("and cheap", r"(?m)^instructions: \d{1,4}$", cached)
        checks.expect("a byte that is not there", "no byte 9999999", m.command_output("whyfault /disk/big 9999999"))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


def picture():
    """The same as a page for a browser, and for Perfetto."""
    checks = Checks()
    with Volume() as volume:
        run = subprocess.run([sys.executable, "tools/trace_fault.py", ISO, "--file", "/disk/big", "--offset", "1048580", "--disk", volume.image,
                              "--out", volume.scratch], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        checks.expect("it is drawn", r"^wrote ", run.stdout)
        if run.returncode == 0:
            look(checks, volume.scratch)
    return checks.result()


def look(checks, folder):
    page = os.path.join(folder, "trace-fault.html")
    dom = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--dump-dom", f"file://{page}"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False, timeout=120).stdout
    checks.expect("the browser has two diagrams", r"^2$", str(len(re.findall(r"<svg", dom))))
    checks.expect("with a column for the driver", r'class="thread">virtio_blk\.\d+<', dom)
    checks.expect("with the message to it", r"device_read \(2804\)", dom)
    checks.expect("it needs nothing else", r"^0$", str(len(re.findall(r'(?:src|href)="', dom))))
    with open(os.path.join(folder, "trace-fault.json"), encoding="utf-8") as f:
        events = json.load(f)["traceEvents"]
    starts = {e["id"] for e in events if e["ph"] == "s"}
    ends = {e["id"] for e in events if e["ph"] == "f"}
    checks.expect("Perfetto: each message has two ends", "^yes$", "yes" if starts and starts == ends else f"{starts} {ends}")
    checks.expect("Perfetto: times are in order", "^yes$", "yes" if all(e.get("dur", 0) >= 0 for e in events) else "a slice ends before it begins")
