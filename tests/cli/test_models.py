"""``abruzzi models``."""

from pathlib import Path

from tests.cli.running import run
from tests.faultserver import FaultServer, Traits


def test_list_shows_every_form_that_a_spec_may_have(tmp_path: Path) -> None:
    from abruzzi.models.specs import FORMS

    shown = run(tmp_path, "models", "list").out
    assert all(form in shown for form in FORMS if not form.startswith("https"))


def test_list_shows_what_an_endpoint_serves(tmp_path: Path) -> None:
    cards = ({"id": "small", "max_model_len": 4096}, {"id": "large"})
    with FaultServer([], Traits(models=cards)) as server:
        shown = run(tmp_path, "models", "list", server.base_url)
    assert shown.code == 0
    assert "4,096" in shown.out
    assert "large" in shown.out


def test_where_says_how_to_fetch_what_is_not_here(tmp_path: Path) -> None:
    done = run(tmp_path, "models", "where", env={"PYTHONPATH": ""})
    assert done.code == 1
    assert "abruzzi models fetch" in done.err


def test_fetch_refuses_what_has_no_weights(tmp_path: Path) -> None:
    done = run(tmp_path, "models", "fetch", "http://localhost:1/v1")
    assert done.code == 2
    assert "no weights to fetch" in done.err


def test_offline_at_first_use_is_one_clear_line(tmp_path: Path) -> None:
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}
    done = run(tmp_path, "ask", "What is 17 + 25?", env=offline)
    assert done.code == 1
    assert len(done.err.strip().splitlines()) <= 2
    assert "Traceback" not in done.err
