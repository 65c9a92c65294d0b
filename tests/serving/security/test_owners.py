"""What one owner asked is nobody else's to read, find, go on from or delete."""

from collections.abc import Iterator
from typing import Any

import pytest

from abruzzi.models.scripted import reply
from abruzzi.serving.guard.guard import Guard
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from abruzzi.serving.settings import KeyLimits
from tests.serving.page.hosting import Host, hosting
from tests.serving.running import scripted, serving
from tests.serving.security.attacking import ANN, BEN, Attack, chat, client, each, ring

PRIVATE = "Where is the lighthouse key?"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring()) as running:
        yield running


@pytest.fixture(scope="module")
def ids(host: Host) -> tuple[str, str]:
    """A chat and a response of Ann's."""
    with client(host.url) as ann:
        asked = ann.post("/v1/chat/completions", json=chat(messages=[{"role": "user", "content": PRIVATE}])).json()
        answered = ann.post("/v1/responses", json={"model": "abruzzi-single", "input": PRIVATE}).json()
    return asked["id"], answered["id"]


ACTS = [
    Attack("owner.read-question", ("GET", "/api/questions/{chat}")),
    Attack("owner.delete-question", ("DELETE", "/api/questions/{chat}")),
    Attack("owner.read-response", ("GET", "/v1/responses/{response}")),
    Attack("owner.delete-response", ("DELETE", "/v1/responses/{response}")),
    Attack("owner.response-as-question", ("DELETE", "/api/questions/{response}")),
    Attack("owner.question-as-response", ("DELETE", "/v1/responses/{chat}")),
]


@each(ACTS)
def test_nobody_touches_anothers_record(attack: Attack, host: Host, ids: tuple[str, str]) -> None:
    method, path = attack.what
    address = path.format(chat=ids[0], response=ids[1])
    claims: list[dict[str, str]] = [{}, {"X-User": "ann"}, {"X-Owner": "ann", "OpenAI-Organization": "ann"}]
    for claim in claims:
        with client(host.url, BEN, **claim) as ben:
            done = ben.request(method, address, params={} if method == "DELETE" or "v1" in path else {"owner": "ann"})
        assert done.status_code == 404
        assert "lighthouse" not in done.text
    with client(host.url) as ann:
        for kept in (f"/api/questions/{ids[0]}", f"/v1/responses/{ids[1]}"):
            assert ann.get(kept).status_code == 200


@each([Attack("owner.go-on-from-response"), Attack("owner.go-on-from-question")])
def test_nobody_goes_on_from_anothers_conversation(attack: Attack, host: Host, ids: tuple[str, str]) -> None:
    before = ids[1] if attack.id.endswith("response") else ids[0]
    with client(host.url, BEN) as ben:
        body = {"model": "abruzzi-single", "input": "And?", "previous_response_id": before}
        done = ben.post("/v1/responses", json=body)
    assert (done.status_code, done.json()["error"]["code"]) == (404, "previous_response_not_found")


SEARCHES = [
    Attack("owner.search", "lighthouse"),
    Attack("owner.search-of-all", "%"),
    Attack("owner.search-of-any-letter", "_"),
    Attack("owner.search-with-sql", "' OR '1'='1"),
    Attack("owner.search-with-comment", "lighthouse' --"),
    Attack("owner.search-with-union", "x' UNION SELECT * FROM questions --"),
    Attack("owner.search-with-two-statements", "'; DROP TABLE questions; --"),
    Attack("owner.search-with-match-words", '" OR owner:ann OR "'),
    Attack("owner.search-with-match-star", 'light* NEAR("lighthouse" "key")'),
    Attack("owner.search-with-nul", "light\x00house"),
]


@each(SEARCHES)
def test_nobody_finds_anothers_question(attack: Attack, host: Host, ids: tuple[str, str]) -> None:
    with client(host.url, BEN) as ben:
        found = ben.get("/api/questions", params={"search": attack.what, "owner": "ann", "limit": 200})
    assert found.status_code == 200
    assert found.json() == {"questions": [], "next_before": None}
    with client(host.url) as ann:
        assert {one["id"] for one in ann.get("/api/questions").json()["questions"]} >= set(ids)


NAMED = [
    Attack("owner.claimed-in-body", {"user": "ann"}),
    Attack("owner.claimed-in-metadata", {"metadata": {"owner": "ann", "user": "ann"}}),
]


@each(NAMED)
def test_nobody_writes_into_anothers_history(attack: Attack, host: Host) -> None:
    with client(host.url, BEN) as ben:
        written = ben.post("/v1/chat/completions", json=chat(**attack.what)).json()["id"]
        assert ben.delete(f"/api/questions/{written}").status_code == 204
    with client(host.url) as ann:
        assert ann.get(f"/api/questions/{written}").status_code == 404


IDS = [
    Attack("owner.id-with-sql", "x'%20OR%20'1'='1"),
    Attack("owner.id-with-wildcard", "chatcmpl-%25"),
    Attack("owner.id-with-star", "*"),
    Attack("owner.id-of-megabyte", "chatcmpl-" + "a" * 10_000),
    Attack("owner.id-in-other-letters", "chatcmpl-%F0%9D%92%B6"),
]


@each(IDS)
def test_no_id_matches_more_than_itself(attack: Attack, host: Host, ids: tuple[str, str]) -> None:
    with client(host.url) as ann:
        for prefix in ("/api/questions/", "/v1/responses/"):
            for method in ("GET", "DELETE"):
                assert ann.request(method, prefix + attack.what).status_code in (400, 404)
        assert ann.get(f"/api/questions/{ids[0]}").status_code == 200


def test_an_id_says_nothing_of_the_next() -> None:
    """They are 122 random bits."""
    with serving(keys=ring()) as url, client(url) as web:
        names: list[str] = [web.post("/v1/chat/completions", json=chat()).json()["id"] for _ in range(3)]
    assert len({name[:14] for name in names}) == 3
    assert all(len(name) == len("chatcmpl-") + 32 for name in names)


@each([Attack("owner.reading-for-nothing")])
def test_reading_that_asks_the_guards_model_counts_against_the_key(
    attack: Attack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    judge = scripted("guard", guard=reply("safe"))
    limits = KeyLimits(requests_per_minute=3, concurrent=0)
    keys = HashedRing({hash_key(ANN): "ann"}, None, limits, tell=lambda _: None)
    guard = Guard(GuardSettings(model="scripted"), model=judge)
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=keys, guard=guard) as host, client(host.url) as web:
        asked: dict[str, Any] = web.post("/v1/responses", json={"model": "abruzzi-single", "input": "Hi"}).json()
        reads = [web.get(f"/v1/responses/{asked['id']}").status_code for _ in range(2)]
        beyond = [
            web.get(path).status_code for path in (f"/v1/responses/{asked['id']}", f"/api/questions/{asked['id']}")
        ]
    assert (reads, beyond) == ([200, 200], [429, 429])
