import pytest

from abruzzi.errors import DataError
from abruzzi.verifiers.router import Mode, route

PUBLIC = {
    "math__merged_deduped_dapo_or1_dataset": "maths",
    "math__math": "maths",
    "codegen__leetcode2k": "code",
    "codegen__livecodebench": "code",
    "codegen__primeintellect": "code",
    "codegen__taco": "code",
    "codegen__humaneval": "code",
    "codegen__mbpp": "code",
    "simulation__codeio": "simulation",
    "simulation__cruxeval-i": "cruxeval",
    "simulation__cruxeval-o": "cruxeval",
    "simulation__arcagi1": "logic",
    "simulation__arcagi2": "logic",
    "simulation__barc": "logic",
    "logic__zebra_puzzle_dataset": "logic",
    "logic__ordering_puzzle_dataset": "logic",
    "logic__graph_logical_dataset": "logic",
    "table__hitab": "tables",
    "table__multihier": "tables",
    "table__finqa": "tables",
    "stem_web": "science",
    "stem__gpqa_diamond": "science",
    "stem__gpqa_diamond_no_box": "science",
    "stem__supergpqa": "science",
    "ood__ifeval": "instructions",
    "ood__livebench": "instructions",
    "ood__ifbench": "instructions",
    "reasoning_gym": "procedural",
    "openai/gsm8k": "maths",
    "lighteval/MATH": "maths",
    "DigitalLearningGmbH/MATH-lighteval": "maths",
    "math_dapo": "maths",
    "aime_2024_dapo_style": "maths",
    "aime": "maths",
    "numina_olympiads": "maths",
}
MISSED_BY_THE_PUBLIC_ROUTER = {
    "stem__web": "science",
    "logic__arcagi1": "logic",
    "logic__arcagi2": "logic",
    "logic__barc": "logic",
    "logic__knights_knaves": "logic",
    "ood__bbeh": "science",
    "numina_other": None,
    "openai/gsm8k_test": "maths",
    "reasoning_gym__chain_sum": "procedural",
}
GRADED_ELSEWHERE = {
    "apps": "code",
    "taco": "code",
    "codecontests": "code",
    "codeforces": "code",
    "hiyouga/geometry3k": "maths",
    "searchR1_nq": None,
}


@pytest.mark.parametrize(("source", "domain"), PUBLIC.items())
@pytest.mark.parametrize("mode", ["fixed", "published"])
def test_public_sources_route_in_both_modes(source: str, domain: str, mode: Mode) -> None:
    assert route(source, mode).name == domain


@pytest.mark.parametrize(("source", "domain"), (MISSED_BY_THE_PUBLIC_ROUTER | GRADED_ELSEWHERE).items())
def test_fixed_mode_routes_what_the_public_router_misses(source: str, domain: str | None) -> None:
    if domain is None:
        with pytest.raises(DataError):
            route(source)
    else:
        assert route(source).name == domain


@pytest.mark.parametrize("source", [*MISSED_BY_THE_PUBLIC_ROUTER, "", "Math", "unknown"])
def test_published_mode_raises_where_the_public_router_raises(source: str) -> None:
    with pytest.raises(NotImplementedError, match=f"not implemented for data_source={source!r}"):
        route(source, "published")


@pytest.mark.parametrize("source", GRADED_ELSEWHERE)
def test_published_mode_says_what_is_not_rebuilt(source: str) -> None:
    with pytest.raises(NotImplementedError, match=f"not rebuilt here for data_source={source!r}"):
        route(source, "published")


@pytest.mark.parametrize(
    ("source", "near"),
    [
        ("tabel__hitab", "table"),
        ("codgen__taco", "codegen"),
        ("stem_gpqa", "stem__gpqa"),
        ("ood__ifevel", "ood__ifeval"),
    ],
)
def test_an_unknown_source_is_named_with_the_nearest_and_all_known(source: str, near: str) -> None:
    with pytest.raises(DataError) as caught:
        route(source)
    assert repr(source) in str(caught.value)
    assert f"did you mean {near!r}?" in str(caught.value)
    assert "simulation__cruxeval, " in str(caught.value)


def test_every_domain_has_its_functions() -> None:
    for domain in {route(source) for source in PUBLIC}:
        assert callable(domain.load_verify())
        assert callable(domain.load_write_gold())
        assert callable(domain.load_score())
        assert domain.limit_s >= 30
