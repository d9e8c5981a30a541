#!/usr/bin/env python3
"""mkinitramfs.py - an initial file system for a Linux guest: a static busybox, an /init, and modules in /modules.

usage: tests/guests/mkinitramfs.py OUTPUT BUSYBOX INIT [MODULE...]

An archive in the "newc" format of cpio (Linux: Documentation/driver-api/early-userspace/buffer-format.rst), not compressed."""
import os
import stat
import sys

NAMES = ["sh", "mount", "cat", "echo", "poweroff", "reboot", "uname", "ls", "dd", "sleep", "head", "sha256sum", "stty", "free", "nproc", "grep", "dmesg", "insmod", "umount", "sync"]
CONSOLE = (5, 1)  # device numbers


def record(number, name, mode, data=b"", device=(0, 0)):
    """One entry: header, name and contents, each padded to four bytes."""
    name = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % f for f in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def entries(busybox, init, modules):
    """(name, mode, data, device) of all there is."""
    for directory in ("bin", "dev", "proc", "sys", "tmp", "mnt", "modules"):
        yield directory, stat.S_IFDIR | 0o755, b"", (0, 0)
    yield "dev/console", stat.S_IFCHR | 0o600, b"", CONSOLE
    yield "bin/busybox", stat.S_IFREG | 0o755, busybox, (0, 0)
    for name in NAMES:
        yield f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox", (0, 0)
    yield "init", stat.S_IFREG | 0o755, init, (0, 0)
    for path in modules:
        yield f"modules/{os.path.basename(path)}", stat.S_IFREG | 0o644, read(path), (0, 0)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__.split("\n\n")[1])
    busybox, init = read(sys.argv[2]), read(sys.argv[3])
    with open(sys.argv[1], "wb") as f:
        for number, (name, mode, data, device) in enumerate(entries(busybox, init, sys.argv[4:]), 1):
            f.write(record(number, name, mode, data, device))
        f.write(record(0, "TRAILER!!!", 0))


if __name__ == "__main__":
    main()
