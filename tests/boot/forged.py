"""forged.py - programs that lie to the bootstrap server over the right their end is told by (forge.c)."""
from check import Checks
from machine import Machine

HOW = ("destroyed", "dead", "nonsense")


def forged():
    """The server believes none of them, and takes each for a task that died without a word: it is started again, once."""
    checks = Checks()
    with Machine("build/test/forge.iso", timeout=30) as m:
        m.expect(r"(?s)(?:died; it was started again too often in a minute and now stays down.*){3}")
        for how in HOW:
            said = f"forge {how}: sent 0, name known, console running"
            checks.expect(f"{how} was forged twice, and not believed", r"^2$", str(m.seen.count(said)))
            checks.expect(f"{how} was started again", rf"bootstrap: {how} died; starting it again", m.seen)
    return checks.result()
