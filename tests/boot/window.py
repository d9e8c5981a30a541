"""window.py - `make run GUI=1`: the window of the emulator on a desktop of memory, what it shows and the keys pressed in it."""
import os
import shutil
import struct
import subprocess
import tempfile
import time

from check import Checks
from machine import Failure, Program

WIDTH, HEIGHT = 1280, 1024


class Desktop:
    """An X server whose screen is a file."""

    def __init__(self):
        self.scratch = tempfile.mkdtemp(prefix="portolan-")
        reader, writer = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", self.scratch, "-nolisten", "tcp"],
            pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader, encoding="ascii") as pipe:  # ends with the server, or when it has said its number
            self.display = ":" + pipe.readline().strip()
        self.environment = {**os.environ, "DISPLAY": self.display, "GDK_BACKEND": "x11"}
        for name in ("WAYLAND_DISPLAY", "MAKEFLAGS", "MAKELEVEL"):
            self.environment.pop(name, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()
        self.server.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def rows(self):
        """The screen, a row of red, green, blue bytes each. XWD file format: X11/XWDFile.h; the header's words are big-endian."""
        with open(os.path.join(self.scratch, "Xvfb_screen0"), "rb") as f:
            data = f.read()
        header = struct.unpack(">25I", data[:100])
        start, stride = header[0] + header[19] * 12, header[12]
        rows = []
        for y in range(HEIGHT):
            row = data[start + y * stride:start + y * stride + WIDTH * 4]
            pixels = bytearray(WIDTH * 3)
            pixels[0::3], pixels[1::3], pixels[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(bytes(pixels))
        return rows

    def tool(self, *arguments):
        return subprocess.run(["xdotool", *arguments], env=self.environment, capture_output=True, text=True, timeout=30).stdout

    def window(self):
        """The window of the emulator, which must be there within some seconds."""
        for _ in range(50):
            found = self.tool("search", "--onlyvisible", "--name", "QEMU").split()
            if found:
                return found[-1]
            time.sleep(0.2)
        raise Failure("no window of the emulator is on the desktop")


def picture(path):
    """The rows of a PPM file."""
    with open(path, "rb") as f:
        magic, size, depth, data = f.read().split(b"\n", 3)
    if magic != b"P6" or depth != b"255":
        raise Failure(f"{path}: not a picture of 24 bits")
    width, height = map(int, size.split())
    return [data[y * width * 3:(y + 1) * width * 3] for y in range(height)]


def shows(rows, wanted):
    """Whether a picture is somewhere on the screen, point by point. A row that has something on it is looked for first."""
    key = next((y for y, row in enumerate(wanted) if any(row)), None)
    if key is None:
        return False  # a black screen is in every black screen
    for top in range(len(rows) - len(wanted) + 1):
        left = rows[top + key].find(wanted[key])
        if left >= 0 and all(rows[top + y][left:left + len(row)] == row for y, row in enumerate(wanted)):
            return True
    return False


def screen_dump(m, path):
    """What the emulated screen shows, by the monitor behind Ctrl-A C of the serial line."""
    m.send("\x01c")
    m.expect(r"\(qemu\) $")
    m.send(f"screendump {path}\r")
    m.expect(r"screendump [^\n]*\n\(qemu\) $")
    m.send("\x01c")
    return picture(path)


def shown_within(desktop, m, seconds):
    """Whether the window comes to show the emulated screen; it is drawn some time after the screen has changed."""
    end = time.time() + seconds
    while time.time() < end:
        if shows(desktop.rows(), screen_dump(m, os.path.join(desktop.scratch, "screen.ppm"))):
            return True
        time.sleep(0.5)
    return False


def window():
    checks = Checks()
    with Desktop() as desktop:
        with Program(["make", "-s", "run", "GUI=1"], desktop.environment) as m:
            m.expect(r"\$ $")
            name = desktop.window()
            checks.expect("the window shows the screen", "True", str(shown_within(desktop, m, 20)))
            desktop.tool("windowfocus", "--sync", name)
            desktop.tool("type", "--delay", "50", "echo key")
            desktop.tool("key", "Return")
            m.expect(r"echo key\s+key\s.*\$ $")
            checks.expect("and what was typed there", "True", str(shown_within(desktop, m, 20)))
            m.power_off()
            checks.reached("the window closes with the machine")
    return checks.result()
