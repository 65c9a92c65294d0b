"""Shows predictions of ``abruzzi capacity``: tables for people, JSON for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from abruzzi.capacity.explain import explain, shares
from abruzzi.capacity.fleet import Demand, Fleet, plan_fleet
from abruzzi.capacity.published import PUBLISHED
from abruzzi.capacity.question import Ask, QuestionTime, predict_question
from abruzzi.capacity.replica import Replica


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is shown of one machine."""

    replica: Replica
    question: QuestionTime
    fleets: tuple[Fleet, ...]

    @property
    def cost(self) -> float | None:
        """Of a question, in dollars."""
        price = self.replica.machine.price_per_hour
        return None if price is None else self.question.cost(price)


def predict(replica: Replica, ask: Ask, demands: Sequence[Demand]) -> Prediction:
    """Predict a question and plan the fleets.

    Raises:
        ConfigError: the model or the batch does not fit, or a demand is beyond any plan.
    """
    question = predict_question(replica, ask)
    return Prediction(
        replica, question, tuple(plan_fleet(replica.machine, ask, question, demand) for demand in demands)
    )


def print_prediction(model: str, ask: Ask, predictions: Sequence[Prediction]) -> None:
    """Print tables and, for each machine, what it waits for."""
    console = Console()
    console.print(_questions_table(model, ask, predictions))
    console.print(_phases_table(predictions))
    for prediction in predictions:
        console.print(f"{prediction.replica.machine.name}: {explain(prediction.question)}", highlight=False)
    if any(prediction.fleets for prediction in predictions):
        console.print(_fleets_table(predictions))
    console.print("predicted, not measured; formulas and sources: docs/decisions/0013-capacity.md", highlight=False)


def _questions_table(model: str, ask: Ask, predictions: Sequence[Prediction]) -> Table:
    end = "judged" if ask.is_judged and ask.n > 1 else "agreeing"
    title = f"{model}: best of {ask.n}, {end}, {ask.lengths.candidate:,} tokens a candidate, batch {ask.batch}"
    columns = ("hardware", "first token s", "tokens/s", "in all", "question s", "machine s", "cost $", "waits for")
    table = _make_table(title, columns)
    for one in predictions:
        question = one.question
        table.add_row(
            one.replica.machine.name,
            f"{question.ttft_s:.3g}",
            f"{question.tokens_per_second:,.4g}",
            f"{question.total_tokens_per_second:,.4g}",
            f"{question.seconds:,.4g}",
            f"{question.machine_s:,.4g}",
            "" if one.cost is None else f"{one.cost:.3g}",
            question.decode.pass_time.bound,
        )
    return table


def _phases_table(predictions: Sequence[Prediction]) -> Table:
    table = _make_table(
        "where the seconds go",
        ("hardware", "phase", "prefill s", "decode s", "prompt tokens", "completion tokens", "waits for"),
    )
    for one in predictions:
        for phase in one.question.phases:
            table.add_row(
                one.replica.machine.name,
                phase.name,
                f"{phase.prefill_s:.3g}",
                f"{phase.decode_s:,.4g}",
                f"{phase.prompt_tokens:,}",
                f"{phase.completion_tokens:,.0f}",
                phase.bound,
            )
    return table


def _fleets_table(predictions: Sequence[Prediction]) -> Table:
    demand = next(fleet.demand for prediction in predictions for fleet in prediction.fleets)
    title = (
        f"fleets: {demand.questions_per_hour:g} questions an hour and user, {demand.quantile:.0%} start within "
        f"{demand.wait_s:g} s"
    )
    columns = ("hardware", "users", "at once", "copies", "devices", "in use", "$ an hour", "$ a question")
    table = _make_table(title, columns)
    for one in predictions:
        for fleet in one.fleets:
            table.add_row(
                one.replica.machine.name,
                f"{fleet.demand.users:,}",
                f"{fleet.load:,.1f}",
                f"{fleet.replicas:,}",
                f"{fleet.devices:,}",
                f"{fleet.utilisation:.0%}",
                "" if fleet.cost_per_hour is None else f"{fleet.cost_per_hour:,.4g}",
                "" if fleet.cost_per_question is None else f"{fleet.cost_per_question:.3g}",
            )
    return table


def print_published(*, as_json: bool) -> None:
    """Print what others gave beside what the model says."""
    if as_json:
        rows = [asdict(one) | {"predicted": one.predicted, "error": one.error} for one in PUBLISHED]
        print(json.dumps(rows, indent=2))
        return
    table = _make_table(
        "tokens a second of one request, as others gave them", ("source", "model", "on", "given", "ours", "error", "")
    )
    for one in PUBLISHED:
        table.add_row(
            one.source,
            one.model,
            one.machine,
            f"{one.tokens_per_second:,.4g}",
            f"{one.predicted:,.4g}",
            f"{one.error:+.0%}",
            one.use,
        )
    Console().print(table)


def print_json(model: str, ask: Ask, predictions: Sequence[Prediction]) -> None:
    """Print everything that is known of the predictions."""
    print(json.dumps({"model": model, "ask": asdict(ask), "predictions": [*map(_to_json, predictions)]}, indent=2))


def _to_json(prediction: Prediction) -> dict[str, Any]:
    replica, question = prediction.replica, prediction.question
    return {
        # JSON knows no infinity: a link that takes no time is left out.
        "machine": {key: value for key, value in asdict(replica.machine).items() if value != float("inf")},
        "weight_bits": replica.weight_bits,
        "cache_bits": replica.cache_bits,
        "ttft_s": question.ttft_s,
        "tokens_per_second": question.tokens_per_second,
        "total_tokens_per_second": question.total_tokens_per_second,
        "tokens_per_pass": question.decode.tokens_per_pass,
        "decode_pass_s": question.decode.pass_time.seconds,
        "decode_shares": shares(question.decode.pass_time),
        "waits_for": question.decode.pass_time.bound,
        "question_s": question.seconds,
        "machine_s": question.machine_s,
        "completion_tokens": question.completion_tokens,
        "cost": prediction.cost,
        "explanation": explain(question),
        "phases": [asdict(phase) | {"seconds": phase.seconds, "waits_for": phase.bound} for phase in question.phases],
        "fleets": [asdict(fleet) | {"utilisation": fleet.utilisation} for fleet in prediction.fleets],
    }


def _make_table(title: str, columns: Sequence[str]) -> Table:
    words = {"hardware", "waits for", "phase", "source", "model", "on", ""}
    table = Table(title=title, box=None, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right")
    return table
