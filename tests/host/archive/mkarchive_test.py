#!/usr/bin/env python3
"""mkarchive_test.py - tools/mkarchive.py packs what is right and refuses each mistake with file and line. Closes with `N passed, N failed`."""
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
TOOL = os.path.join(ROOT, "tools/mkarchive.py")

# Each line stands second, after `file /bin/a a`; what is said of it.
WRONG = [
    ("colour blue", "unknown word `colour`"),
    ("start x", "`start` needs a name and a file"),
    ("start x/y /bin/a", "`x/y` cannot be a name"),
    ("start x bin/a", "`bin/a` is not a path like /bin/sh"),
    ("start x /bin/../a", "is not a path like /bin/sh"),
    ("start x /bin/nothing", "/bin/nothing is not in the archive"),
    ("start x /bin/a fast", "unknown option `fast`"),
    ("start x /bin/a restart=many", "a number from 0 to 100 is wanted"),
    ("start x /bin/a restart=101", "a number from 0 to 100 is wanted"),
    ("start x /bin/a io=nobody", "there is no service of that name"),
    ("start x /bin/a \"y", "a quote is not closed"),
    ("start x /bin/a y\"z\"", "a quote inside a word"),
    ("start x /bin/a \"y\"z", "a space is missing after a closing quote"),
    ("start x /bin/a rights: host", "rights are written NAME=RIGHT"),
    ("start x /bin/a rights: h=host h=host", "the name `h` is given to two rights"),
    ("start x /bin/a rights: stdin=host", "the name `stdin` is taken"),
    ("start x /bin/a rights: h=everything", "there is no such right"),
    ("start x /bin/a foreign rights: h=host", "a foreign program knows rights by number"),
    ("start x /bin/a foreign io=x", "a foreign program has no standard input"),
    ("start x /bin/a env: A", "the environment is written NAME=VALUE"),
    ("start x /bin/a args:" + " y" * 60, "more than 60 words on a line"),
    ("start x /bin/a args: " + "y" * 1000, "a line has more than 1000 bytes"),
    ("file /bin/a a", "/bin/a is already given at"),
    ("file /manifest a", "/manifest is the manifest itself"),
    ("file /bin/b", "`file` needs a path in the archive and a file of the host"),
    ("file /bin/b nothing", "nothing does not exist"),
    ("file /" + "b" * 100 + " a", "is longer than 100 bytes"),
    ("include", "`include` needs one file"),
    ("include nothing", "nothing cannot be read"),
    ("program x text", "text is not an ELF program"),
    ("program x wrong-machine", "is not a program for x86-64"),
    ("program x dynamic", "is not static: link it with -static"),
]


def elf(machine=62, kind=2):
    """The header of an ELF64 program."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", kind, machine, 1) + bytes(40)


class MkArchive(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        for name, data in (("a", elf()), ("dynamic", elf(kind=3)), ("wrong-machine", elf(machine=183)), ("text", b"hello\n" * 20)):
            with open(self.path(name), "wb") as f:
                f.write(data)

    def tearDown(self):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, text, name="m"):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def run_tool(self, *arguments):
        return subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)

    def pack(self, text, *options):
        return self.run_tool(*options, self.write(text), self.path("out.tar"))

    def members(self):
        with tarfile.open(self.path("out.tar")) as archive:
            return {m.name: (m.mode, archive.extractfile(m).read()) for m in archive.getmembers()}

    def test_packs_files_and_the_manifest(self):
        result = self.pack("file /bin/a a\nfile /etc/t text # a comment\nstart x /bin/a args: \"1 2\"\n")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        members = self.members()
        self.assertEqual(list(members), ["manifest", "bin/a", "etc/t"])
        self.assertEqual(members["bin/a"], (0o555, elf()))
        self.assertEqual(members["etc/t"][0], 0o444)
        self.assertIn(b"start x /bin/a args: \"1 2\"\n", members["manifest"][1])

    def test_packs_the_same_bytes_each_time(self):
        self.pack("file /bin/a a\nstart x /bin/a\n")
        with open(self.path("out.tar"), "rb") as f:
            first = f.read()
        self.pack("file /bin/a a\nstart x /bin/a\n")
        with open(self.path("out.tar"), "rb") as f:
            self.assertEqual(first, f.read())

    def test_a_program_is_file_and_start_in_one(self):
        self.assertEqual(self.pack("program x a foreign args: 1 rights: 1=host-priv\n").returncode, 0)
        self.assertIn("programs/x", self.members())

    def test_an_included_manifest_stands_in_its_place(self):
        self.write("file /bin/a a\n", "other")
        self.assertEqual(self.pack("include other\nstart x /bin/a\n").returncode, 0)
        self.assertEqual(self.members()["manifest"][1], b"file /bin/a a\nstart x /bin/a\n")

    def test_a_mistake_in_an_included_manifest_is_told_there(self):
        other = self.write("\ncolour blue\n", "other")
        self.assertIn(f"{other}:2: unknown word", self.pack("include other\n").stderr)

    def test_manifests_that_include_each_other_are_refused(self):
        self.assertIn("files include each other too deeply", self.pack("include m\n").stderr)

    def test_names_and_sessions_are_unique(self):
        self.assertIn("m:3: the name `x` is already used at", self.pack("file /bin/a a\nstart x /bin/a\nstart x /bin/a\n").stderr)
        self.assertIn("m:3: a second session", self.pack("file /bin/a a\nsession x /bin/a\nsession y /bin/a\n").stderr)

    def test_a_manifest_that_starts_nothing_is_refused(self):
        self.assertIn("m:1: nothing is started", self.pack("file /bin/a a\n").stderr)

    def test_a_failure_leaves_no_archive(self):
        self.assertEqual(self.pack("colour blue\n").returncode, 1)
        self.assertFalse(os.path.exists(self.path("out.tar")))

    def test_a_manifest_that_is_no_text_is_refused(self):
        with open(self.path("m"), "wb") as f:
            f.write(b"\xff\xfe")
        result = self.run_tool(self.path("m"), self.path("out.tar"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("is not text", result.stderr)

    def test_check_and_files_write_nothing(self):
        manifest = self.write("file /bin/a a\nstart x /bin/a\n")
        self.assertEqual(self.run_tool("--check", manifest).returncode, 0)
        self.assertEqual(self.run_tool("--files", manifest).stdout, self.path("a") + "\n")
        self.assertFalse(os.path.exists(self.path("out.tar")))

    def test_unchecked_packs_wrong_lines_too(self):
        self.assertEqual(self.pack("colour blue\nfile /bin/a a\nfile /bin/b nothing\n", "--unchecked").returncode, 0)
        members = self.members()
        self.assertEqual(members["manifest"][1].split(b"\n")[0], b"colour blue")
        self.assertNotIn("bin/b", members)

    def test_a_wrong_command_line_is_a_usage_error(self):
        for arguments in ((), ("m",), ("--what", "m", "out"), ("--check", "--files", "m")):
            result = self.run_tool(*arguments)
            self.assertEqual((result.returncode, result.stderr.split(":")[0]), (2, "usage"))

    def test_a_missing_manifest_is_told(self):
        result = self.run_tool(self.path("nothing"), self.path("out.tar"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("nothing cannot be read: No such file", result.stderr)


def wrong_case(line, sentence):
    def test(self):
        result = self.pack(f"file /bin/a a\n{line}\nstart last /bin/a\n")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f"{self.path('m')}:2: ", result.stderr)
        self.assertIn(sentence, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
    return test


for number, (wrong, said) in enumerate(WRONG):
    setattr(MkArchive, f"test_wrong_line_{number}", wrong_case(wrong, said))


def main():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(MkArchive)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
