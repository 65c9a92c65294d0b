"""``abruzzi keys``: a key is shown once, on stdout alone; the file is found or named."""

from pathlib import Path

from abruzzi.cli.wiring import ASK_TABLES
from abruzzi.config import read_toml
from abruzzi.serving.key_file import hash_key, read_keys
from tests.cli.running import run


def test_a_key_is_made_listed_rotated_and_removed(tmp_path: Path) -> None:
    added = run(tmp_path, "keys", "add", "ann", "--tokens-per-day", "5000")
    assert added.code == 0, added.err
    key = added.out.strip()
    file = tmp_path / "keys.toml"
    (stored,) = read_keys(file)
    assert (stored.name, stored.digests, stored.limits) == ("ann", (hash_key(key),), {"tokens_per_day": 5000})
    assert key not in added.err
    assert str(file) in added.err

    assert run(tmp_path, "keys", "add", "ann", "--rotate").code == 0
    listed = run(tmp_path, "keys", "list")
    assert listed.out.split() == [
        *("name", "keys", "newest", "limits", "of", "its", "own"),
        *("ann", "2", stored.created, "tokens_per_day", "5,000"),
    ]
    assert key not in listed.out
    assert hash_key(key) not in listed.out

    assert run(tmp_path, "keys", "remove", "ann", "--but-newest").out.startswith("1 key of ann removed")
    assert run(tmp_path, "keys", "remove", "ann").code == 0
    assert read_keys(file) == ()


def test_the_settings_name_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "abruzzi.toml").write_text('[serve]\nkeys_file = "team.json"\n')
    assert run(tmp_path, "keys", "add", "ann", cwd=tmp_path).code == 0
    assert [key.name for key in read_keys(tmp_path / "team.json")] == ["ann"]
    assert run(tmp_path, "keys", "add", "bob", "--file", "other.toml", cwd=tmp_path).code == 0
    assert [key.name for key in read_keys(tmp_path / "other.toml")] == ["bob"]
    # The other commands let the server's table stand.
    assert "serve" in read_toml(tmp_path / "abruzzi.toml", ASK_TABLES)


def test_mistakes_are_one_line_and_code_2(tmp_path: Path) -> None:
    for arguments in (["add", "../x"], ["add", "a", "--concurrent", "-1"], ["list"]):
        done = run(tmp_path, "keys", *arguments)
        assert done.code == 2, arguments
        assert done.err.startswith("abruzzi: ")
        assert done.err.count("\n") == 1
        assert done.out == ""
