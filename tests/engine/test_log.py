import subprocess
import sys
import threading
import time
from pathlib import Path

from abruzzi.engine.log import EngineLog


def test_what_another_process_writes_is_read_since_the_mark_and_nothing_is_overwritten(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "new/engine.log")

    def write(text: str) -> None:
        subprocess.run([sys.executable, "-c", f"import sys; sys.stderr.write({text!r})"], check=True, stderr=log.file)

    write("one\n")
    assert log.tail(5) == ["one"]
    log.mark()
    write("two\nthree\n")
    assert log.tail(5) == ["two", "three"]
    write("four\n")
    assert log.tail(2) == ["three", "four"]
    log.close()
    assert log.tail(2) == []
    assert (tmp_path / "new/engine.log").read_text() == "one\ntwo\nthree\nfour\n"


def test_reading_while_a_child_writes_loses_nothing(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "log")
    script = (
        "import sys, time\nfor n in range(300): sys.stderr.write(f'{n}\\n'); sys.stderr.flush(); time.sleep(0.0005)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=log.file) as child:
        readers = [threading.Thread(target=read_until_gone, args=(log, child)) for _ in range(2)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert log.tail(1000) == [str(n) for n in range(300)]
    log.close()


def read_until_gone(log: EngineLog, child: "subprocess.Popen[bytes]") -> None:
    while child.poll() is None:
        log.tail(3)
        time.sleep(0.001)
