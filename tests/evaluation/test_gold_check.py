import json

from abruzzi.data.items import Item
from abruzzi.evaluation.gold_check import GoldFault, check_gold, find_missing_gold
from abruzzi.nouns import Outcome

SOUND = Item("sound", "1+1?", "2", "math__own")
CODE = json.dumps({"functional": "assert f(1) == 2"})


def test_a_sound_set_passes() -> None:
    report = check_gold([SOUND, Item("choice", "?", "B", "stem__gpqa")], workers=1)
    assert (report.num_items, report.num_passed, report.num_checked) == (2, 2, 2)
    assert report.is_sound
    assert str(report) == "2 of 2 gold answers pass"
    assert report.seconds > 0


def test_an_answer_that_fails_its_own_verifier_is_named_with_the_reason() -> None:
    items = [
        Item("grid", "?", [[1], [2, 3]], "simulation__arcagi1"),
        SOUND,
        Item("code", "?", CODE, "codegen__x", {"reference": "def f(n):\n    return n"}),
    ]
    report = check_gold(items, workers=1)
    assert not report.is_sound
    assert [(fault.item, fault.outcome) for fault in report.faults] == [
        ("grid", Outcome.ERROR),
        ("code", Outcome.WRONG),
    ]
    assert report.faults[0].reason.startswith("the ground truth is no rectangle")
    assert report.faults[1].reason == "failed at: assert f(1) == 2"
    assert str(report) == "1 of 3 gold answers pass"


def test_an_item_without_an_answer_is_counted_apart() -> None:
    items = [Item("null", "?", None, "math__own"), SOUND, Item("hidden", "?", CODE, "codegen__x", {"reference": ""})]
    report = check_gold(items, workers=1)
    assert report.is_sound
    assert str(report) == "1 of 1 gold answers pass, 2 without"
    assert report.missing == (
        GoldFault("null", None, "no gold: the ground truth is null"),
        GoldFault("hidden", None, "no gold: row 'hidden' holds no reference solution"),
    )


def test_a_generated_task_may_store_its_solution_elsewhere() -> None:
    metadata = {"possible_answer": {"0": 1}}
    assert (
        find_missing_gold(Item("g", "?", None, "reasoning_gym", {"task": "graph_color", "metadata": metadata})) is None
    )
    reason = find_missing_gold(Item("r", "?", None, "reasoning_gym", {"task": "rush_hour", "metadata": {}}))
    assert reason == "no gold: task 'rush_hour' stores no solution that could be put into a reply"


def test_instructions_that_no_writer_knows_how_to_follow_are_a_fault() -> None:
    extra = {"instruction_id_list": ["keywords:existence", "keywords:forbidden_words"]}
    truth = [{"keywords": ["farmer"]}, {"forbidden_words": ["farmer"]}]
    report = check_gold([Item("both", "?", truth, "ood__ifeval", extra)], workers=1)
    assert [fault.item for fault in report.faults] == ["both"]


def test_progress_is_told() -> None:
    told: list[int] = []
    check_gold([SOUND, Item("two", "1+2?", "3", "math__own")], workers=1, progress=told.append)
    assert told[-1] == 2
