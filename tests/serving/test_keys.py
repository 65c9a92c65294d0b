"""Who asks: keys from the environment and the file, reloaded while serving, and never shown."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from abruzzi.errors import ConfigError
from abruzzi.serving.key_file import add_key, hash_key, remove_key
from abruzzi.serving.keys import HashedRing, Key, KeyRing, Reload, open_ring, parse_keys
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.settings import KeyLimits, LimitSettings, ServeSettings

TODAY = "2026-11-29"
SECRET = "sk-0123456789abcdef"


@dataclass
class Clock:
    """Seconds that pass when told."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Fixture:
    """A ring over a file, with its clock and what it told."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    told: list[Reload] = field(default_factory=list[Reload])

    def open(self, env: str = "", limits: KeyLimits | None = None) -> KeyRing:
        settings = ServeSettings(keys_file=self.path, limits=LimitSettings(key=limits or KeyLimits()))
        return open_ring(settings, {"ABRUZZI_API_KEYS": env}, tell=self.told.append, clock=self.clock)


@pytest.fixture
def kept(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path / "keys.toml")


def bearer(key: str) -> str:
    return f"Bearer {key}"


def refused(ring: KeyRing, authorization: str | None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ring.identify(authorization)
    assert (caught.value.status, caught.value.type) == (401, "authentication_error")
    return caught.value


def test_a_key_of_the_file_is_known_with_its_own_limits(kept: Fixture) -> None:
    ann = add_key(kept.path, "ann", {"concurrent": 3}, today=TODAY)
    bob = add_key(kept.path, "bob", {}, today=TODAY)
    ring = kept.open(limits=KeyLimits(requests_per_minute=7))
    assert ring.identify(bearer(ann)) == Key("ann", KeyLimits(requests_per_minute=7, concurrent=3))
    assert ring.identify(bearer(bob)) == Key("bob", KeyLimits(requests_per_minute=7))
    assert ring.identify(f"bearer   {ann} ").name == "ann"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", SECRET, "Bearer no such key", "Bearer ü"]
)
def test_whatever_else_is_sent_is_refused_and_not_repeated(kept: Fixture, header: str | None) -> None:
    add_key(kept.path, "bob", {}, today=TODAY)
    refusal = refused(kept.open(f"ann={SECRET}"), header)
    assert refusal.code == "invalid_api_key"
    assert SECRET not in str(refusal)
    assert "no such key" not in str(refusal)


def test_a_digest_is_no_key(kept: Fixture) -> None:
    key = add_key(kept.path, "ann", {}, today=TODAY)
    refused(kept.open(), bearer(hash_key(key)))


def test_nothing_that_can_be_printed_holds_a_key_or_its_digest(kept: Fixture) -> None:
    key = add_key(kept.path, "ann", {}, today=TODAY)
    ring = kept.open(f"env={SECRET}")
    assert repr(ring) == "HashedRing(['ann', 'env'])"
    shown = repr([ring, vars(ring), ring.identify(bearer(key)), ring.identify(bearer(SECRET))])
    for secret in (key, SECRET, hash_key(key), hash_key(SECRET)):
        assert secret not in shown


def test_keys_of_the_environment() -> None:
    assert parse_keys("") == {}
    assert parse_keys(f" ann={SECRET}, ,{SECRET}2 ") == {
        hash_key(SECRET): "ann",
        hash_key(SECRET + "2"): f"key-{hash_key(SECRET + '2')[:8]}",
    }
    # A key may hold and end in '=' signs.
    assert parse_keys("MTIzNDU2Nzg5MDEyMw==") == {
        hash_key("MTIzNDU2Nzg5MDEyMw=="): "key-" + hash_key("MTIzNDU2Nzg5MDEyMw==")[:8]
    }
    assert list(parse_keys("ann=MTIzNDU2Nzg5MDEyMw==")) == [hash_key("MTIzNDU2Nzg5MDEyMw==")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{SECRET},short-secret", "key 2 of ABRUZZI_API_KEYS is shorter than 16"),
        ("ann=short-secret", "key 1 .* shorter"),
        ("ann=", "key 1 .* shorter"),
        (f"{SECRET},ann={SECRET}", "key 2 .* twice"),
        (f"a n n={SECRET}", "the name before key 1"),
        (f"local={SECRET}", "the name before key 1"),
    ],
)
def test_a_mistake_in_the_environment_is_told_by_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_keys(text)
    assert SECRET not in str(caught.value)
    assert "short-secret" not in str(caught.value)


def test_the_file_is_read_again_when_it_changes_but_looked_at_once_a_second(kept: Fixture) -> None:
    ann = add_key(kept.path, "ann", {}, today=TODAY)
    ring = kept.open()
    bob = add_key(kept.path, "bob", {}, today=TODAY)
    kept.clock.now = 0.9
    refused(ring, bearer(bob))
    kept.clock.now = 1.0
    assert ring.identify(bearer(bob)).name == "bob"
    assert kept.told == [Reload(None, 2)]
    remove_key(kept.path, "ann")
    kept.clock.now = 2.0
    refused(ring, bearer(ann))
    kept.clock.now = 9.0
    refused(ring, bearer(ann))
    assert kept.told == [Reload(None, 2), Reload(None, 1)], "an unchanged file is not read again"


def test_a_broken_file_leaves_the_old_keys_in_force_and_is_told_once(kept: Fixture) -> None:
    ann = add_key(kept.path, "ann", {}, today=TODAY)
    ring = kept.open()
    good = kept.path.read_text()
    kept.path.write_text(good + "[keys.b")
    for now in (1.0, 2.0, 3.0):
        kept.clock.now = now
        assert ring.identify(bearer(ann)).name == "ann"
    assert len(kept.told) == 1
    assert "not valid TOML" in str(kept.told[0].error)
    assert kept.told[0].num_keys == 1
    kept.path.unlink()
    kept.clock.now = 4.0
    assert ring.identify(bearer(ann)).name == "ann"
    assert "cannot read" in str(kept.told[1].error)
    kept.path.write_text(good.replace("ann", "anna"))
    kept.clock.now = 5.0
    assert ring.identify(bearer(ann)).name == "anna"
    assert kept.told[2:] == [Reload(None, 1)]


def test_sighup_reads_at_once(kept: Fixture) -> None:
    add_key(kept.path, "ann", {}, today=TODAY)
    ring = kept.open()
    bob = add_key(kept.path, "bob", {}, today=TODAY)
    assert ring.reload()
    assert ring.identify(bearer(bob)).name == "bob"
    kept.clock.now = 1.0
    assert ring.identify(bearer(bob)).name == "bob"
    assert len(kept.told) == 1, "what was read at once is not read again"
    kept.path.write_text("nonsense")
    assert not ring.reload()
    assert ring.identify(bearer(bob)).name == "bob"


def test_an_emptied_file_shuts_everyone_out(kept: Fixture) -> None:
    ann = add_key(kept.path, "ann", {}, today=TODAY)
    ring = kept.open()
    remove_key(kept.path, "ann")
    kept.clock.now = 1.0
    refused(ring, bearer(ann))


def test_a_file_that_comes_later_is_found(tmp_path: Path) -> None:
    clock = Clock()
    environ = {"ABRUZZI_HOME": str(tmp_path), "ABRUZZI_API_KEYS": SECRET}
    ring = open_ring(ServeSettings(), environ, tell=lambda told: None, clock=clock)
    ann = add_key(tmp_path / "keys.toml", "ann", {}, today=TODAY)
    clock.now = 1.0
    assert ring.identify(bearer(ann)).name == "ann"
    assert ring.identify(bearer(SECRET)).name.startswith("key-")


def test_the_same_key_in_both_places_is_refused(kept: Fixture) -> None:
    ann = add_key(kept.path, "ann", {}, today=TODAY)
    with pytest.raises(ConfigError, match=r"stands in .* too") as caught:
        kept.open(ann)
    assert ann not in str(caught.value)


def test_no_keys_is_a_mistake_unless_it_is_wanted(tmp_path: Path) -> None:
    environ = {"ABRUZZI_HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match="no API keys: make one with 'abruzzi keys add NAME'"):
        open_ring(ServeSettings(), environ, tell=lambda told: None)
    with pytest.raises(ConfigError, match="no file of keys"):
        open_ring(ServeSettings(keys_file=tmp_path / "k.toml"), environ, tell=lambda told: None)
    ring = open_ring(ServeSettings(no_keys=True), environ, tell=lambda told: None)
    assert ring.identify(None) == ring.identify("Bearer whatever") == Key("local", KeyLimits())
    assert ring.reload()


def test_a_thousand_keys_are_searched_in_moments(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(
        '{"keys": {' + ", ".join(f'"k{i}": {{"sha256": "{hash_key(f"key {i}")}"}}' for i in range(1000)) + "}}"
    )
    ring = HashedRing({}, path, KeyLimits(), tell=lambda told: None)
    before = os.times().user
    for _ in range(100):
        assert ring.identify("Bearer key 999").name == "k999"
    assert os.times().user - before < 1.0, "10 ms a request would be felt"
