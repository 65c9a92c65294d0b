"""The file of hashed keys: what is written is read again, nothing of a key is in it or in a message about it."""

import stat
import threading
from pathlib import Path

import pytest

from abruzzi.errors import ConfigError, RecordError
from abruzzi.serving.key_file import (
    StoredKey,
    add_key,
    check_name,
    default_keys_file,
    hash_key,
    make_key,
    read_keys,
    remove_key,
)

DIGEST = hash_key("abz-a")
TODAY = "2026-11-29"


def test_the_digest_is_sha_256() -> None:
    # FIPS 180-2, example B.1.
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_keys_are_long_random_and_recognisable() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    # 32 bytes in base64 are 43 characters.
    assert all(key.startswith("abz-") and len(key) == 47 for key in keys)


@pytest.mark.parametrize("name", ["keys.toml", "keys.json"])
def test_what_is_added_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / name
    first = add_key(path, "ann@example.org", {"tokens_per_day": 5, "concurrent": 0}, today=TODAY)
    second = add_key(path, "bob", {}, today=TODAY)
    assert read_keys(path) == (
        StoredKey("ann@example.org", (hash_key(first),), TODAY, {"concurrent": 0, "tokens_per_day": 5}),
        StoredKey("bob", (hash_key(second),), TODAY, {}),
    )
    text = path.read_text()
    assert first not in text
    assert second not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_is_rotated_without_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    old = add_key(path, "ann", {"concurrent": 2}, today="2026-01-01")
    new = add_key(path, "ann", {"tokens_per_day": 9}, today=TODAY, rotate=True)
    limits = {"concurrent": 2, "tokens_per_day": 9}
    assert read_keys(path) == (StoredKey("ann", (hash_key(old), hash_key(new)), TODAY, limits),)
    assert remove_key(path, "ann", but_newest=True) == 1
    assert read_keys(path) == (StoredKey("ann", (hash_key(new),), TODAY, limits),)
    assert remove_key(path, "ann") == 1
    assert read_keys(path) == ()


def test_names_are_not_confused(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    add_key(path, "ann", {}, today=TODAY)
    with pytest.raises(ConfigError, match="has a key already"):
        add_key(path, "ann", {}, today=TODAY)
    with pytest.raises(ConfigError, match="no key yet; did you mean 'ann'"):
        add_key(path, "anna", {}, today=TODAY, rotate=True)
    with pytest.raises(ConfigError, match="no key of 'anna'"):
        remove_key(path, "anna")
    with pytest.raises(ConfigError, match="cannot read"):
        remove_key(tmp_path / "other.toml", "ann")


@pytest.mark.parametrize("name", ["", "local", "a b", "../a", 'a"]', "a\nb", "-a", "x" * 65, "ä"])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot name a key|choose another"):
        check_name(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "not valid TOML"),
        ("[keyz.ann]\nsha256 = 'x'", "'keyz'"),
        ("keys = 3", "keys is no table"),
        ("[keys]\nann = 'abz-secret-of-ann-0000'", "keys.ann is no table"),
        ("[keys.ann]\nsha256 = 'abz-secret-of-ann-0000'", "not a SHA-256 digest"),
        ("[keys.ann]\nsha256 = ['abz-secret-of-ann-0000']", "not a SHA-256 digest"),
        ("[keys.ann]\nsha256 = []", "not a SHA-256 digest"),
        ("[keys.ann]\n", "not a SHA-256 digest"),
        ("[keys.ann]\nsha256 = abz-secret-of-ann-0000\n", "not valid TOML: see line 2"),
        (f"[keys.ann]\nsha256 = '{DIGEST}'\nconcurent = 1", "unknown setting 'concurent'; did you mean 'concurrent'"),
        (f"[keys.ann]\nsha256 = '{DIGEST}'\nconcurrent = 'abz-secret-of-ann-0000'", "whole number"),
        (f"[keys.ann]\nsha256 = '{DIGEST}'\nconcurrent = true", "whole number"),
        (f"[keys.ann]\nsha256 = '{DIGEST}'\nconcurrent = -1", "whole number"),
        (f"[keys.ann]\nsha256 = '{DIGEST}'\n[keys.bob]\nsha256 = '{DIGEST}'", "'bob' stands there twice"),
        (f"[keys.local]\nsha256 = '{DIGEST}'", "choose another"),
        ("[keys.ann]\nsha256 = 'abz-secret-of-ann-0000", "not valid TOML"),
    ],
)
def test_a_broken_file_is_explained_without_its_values(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_keys(path)
    assert message in str(caught.value)
    assert "secret-of-ann" not in str(caught.value)
    assert "secret-of-ann" not in repr(caught.value.__cause__)


def test_other_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"keys": {"ann": "abz-secret-of-ann-0000"')
    with pytest.raises(ConfigError, match="not valid JSON") as caught:
        read_keys(path)
    assert "secret-of-ann" not in str(caught.value)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not text"):
        read_keys(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot read"):
        read_keys(path)


def test_one_digest_may_stand_alone_without_a_list(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f"[keys.ann]\nsha256 = '{DIGEST}'  # by hand\n")
    assert read_keys(path) == (StoredKey("ann", (DIGEST,), "", {}),)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write the file of keys"):
        add_key(tmp_path / "file" / "keys.toml", "ann", {}, today=TODAY)


def test_editors_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    # Each editor opens the lock for itself, so threads meet as processes would.
    editors = [threading.Thread(target=_add_some, args=(path, who)) for who in ("a", "b")]
    for editor in editors:
        editor.start()
    for editor in editors:
        editor.join()
    assert {key.name for key in read_keys(path)} == {f"{who}{i}" for who in ("a", "b") for i in range(5)}


def _add_some(path: Path, who: str) -> None:
    for i in range(5):
        add_key(path, f"{who}{i}", {}, today=TODAY)


def test_the_home_folder_decides_where_keys_are_kept(tmp_path: Path) -> None:
    assert default_keys_file({"ABRUZZI_HOME": str(tmp_path)}) == tmp_path / "keys.toml"
    assert default_keys_file({}).name == "keys.toml"
