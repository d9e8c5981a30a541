"""boot.py - the tests that boot: inside the kernel, user programs, and the matrix of machines."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot"))

import bad_input    # noqa: E402
import clock        # noqa: E402
import coverage     # noqa: E402
import debugger     # noqa: E402
import disk         # noqa: E402
import foreign      # noqa: E402
import forged       # noqa: E402
import gdb_session  # noqa: E402
import guest_disk   # noqa: E402
import files        # noqa: E402
import firmware     # noqa: E402
import first_driver  # noqa: E402
import inside       # noqa: E402
import iommu        # noqa: E402
import linux        # noqa: E402
import machines     # noqa: E402
import mounting     # noqa: E402
import nested       # noqa: E402
import paravirtual  # noqa: E402
import prompt       # noqa: E402
import screen       # noqa: E402
import swap         # noqa: E402
import volume       # noqa: E402
import window       # noqa: E402
from machine import Bochs, Failure, Machine  # noqa: E402

KERNEL_ISO = "build/test/kernel-tests.iso"
USER_ISO = "build/test/user-tests.iso"


class Suite:
    """A named group of tests; run() returns (passed, failed, output)."""

    def __init__(self, name, function):
        self.name = name
        self.function = function

    def run(self):
        try:
            return self.function()
        except Failure as failure:
            return 0, 1, str(failure)


def kernel_tests(machine):
    with machine as m:
        match = m.expect(r"ktest: (\d+) passed, (\d+) failed")
        m.wait_off()
        return int(match.group(1)), int(match.group(2)), "\n".join(
            line for line in m.seen.splitlines() if re.search("FAILED|expected|before,", line))


def failures(text):
    """The lines of a failed run that say what went wrong."""
    return "\n".join(line for line in text.splitlines() if re.search("FAILED|expected|before,|cannot|panic", line))


def user_tests(cpus, iso=USER_ISO):
    name = f"{os.path.basename(iso)[:-4]}-{cpus}"
    return user_tests_on(Machine(iso, cpus=cpus, timeout=600, extra=coverage.watch(name)))


def guest_tests(cpus, iso="build/test/hv.iso", cpu="max"):
    return user_tests_on(Machine(iso, cpus=cpus, timeout=300, cpu=cpu, one_thread=True))


def user_tests_on(machine):
    with machine as m:
        m.expect(r"runner: (\d+) programs, (\d+) with failures")
        m.wait_off()
        passed = len(re.findall(r"^case ok ", m.seen, re.M))
        failed = len(re.findall(r"^case FAILED ", m.seen, re.M))
        return passed, failed, failures(m.seen)


def guests_in_bochs(cpus, exits, **options):
    """By VMX; exits: of a guest whose writes are logged, by the processor (few) or by faults (many)."""
    machine = Bochs("build/test/hv.iso", timeout=600, cpus=cpus, **options)
    passed, failed, output = user_tests_on(machine)
    logged = re.search(r"pages logged with (\w+) exits", machine.seen)
    is_so = logged is not None and logged.group(1) == exits
    return passed + is_so, failed + (not is_so), output + ("" if is_so else f"\nlogged with {logged and logged.group(1)} exits")


def release_test(name, *expected, **options):
    """One test program on the release kernel; it must print what is expected."""
    with Machine(f"build/test/{name}-release.iso", timeout=300, **options) as m:
        m.expect(r"exit status (\d+)")
        m.wait_off()
        passed = len(re.findall(r"^case ok ", m.seen, re.M))
        failed = len(re.findall(r"^case FAILED ", m.seen, re.M))
        missing = [pattern for pattern in expected if not re.search(pattern, m.seen)]
        return passed, failed + len(missing) + int(passed == 0), "\n".join([failures(m.seen), *missing])


def kernel_machine(cpus):
    return Machine(KERNEL_ISO, cpus=cpus, timeout=120, extra=coverage.watch(f"kernel-tests-{cpus}"))


def iommu_machine(cpus, unit):
    return Machine(KERNEL_ISO, cpus=cpus, timeout=120, extra=["-machine", "q35", "-device", unit])


KERNEL = [Suite(f"{n} cpu", lambda n=n: kernel_tests(kernel_machine(n))) for n in (1, 4, 8)]
KERNEL.append(Suite("bochs", lambda: kernel_tests(Bochs(KERNEL_ISO))))
USER = [Suite(f"{n} cpu", lambda n=n: user_tests(n)) for n in (1, 2, 4)]
USER += [Suite(f"{n} cpu without the fast path", lambda n=n: user_tests(n, "build/test/user-tests-slow.iso")) for n in (1, 2, 4)]
USER += [Suite(f"guests {n} cpu", lambda n=n: guest_tests(n)) for n in (1, 2, 4)]
USER.append(Suite("guests 2 cpu without the fast path", lambda: guest_tests(2, "build/test/hv-slow.iso")))
USER.append(Suite("guests on an EPYC", lambda: guest_tests(2, cpu="EPYC,+svm,+npt")))
USER.append(Suite("guests in bochs 1 cpu", lambda: guests_in_bochs(1, "few")))
USER.append(Suite("guests in bochs 2 cpus", lambda: guests_in_bochs(2, "few")))
USER.append(Suite("guests in bochs without a log", lambda: guests_in_bochs(1, "many", model="corei7_haswell_4770")))
USER.append(Suite("guests on a processor that cannot", lambda: guest_tests(1, cpu="max,-svm")))
USER.append(Suite("rights on the release kernel", lambda: release_test("rights")))
USER.append(Suite("a million ports and names", lambda: release_test(
    "million", "a chain of 1000000 ports", r"names and \d+ ns with 1000000", memory=6144)))
KERNEL += [Suite("iommu", lambda: kernel_tests(iommu_machine(1, "intel-iommu"))),
           Suite("iommu 2 cpus", lambda: kernel_tests(iommu_machine(2, "intel-iommu,caching-mode=on,aw-bits=48")))]
COVERAGE = [Suite("ipc", coverage.run)]  # after those two
SYSTEM = "build/test/system-release.iso"
MATRIX = [
    Suite("bios 1 cpu 32 MiB", lambda: prompt.session(SYSTEM, memory=32, fill=8)),
    Suite("bios 2 cpus 256 MiB debug", lambda: prompt.session("build/test/prompt-debug.iso", cpus=2)),
    Suite("bios 4 cpus 6 GiB", lambda: prompt.session(SYSTEM, cpus=4, memory=6144, fill=4608)),
    Suite("bios plain 64-bit cpu", lambda: prompt.session("build/test/prompt-release.iso", cpu="qemu64")),
    Suite("uefi 1 cpu 256 MiB", lambda: prompt.session("build/portolan.iso", firmware="uefi")),
    Suite("uefi 2 cpus 256 MiB", lambda: prompt.session("build/portolan.iso", firmware="uefi", cpus=2)),
    Suite("bochs", lambda: prompt.on_machine(Bochs("build/test/prompt-debug.iso"))),
    Suite("prompt release 1 cpu", lambda: prompt.person(SYSTEM)),
    Suite("prompt debug 2 cpus", lambda: prompt.person("build/test/system-debug.iso", cpus=2)),
    Suite("machines release 1 cpu", machines.use),
    Suite("machines debug 2 cpus", lambda: machines.use("build/test/machines-debug.iso", cpus=2)),
    Suite("inside a virtual machine", inside.use),
    Suite("linux 1 cpu", linux.use),
    Suite("disks of guests", guest_disk.use),
    Suite("disks of guests 2 cpus", lambda: guest_disk.use(cpus=2)),
    Suite("firmware in a virtual machine", firmware.use),
    Suite("linux with 2 processors 2 cpus", lambda: linux.use(cpus=2, processors=2)),
    Suite("linux with 4 processors 4 cpus", lambda: linux.use(cpus=4, processors=4)),
    Suite("portolan in portolan", lambda: nested.use("")),
    Suite("portolan in portolan paravirtual", lambda: nested.use("paravirtual")),
    Suite("portolan in portolan paravirtual 2 cpus", lambda: nested.use("paravirtual", cpus=2)),
    Suite("paravirtual disks", paravirtual.disks),
    Suite("paravirtual disks 2 cpus", lambda: paravirtual.disks(cpus=2, processors=2)),
    Suite("paravirtual balloon", paravirtual.balloon),
    Suite("paravirtual balloon 2 cpus", lambda: paravirtual.balloon(cpus=2, processors=2)),
    Suite("files release 1 cpu", lambda: files.tools("build/test/prompt-release.iso")),
    Suite("files debug 2 cpus", lambda: files.tools("build/test/prompt-debug.iso", cpus=2)),
    Suite("reboot", prompt.reboot),
    Suite("clock on a busy host", clock.busy),
    Suite("date", clock.date),
    Suite("swap 1 cpu", lambda: swap.swap("build/test/swap-release.iso", 256)),
    Suite("swap 2 cpus debug", lambda: swap.swap("build/test/swap-debug.iso", 96, cpus=2)),
    Suite("swap of guests 2 cpus", lambda: swap.guests("build/test/swap-machines.iso", cpus=2)),
    Suite("swap disk 1 cpu", lambda: swap.disk(SYSTEM, 96)),
    Suite("swap disk 2 cpus", lambda: swap.disk(SYSTEM, 72, cpus=2)),
    Suite("swap disk driver killed", lambda: swap.disk(SYSTEM, 72, cpus=2, kills=6)),
    Suite("swap disk driver killed debug", lambda: swap.disk("build/test/system-debug.iso", 72, kills=6)),
    Suite("swap disk ide", lambda: swap.disk(SYSTEM, 72, kind="ide")),
    Suite("swap disk ahci", lambda: swap.disk(SYSTEM, 72, kind="ahci")),
    Suite("swap disk errors", lambda: swap.errors(SYSTEM)),
    Suite("swap disk not marked", lambda: swap.unmarked(SYSTEM)),
    Suite("swap file", lambda: swap.file(SYSTEM, 72)),
    Suite("swap file ext2 2 cpus driver killed", lambda: swap.file(SYSTEM, 72, "ext2", cpus=2, kills=6)),
    Suite("swap file refused", lambda: swap.file_refused(SYSTEM)),
    Suite("swap full", lambda: swap.full("build/test/swap-full.iso")),
    Suite("volume", volume.use),
    Suite("volume ext2 debug 2 cpus", lambda: volume.use("ext2", cpus=2, iso="build/test/prompt-debug.iso")),
    Suite("volume off", volume.off),
    Suite("volume off ext2 debug 2 cpus", lambda: volume.off("ext2", cpus=2, iso="build/test/prompt-debug.iso")),
    Suite("volume off without a file server", volume.off_alone),
    Suite("mounting", mounting.use),
    Suite("mounting ext2 debug 2 cpus", lambda: mounting.use("ext2", cpus=2, iso="build/test/system-debug.iso")),
    Suite("volume dirty", volume.dirty),
    Suite("volume model", volume.model),
    Suite("volume model ext2 2 cpus", lambda: volume.model("ext2", cpus=2, first=13)),
    Suite("volume ahci", lambda: volume.use(device="ahci")),
    Suite("volume ide", lambda: volume.use(device="ide")),
    Suite("whyfault", volume.whyfault),
    Suite("trace-fault", volume.picture),
    Suite("disk pc", lambda: disk.use("pc")),
    Suite("disk q35 2 cpus", lambda: disk.use("q35", cpus=2)),
    Suite("disk ahci 2 cpus", lambda: disk.use("q35", cpus=2, kind="ahci")),
    Suite("disk ahci errors", lambda: disk.errors("q35", "ahci", "status 0x[0-9a-f]+, error 0x04")),
    Suite("disk ahci disks and CDs", disk.two),
    Suite("disk ahci driver stopped", lambda: disk.stopped("ahci")),
    Suite("disk ahci driver killed", lambda: disk.killed("q35", 40, kind="ahci")),
    Suite("disk ahci driver killed debug", lambda: disk.killed("q35", 20, "build/test/system-debug.iso", kind="ahci")),
    Suite("disk ide", lambda: disk.use("pc", kind="ide")),
    Suite("disk ide 6 GiB", lambda: disk.use("pc", kind="ide", memory=6144)),  # beyond the reach of the bus master
    Suite("disk ide errors", lambda: disk.errors("pc", "ide", "the command failed; status 0x[0-9a-f]+, error 0x04")),
    Suite("disk ide disks and CDs", disk.four),
    Suite("disk ide driver killed", lambda: disk.killed("pc", 20, kind="ide")),
    Suite("disk ide driver killed debug", lambda: disk.killed("pc", 20, "build/test/system-debug.iso", kind="ide")),
    Suite("disk bochs", disk.bochs),
    Suite("disk order", disk.order),
    Suite("disk partitions", disk.partitions),
    Suite("disk interrupt lines", disk.lines),
    Suite("disk read-only", disk.read_only),
    Suite("disk errors", disk.errors),
    Suite("disk device master killed", disk.master_killed),
    Suite("disk driver stopped", disk.stopped),
    Suite("disk driver killed", lambda: disk.killed("q35", 40)),
    Suite("disk driver killed debug", lambda: disk.killed("q35", 20, "build/test/system-debug.iso")),
    Suite("disk driver killed pc", lambda: disk.killed("pc", 20)),
    Suite("disk driver restarted", lambda: disk.restarts("q35", (200, 1000))),
    Suite("disk driver restarted debug", lambda: disk.restarts("pc", (50, 200), "build/test/system-debug.iso")),
    Suite("disk driver damaged", lambda: disk.faults(2000)),
    Suite("disk driver damaged debug", lambda: disk.faults(500, 2, "build/test/system-debug.iso")),
    Suite("disk device damaged", lambda: disk.faults(2000, device="virtio iommu")),
    Suite("disk device damaged debug", lambda: disk.faults(500, 2, "build/test/system-debug.iso", device="virtio iommu")),
    Suite("disk ahci device damaged", lambda: disk.faults(500, driver="ahci", device="ahci iommu")),
    Suite("first driver", first_driver.use),
    Suite("first driver debug 2 cpus", lambda: first_driver.use("build/test/system-debug.iso", cpus=2)),
    Suite("iommu refuses", iommu.refused),
    Suite("iommu refuses debug 2 cpus", lambda: iommu.refused("stray-debug", iommu.WIDE, cpus=2)),
    Suite("iommu without", iommu.without),
    Suite("iommu none for what goes past", iommu.past),
    Suite("iommu bridges", iommu.bridges),
    Suite("iommu regions", iommu.regions),
    Suite("iommu wrong tables", iommu.tables),
    Suite("iommu disk", lambda: disk.use("q35", cpus=2, unit=iommu.UNIT)),
    Suite("iommu disk ahci", lambda: disk.use("q35", cpus=2, kind="ahci", unit=iommu.UNIT)),
    Suite("iommu disk driver killed", lambda: disk.killed("q35", 40, unit=iommu.UNIT)),
    Suite("iommu disk driver killed debug", lambda: disk.killed("q35", 20, "build/test/system-debug.iso", unit=iommu.WIDE)),
    Suite("iommu disk ahci driver killed debug", lambda: disk.killed("q35", 20, "build/test/system-debug.iso", kind="ahci", unit=iommu.WIDE)),
    Suite("iommu first driver", lambda: first_driver.use(extra=["-machine", "q35", *iommu.UNIT, "-device", "edu"])),
    Suite("driver rights", iommu.rights),
    Suite("refused", bad_input.refused),
    Suite("wrong manifest", bad_input.wrong_manifest),
    Suite("cut archive", bad_input.cut_archive),
    Suite("restart", bad_input.restart),
    Suite("foreign program", foreign.foreign),
    Suite("forged ends", forged.forged),
    Suite("kernel debugger", debugger.debugger),
    Suite("make debug", gdb_session.gdb_session),
    Suite("text screen", screen.text_screen),
    Suite("window", window.window),
]
# not part of every run
LONG = [
    Suite("linux in bochs", linux.bochs),
    Suite("user tests in portolan in portolan", lambda: nested.user_tests("")),
    Suite("user tests in portolan in portolan paravirtual", lambda: nested.user_tests("paravirtual")),
]
