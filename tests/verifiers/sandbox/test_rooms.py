import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from abruzzi.errors import SandboxError
from abruzzi.verifiers.sandbox import Limits, WallName, close_all, configure, find_wall, lend, run_program
from abruzzi.verifiers.sandbox.interpreter import find_interpreter, own_interpreter
from tests.verifiers.sandbox.walls import need_any, need_own_python, sandbox_processes


@pytest.fixture(autouse=True)
def _as_found() -> object:
    """Leave the process as it was: each test sets how code is sandboxed."""
    yield
    configure()


def say(room: str, text: str) -> bytes:
    with lend(room) as sandbox:
        return run_program(sandbox, f"print({text!r})", limits=Limits()).output


def test_a_sandbox_is_kept_warm_for_the_next() -> None:
    need_any()
    with lend("a") as first:
        pass
    with lend("a") as second:
        assert (second is first) == first.is_reusable


def test_rooms_do_not_share_sandboxes_and_a_lent_one_is_not_lent_twice() -> None:
    need_any()
    with lend("a") as one, lend("b") as two, lend("a") as three:
        assert len({id(one), id(two), id(three)}) == 3


def test_closing_leaves_no_process() -> None:
    need_any()
    close_all()
    before = sandbox_processes()
    assert say("a", "x") == b"x\n"
    close_all()
    assert sandbox_processes() == before


def test_a_sandbox_in_which_something_went_wrong_is_not_lent_again() -> None:
    need_any()
    with pytest.raises(KeyboardInterrupt), lend("a") as first:
        raise KeyboardInterrupt
    assert not first.is_alive
    with lend("a") as second:
        assert second is not first


def kill_sandboxes() -> None:
    killed = sandbox_processes()
    for process in killed:
        with suppress(ProcessLookupError):  # ended with the one before
            os.kill(process, signal.SIGKILL)
    while sandbox_processes() or any(map(is_running, killed)):
        time.sleep(0.01)


def is_running(process: int) -> bool:
    """A dying process loses its command line before it lets go of its sockets; only then is it a zombie, or gone."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_a_sandbox_that_died_while_idle_is_replaced() -> None:
    need_any()
    assert say("a", "x") == b"x\n"
    kill_sandboxes()
    assert say("a", "y") == b"y\n"


def test_a_sandbox_that_dies_at_work_is_an_error_and_no_hang() -> None:
    need_any()
    killer = threading.Timer(0.5, kill_sandboxes)
    with lend("a") as sandbox:
        killer.start()
        with pytest.raises(SandboxError, match="failed: "):
            run_program(sandbox, "while True: pass", limits=Limits())
    killer.join()
    assert say("a", "z") == b"z\n"


def test_a_fork_of_this_process_starts_its_own_and_leaves_ours_alone() -> None:
    need_any()
    assert say("a", "x") == b"x\n"
    ours = sandbox_processes()
    pid = os.fork()
    if not pid:
        done = say("a", "child") == b"child\n"
        close_all()
        os._exit(0 if done else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sandbox_processes() == ours
    assert say("a", "y") == b"y\n"


def test_where_nothing_holds_it_says_so_and_how_to_get_something() -> None:
    configure(python="/no/such/python")
    with pytest.raises(SandboxError, match=r"no such python|does not answer") as caught:
        find_wall()
    assert "bubblewrap:" in str(caught.value)
    assert "landlock:" in str(caught.value)
    assert "apt-get install bubblewrap" in str(caught.value)
    assert "--unsafe" in str(caught.value)


def test_no_wall_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(SandboxError):
        configure(wall=WallName.NONE)


def test_unsafe_runs_with_a_loud_warning() -> None:
    with pytest.warns(RuntimeWarning, match="UNSAFELY"):
        configure(wall=WallName.NONE, unsafe=True)
    assert find_wall() is WallName.NONE
    assert say("a", "x") == b"x\n"


def test_unsafe_changes_nothing_where_a_wall_holds() -> None:
    need_any()
    configure(unsafe=True)
    assert find_wall() is not WallName.NONE


def test_a_package_that_is_not_there_is_a_reason() -> None:
    need_own_python()
    script = (
        "from abruzzi.verifiers.sandbox.probe import probe\nfrom abruzzi.verifiers.sandbox import WallName\n"
        "print(probe(WallName.BUBBLEWRAP, None))"
    )
    environment = {**os.environ, "PATH": "/nowhere"}
    said = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
    assert said == "the program bwrap is not installed\n"


def test_an_interpreter_that_is_too_old_or_missing_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho '[[3, 8], \"/usr/bin/python3.8\", [], []]'\n")
    old.chmod(0o755)
    with pytest.raises(SandboxError, match=r"Python 3\.8"):
        find_interpreter(str(old), must_be_public=False)
    with pytest.raises(SandboxError, match="does not answer"):
        find_interpreter(str(tmp_path / "none"), must_be_public=False)


def test_an_interpreter_that_only_its_owner_reaches_is_not_for_roots_landlock(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    hidden = private / "python3"
    hidden.write_text(f"#!/bin/sh\necho '[[3, 11], \"{hidden}\", [], []]'\n")
    hidden.chmod(0o755)
    with pytest.raises(SandboxError, match="only its owner"):
        find_interpreter(str(hidden), must_be_public=True)


def test_the_interpreter_is_the_real_file_and_opens_no_home_folder() -> None:
    need_own_python()
    found = own_interpreter()
    assert not Path(found.executable).is_symlink()
    assert Path.home() not in [Path(path) for path in found.readable]
    assert all(Path(path).exists() for path in found.readable)
    assert sys.version_info[:2] >= (3, 11)
