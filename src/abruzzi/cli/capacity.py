"""``abruzzi capacity``: what a question takes on given hardware, and what a number of users takes, on paper.

Formulas and sources stand in ``abruzzi.capacity``; here are the options.
"""

from typing import Annotated

import typer

DEFAULT_HARDWARE = ("8xh100", "8xh200", "2xwse3")


def capacity_command(
    model: Annotated[
        str, typer.Option(help="A known shape, hf:NAME, or a Hugging Face folder; 'embedded' for the one shipped.")
    ] = "Qwen/Qwen2.5-32B",
    hardware: Annotated[
        list[str] | None, typer.Option(help="Such as h100, 8xh200, 2xwse3, cpu2 or FILE.toml; may be repeated.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", help="Candidates of a question.")] = 3,
    batch: Annotated[
        int | None, typer.Option(help="Sequences that a copy decodes side by side, of all questions. [default: n]")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Of a candidate, on average, thoughts included.")] = 8000,
    question_tokens: Annotated[int, typer.Option(min=1, help="Of the question.")] = 150,
    plan_tokens: Annotated[int, typer.Option(min=0, help="Of the plan; 0 for no plan.")] = 250,
    response_tokens: Annotated[int, typer.Option(min=1, help="That the judge reads of a candidate.")] = 400,
    verdict_tokens: Annotated[int, typer.Option(min=1, help="That the judge writes.")] = 200,
    spread: Annotated[float, typer.Option(help="Of candidates' lengths: sigma of their logarithms.")] = 0.4,
    agree: Annotated[bool, typer.Option("--agree", help="A majority agrees: no judge, no wait for the last.")] = False,
    acceptance: Annotated[float | None, typer.Option(help="Share of drafted tokens accepted; turns drafts on.")] = None,
    draft_tokens: Annotated[int, typer.Option(help="Drafted for each pass.")] = 3,
    draft_share: Annotated[float, typer.Option(help="Time of a draft's pass by one of the model; 0: n-grams.")] = 0.0,
    weight_bits: Annotated[float | None, typer.Option(help="Per weight. [default: 16; embedded: its file's]")] = None,
    cache_bits: Annotated[float, typer.Option(help="Per number in keys and values.")] = 16.0,
    price: Annotated[float | None, typer.Option(help="Of the machine, in dollars per hour.")] = None,
    users: Annotated[list[int] | None, typer.Option(help="Plan a fleet for so many; may be repeated.")] = None,
    questions_per_hour: Annotated[float, typer.Option(help="Of a user, in the busiest hour.")] = 2.0,
    wait: Annotated[float, typer.Option(help="Seconds that a question may wait before it starts.")] = 1.0,
    quantile: Annotated[float, typer.Option(help="Share of the questions that wait no longer.")] = 0.95,
    published: Annotated[bool, typer.Option("--published", help="Compare with figures that others gave.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Predict seconds, tokens a second and cost of a question, and plan a fleet; on paper, from data sheets.

    abruzzi capacity --hardware 8xh100 --hardware 4xwse3 --tokens 32000

    abruzzi capacity --hardware 8xh100 --batch 96 --price 20 --users 1000 --users 1000000
    """
    from abruzzi.capacity.fleet import Demand
    from abruzzi.capacity.machine_file import open_machine
    from abruzzi.capacity.machines import with_price
    from abruzzi.capacity.question import Ask
    from abruzzi.capacity.speculation import Speculation
    from abruzzi.cli.capacity_input import count_lengths, open_replica
    from abruzzi.cli.capacity_view import predict, print_json, print_prediction, print_published

    if published:
        print_published(as_json=as_json)
        return 0
    lengths = count_lengths(
        question=question_tokens,
        plan=plan_tokens,
        candidate=tokens,
        response=response_tokens,
        verdict=verdict_tokens,
        spread=spread,
    )
    drafts = None if acceptance is None else Speculation(acceptance, draft_tokens, draft_share)
    ask = Ask(lengths, n, n if batch is None else batch, plan_tokens > 0, not agree, drafts)
    demands = [Demand(count, questions_per_hour, wait, quantile) for count in users or ()]
    predictions = [
        predict(open_replica(model, with_price(open_machine(name), price), weight_bits, cache_bits), ask, demands)
        for name in hardware or DEFAULT_HARDWARE
    ]
    if as_json:
        print_json(model, ask, predictions)
    else:
        print_prediction(model, ask, predictions)
    return 0
