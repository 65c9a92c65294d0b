"""The system calls that a confined process may make, as a classic BPF program for seccomp.

What is not listed fails with ENOSYS: a new process, another program, a signal to anyone, a network socket, tracing,
mounting, namespaces, shared memory outside the address-space limit, file modes and times (which Landlock does not
guard), and whatever a later kernel adds. An allow-list is longer than a list of the dangerous calls and stays right
when the kernel grows. Threads remain possible: solutions use them for a larger stack.

Numbers are from the kernel's own headers for x86-64 and arm64, the two machines supported; elsewhere there is no
filter and the sandbox says so.
"""

import struct

_ARCHES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
"""Machine → its audit number, and its column below."""

_CALLS = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69 preadv2:327:286
pwritev:296:70 pwritev2:328:287 lseek:8:62 close:3:57 dup:32:23 dup2:33:- dup3:292:24 pipe:22:- pipe2:293:59
open:2:- openat:257:56 creat:85:- stat:4:- lstat:6:- fstat:5:80 newfstatat:262:79 statx:332:291 access:21:-
faccessat:269:48 faccessat2:439:439 readlink:89:- readlinkat:267:78 getdents64:217:61 getcwd:79:17 chdir:80:49
fchdir:81:50 statfs:137:43 fstatfs:138:44 umask:95:166 unlink:87:- unlinkat:263:35 rename:82:- renameat:264:38
renameat2:316:276 ftruncate:77:46 flock:73:32 fadvise64:221:223
sendfile:40:71 poll:7:- ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20
epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19
timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87 sendto:44:206 recvfrom:45:207
shutdown:48:210 getsockopt:55:209 getsockname:51:204 getpeername:52:205 mmap:9:222 munmap:11:215
mprotect:10:226 mremap:25:216 madvise:28:233 msync:26:227 mincore:27:232 brk:12:214 membarrier:324:283
futex:202:98 set_robust_list:273:99 get_robust_list:274:100 rseq:334:293 sched_yield:24:124
sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
rt_sigpending:127:136 rt_sigtimedwait:128:137 rt_sigsuspend:130:133 sigaltstack:131:132 signalfd4:289:74
restart_syscall:219:128 pause:34:- alarm:37:- getitimer:36:102 setitimer:38:103 nanosleep:35:101
clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169 time:201:-
times:100:153 getpid:39:172 getppid:110:173 gettid:186:178 getpgrp:111:- getuid:102:174 geteuid:107:175
getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150 getgroups:115:158 uname:63:160
sysinfo:99:179 getcpu:309:168 getrandom:318:278 getrusage:98:165 getrlimit:97:163 setrlimit:160:164
getpriority:140:141 wait4:61:260 waitid:247:95 exit:60:93 exit_group:231:94
"""
"""name:x86-64:arm64; ``-`` where the machine has no such call."""

_GUARDED = "clone:56:220 fcntl:72:25 ioctl:16:29 prlimit64:302:261 socketpair:53:199"
"""Allowed for some arguments only."""

_CLONE_THREAD = 0x00010000
_SIGNAL_OWNERS = (8, 10, 15)
"""fcntl F_SETOWN, F_SETSIG and F_SETOWN_EX: they would have the kernel send signals to others."""
_TERMINAL_QUERIES = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""ioctl TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX and FIOCLEX: what opening a file makes."""
_STREAMS = (1, 1 | 0o2000000, 1 | 0o2004000)
"""socketpair types: connected streams, as asyncio makes them; a datagram end could still be pointed at a daemon."""

_X32_BIT = 0x40000000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _NO_SUCH_CALL = 0x7FFF0000, 0x80000000, 0x00050000 | 38


def _numbers(table: str, column: int) -> dict[str, int]:
    entries = (entry.split(":") for entry in table.split())
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _argument(position: int) -> bytes:
    """Load the low half of an argument (both machines are little-endian); the flags and commands tested fit in it."""
    return _instruction(_LOAD, _ARGUMENTS + 8 * position)


def _choose(code: int, position: int, values: tuple[int, ...], *, met: int, unmet: int) -> bytes:
    """Return one action when a jump on an argument holds for any of the values, and the other when it does not."""
    tests = b"".join(_instruction(code, value, len(values) - number) for number, value in enumerate(values))
    return _argument(position) + tests + _instruction(_RETURN, unmet) + _instruction(_RETURN, met)


def _guards(numbers: dict[str, int]) -> list[tuple[int, bytes]]:
    threads = _choose(_JUMP_SET, 0, (_CLONE_THREAD,), met=_ALLOW, unmet=_NO_SUCH_CALL)
    own_limits = _choose(_JUMP_EQUAL, 0, (0,), met=_ALLOW, unmet=_NO_SUCH_CALL)
    return [
        (numbers["clone"], threads),
        (numbers["prlimit64"], own_limits),
        (numbers["fcntl"], _choose(_JUMP_EQUAL, 1, _SIGNAL_OWNERS, met=_NO_SUCH_CALL, unmet=_ALLOW)),
        (numbers["ioctl"], _choose(_JUMP_EQUAL, 1, _TERMINAL_QUERIES, met=_ALLOW, unmet=_NO_SUCH_CALL)),
        (numbers["socketpair"], _choose(_JUMP_EQUAL, 1, _STREAMS, met=_ALLOW, unmet=_NO_SUCH_CALL)),
    ]


def filter_program(machine: str) -> bytes:
    """Write the filter for a machine.

    Args:
        machine: as ``os.uname().machine`` names it.

    Returns:
        An array of ``struct sock_filter``; empty when the machine is neither x86-64 nor arm64.
    """
    if machine not in _ARCHES:
        return b""
    arch, column = _ARCHES[machine]
    program = [
        _instruction(_LOAD, _ARCH),
        _instruction(_JUMP_EQUAL, arch, 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":  # the same kernel also answers to a second numbering, told by this bit
        program += [_instruction(_JUMP_GREATER_EQUAL, _X32_BIT, 0, 1), _instruction(_RETURN, _KILL)]
    for number, guard in _guards(_numbers(_GUARDED, column)):
        program += [_instruction(_JUMP_EQUAL, number, 0, len(guard) // 8), guard]
    allowed = list(_numbers(_CALLS, column).values())
    for position, number in enumerate(allowed):
        program.append(_instruction(_JUMP_EQUAL, number, len(allowed) - position, 0))
    program += [_instruction(_RETURN, _NO_SUCH_CALL), _instruction(_RETURN, _ALLOW)]
    return b"".join(program)
