"""The filter is run here by a small interpreter of classic BPF, so that arm64's is tested on any machine."""

import struct

import pytest

from abruzzi.verifiers.sandbox.inside.syscalls import filter_program

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE = 0x00050000 | 38
MACHINES = {"x86_64": X86, "aarch64": ARM}
THREAD_FLAGS, FORK_FLAGS = 0x3D0F00, 0x01200011


def decide(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the filter on one system call."""
    program = filter_program(machine)
    code = [struct.unpack_from("=HBBI", program, offset) for offset in range(0, len(program), 8)]
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, MACHINES[machine] if arch is None else arch, 0, *padded)
    place = accumulator = 0
    while True:
        operation, if_true, if_false, value = code[place]
        place += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x15:
                place += if_true if accumulator == value else if_false
            case 0x35:
                place += if_true if accumulator >= value else if_false
            case 0x45:
                place += if_true if accumulator & value else if_false
            case 0x06:
                return value
            case _:
                raise AssertionError(operation)


@pytest.mark.parametrize(
    ("x86", "arm"), [(0, 63), (1, 64), (9, 222), (202, 98), (231, 94), (257, 56), (318, 278), (228, 113), (61, 260)]
)
def test_what_python_needs_is_allowed(x86: int, arm: int) -> None:
    assert decide("x86_64", x86) == ALLOW
    assert decide("aarch64", arm) == ALLOW


FORBIDDEN = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "clone3": (435, 435),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendmsg": (46, 211),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "fchmodat": (268, 53),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "symlinkat": (266, 36),
    "linkat": (265, 37),
    "mknodat": (259, 33),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "setuid": (105, 146),
    "a call of the future": (9999, 9999),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_reaches_out_is_refused(name: str) -> None:
    x86, arm = FORBIDDEN[name]
    assert decide("x86_64", x86) == REFUSE
    assert decide("aarch64", arm) == REFUSE


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_threads_may_be_made_and_processes_not(machine: str, clone: int) -> None:
    assert decide(machine, clone, THREAD_FLAGS) == ALLOW
    assert decide(machine, clone, FORK_FLAGS) == REFUSE
    assert decide(machine, clone, 17) == REFUSE
    assert decide("x86_64", 57) == REFUSE
    assert decide("x86_64", 58) == REFUSE


@pytest.mark.parametrize(("machine", "fcntl"), [("x86_64", 72), ("aarch64", 25)])
def test_files_may_not_be_told_to_signal_others(machine: str, fcntl: int) -> None:
    assert [decide(machine, fcntl, 3, command) for command in (8, 10, 15)] == [REFUSE] * 3
    assert [decide(machine, fcntl, 3, command) for command in (1, 2, 3, 4, 1030)] == [ALLOW] * 5


@pytest.mark.parametrize(("machine", "prlimit"), [("x86_64", 302), ("aarch64", 261)])
def test_limits_of_others_stay_theirs(machine: str, prlimit: int) -> None:
    assert decide(machine, prlimit, 0, 7) == ALLOW
    assert decide(machine, prlimit, 1, 7) == REFUSE


@pytest.mark.parametrize(("machine", "ioctl", "pair"), [("x86_64", 16, 53), ("aarch64", 29, 199)])
def test_only_harmless_device_requests_and_connected_pairs(machine: str, ioctl: int, pair: int) -> None:
    assert decide(machine, ioctl, 1, 0x5401) == ALLOW
    assert decide(machine, ioctl, 1, 0x5412) == REFUSE
    assert decide(machine, pair, 1, 1 | 0o2000000) == ALLOW
    assert decide(machine, pair, 1, 2) == REFUSE
    assert decide(machine, pair, 1, 5 | 0o2000000) == REFUSE


def test_another_numbering_ends_the_process() -> None:
    assert decide("x86_64", 0x40000000 | 59) == KILL
    assert decide("x86_64", 11, arch=0x40000003) == KILL
    assert decide("aarch64", 11, arch=0x40000028) == KILL


def test_other_machines_have_no_filter() -> None:
    assert filter_program("riscv64") == b""
