"""Runs code that nobody vouches for, and tells whether it does what it should.

    with lend("solutions") as sandbox:
        run_program(sandbox, "print(input()[::-1])", stdin=b"abc", limits=Limits()).output     # cba

Words: a *wall* is how the first process of a sandbox is started (``walls``); that process, the *spawner*, forks a
*cell* for each piece of code (``inside.spawner``); before it runs a line of it, a cell gives up for good whatever it
could misuse (``inside.confine``). *Rooms* keep sandboxes of one use warm (``rooms``).

What the code is assumed to be: Python that a model wrote to be scored, or to be scored without solving anything, or to
do harm; it may use ctypes and know this file by heart. What it is kept from:

- **The machine.** No network, no file but the interpreter's and its own folder, no other process seen, signalled or
  traced, no new process, bounded memory, CPU time, elapsed time, output, files and threads. It leaves nothing behind:
  it cannot start anything that outlives it, and its folder is emptied or dropped. Two layers hold each of these where
  the kernel has both: the wall's namespaces, and the cell's own Landlock, seccomp and resource limits.
- **The verdict.** It rests on what a process other than the code's found, never on an exit status or on anything the
  code can write. A program's output is compared outside the sandbox, which the expected output never enters. Tests
  that call a function run in another cell of another sandbox; between the two goes plain data only (``inside.peer``),
  and the report bears a number that only the tests' cell was given. So leaving early, replacing ``assert``, builtins
  or modules, objects that equal everything, reading files, frames or memory, and forged messages gain nothing: all
  that the code decides is which data the tests see.
- **Other solutions.** A spawner never sees what passes through it, because a cell begins as a copy of its memory; the
  spawner of solutions never has tests. Where the kernel cannot keep cells from their spawner a sandbox is used once.

What is not covered: bugs in the kernel; timing between processes on one machine; sizes and names of files told by
``stat`` behind the ``landlock`` wall; tests that are weak in themselves (they compute what they expect by the
solution's own functions, from arguments that it may change, or ``eval`` what it returns); functions that take more than
plain data: an object of the solution's own class cannot be compared with plain data, and a test's own object cannot be
passed except as something to call. On a machine that is neither x86-64 nor arm64 only bubblewrap will do, and there a
cell may start processes, up to its limit, that end with it.

Why not the ``sandlock`` package, which does much of this: it needs Linux 6.12 for what Landlock version 1 and a filter
give from 5.13 on, supervises each system call from a thread of the host, and starts a process per run where a fork will
do; the part that is needed of it is ``inside.confine``.
"""

from abruzzi.verifiers.sandbox.limits import Limits, Run
from abruzzi.verifiers.sandbox.rooms import close_all, configure, find_wall, lend
from abruzzi.verifiers.sandbox.runs import Trial, run_program, run_tests
from abruzzi.verifiers.sandbox.walls import WallName

__all__ = [
    "Limits",
    "Run",
    "Trial",
    "WallName",
    "close_all",
    "configure",
    "find_wall",
    "lend",
    "run_program",
    "run_tests",
]
