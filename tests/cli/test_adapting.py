"""``abruzzi ask --adapt``, and a server that adapts to its upstream's limits."""

from itertools import count
from pathlib import Path

import httpx2
import pytest

from tests.cli.running import run
from tests.cli.test_serve import started
from tests.faultserver import FaultServer, Traits, say

QUESTION = "What is 17 + 25?"
MONEY = ("--money", "0.01", "--prices", "0.35/0.75")


def test_every_choice_is_told_with_its_numbers(tmp_path: Path) -> None:
    done = run(tmp_path, "ask", QUESTION, "-m", "scripted", "--adapt", "--n", "5", *MONEY)
    assert (done.code, done.out) == (0, "42\n")
    told = [line.split("] ")[1] for line in done.err.splitlines() if "] chose " in line]
    assert told[0].startswith("chose to plan: plan and one candidate take at most 0.00")
    assert told[-1] == "chose to end: 2 of 2 candidates agree, which one more could not undo"
    shown = run(tmp_path, "show", "last")
    assert "chose to end: 2 of 2 candidates agree" in shown.out


def test_the_json_holds_the_choices_and_what_they_were_decided_by(tmp_path: Path) -> None:
    plain = run(tmp_path, "ask", QUESTION, "-m", "scripted", "--json").json
    assert plain["choices"] == []
    adapted = run(tmp_path, "ask", QUESTION, "-m", "scripted", "--adapt", "--budget", "500", "--json").json
    first = adapted["choices"][0]
    assert (first["action"], first["state"]["tokens"]) == ("skip_plan", {"total": 500, "left": 500})
    assert run(tmp_path, "show", "last", "--json").json["choices"] == adapted["choices"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--money", "1"), "money=1 is kept only while adapting"),
        (("--money", "1", "--adapt"), "says nothing without prices"),
        (("--money", "1", "--adapt", "--prices", "0.35"), "PROMPT/COMPLETION"),
        (("--money", "1", "--adapt", "--prices", "-1/0"), "prompt_price"),
    ],
)
def test_money_without_what_it_needs_is_misuse(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "ask", QUESTION, "-m", "scripted", *arguments)
    assert done.code == 2
    assert said in done.err


@pytest.mark.slow
def test_a_server_asks_for_no_more_candidates_than_its_upstream_has_room_for(tmp_path: Path) -> None:
    (tmp_path / "abruzzi.toml").write_text(
        "[serve.limits]\nupstream_tokens_per_minute = 4000\n"
        '[ask]\nadapt = true\nn = 6\nplan = "off"\njudge = false\nmax_tokens = 3000\n'
    )
    numbers = count(1)
    card = {"id": "small", "max_model_len": 4096}
    with FaultServer(lambda seen: say(f"<answer>{next(numbers)}</answer>"), Traits(models=(card,))) as upstream:
        options = ("--model", f"{upstream.base_url}#small", "--no-keys", "--no-store")
        with started(tmp_path, *options) as (_, url):
            body = {"model": "abruzzi", "messages": [{"role": "user", "content": QUESTION}]}
            reply = httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False)
    assert reply.status_code == 200
    # Without a limit two would be asked for at first; each is charged 3,000 of the 4,000 tokens until it has ended.
    assert [record.seen.n for record in upstream.records] == [1] * 6
