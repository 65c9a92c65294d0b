"""The upstream's limits in ``abruzzi serve``: from the settings to the wire."""

from pathlib import Path

import httpx2
import pytest

from tests.cli.running import run
from tests.cli.test_serve import started
from tests.faultserver import FaultServer, Traits, say


@pytest.mark.parametrize(
    ("tier", "message"),
    [("cerebras-fre", "did you mean 'cerebras-free'"), ("cerebras-free", "nothing is known of 'scripted'")],
)
def test_a_tier_that_says_nothing_of_the_models_stops_the_start(tmp_path: Path, tier: str, message: str) -> None:
    (tmp_path / "abruzzi.toml").write_text(f'[serve.limits]\nupstream_tier = "{tier}"\n')
    done = run(tmp_path, "serve", "--model", "scripted", "--no-keys", "--port", "0", cwd=tmp_path)
    assert done.code == 2, done.err
    assert message in done.err


def test_a_days_requests_that_are_used_up_are_told_and_not_sent(tmp_path: Path) -> None:
    (tmp_path / "abruzzi.toml").write_text(
        '[serve.limits]\nupstream_tier = "cerebras-free"\nupstream_requests_per_day = 1\n[ask]\nplan = "off"\n'
    )
    card = {"id": "gpt-oss-120b", "max_model_len": 4096}
    with FaultServer(lambda seen: say("<answer>42</answer>"), Traits(models=(card,))) as upstream:
        options = ("--model", f"{upstream.base_url}#gpt-oss-120b", "--no-keys", "--no-store", "--n", "1")
        with started(tmp_path, *options) as (_, url):
            body = {"model": "abruzzi", "messages": [{"role": "user", "content": "What is 17 + 25?"}]}
            first, second = (
                httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False) for _ in range(2)
            )
        assert len(upstream.records) == 1
    assert first.status_code == 200
    assert second.status_code == 429
    assert second.json()["error"]["code"] == "upstream_rate_limit"
    assert int(second.headers["retry-after"]) > 3600, "a day's request comes back in a day"
