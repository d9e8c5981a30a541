"""prompt.py - the shell, the console and the programs, driven over the serial line as a person types."""
import glob
import os
import re

from check import Checks
from machine import ROOT, Failure, Machine

CONTROL_C, CONTROL_U, CONTROL_W, CONTROL_D = "\x03", "\x15", "\x17", "\x04"
UP, DOWN, LEFT, HOME, DELETE, BACKSPACE = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[H", "\x1b[3~", "\x7f"

# (line, what it prints)
SESSION = [
    ("hello", r"^Hello, world!\n"),
    ("ls /bin", r"hello\n"),
    ("ps", r"console"),
    ("echo 'two  words' and \"more\"; false; echo $?", r"^two  words and more\n1\n"),
    ("nosuchprogram", r"nosuchprogram: command not found"),
    ("cat /no/such/file", r"[Nn]o such file"),
    ("kill 99999", r"99999"),
]

LINES = [
    ("sh -c \"exit 7\"; echo $?", r"^7\n"),
    ("true && echo yes || echo no", r"^yes\n"),
    ("false && echo yes || echo no", r"^no\n"),
    ("NAME=value; echo $NAME ${NAME}s", r"^value values\n"),
    ("echo \"not closed", r"sh: .*quote"),
    ("echo a && ; echo b", r"a command is missing before"),
    ("echo x > /etc/motd; echo $?", r"/etc/motd: the boot archive is read-only; nothing can be written there\n2\n"),
    ("echo x > /new; echo $?", r"/new: the boot archive is read-only; nothing can be written there\n2\n"),
    ("echo x > /dev/null; echo $?", r"^0\n"),
    ("cat < /etc/motd", r"every port on the coast"),
    ("cat /bin", r"cat: /bin: .*directory"),
    ("/tests/script one two; echo $?", r"script one of 2\n.*nosuchprogram: command not found\nwent on\n3\n$"),
    ("sh /tests/script; echo $?", r"script of 0\n"),
    ("/etc/motd", r"/etc/motd: the file is not an ELF program"),
    ("/tests/broken; echo $?", r"the program is damaged.*\n126\n"),
    ("sleep x", r"sleep: `x` is not a number of seconds"),
    ("kill abc", r"kill: `abc` is not"),
    ("ports 99999", r"99999"),
    ("ports --check; echo $?", r"^\d+ tasks, .*\n.*in the kernel\n0 errors\n0\n$|^ports: rights are checked by the debug kernel alone.*\n1\n$"),
    ("kill 2", r"holds the system up"),
    ("cd /etc; pwd; cd /", r"^/etc\n"),
    ("mem", r"KiB in all\n"),
    ("dmesg", r"processors, \d+ MiB"),
    ("time true", r"\d+\.\d+"),
    ("uname", r"Portolan"),
]

# Programs that do what they must not: the kernel says which thread, where and why, and that task alone ends.
FAULTS = [
    ("read_null", r"page fault|reads?|access"),
    ("divide", r"divide|division"),
    ("halt", r"privileged|protection"),
    ("invalid_instruction", r"instruction"),
    ("endless_recursion", r"near the stack pointer: stack overrun"),
    ("write_text", r"access|write|page fault"),
    ("non_canonical", r"protection|access|canonical"),
]


def shown():
    """(line, what it prints) of each block after `<!-- output -->` in the tutorials."""
    for page in sorted(glob.glob(os.path.join(ROOT, "docs/tutorials/*.md"))):
        with open(page, encoding="utf-8") as f:
            for line, output in re.findall(r"^<!-- output -->\n\n    / \$ (.*)\n((?:    .*\n)+)", f.read(), re.M):
                yield line, rf"\A{re.escape(re.sub('^    ', '', output, flags=re.M))}\Z"


def simple(m, checks):
    for line, pattern in SESSION:
        checks.expect(f"`{line}`", pattern, m.command_output(line))


def faults(m, checks):
    for word, why in FAULTS:
        output = m.command_output(f"/tests/fault {word}; echo status $?")
        where = rf"task \S*fault \(\d+\) thread \d+: [^\n]*({why})[^\n]* at rip 0x[0-9a-f]+, rsp 0x[0-9a-f]+; the task is ended\n"
        checks.expect(f"fault {word}", rf"(?i){where}", output)
        checks.expect(f"fault {word} has a status", r"status 1\d\d\n", output)


def editing(m, checks):
    """Keys that edit: what the line is in the end is seen from what echo prints."""
    typed = [
        ("the cursor moves left", f"echo abd{LEFT}c", r"^abcd\n"),
        ("the line before comes back", UP, r"^abcd\n"),
        ("and forward again", f"{UP}{DOWN}echo new", r"^new\n"),
        ("Ctrl-U clears", f"echo wrong{CONTROL_U}echo right", r"^right\n"),
        ("Ctrl-W takes a word", f"echo one two{CONTROL_W}three", r"^one three\n"),
        ("backspace", f"echo abx{BACKSPACE}c", r"^abc\n"),
        ("home and delete", f"xecho home{HOME}{DELETE}", r"^home\n"),
    ]
    for what, keys, pattern in typed:
        checks.expect(what, pattern, m.command_output(keys))
    m.send("echo never")
    m.expect("never")
    m.send(CONTROL_C)
    m.expect(r"\^C\r+\n[^\r\n]*\$ $")
    checks.expect("a line given up is not run", r"^after\n$", m.command_output("echo after"))


def interrupt(m, checks):
    """Ctrl-C ends a program that computes, one that waits, and a script's."""
    for line in ("/tests/hold spin", "/tests/hold sleep", "sh -c \"/tests/hold sleep; echo never\""):
        m.send(line + "\r")
        m.expect(r"holding\r+\n")
        m.send(CONTROL_C)
        m.expect(r"\^C\r+\n[^\r\n]*\$ $")
        checks.expect(f"the status after Ctrl-C in `{line}`", r"^130\n$", m.command_output("echo $?"))
    checks.expect("none is left", r"^(?!.*/tests/hold)", m.command_output("ps").replace("\n", " "))


def task_id(m, name):
    match = re.search(rf"^ *(\d+) .* \S*{name}$", m.command_output("ps"), re.M)
    if not match:
        raise Failure(f"`ps` shows no task {name}; seen:\n{m.log()}")
    return match.group(1)


def background(m, checks):
    """A program that computes for ever leaves the prompt usable until it is ended."""
    m.send("/tests/hold spin &\r")
    m.expect(r"holding")
    m.settle()
    checks.expect("the job is told", r"\[1\] /tests/hold\r*\n", m.seen)
    checks.expect("the prompt answers", r"^usable\n", m.command_output("echo usable", 15))
    checks.expect("programs run", r"^Hello, Ann!\n", m.command_output("hello Ann", 15))
    number = task_id(m, "hold")
    ended = m.command_output(f"kill {number}; wait") + m.command_output("echo")
    checks.expect("its end is told", r"\[1\] exit status 137 /tests/hold", ended)
    checks.expect("it is gone", r"^(?!.*/tests/hold)", m.command_output("ps").replace("\n", " "))


def servers(m, checks):
    """A server that is ended is started again, under the rights its clients have."""
    output = m.command_output(f"kill {task_id(m, 'hello')}; hello")
    checks.expect("the service is back", r"bootstrap: hello died; starting it again\n(.*\n)*Hello, world!\n", output)
    m.send(f"kill {task_id(m, 'console')}\r")
    m.expect(r"bootstrap: console died; starting it again")
    m.settle()
    checks.expect("the console is back", r"^typed\n", m.command_output("echo typed"))


def session_restart(m, checks):
    """Whoever leaves the shell gets a new one."""
    m.send("exit\r")
    m.expect(r"ready after \d+ ns, \d+ KiB in use")
    m.expect(r"\$ $")
    m.send(CONTROL_D)
    m.expect(r"exit\r+\n")
    m.expect(r"ready after \d+ ns, \d+ KiB in use")
    m.expect(r"\$ $")
    checks.expect("the new shell works", r"^still here\n", m.command_output("echo still here"))


def typed_ahead(m, checks):
    """A whole screen that scrolls takes milliseconds to be drawn: what is typed meanwhile is not lost."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
    for n in range(6):
        m.send(f"ls /bin; ls /bin\recho {letters} {n}\r")
        m.expect(rf"(?:\n|\$ ){letters} {n}\r")
        m.expect(r"\$ $")
    checks.reached("lines that are typed while the screen scrolls")


def on_machine(machine, fill=0):
    """Come to the prompt, look around, and switch the machine off; with fill, write so many MiB first."""
    checks = Checks()
    with machine as m:
        m.expect(r"\$ $")
        simple(m, checks)
        typed_ahead(m, checks)
        for what in ("memory is there to be written", "and comes back")[:2 if fill else 0]:
            checks.expect(what, rf"^filled {fill} MiB\n", m.command_output(f"/tests/fill {fill}", 120))
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


def session(iso, fill=0, **options):
    return on_machine(Machine(iso, **options), fill)


def person(iso, **options):
    """All that a person does at the prompt."""
    checks = Checks()
    with Machine(iso, extra=["-device", "edu"], **options) as m:  # docs/tutorials/first-driver.md
        m.expect(r"ready after \d+ ns, \d+ KiB in use")
        m.expect(r"\$ $")
        simple(m, checks)
        for line, pattern in LINES + list(shown()):
            checks.expect(f"`{line}`", pattern, m.command_output(line))
        for part in (editing, interrupt, background, faults, servers, session_restart):
            part(m, checks)
        m.power_off()
        checks.reached("poweroff")
    return checks.result()


def reboot():
    """`reboot` starts the machine anew: the same prompt a second time."""
    with Machine("build/test/prompt-release.iso", stay=True) as m:
        m.expect(r"\$ $")
        m.send("reboot\r")
        m.expect(r"processors, \d+ MiB")
        m.expect(r"\$ $")
        m.power_off()
    return 1, 0, ""
