"""machine.py - an emulated machine with a serial line to type on: QEMU or Bochs."""
import os
import re
import shutil
import subprocess
import tempfile
import time

import pexpect

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERBOSE = False
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"


class Failure(Exception):
    """The machine did not do what was expected; the text says what was seen."""


class Machine:
    """One boot of an image. Use as a context manager; `expect` and `send` work on the serial line."""

    def __init__(self, iso, cpus=1, memory=256, firmware="bios", cpu="max", icount=False, extra=(), timeout=60):
        self.iso = iso
        self.timeout = timeout
        self.scratch = tempfile.mkdtemp(prefix="portolan-")
        self.command = ["qemu-system-x86_64", "-cpu", cpu, "-smp", str(cpus), "-m", str(memory), "-display", "none",
                        "-serial", "stdio", "-monitor", "none", "-no-reboot", "-cdrom", iso, "-boot", "d"]
        if icount:
            self.command += ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
        if firmware == "uefi":
            variables = os.path.join(self.scratch, "vars.fd")
            shutil.copyfile(OVMF_VARS, variables)
            self.command += ["-machine", "q35",
                             "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}",
                             "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
        self.command += list(extra)
        self.child = None
        self.seen = ""

    def __enter__(self):
        self.child = pexpect.spawn(self.command[0], self.command[1:], encoding="utf-8", codec_errors="replace",
                                   timeout=self.timeout, echo=False)
        self.child.setwinsize(24, 200)
        return self

    def __exit__(self, *_):
        self.child.close(force=True)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def expect(self, pattern, timeout=None):
        """Wait for a regular expression on the serial line. A panic fails at once."""
        try:
            index = self.child.expect([pattern, r"panic: [^\r\n]*"], timeout=timeout or self.timeout)
        except pexpect.TIMEOUT:
            raise Failure(f"waited {timeout or self.timeout} s for {pattern!r}; seen:\n{self.log()}") from None
        except pexpect.EOF:
            raise Failure(f"the machine stopped before {pattern!r}; seen:\n{self.log()}") from None
        self.seen += self.child.before + self.child.after
        if index == 1:
            self.drain()
            raise Failure(f"kernel panic while waiting for {pattern!r}:\n{self.log()}")
        return self.child.match

    def drain(self):
        """Read what still comes within a second."""
        end = time.time() + 1
        while time.time() < end:
            try:
                self.seen += self.child.read_nonblocking(4096, timeout=0.2)
            except (pexpect.TIMEOUT, pexpect.EOF):
                pass

    def send(self, text):
        """Type it, as a person would: the line editor sees one key after the other."""
        self.child.send(text)

    def command_output(self, line, timeout=None):
        """Type a command line at the prompt and return what it printed."""
        self.send(line + "\r")
        self.expect(r"[^\r\n]*\r+\n", timeout)
        start = len(self.seen)
        self.expect(r"\$ $", timeout)
        return re.sub(r"\r+\n", "\n", self.seen[start:])

    def wait_off(self, timeout=None):
        """Wait until the machine has switched itself off."""
        try:
            self.child.expect(pexpect.EOF, timeout=timeout or self.timeout)
        except pexpect.TIMEOUT:
            raise Failure(f"the machine did not switch itself off; seen:\n{self.log()}") from None
        self.seen += self.child.before

    def log(self):
        return self.seen + (self.child.before if isinstance(self.child.before, str) else "")


BOCHSRC = """config_interface: textconfig
display_library: sdl2
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=256, host=256
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
port_e9_hack: enabled=1
clock: sync=none, time0=1000000000
pci: enabled=1, chipset=i440fx
plugin_ctrl: unmapped=true, biosdev=true, speaker=false, extfpuirq=true, parallel=false, iodebug=true
log: {scratch}/bochs.log
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
magic_break: enabled=1
"""


def bochs(iso, until, timeout=180):
    """Boot the image in Bochs, whose serial line can only be read; returns what it printed once `until` is in it."""
    scratch = tempfile.mkdtemp(prefix="portolan-")
    serial = os.path.join(scratch, "serial.txt")
    rc, debugger = os.path.join(scratch, "bochsrc"), os.path.join(scratch, "bochs.rc")
    with open(rc, "w") as f:
        f.write(BOCHSRC.format(iso=os.path.abspath(iso), serial=serial, scratch=scratch))
    with open(debugger, "w") as f:
        f.write("c\nq\n")
    environment = dict(os.environ, SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy")
    process = subprocess.Popen(["bochs-bin", "-q", "-f", rc, "-rc", debugger], env=environment, cwd=scratch,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    text = ""
    end = time.time() + timeout
    while time.time() < end:
        if os.path.exists(serial):
            with open(serial, errors="replace") as f:
                text = f.read()
        if until in text or "panic:" in text or process.poll() is not None:
            break
        time.sleep(0.2)
    process.kill()
    process.wait()
    shutil.rmtree(scratch, ignore_errors=True)
    return text
