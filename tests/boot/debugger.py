"""debugger.py - the kernel debugger on the serial line."""
from check import Checks
from machine import Machine

# (command, what it must print)
COMMANDS = [
    ("ps", r"(?s)id threads.*bootstrap.*console.*sh"),
    ("threads", r"(?s)task \d+ kernel.*thread \d+ cpu 0 prio"),
    ("threads 2", r"task 2 \w+\n\s+thread"),
    ("ports 2", r"send refs \d+ port .*sends \d+ queued \d+"),
    ("maps 2", r"[0-9a-f]{12}-[0-9a-f]{12} r-x object"),
    ("locks", r"(?i)^cpu|^$|no|held"),
    ("machines", r"^machines by \w+"),
    ("trace", r"\w+"),
    ("bt", r"(?s)#1 .*(host_reboot|ddb)"),
    ("x 0xffffffff80100000 2", r"ffffffff80100000: [0-9a-f]{16}\n"),
    ("x 0x1000 1", r"0000000000001000: not mapped"),
    ("ports 999", r"no task 999"),
    ("dance", r"dance: no such command; `help` lists them"),
    ("help", r"(?s)ps .*threads.*continue"),
]


def debugger():
    checks = Checks()
    with Machine("build/test/ddb.iso") as m:
        m.expect(r"\$ $")
        m.send("/tests/hold debugger\r")
        m.expect(r"ddb: host_reboot; `help` lists commands, `c` continues\r+\nddb> $")
        for command, pattern in COMMANDS:
            checks.expect(f"ddb {command}", pattern, m.command_output(command, prompt=r"ddb> $"))
        m.send("c\r")
        m.expect(r"\$ $")
        checks.expect("the system goes on", r"Hello, world!", m.command_output("hello"))
        m.power_off()
    return checks.result()
