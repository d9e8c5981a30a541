#!/usr/bin/env python3
"""symbols.py - the kernel's symbol table as an assembly file, from `nm -n` of a first link.

usage: nm -n kernel.elf | symbols.py > symbols.S"""
import sys


def main():
    functions = []
    for line in sys.stdin:
        parts = line.split()
        if len(parts) == 3 and parts[1] in "tT" and int(parts[0], 16) >= 1 << 63 and not parts[2].startswith("."):
            functions.append((int(parts[0], 16), parts[2]))
    print('.section .symbol_table, "a"')
    for i, (address, _) in enumerate(functions):
        print(f".quad {address:#x}, name{i}")
    print(".section .rodata")
    for i, (_, name) in enumerate(functions):
        print(f'name{i}: .asciz "{name}"')
    print('.section .note.GNU-stack, "", @progbits')


if __name__ == "__main__":
    main()
