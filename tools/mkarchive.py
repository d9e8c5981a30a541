#!/usr/bin/env python3
"""mkarchive.py - the boot archive from a manifest: check every line, then pack the files as ustar.

usage: tools/mkarchive.py [--check | --files | --unchecked] MANIFEST [ARCHIVE]

  --check      only check
  --files      print the files of the host the archive is made of, one a line
  --unchecked  pack all the same, wrong lines too (for tests of what the bootstrap server says)

The format is in docs/manifest.md. Errors are written as FILE:LINE: sentence, with exit status 1.
"""
import io
import os
import re
import sys
import tarfile

KINDS = ("service", "start", "session", "program")
RIGHTS = ("host", "hardware", "host-priv", "device-master", "hv")
RESERVED = ("stdin", "stdout", "stderr", "exit", "bootstrap")
SECTIONS = ("args:", "rights:", "env:")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
LINE_MAX = 1000
WORDS_MAX = 60
RESTART_MAX = 100
PORT_NAME_MAX = 0xffffff
DEPTH_MAX = 8


class ManifestError(Exception):
    """What is wrong, and where."""

    def __init__(self, where, text):
        super().__init__(f"{where}: {text}")


class Entry:
    """A line that starts a task."""

    def __init__(self, where, kind, name, path):
        self.where = where
        self.kind = kind
        self.name = name
        self.path = path
        self.foreign = False
        self.io = None
        self.rights = {}


class Manifest:
    """What the lines say together."""

    def __init__(self, unchecked):
        self.unchecked = unchecked
        self.lines = []    # the text that goes into the archive
        self.entries = {}  # name -> Entry
        self.files = {}    # path in the archive -> (where, host file)


def split_words(where, line):
    """Words of a line as (text, was quoted); "..." keeps spaces, # starts a comment."""
    words = []
    at = 0
    while at < len(line):
        if line[at] in " \t":
            at += 1
        elif line[at] == "#":
            break
        elif line[at] == '"':
            end = line.find('"', at + 1)
            if end < 0:
                raise ManifestError(where, "a quote is not closed")
            words.append((line[at + 1:end], True))
            at = end + 1
            if at < len(line) and line[at] not in " \t":
                raise ManifestError(where, "a space is missing after a closing quote")
        else:
            end = at
            while end < len(line) and line[end] not in ' \t"':
                end += 1
            if end < len(line) and line[end] == '"':
                raise ManifestError(where, "a quote inside a word: quote all of the word")
            words.append((line[at:end], False))
            at = end
    if len(words) > WORDS_MAX:
        raise ManifestError(where, f"more than {WORDS_MAX} words on a line")
    return words


def check_path(where, path):
    """A path in the archive: absolute, plain, short enough for ustar."""
    parts = path.split("/")
    if not path.startswith("/") or "" in parts[1:] or "." in parts or ".." in parts:
        raise ManifestError(where, f"`{path}` is not a path like /bin/sh")
    if len(path) > 100:
        raise ManifestError(where, f"the path `{path}` is longer than 100 bytes")


def add_file(manifest, where, path, host_file):
    check_path(where, path)
    if path == "/manifest":
        raise ManifestError(where, "/manifest is the manifest itself")
    if path in manifest.files:
        raise ManifestError(where, f"{path} is already given at {manifest.files[path][0]}")
    manifest.files[path] = (where, host_file)


def parse_option(entry, where, word):
    key, equals, value = word.partition("=")
    if word == "foreign":
        entry.foreign = True
    elif key == "restart" and equals:
        if not value.isdigit() or int(value) > RESTART_MAX:
            raise ManifestError(where, f"{word}: a number from 0 to {RESTART_MAX} is wanted")
    elif key == "io" and value:
        entry.io = value
    else:
        raise ManifestError(where, f"unknown option `{word}` (foreign, restart=N, io=SERVICE; "
                                   "arguments follow `args:`)")


def parse_right(entry, where, word):
    name, _, right = word.partition("=")
    if not name or not right:
        raise ManifestError(where, f"`{word}`: rights are written NAME=RIGHT")
    if name in entry.rights:
        raise ManifestError(where, f"the name `{name}` is given to two rights")
    if entry.foreign and (not name.isdigit() or not 1 <= int(name) <= PORT_NAME_MAX):
        raise ManifestError(where, f"`{word}`: a foreign program knows rights by number, "
                                   f"1 to {PORT_NAME_MAX}")
    if not entry.foreign and (not NAME.match(name) or name[0].isdigit()):
        raise ManifestError(where, f"`{name}` cannot be the name of a right")
    if not entry.foreign and name in RESERVED:
        raise ManifestError(where, f"the name `{name}` is taken: every program is given that right")
    entry.rights[name] = right


def parse_entry(manifest, where, words):
    kind = words[0][0]
    if len(words) < 3:
        raise ManifestError(where, f"`{kind}` needs a name and a file")
    name, path = words[1][0], words[2][0]
    if not NAME.match(name):
        raise ManifestError(where, f"`{name}` cannot be a name: letters, digits and . _ - only")
    if name in manifest.entries:
        raise ManifestError(where, f"the name `{name}` is already used at "
                                   f"{manifest.entries[name].where}")
    if kind == "program":
        add_file(manifest, where, "/programs/" + name, path)
        path = "/programs/" + name
    check_path(where, path)
    entry = Entry(where, kind, name, path)
    section = ""
    for text, quoted in words[3:]:
        if not quoted and text in SECTIONS:
            section = text
        elif section == "":
            parse_option(entry, where, text)
        elif section == "rights:":
            parse_right(entry, where, text)
        elif section == "env:" and "=" not in text:
            raise ManifestError(where, f"`{text}`: the environment is written NAME=VALUE")
    manifest.entries[name] = entry


def parse_line(manifest, where, line, folder, depth):
    words = split_words(where, line)
    kind = words[0][0] if words else ""
    if kind == "include":
        if len(words) != 2:
            raise ManifestError(where, "`include` needs one file")
        if depth == DEPTH_MAX:
            raise ManifestError(where, "files include each other too deeply")
        parse_file(manifest, find_host_file(words[1][0], folder), where, depth + 1)
        return
    manifest.lines.append(line)
    if kind == "file":
        if len(words) != 3:
            raise ManifestError(where, "`file` needs a path in the archive and a file of the host")
        add_file(manifest, where, words[1][0], find_host_file(words[2][0], folder))
    elif kind in KINDS:
        parse_entry(manifest, where, words)
        if kind == "program":
            path = "/programs/" + words[1][0]
            manifest.files[path] = (where, find_host_file(words[2][0], folder))
    elif kind:
        raise ManifestError(where, f"unknown word `{kind}` (file, include, {', '.join(KINDS)})")


def find_host_file(path, folder):
    """Files are looked for where make runs, then beside the manifest that names them."""
    if os.path.isabs(path) or os.path.exists(path):
        return path
    beside = os.path.join(folder, path)
    return beside if os.path.exists(beside) else path


def parse_file(manifest, path, where, depth=0):
    try:
        with open(path, encoding="utf-8") as source:
            lines = source.read().split("\n")
    except OSError as error:
        raise ManifestError(where, f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(where, f"{path} is not text") from error
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        if len(line.encode()) > LINE_MAX:
            raise ManifestError(f"{path}:{number}", f"a line has more than {LINE_MAX} bytes")
        if "\0" in line:
            raise ManifestError(f"{path}:{number}", "a NUL byte in the line")
        kept = len(manifest.lines)
        try:
            parse_line(manifest, f"{path}:{number}", line, os.path.dirname(path), depth)
        except ManifestError:
            if not manifest.unchecked:
                raise
            manifest.lines[kept:] = [line]


def check_elf(where, path):
    """A static x86-64 program, so that the mistake is seen here and not at boot."""
    with open(path, "rb") as source:
        head = source.read(64)
    if len(head) < 64 or head[:4] != b"\x7fELF":
        raise ManifestError(where, f"{path} is not an ELF program")
    if head[4] != 2 or head[5] != 1 or head[18:20] != b"\x3e\x00":
        raise ManifestError(where, f"{path} is not a program for x86-64")
    if head[16:18] != b"\x02\x00":
        raise ManifestError(where, f"{path} is not static: link it with -static and without -pie")


def check_entry(manifest, entry):
    services = [e.name for e in manifest.entries.values() if e.kind == "service"]
    if entry.path not in manifest.files:
        raise ManifestError(entry.where, f"{entry.path} is not in the archive: a line "
                                         f"`file {entry.path} HOSTFILE` is missing")
    check_elf(entry.where, manifest.files[entry.path][1])
    if entry.io is not None and entry.foreign:
        raise ManifestError(entry.where, "a foreign program has no standard input: no io= for it")
    if entry.io is not None and entry.io not in services:
        raise ManifestError(entry.where, f"io={entry.io}: there is no service of that name")
    for name, right in entry.rights.items():
        if right not in RIGHTS and right not in services:
            raise ManifestError(entry.where, f"{name}={right}: there is no such right ("
                                             f"{', '.join(RIGHTS)}, or the name of a service)")


def check(manifest, path):
    for where, host_file in manifest.files.values():
        if not os.path.isfile(host_file):
            raise ManifestError(where, f"the file {host_file} does not exist")
    for entry in manifest.entries.values():
        check_entry(manifest, entry)
    if not manifest.entries:
        raise ManifestError(f"{path}:1", "nothing is started: no line does more than name a file")
    sessions = [e for e in manifest.entries.values() if e.kind == "session"]
    if len(sessions) > 1:
        raise ManifestError(sessions[1].where,
                            f"a second session; the first is at {sessions[0].where}")


def add_member(archive, path, data, mode):
    member = tarfile.TarInfo(path.lstrip("/"))
    member.size = len(data)
    member.mode = mode
    archive.addfile(member, io.BytesIO(data))


def pack(manifest, output):
    text = "".join(line + "\n" for line in manifest.lines)
    with tarfile.open(output + ".part", "w", format=tarfile.USTAR_FORMAT) as archive:
        add_member(archive, "/manifest", text.encode(), 0o444)
        for path in sorted(manifest.files):
            if manifest.unchecked and not os.path.isfile(manifest.files[path][1]):
                continue
            with open(manifest.files[path][1], "rb") as source:
                data = source.read()
            add_member(archive, path, data, 0o555 if data[:4] == b"\x7fELF" else 0o444)
    os.replace(output + ".part", output)


def main(arguments):
    options = [a for a in arguments if a.startswith("--")]
    files = [a for a in arguments if not a.startswith("--")]
    only = "--check" in options or "--files" in options
    known = all(o in ("--check", "--files", "--unchecked") for o in options)
    if not known or len(options) > 1 or len(files) != (1 if only else 2):
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    manifest = Manifest("--unchecked" in options)
    try:
        parse_file(manifest, files[0], "mkarchive")
        if "--files" in options:
            print("\n".join(sorted(host for _, host in manifest.files.values())))
            return 0
        if not manifest.unchecked:
            check(manifest, files[0])
        if not only:
            pack(manifest, files[1])
    except ManifestError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"mkarchive: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
