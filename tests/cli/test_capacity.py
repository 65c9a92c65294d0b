"""``abruzzi capacity``."""

from pathlib import Path

import pytest

from tests.cli.running import run


def test_a_table_says_what_each_machine_waits_for(tmp_path: Path) -> None:
    done = run(tmp_path, "capacity")
    assert done.code == 0
    for words in ("8xh100", "8xh200", "2xwse3", "reading the weights", "judge, round 2", "predicted, not measured"):
        assert words in done.out
    assert "fleets" not in done.out


def test_the_examples_of_the_help_work(tmp_path: Path) -> None:
    lines = " ".join(run(tmp_path, "capacity", "--help").out.split("Options:")[0].split())
    examples = [f"capacity{part}".split() for part in lines.split("abruzzi capacity")[2:]]
    assert len(examples) == 2
    for example in examples:
        assert run(tmp_path, *example).code == 0, example


def test_json_adds_up(tmp_path: Path) -> None:
    done = run(tmp_path, "capacity", "--hardware", "8xh100", "--batch", "48", "--price", "20", "--users", "7", "--json")
    (found,) = done.json["predictions"]
    assert found["question_s"] == pytest.approx(sum(phase["seconds"] for phase in found["phases"]))
    assert found["machine_s"] == pytest.approx(sum(phase["machine_s"] for phase in found["phases"]))
    assert found["cost"] == pytest.approx(found["machine_s"] * 20 / 3600)
    assert found["total_tokens_per_second"] == pytest.approx(48 * found["tokens_per_second"])
    (fleet,) = found["fleets"]
    assert fleet["load"] == pytest.approx(7 * 2 / 3600 * found["question_s"])
    assert fleet["replicas"] == 1


def test_prompts_are_counted_as_they_are(tmp_path: Path) -> None:
    from abruzzi.cli.capacity_input import CHARS_PER_TOKEN
    from abruzzi.reasoning.prompts import read_prompt

    lengths = run(tmp_path, "capacity", "--json").json["ask"]["lengths"]
    assert lengths["judge_instructions"] == round(len(read_prompt("judge")[0]) / CHARS_PER_TOKEN)
    assert lengths["plan_instructions"] == round(len("".join(read_prompt("plan"))) / CHARS_PER_TOKEN)


def test_agreement_and_drafts_save_time(tmp_path: Path) -> None:
    def seconds(*options: str) -> float:
        done = run(tmp_path, "capacity", "--hardware", "8xh100", *options, "--json")
        return done.json["predictions"][0]["question_s"]

    judged = seconds()
    assert seconds("--agree") < judged
    assert seconds("--acceptance", "0.7") < judged
    assert seconds("--plan-tokens", "0") < judged


def test_the_embedded_model_is_taken_as_its_file_has_it(tmp_path: Path) -> None:
    done = run(tmp_path, "capacity", "--model", "embedded", "--hardware", "cpu2", "--tokens", "200", "--json")
    assert done.json["predictions"][0]["weight_bits"] == pytest.approx(8 * 98_362_432 / 134_515_008)


def test_a_machine_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[machine]\nlike = "8xh100"\nprice_per_hour = 12\n')
    done = run(tmp_path, "capacity", "--hardware", str(path), "--json")
    assert done.json["predictions"][0]["machine"]["price_per_hour"] == 12


def test_published_figures_stand_beside_ours(tmp_path: Path) -> None:
    rows = run(tmp_path, "capacity", "--published", "--json").json
    assert {row["source"] for row in rows} == {"gpt-fast", "K2-Think", "Cerebras"}
    assert all(row["error"] == pytest.approx(row["predicted"] / row["tokens_per_second"] - 1) for row in rows)
    assert "K2-Think" in run(tmp_path, "capacity", "--published").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hardware", "h10"], "did you mean 'h100'"),
        (["--hardware", "h100"], "do not fit on 'h100'"),
        (["--model", "Qwen/Qwen2.5-3B"], "is not known"),
        (["--batch", "2"], "does not hold 3 candidates"),
        (["--acceptance", "2"], "acceptance is 2.0"),
        (["--users", "0"], "0 users"),
        (["--price", "-1"], "price"),
        (["--weight-bits", "0"], "weight_bits is 0.0"),
    ],
)
def test_misuse_is_one_line_and_code_2(tmp_path: Path, options: list[str], message: str) -> None:
    done = run(tmp_path, "capacity", *options)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
