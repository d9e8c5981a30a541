"""files.py - the tools for files, driven at the prompt as a person types."""
from check import Checks
from machine import Machine

# (line, what it prints)
LINES = [
    ("mount", r"^boot / archive ro\n64 /tmp tmpfs rw\n"),
    ("df", r"^from +KiB +used +free +use at\nboot .* /\ntmpfs +\d+ +\d+ +\d+ +\d+% /tmp\n"),
    ("cd /tmp; pwd", r"^/tmp\n"),
    ("mkdir -p a/b/c; mkdir a; echo $?", r"mkdir: a: File exists\n1\n"),
    ("mkdir x/y; echo $?", r"mkdir: x/y: No such file or directory\n1\n"),
    ("echo one > a/one; echo two > a/b/two; echo three >> a/b/two; cat a/one a/b/two", r"^one\ntwo\nthree\n"),
    ("cat < a/b/two > a/copy; cat a/copy", r"^two\nthree\n"),
    ("ls -l a", r"(?m)^drwxr-xr-x +3 +0 +0 +0 \d{4}-\d\d-\d\d \d\d:\d\d b\n-rw-r--r-- +1 .* 10 .* copy\n-rw-r--r-- +1 .* 4 .* one\n"),
    ("ls -ld a; ls /nothing; echo $?", r"^drwx.* a\nls: /nothing: No such file or directory\n1\n"),
    ("cp a/one d; cat d; cp a/one a/b; ls a/b", r"^one\nc\none\ntwo\n"),
    ("cp a x; echo $?", r"cp: a: is a directory; -r copies it with all in it\n1\n"),
    ("cp -r a tree; find tree", r"^tree\ntree/b\ntree/b/c\ntree/b/one\ntree/b/two\ntree/copy\ntree/one\n"),
    ("cp -r a a/b; echo $?", r"cp: a: cannot be copied into itself\n1\n"),
    ("cp d d; echo $?", r"cp: d and d are the same file\n1\n"),
    ("cp a/one a/copy nowhere; echo $?", r"cp: nowhere: is no directory\n1\n"),
    ("cp /etc/motd /bin/true . ; ls -l true; ./true; echo $?", r"^-r-xr-xr-x .* true\n0\n"),
    ("find tree -name 't*' -type f; find tree -type d", r"^tree/b/two\ntree\ntree/b\ntree/b/c\n"),
    ("mv d e; cat e; ls d", r"^one\nls: d: No such file"),
    ("mv e tree; ls tree; mv tree/e tree/b/one", r"^b\ncopy\ne\none\n"),
    ("mv tree tree/b; echo $?", r"mv: tree to tree/b/tree: Invalid argument\n1\n"),
    ("mv /bin/true gone; echo $?; ls gone", r"^mv: /bin/true: Read-only file system\n1\ngone\n"),
    ("grep -n t a/b/two; grep -r one tree", r"^1:two\n2:three\ntree/b/one:one\ntree/one:one\n"),
    ("grep -i TWO a/b/two; grep nothing a/one; echo $?; grep -c e a/b/two", r"^two\n1\n1\n"),
    ("grep '\\(' a/one; echo $?", r"grep: `\\\(`: .*\n2\n"),
    ("wc a/b/two; wc -l a/one a/b/two", r"^ +2 +2 +10 a/b/two\n +1 a/one\n +2 a/b/two\n +3 total\n"),
    ("head -n 1 a/b/two; head a/one", r"^two\none\n"),
    ("hexdump a/b/two", r"^00000000  74 77 6f 0a 74 68 72 65  65 0a .*\|two\.three\.\|\n0000000a\n"),
    ("sha256sum a/one > sums; cat sums; sha256sum -c sums", r"^2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806  a/one\na/one: OK\n"),
    ("echo changed > a/one; sha256sum -c sums; echo $?", r"^a/one: FAILED\n1\n"),
    ("sha256sum /dev/null", r"^e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  /dev/null\n"),
    ("rm a; echo $?", r"rm: a: is a directory; -r removes it with all in it\n1\n"),
    ("rm nothing; echo $?; rm -f nothing; echo $?", r"rm: nothing: No such file or directory\n1\n0\n"),
    ("rm -r a tree; ls", r"^gone\nmotd\nsums\ntrue\n"),
    ("sync; echo $?", r"^0\n"),
    ("rm -rf gone motd sums true x; ls; cd /; rm /etc/motd; echo $?", r"^rm: /etc/motd: Read-only file system\n1\n"),
    ("echo x > /new; echo $?", r"/new: the boot archive is read-only; nothing can be written there\n2\n"),
]


def tools(iso, cpus=1):
    """Every tool, in one session."""
    checks = Checks()
    with Machine(iso, cpus=cpus) as m:
        m.expect(r"\$ $")
        for line, pattern in LINES:
            checks.expect(f"`{line}`", pattern, m.command_output(line))
        m.power_off()
    return checks.result()
