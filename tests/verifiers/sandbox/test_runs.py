"""What both walls hold, what a program is, and what passes between tests and solution."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from abruzzi.verifiers.sandbox import Limits, Run, Trial, WallName, run_program, run_tests
from abruzzi.verifiers.sandbox.probe import open_sandbox
from abruzzi.verifiers.sandbox.sandbox import Sandbox
from tests.verifiers.sandbox.walls import TIGHT, WALLS, need, need_any, need_own_python, sandbox_processes, why_not

NODE = """
class Node:
    def __init__(self, value=0, next=None):
        self.value, self.next = value, next

def chain(values):
    first = None
    for value in reversed(values):
        first = Node(value, first)
    return first

def values(node):
    found = []
    while node:
        found.append(node.value)
        node = node.next
    return found
"""


@pytest.fixture(scope="module", params=WALLS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    need(request.param)
    opened = open_sandbox(request.param, None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Sandbox, Sandbox]]:
    """Two sandboxes behind the strongest wall that there is."""
    need_any()
    wall = next(wall for wall in WALLS if not why_not(wall))
    sandboxes = open_sandbox(wall, None), open_sandbox(wall, None)
    yield sandboxes
    for opened in sandboxes:
        opened.close()


def run(sandbox: Sandbox, source: str, stdin: str = "", limits: Limits = TIGHT) -> Run:
    return run_program(sandbox, source, stdin=stdin.encode(), limits=limits)


def try_tests(pair: tuple[Sandbox, Sandbox], source: str, tests: str, prefix: str = "") -> Trial:
    return run_tests(*pair, source=source, tests=tests, prefix=prefix, limits=replace(TIGHT, cpu_s=5, wall_s=20))


def test_a_program_reads_and_writes(sandbox: Sandbox) -> None:
    done = run(sandbox, "import sys\nprint(input()[::-1])\nprint(sys.stdin.read(), end='')", "abc\nrest\n")
    assert done.output == b"cba\nrest\n"
    assert done.is_success
    assert done.failure == ""


@pytest.mark.parametrize(
    "source",
    [
        "print(open(0).read())",
        "print(open('/dev/stdin').read())",
        "import sys; print(sys.stdin.buffer.read().decode())",
    ],
)
def test_every_way_to_standard_input_works(sandbox: Sandbox, source: str) -> None:
    assert run(sandbox, source, "text").output == b"text\n"


def test_an_empty_input_is_an_empty_input(sandbox: Sandbox) -> None:
    assert run(sandbox, "import sys; print(repr(sys.stdin.read()))").output == b"''\n"
    assert run(sandbox, "input()").failure == "EOFError: EOF when reading a line"


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("pass", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('no')", 1),
        ("import sys; sys.exit(256)", 0),
        ("raise SystemExit(True)", 1),
        ("import os; os._exit(5)", 5),
        ("1 / 0", 1),
        ("this is no Python", 1),
        ("import sys; sys.stdout.close()", 0),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_a_program_ends_as_python_would_end_it(sandbox: Sandbox, source: str, status: int) -> None:
    assert run(sandbox, source).status == status


def test_what_runs_late_is_waited_for(sandbox: Sandbox) -> None:
    source = (
        "import atexit, threading, time\n"
        "atexit.register(print, 'last')\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "print('main')"
    )
    assert run(sandbox, source).output == b"main\nthread\nlast\n"


@pytest.mark.parametrize(
    "source",
    [
        "import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint('x')",
        "import sys, io\nout, sys.stdout = sys.stdout, io.StringIO()\nprint('lost')\nout.write('x\\n')",
        "out = open(1, 'w')\nout.write('x\\n')",
        "import io\nout = io.BufferedWriter(io.FileIO(1, 'w'))\nout.write(b'x\\n')",
    ],
)
def test_whatever_a_program_writes_to_is_written_out(sandbox: Sandbox, source: str) -> None:
    assert run(sandbox, source).output == b"x\n"


def test_a_thread_may_have_a_large_stack(sandbox: Sandbox) -> None:
    source = (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 28)\n"
        "def depth(n): return 0 if n == 0 else 1 + depth(n - 1)\n"
        "threading.Thread(target=lambda: print(depth(50_000))).start()"
    )
    assert run(sandbox, source, limits=replace(TIGHT, memory_bytes=2 << 30, cpu_s=5, wall_s=10)).output == b"50000\n"


def test_files_are_put_beside_a_program(sandbox: Sandbox) -> None:
    files = {"other.py": "value = 41", "data.txt": "1"}
    source = "import other\nprint(other.value + int(open('data.txt').read()))"
    assert run_program(sandbox, source, files=files, limits=TIGHT).output == b"42\n"


def test_the_order_of_a_set_is_always_the_same(sandbox: Sandbox) -> None:
    source = "print(list({'a', 'b', 'c', 'd', 'e', 'f'}))"
    other = open_sandbox(sandbox.wall, None)
    try:
        assert run(sandbox, source).output == run(other, source).output
    finally:
        other.close()


BOUNDS = {
    "ran for more than": ("import time; time.sleep(60)", replace(TIGHT, wall_s=0.3)),
    "used more than 1 s of CPU time": ("while True: pass", replace(TIGHT, wall_s=20)),
    "wrote more than 1048576 bytes": ("while True: print('x' * 1000)", TIGHT),
    "MemoryError": ("x = bytearray(1 << 30)", TIGHT),
    "kept more than 64 files": ("import time\nfor i in range(65): open(str(i), 'w')\ntime.sleep(60)", TIGHT),
    "OSError: [Errno 27] File too large": ("open('x', 'wb').write(bytes(5 << 20))", TIGHT),
    "kept more than": (
        "import time\nfor i in range(9): open(str(i), 'wb').write(bytes(1 << 19))\ntime.sleep(60)",
        TIGHT,
    ),
    "RuntimeError: can't start new thread": (
        "import threading, time\nfor _ in range(5000):\n"
        "    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        replace(TIGHT, memory_bytes=8 << 30),
    ),
}


@pytest.mark.parametrize("reason", BOUNDS)
def test_each_limit_ends_a_program_and_says_so(sandbox: Sandbox, reason: str) -> None:
    source, limits = BOUNDS[reason]
    assert reason in run(sandbox, source, limits=limits).failure
    assert run(sandbox, "print(1)").output == b"1\n", "the next one is not affected"


def test_nothing_passes_from_one_cell_to_the_next(sandbox: Sandbox) -> None:
    left = (
        "import math, builtins, os\nopen('left', 'w').write('MARK-OF-THE-FIRST')\nmath.pi = 3\nbuiltins.len = None\n"
        "os.environ['LEFT'] = '1'\nprint('MARK-OF-THE-FIRST' + input())"
    )
    run(sandbox, left, "MARK-OF-ITS-INPUT")
    look = (
        "import gc, math, os\n"
        "held = [o for o in gc.get_objects() if type(o) in (dict, list) and 'MARK-OF' + '-THE' in repr(o)[:10**5]]\n"
        "print(os.listdir('.'), round(math.pi, 2), len('abc'), 'LEFT' in os.environ, held)"
    )
    assert run(sandbox, look).output == b"[] 3.14 3 False []\n"


SCAN = """
import ctypes, os, re
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
pattern = re.compile(rb"NEEDLE-[0-9a-f]{12}")
reader, writer = os.pipe()
found = 0

def scan(start, end):
    global found
    resident = ctypes.create_string_buffer(1)
    for page in range(start, end, 4096):
        if libc.mincore(ctypes.c_void_p(page), ctypes.c_size_t(4096), resident) == 0:
            if libc.write(writer, ctypes.c_void_p(page), ctypes.c_size_t(4096)) == 4096:
                found += len(pattern.findall(os.read(reader, 4096)))

arena = id(ctypes) & ~4095
fresh = id(bytes(300)) & ~4095
heap_end = libc.sbrk(0)
scan(min(arena, fresh) - (1 << 26), max(arena, fresh) + (1 << 26))
scan(heap_end - (1 << 25) & ~4095, heap_end)
print(found)
"""


def test_a_spawner_never_holds_what_passes_by_it(sandbox: Sandbox) -> None:
    """Each cell begins as a copy of its memory: look through that for what an earlier cell was given."""
    patient = replace(TIGHT, cpu_s=10, wall_s=30)
    needle = "NEEDLE-0123456789ab"
    run(sandbox, f"x = '{needle}' * 1000\nprint(input(), x)", needle * 1000)
    assert run(sandbox, SCAN, limits=patient).output == b"0\n"
    assert (
        int(run(sandbox, f"x = ['{needle[:9]}' + '{needle[9:]}' for _ in range(9)]{SCAN}", limits=patient).output) > 0
    )


FUNCTIONS = {
    "results of every plain type": (
        "def f(n): return [None, True, 1.5, 'é', b'x', (1, [2]), {3: {4}}, 10**50, frozenset({5})][n]",
        "assert [f(n) for n in range(9)] == [None, True, 1.5, 'é', b'x', (1, [2]), {3: {4}}, 10**50, frozenset({5})]",
    ),
    "a list sorted in place": ("def f(x): x.sort()", "x = [3, 1, 2]\nassert f(x) is None\nassert x == [1, 2, 3]"),
    "a grid changed in place": (
        "def f(grid):\n    for row in grid: row[:] = row[::-1]",
        "grid = [[1, 2], [3, 4]]\nrow = grid[0]\nf(grid)\nassert grid == [[2, 1], [4, 3]] and grid[0] is row",
    ),
    "a method": (
        "class Solution:\n    def f(self, a, b=2): return a * b",
        "assert Solution().f(3) == 6 and Solution().f(b=1, a=5) == 5",
    ),
    "an object with state": (
        "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
        "    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)",
        "s = Stack()\ns.push(1); s.push(2)\nassert s.pop() == 2 and len(s) == 1 and s.items == [1]",
    ),
    "objects of its own handed back": (
        "class P:\n    def __init__(self, x): self.x = x\ndef total(ps): return sum(p.x for p in ps)",
        "assert total([P(1), P(2)]) == 3",
    ),
    "its own objects compared": (
        "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x",
        "assert P(1) == P(1) and P(1) != P(2)",
    ),
    "a generator": ("def f(n):\n    for i in range(n): yield i * i", "assert list(f(4)) == [0, 1, 4, 9]"),
    "an endless generator": (
        "def f():\n    n = 0\n    while True: yield n; n += 1",
        "from itertools import islice\nassert list(islice(f(), 3)) == [0, 1, 2]",
    ),
    "a standard exception": (
        "def f(x): raise ValueError('bad', x)",
        "try: f(1)\nexcept ValueError as e: assert e.args == ('bad', 1)\nelse: assert False",
    ),
    "an exception of its own": (
        "class Bad(KeyError): pass\ndef f(x): raise Bad(x)",
        "try: f(1)\nexcept Bad: pass\nelse: assert False\ntry: f(1)\nexcept LookupError: pass",
    ),
    "a function passed to it": ("def f(g, x): return g(g(x))", "assert f(lambda v: v + 1, 5) == 7"),
    "a function of Python passed to it": (
        "def f(key, xs): return sorted(xs, key=key)",
        "assert f(abs, [-3, 1, -2]) == [1, -2, -3]",
    ),
    "a function that it gives": ("def f(n):\n    return lambda x: x + n", "assert f(2)(3) == 5"),
    "an exception out of a function passed to it": (
        "def f(g):\n    try: g()\n    except ValueError: return 'caught'",
        "def g(): raise ValueError\nassert f(g) == 'caught'",
    ),
    "a name that Python has too": ("def sum(a, b): return a + b", "assert sum(1, 2) == 3"),
    "what the tests print is not its concern": ("def f(): print('x' * 10)", "print('y')\nassert f() is None"),
    "unittest": (
        "def f(x): return x + 1",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)\n"
        "unittest.main(argv=['t'])",
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tests_and_solution_understand_one_another(pair: tuple[Sandbox, Sandbox], name: str) -> None:
    assert try_tests(pair, *FUNCTIONS[name]) == Trial(True, "")


def test_classes_of_the_prefix_pass_by_value(pair: tuple[Sandbox, Sandbox]) -> None:
    source = (
        "def reverse(node):\n    last = None\n"
        "    while node: node.next, last, node = last, node, node.next\n    return last"
    )
    tests = (
        "first = chain([1, 2, 3])\nlast = reverse(first)\n"
        "assert values(last) == [3, 2, 1]\nassert last.next.next is first"
    )
    assert try_tests(pair, source, tests, NODE).passed


def test_a_solution_may_bring_its_own_copy_of_a_class_of_the_prefix(pair: tuple[Sandbox, Sandbox]) -> None:
    source = NODE.partition("def chain")[0] + "\ndef double(node): return Node(node.value * 2)"
    assert try_tests(pair, source, "assert values(double(chain([4]))) == [8]", NODE).passed


def test_a_solution_cannot_replace_helpers_of_the_prefix(pair: tuple[Sandbox, Sandbox]) -> None:
    source = "def values(node): return [3, 2, 1]\ndef chain(values): return None\ndef reverse(node): return None"
    assert not try_tests(pair, source, "assert values(reverse(chain([1, 2, 3]))) == [3, 2, 1]", NODE).passed


WRONG = {
    "failed at: assert f(1) == 3": ("def f(x): return x", "assert f(1) == 3"),
    "raised NameError: name 'f' is not defined": ("def g(x): return x", "assert f(1) == 3"),
    "raised ZeroDivisionError: division by zero at: assert f(1) == 3": ("def f(x): return 1 / 0", "assert f(1) == 3"),
    "the code does not load: SyntaxError": ("def f(x) return x", "assert f(1) == 3"),
    "the solution ran for more than": ("import time\ndef f(x): time.sleep(60)", "assert f(1) == 3"),
    "raised MemoryError": ("def f(x): return bytearray(1 << 40)", "assert f(1) == 3"),
    "raised TypeError": ("def f(x): return f", "assert abs(f(1) - 3) < 1e-6"),
    "the tests ended with 1": ("def f(x): return x", "import sys\nsys.exit(f(1))"),
}


@pytest.mark.parametrize("reason", WRONG)
def test_a_failure_says_what_failed(pair: tuple[Sandbox, Sandbox], reason: str) -> None:
    trial = run_tests(*pair, source=WRONG[reason][0], tests=WRONG[reason][1], limits=replace(TIGHT, wall_s=1))
    assert trial.reason.startswith(reason)
    assert not trial.passed
    assert not trial.is_fault


@pytest.mark.parametrize(
    "tests", ["import no_such_module\nassert f(1) == 1", "assert True", "assert sum([1]) == 1", "assert f(1) =="]
)
def test_tests_that_judge_nothing_are_at_fault(pair: tuple[Sandbox, Sandbox], tests: str) -> None:
    trial = try_tests(pair, "def f(x): return x", tests)
    assert trial.is_fault
    assert not trial.passed


@pytest.mark.parametrize(("value", "passed"), [(3, True), (4, False)])
def test_tests_may_import_the_solution(pair: tuple[Sandbox, Sandbox], value: int, passed: bool) -> None:
    tests = f"from solution import add\nimport solution\nassert solution.add is add\nassert add(1, 2) == {value}"
    assert try_tests(pair, "def add(a, b): return a + b", tests).passed is passed


def test_a_host_that_is_killed_takes_everything_along() -> None:
    need(WallName.LANDLOCK)
    need_own_python()
    script = (
        "import sys\nfrom abruzzi.verifiers.sandbox.probe import open_sandbox\n"
        "from abruzzi.verifiers.sandbox import Limits, WallName\n"
        "sandbox = open_sandbox(WallName.LANDLOCK, None)\n"
        "sandbox.start('program', {'source': 'while True: pass', 'files': {}}, limits=Limits())\n"
        "print(sandbox.folder, flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        folder = Path(host.stdout.readline().strip())
        assert folder.exists()
        wait_until(lambda: len(sandbox_processes(host.pid)) == 2)  # the spawner and its cell
        host.kill()
    wait_until(lambda: not sandbox_processes(host.pid) and not folder.exists())


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_sandboxes_work_side_by_side_in_threads(pair: tuple[Sandbox, Sandbox]) -> None:
    outputs: dict[int, list[bytes]] = {0: [], 1: []}

    def work(number: int) -> None:
        for turn in range(20):
            outputs[number].append(run(pair[number], f"print({number}, {turn})").output)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: [f"{number} {turn}\n".encode() for turn in range(20)] for number in (0, 1)}


def test_a_cell_has_no_open_descriptor_but_its_own(sandbox: Sandbox) -> None:
    source = (
        "import os, json\nfound = []\nfor fd in range(64):\n"
        "    try: os.fstat(fd); found.append(fd)\n    except OSError: pass\nprint(json.dumps(found))"
    )
    assert json.loads(run(sandbox, source).output) == [0, 1, 2]


def test_a_cell_is_not_root(sandbox: Sandbox) -> None:
    uid = int(run(sandbox, "import os; print(os.getuid())").output)
    assert uid != 0
    assert uid == os.getuid() or os.getuid() == 0
