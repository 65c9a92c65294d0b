"""Settings and specs become open models."""

from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from abruzzi.cli.wiring import (
    ASK_TABLES,
    EMBEDDED_CUTS,
    EMBEDDED_TOKENS,
    ModelSpecs,
    build_settings,
    cache_folder,
    embedded_settings,
    fit_speculation,
    open_roles,
)
from abruzzi.engine.process import Engine
from abruzzi.engine.speculation import DEFAULTS, Method, Speculation
from abruzzi.engine.speculation_choice import Finding, Load, Tuned
from abruzzi.engine.tuned import circumstances_of, save_tuned
from abruzzi.errors import ConfigError
from tests.engine.small_model import write_small_model
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


def test_cuts_of_the_distribution_are_said_aloud_for_the_embedded_solver_alone() -> None:
    embedded, _ = build_settings(None, ASK_TABLES, models={}, ask={"min_p": 0.0})
    assert embedded.cuts == {"top_k": EMBEDDED_CUTS["top_k"], "min_p": 0.0}
    endpoint, _ = build_settings(None, ASK_TABLES, models={"solver": "http://localhost:1/v1#m"}, ask={})
    assert endpoint.cuts == {}


@pytest.mark.parametrize("role", ["solver", "planner", "judge"])
def test_a_bad_spec_is_refused_before_anything_starts(role: str) -> None:
    with pytest.raises(ConfigError, match="unknown model spec"):
        build_settings(None, ASK_TABLES, models={role: "nonsense"}, ask={})


def test_the_shipped_planner_plans_for_the_shipped_solver() -> None:
    def plan(ask: dict[str, str] | None = None, **models: str) -> str:
        return build_settings(None, ASK_TABLES, models=models, ask=ask or {})[0].plan

    assert plan() == plan(solver="embedded:base") == plan(planner="http://localhost:1/v1#m") == "auto"
    assert plan({"plan": "off"}) == "off"


def test_the_shipped_judge_judges_for_the_shipped_solver() -> None:
    def judges(ask: dict[str, bool] | None = None, **models: str) -> bool:
        return build_settings(None, ASK_TABLES, models=models, ask=ask or {})[0].judge

    assert judges()
    assert not judges({"judge": False})
    assert judges(solver="embedded:base")
    assert judges(judge="http://localhost:1/v1#m")
    assert judges(judge="embedded:base"), "named on purpose"


def test_equal_specs_share_a_model() -> None:
    async def main() -> None:
        async with open_roles(ModelSpecs(solver="scripted", judge="scripted"), n=3) as roles:
            assert roles.solver is roles.planner is roles.judge

    anyio.run(main)


def test_the_cache_is_the_users_choice(tmp_path: Path) -> None:
    assert cache_folder({"ABRUZZI_HOME": str(tmp_path)}) == tmp_path / "cache"
    assert cache_folder({}).name == "abruzzi"


def fit(tmp_path: Path, wanted: str, *, is_one_user: bool) -> Speculation | None:
    settings = embedded_settings(model_file(tmp_path), 3)
    return fit_speculation(settings, wanted, is_one_user=is_one_user, folder=tmp_path).speculation


def keep_gain_of(method: Method, tmp_path: Path) -> None:
    gain = Finding(Load.FULL, (1.2,) * 5, {"copying": 1.2}, 1.01, 0.5, 1.5)
    settings = embedded_settings(model_file(tmp_path), 3)
    save_tuned(tmp_path, circumstances_of(settings), Tuned(((DEFAULTS[method], (gain,)),)))


def test_without_a_measurement_nothing_speculates(tmp_path: Path) -> None:
    assert fit(tmp_path, "auto", is_one_user=True) is None
    assert fit(tmp_path, "auto", is_one_user=False) is None


def test_what_was_measured_to_pay_is_used_and_can_be_put_off(tmp_path: Path) -> None:
    keep_gain_of(Method.NGRAM_SIMPLE, tmp_path)
    assert fit(tmp_path, "auto", is_one_user=True) == DEFAULTS[Method.NGRAM_SIMPLE]
    assert fit(tmp_path, "auto", is_one_user=False) == DEFAULTS[Method.NGRAM_SIMPLE]
    assert fit(tmp_path, "off", is_one_user=True) is None


def test_a_pool_of_all_texts_is_for_one_user_only(tmp_path: Path) -> None:
    keep_gain_of(Method.NGRAM_MOD, tmp_path)
    assert fit(tmp_path, "auto", is_one_user=True) == DEFAULTS[Method.NGRAM_MOD]
    assert fit(tmp_path, "auto", is_one_user=False) is None
    assert fit(tmp_path, "ngram-mod", is_one_user=True) == DEFAULTS[Method.NGRAM_MOD]
    with pytest.raises(ConfigError, match="ngram-mod keeps something of one question for the next"):
        fit(tmp_path, "ngram-mod", is_one_user=False)


@pytest.mark.engine
@pytest.mark.parametrize("pool", [method for method in Method if not method.is_isolated])
def test_models_are_opened_for_several_users_unless_somebody_says_otherwise(pool: Method, tmp_path: Path) -> None:
    """So a server, which says nothing, never shares drafts between those who ask."""
    model = write_small_model(tmp_path)

    async def main() -> None:
        async with open_roles(ModelSpecs(solver=f"embedded:{model}", speculation=str(pool)), n=1):
            pytest.fail("it was opened")

    with pytest.raises(ConfigError, match="refused where several users"):
        anyio.run(main)


@pytest.mark.engine
def test_roles_are_opened_with_the_speculation_that_is_asked_for(tmp_path: Path) -> None:
    from abruzzi.ledger import Ledger
    from abruzzi.models.chat import ChatRequest
    from abruzzi.nouns import Message, Role

    specs = ModelSpecs(solver=f"embedded:{write_small_model(tmp_path)}", speculation="ngram-mod")

    async def main() -> None:
        async with open_roles(specs, n=2, is_one_user=True) as roles:
            request = ChatRequest(role=Role.SOLVER, messages=(Message("user", "abcabcabc"),), n=2, max_tokens=4)
            assert len(await roles.solver.complete(request, ledger=Ledger())) == 2

    anyio.run(main)


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


@pytest.mark.engine
def test_the_instructions_of_every_role_are_computed_once(engine: Engine) -> None:
    """Candidates do not take the slots that hold them; the ledger's cached tokens show it."""
    from abruzzi.ledger import Ledger
    from abruzzi.models.chat import ChatRequest
    from abruzzi.nouns import Message, Role
    from abruzzi.reasoning.judge import judge_messages
    from abruzzi.reasoning.plan import planner_messages
    from abruzzi.reasoning.run import Roles
    from abruzzi.reasoning.sample import solver_messages

    ledger = Ledger()

    async def ask(roles: Roles, question: str) -> None:
        pair = ("<answer>4", "<answer>5")
        for chat, role, n, messages in (
            (roles.planner, Role.PLANNER, 1, planner_messages(question)),
            (roles.solver, Role.SOLVER, 3, solver_messages(question, "")),
            (roles.judge, Role.JUDGE, 1, judge_messages(question, *pair, mark="5ec2e7")),
            (roles.judge, Role.JUDGE, 1, judge_messages(question, *pair[::-1], mark="5ec2e7")),
        ):
            asked: tuple[Message, ...] = messages
            await chat.complete(ChatRequest(role=role, messages=asked, n=n, max_tokens=4, seed=1), ledger=ledger)

    async def main() -> None:
        async with open_roles(ModelSpecs(), n=3) as roles:
            for question in ("What is 2 + 3 + 4?", "How many legs have 3 dogs?"):
                await ask(roles, question)

    anyio.run(main)
    assert engine.settings.model.is_file(), "the same weights"
    last = ledger.calls[-4:]
    assert [call.role for call in last] == [Role.PLANNER, Role.SOLVER, Role.JUDGE, Role.JUDGE]
    new = [call.usage.prompt_tokens - call.usage.cached_tokens for call in last]
    # The question, what follows it, and for the judge two answers; of the second order all but the answers is there.
    assert all(count < limit for count, limit in zip(new, (30, 30, 110, 70), strict=True)), new
