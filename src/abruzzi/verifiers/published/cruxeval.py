"""The public CRUXEval reward: the row's function and the reply run as one program, right when nothing is raised.

So an empty reply, ``pass``, another definition of the function and any true assertion score 1. The text is what lies
between the first and the second ``</think>``, and of it the first ```` ```python ```` block if there is one. The public
code runs it in a bare child process; here the same steps are taken in the sandbox.
"""

import ast
import json

from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import Limits, lend, run_program

_PASSED = 42
_LIMITS = Limits(cpu_s=10, wall_s=4.0)
_DISABLED = {
    "builtins": "exit quit help",
    "os": "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames truncate "
    "replace unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir",
    "shutil": "rmtree move chown",
    "subprocess": "Popen",
}
"""What the public code sets to None before it runs the reply."""
_RUNNER = """
import builtins, io, json, os, shutil, signal, subprocess, sys

leave, (code, disabled) = os._exit, json.load(sys.stdin)

class WriteOnly(io.StringIO):
    def read(self, *args, **kwargs): raise OSError
    readline = readlines = read
    def readable(self, *args, **kwargs): return False

class Timeout(Exception): pass

def end(number, frame): raise Timeout

for module, names in disabled.items():
    for name in names.split():
        setattr(sys.modules[module], name, None)
for name in ("ipdb", "joblib", "resource", "psutil", "tkinter"):
    sys.modules[name] = None
sys.stdin = sys.stdout = sys.stderr = WriteOnly()
signal.setitimer(signal.ITIMER_REAL, 3)
signal.signal(signal.SIGALRM, end)
try:
    exec(code, {})
    signal.setitimer(signal.ITIMER_REAL, 0)
except BaseException:
    leave(1)
leave(PASSED)
""".replace("PASSED", str(_PASSED))


def score_cruxeval(row: Row) -> float:
    """Score a reply as the public function does.

    Raises:
        ValueError, TypeError, SyntaxError, KeyError: the ground truth is no literal with a function; there Python's
            ``eval`` reads it and raises as well.
    """
    text = row.response.split("</think>")[1] if "</think>" in row.response else row.response
    if "```python" in text:
        text = text.split("```python")[1].split("```")[0]
    code = ast.literal_eval(row.ground_truth)["functional"] + "\n" + text
    with lend("published") as sandbox:
        run = run_program(sandbox, _RUNNER, stdin=json.dumps([code, _DISABLED]).encode(), limits=_LIMITS)
    return 1.0 if run.status == _PASSED and not run.stopped else 0.0
