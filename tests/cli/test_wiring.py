"""Settings and specs become open models."""

from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from abruzzi.cli.wiring import ASK_TABLES, EMBEDDED_TOKENS, ModelSpecs, build_settings, cache_folder, open_roles
from abruzzi.engine.process import Engine
from abruzzi.errors import ConfigError
from tests.engine.tiny import model_file


def test_the_embedded_model_gets_limits_where_the_user_sets_none() -> None:
    settings, specs = build_settings(None, ASK_TABLES, models={}, ask={"plan_tokens": 999})
    assert specs.solver == "embedded"
    assert (settings.max_tokens, settings.plan_tokens) == (EMBEDDED_TOKENS["max_tokens"], 999)


def test_limits_go_by_role() -> None:
    models = {"solver": "http://localhost:1/v1#m", "judge": "embedded"}
    settings, _ = build_settings(None, ASK_TABLES, models=models, ask={})
    assert settings.max_tokens is None
    assert settings.judge_tokens == EMBEDDED_TOKENS["judge_tokens"]
    assert settings.plan_tokens != EMBEDDED_TOKENS["plan_tokens"]


@pytest.mark.parametrize("role", ["solver", "planner", "judge"])
def test_a_bad_spec_is_refused_before_anything_starts(role: str) -> None:
    with pytest.raises(ConfigError, match="unknown model spec"):
        build_settings(None, ASK_TABLES, models={role: "nonsense"}, ask={})


def test_a_trained_judge_reads_what_it_was_taught_to_read(tmp_path: Path) -> None:
    def reads(judge: str, **ask: str) -> str:
        return build_settings(None, ASK_TABLES, models={"judge": judge}, ask=ask)[0].judge_reads

    adapter, model = (model_file(tmp_path, name, is_adapter=name == "a.gguf") for name in ("a.gguf", "m.gguf"))
    assert reads(f"embedded:{adapter}") == "thoughts"
    assert reads(f"embedded:{adapter}", judge_reads="answer") == "answer"
    assert reads(f"embedded:{model}") == reads("embedded:base") == reads("http://localhost:1/v1#m") == "answer"


def test_equal_specs_share_a_model() -> None:
    async def main() -> None:
        async with open_roles(ModelSpecs(solver="scripted", judge="scripted"), n=3) as roles:
            assert roles.solver is roles.planner is roles.judge

    anyio.run(main)


def test_the_cache_is_the_users_choice(tmp_path: Path) -> None:
    assert cache_folder({"ABRUZZI_HOME": str(tmp_path)}) == tmp_path / "cache"
    assert cache_folder({}).name == "abruzzi"


@pytest.mark.engine
def test_the_embedded_engine_opens_answers_and_ends(engine: Engine) -> None:
    from abruzzi.cli.wiring import open_engine
    from abruzzi.engine.settings import EngineSettings
    from abruzzi.ledger import Ledger
    from abruzzi.models.chat import ChatRequest
    from abruzzi.nouns import Message, Role

    async def main() -> None:
        async with AsyncExitStack() as stack:
            chat = await open_engine(stack, EngineSettings(model=engine.settings.model, slots=2))
            assert chat.name == "embedded:SmolLM2-135M-Instruct.Q4_1"
            assert chat.max_context == 4096
            request = ChatRequest(role=Role.SOLVER, messages=(Message("user", "Hi"),), n=2, max_tokens=4)
            assert len(await chat.complete(request, ledger=Ledger())) == 2

    anyio.run(main)
