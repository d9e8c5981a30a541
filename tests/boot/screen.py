"""screen.py - the text screen of a PC: what the console shows there, and the keyboard beside it."""
import re

from check import Checks
from machine import Machine, Monitor

COLUMNS, ROWS = 80, 25
CELLS = 0xb8000  # a character and its colours each


def screen_lines(monitor):
    """The rows of the text screen, read from its memory."""
    words = re.findall(r"0x([0-9a-f]{4})\b", monitor.command(f"xp /{COLUMNS * ROWS}hx {CELLS:#x}"))
    text = "".join(chr(int(word, 16) & 0xff) for word in words)
    return [text[i:i + COLUMNS].rstrip() for i in range(0, len(text), COLUMNS)]


def text_screen():
    checks = Checks()
    with Machine("build/test/prompt-text.iso", monitored=True) as m:
        m.expect(r"\$ $")
        monitor = Monitor(m)
        shown = screen_lines(monitor)
        checks.expect("the screen has all its rows", rf"^{ROWS}$", str(len(shown)))
        checks.expect("the prompt is on the screen", r"(?m)^/ \$$", "\n".join(shown))
        m.command_output("hello Ann")
        shown = "\n".join(screen_lines(monitor))
        checks.expect("what is typed and answered is on the screen", r"(?m)^/ \$ hello Ann\nHello, Ann!\n/ \$$", shown)
        for key in "echo":
            monitor.command(f"sendkey {key}")
        for key in ("spc", "k", "e", "y", "ret"):
            monitor.command(f"sendkey {key}")
        m.expect(r"echo key\s+key\s.*\$ $")
        checks.expect("keys reach the shell", r"(?m)^/ \$ echo key\nkey\n/ \$$", "\n".join(screen_lines(monitor)))
        for _ in range(ROWS):
            m.command_output("echo line")
        shown = screen_lines(monitor)
        checks.expect("the screen scrolls", r"^(/ \$ echo line\nline\n|line\n/ \$ echo line\n){12}", "\n".join(shown) + "\n")
        monitor.close()
        m.power_off()
    return checks.result()
