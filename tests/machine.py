"""machine.py - an emulated machine with a serial line to type on: QEMU or Bochs."""
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import tty

import pexpect
from pexpect import fdpexpect

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERBOSE = False
PROMPT_S = 5
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"


class Failure(Exception):
    """The machine did not do what was expected; the text says what was seen."""


class Machine:
    """One boot of an image. Use as a context manager; `expect` and `send` work on the serial line."""

    def __init__(self, iso, cpus=1, memory=256, firmware="bios", cpu="max", icount=False, sleep="off", one_thread=False, extra=(), timeout=60, stay=False, monitored=False):
        self.iso = iso
        self.timeout = timeout
        self.environment = None  # as here
        self.scratch = tempfile.mkdtemp(prefix="portolan-")
        self.command = ["qemu-system-x86_64", "-cpu", cpu, "-smp", str(cpus), "-m", str(memory), "-display", "none",
                        "-monitor", "none", "-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line",
                        "-cdrom", iso, "-boot", "d"]
        if not stay:  # a restart ends the emulator
            self.command.append("-no-reboot")
        if icount:  # sleep="on": time limits do not pass while all wait for a device of a busy host
            self.command += ["-accel", "tcg,thread=single", "-icount", f"shift=0,sleep={sleep}"]
        elif one_thread:  # what QEMU 7.2 with a thread for each processor is not good for: tests/README.md, Emulators
            self.command += ["-accel", "tcg,thread=single"]
        if firmware == "uefi":
            variables = os.path.join(self.scratch, "vars.fd")
            shutil.copyfile(OVMF_VARS, variables)
            self.command += ["-machine", "q35",
                             "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}",
                             "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
        self.monitor_path = os.path.join(self.scratch, "monitor")  # Monitor() speaks there, when it is monitored
        if monitored:
            self.command += ["-qmp", f"unix:{self.monitor_path},server=on,wait=off"]
        self.command += list(extra)
        self.child = None
        self.seen = ""
        self.marks = 0

    def __enter__(self):
        self.child = pexpect.spawn(self.command[0], self.command[1:], encoding="utf-8", codec_errors="replace",
                                   timeout=self.timeout, echo=False, env=self.environment, cwd=ROOT)
        self.child.setwinsize(24, 200)
        return self

    def __exit__(self, *_):
        self.child.close(force=True)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def expect(self, pattern, timeout=None, panic_fails=True):
        """Wait for a regular expression on the serial line. A panic fails at once, unless it is what is waited for."""
        patterns = [pattern] + ([r"panic: [^\r\n]*"] if panic_fails else [])
        try:
            index = self.child.expect(patterns, timeout=timeout or self.timeout)
        except pexpect.TIMEOUT:
            raise Failure(f"waited {timeout or self.timeout} s for {pattern!r}; seen:\n{self.log()}") from None
        except pexpect.EOF:
            raise Failure(f"the machine stopped before {pattern!r}{self.end()}; seen:\n{self.log()}") from None
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

    def command_output(self, line, timeout=None, prompt=r"\$ $"):
        """Type a command line at the prompt and return the lines it printed."""
        self.send(line + "\r")
        self.expect(r"[^\r\n]*\r+\n", timeout)
        start = len(self.seen)
        self.expect(prompt, timeout)
        text = re.sub(r"\r+\n", "\n", self.seen[start:])
        return text[:text.rfind("\n") + 1]

    def settle(self, timeout=None):
        """Come to a prompt of which it is known that it is the last: after output that comes when it likes.
        A line that comes behind that prompt is waited for a while; then another prompt is asked for."""
        end = time.time() + (timeout or self.timeout)
        while True:
            self.marks += 1
            self.send(f"echo mark {self.marks}\r")
            # the prompt may be printed only after what was typed, and the end of a job before the next prompt
            self.expect(rf"(?:\n|\$ )mark {self.marks}\r+\n", max(end - time.time(), 1))
            if self.is_at_prompt():
                return

    def come_up(self):
        """To the first prompt, which a server's line may follow at once."""
        self.expect(r"\$ ")
        self.settle()

    def is_at_prompt(self):
        """Is a prompt the last that comes, within PROMPT_S?"""
        index = self.child.expect([r"\$ $", pexpect.TIMEOUT, pexpect.EOF], timeout=PROMPT_S)
        if index == 2:
            raise Failure(f"the machine stopped before a prompt{self.end()}; seen:\n{self.log()}")
        if index == 0:
            self.seen += self.child.before + self.child.after
        return index == 0

    def power_off(self):
        """Say `poweroff` at the prompt, and wait for it."""
        self.send("poweroff\r")
        self.wait_off(30)

    def wait_off(self, timeout=None):
        """Wait until the machine has switched itself off."""
        try:
            self.child.expect(pexpect.EOF, timeout=timeout or self.timeout)
        except pexpect.TIMEOUT:
            raise Failure(f"the machine did not switch itself off; seen:\n{self.log()}") from None
        self.seen += self.child.before

    def end(self):
        """How the emulator ended, in parentheses: a signal is its own fault, status 0 the machine's, which reset itself."""
        if not isinstance(self.child, pexpect.spawn):
            return ""
        self.child.close(force=True)
        return f" (the emulator: status {self.child.exitstatus}, signal {self.child.signalstatus})"

    def leave_guest(self):
        """From the console of a virtual machine back to the prompt; what is typed before that comes would be the console's."""
        self.send("\x1d")
        self.expect(r"\$ $")
        self.settle()

    def log(self):
        return self.seen + (self.child.before if isinstance(self.child.before, str) else "")


class Program(Machine):
    """The same by a command that boots one, such as `make run`."""

    def __init__(self, command, environment, timeout=60):
        super().__init__(None, timeout=timeout)
        self.command = command
        self.environment = environment


class Monitor:
    """The emulator's monitor, by its machine protocol: of a machine that was made with monitored=True, and runs."""

    def __init__(self, machine):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(machine.monitor_path)
        self.stream = self.socket.makefile("rw", encoding="utf-8")
        self.stream.readline()  # the greeting
        self.ask({"execute": "qmp_capabilities"})

    def ask(self, request):
        self.stream.write(json.dumps(request) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failure(f"monitor: {answer['error']}")

    def command(self, line):
        return self.ask({"execute": "human-monitor-command", "arguments": {"command-line": line}})

    def close(self):
        self.stream.close()
        self.socket.close()


BOCHSRC = """config_interface: textconfig
display_library: sdl2
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
{drives}
boot: cdrom
com1: enabled=1, mode=term, dev={serial}
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




class Bochs(Machine):
    """The same on Bochs. The serial line is a pseudo terminal. disk: an image for the first place."""

    def __init__(self, iso, timeout=120, disk=None, cpus=1, memory=256, model="corei7_skylake_x"):
        super().__init__(iso, timeout=timeout)
        self.cpus = cpus
        self.memory = memory
        self.disk = disk
        self.model = model
        self.drives = f"ata0-master: type=cdrom, path={os.path.abspath(iso)}, status=inserted"
        if disk:
            self.drives = (f"ata0-master: type=disk, path={disk}, mode=flat\nata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n"
                           + self.drives.replace("ata0", "ata1"))
        self.process = None
        self.master, self.slave = pty.openpty()

    def __enter__(self):
        tty.setraw(self.slave)
        rc, commands = os.path.join(self.scratch, "bochsrc"), os.path.join(self.scratch, "commands")
        with open(rc, "w", encoding="utf-8") as f:
            f.write(BOCHSRC.format(model=self.model, cpus=self.cpus, memory=self.memory, drives=self.drives, serial=os.ttyname(self.slave), scratch=self.scratch))
        with open(commands, "w", encoding="utf-8") as f:
            f.write("c\nq\n")
        environment = dict(os.environ, SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy")
        self.process = subprocess.Popen(["bochs-bin", "-q", "-f", rc, "-rc", commands], env=environment, cwd=self.scratch,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.child = fdpexpect.fdspawn(self.master, encoding="utf-8", codec_errors="replace", timeout=self.timeout)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.child.close()
        os.close(self.slave)
        if self.disk and os.path.exists(self.disk + ".lock"):
            os.remove(self.disk + ".lock")
        shutil.rmtree(self.scratch, ignore_errors=True)

    def wait_off(self, timeout=None):
        """Bochs goes on after the kernel has done what it can: its last words count."""
        self.expect(r"host: power off", timeout)


def relay(bochs):
    """Connect this terminal to the machine's serial line until it is off or Ctrl-A X is typed."""
    last, escape = b"", False
    while bochs.process.poll() is None and b"host: power off" not in last:
        ready = select.select([bochs.master] + ([0] if sys.stdin.isatty() else []), [], [], 0.5)[0]
        if bochs.master in ready:
            data = os.read(bochs.master, 4096)
            os.write(1, data)
            last = (last + data)[-200:]
        if 0 in ready:
            key = os.read(0, 1)
            if escape and key in b"xX":
                return
            escape = key == b"\x01"
            if not escape:
                os.write(bochs.master, key)


def main(arguments):
    """machine.py bochs ISO [DISK]: boot the image in Bochs; the terminal is the serial line."""
    if len(arguments) not in (2, 3) or arguments[0] != "bochs":
        print("usage: machine.py bochs ISO [DISK]      (leave with `poweroff` at the prompt, or Ctrl-A X)", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # the emulator must end too
    saved = termios.tcgetattr(0) if sys.stdin.isatty() else None
    try:
        with Bochs(arguments[1], disk=os.path.abspath(arguments[2]) if len(arguments) == 3 else None) as bochs:
            if saved:
                tty.setraw(0)
            relay(bochs)
    finally:
        if saved:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
