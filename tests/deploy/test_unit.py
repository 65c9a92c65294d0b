"""The systemd unit: no rights, keys read again on reload, the state where the program looks for it."""

import re

from tests.deploy.files import UNIT

SET = dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))


def test_the_service_has_no_rights() -> None:
    assert SET["CapabilityBoundingSet"] == ""
    assert SET["NoNewPrivileges"] == SET["PrivateUsers"] == "yes"
    assert SET["ProtectSystem"] == "strict"
    assert SET["User"] == "abruzzi"


def test_the_process_can_be_measured() -> None:
    assert "ProcSubset" not in SET, "without /proc/stat there is no CPU and no memory on /metrics"


def test_its_state_is_the_programs_home() -> None:
    assert SET["StateDirectory"] == "abruzzi"
    assert SET["WorkingDirectory"] == "/var/lib/abruzzi"
    assert "ABRUZZI_HOME=/var/lib/abruzzi" in SET["Environment"].split()


def test_reload_is_the_signal_that_reads_the_keys_again() -> None:
    assert SET["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert SET["KillMode"] == "mixed", "the workers of the process pool are the server's to end"
