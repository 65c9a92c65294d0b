"""``abruzzi engine``: launch settings for servers that are not ours, and what pays in the embedded engine."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from abruzzi.cli.tune import tune_command
from abruzzi.errors import ConfigError
from abruzzi.launch.choices import Engine, KvCache, Weights

app = typer.Typer(help="Launch settings for vLLM and SGLang; tune the embedded engine.", no_args_is_help=True)
app.command("tune")(tune_command)


class Format(StrEnum):
    """``--format``."""

    TEXT = "text"
    SHELL = "shell"
    YAML = "yaml"
    JSON = "json"


@app.command("plan")
def plan_command(
    model: Annotated[str, typer.Option("--model", "-m", help="A known shape's name, or a folder with config.json.")],
    hardware: Annotated[str, typer.Option(help="Cards of one machine: h100, 8xh100, or by memory: 24GiB, 4x48GiB.")],
    shape: Annotated[
        str | None, typer.Option(help="Where the shape comes from when the model's name tells none, e.g. its base's.")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="Whose settings.")] = Engine.VLLM,
    context: Annotated[int, typer.Option(min=1, help="Tokens of prompt and completion together.")] = 32768,
    n: Annotated[int, typer.Option("--n", min=1, max=64, help="Candidates of one question.")] = 3,
    speculation: Annotated[
        str, typer.Option(help="none, ngram, suffix, eagle=HEAD (EAGLE-3) or draft=MODEL.")
    ] = "none",
    weights: Annotated[Weights, typer.Option(help="fp8 has the engine quantise them.")] = Weights.BF16,
    kv_cache: Annotated[KvCache, typer.Option(help="fp8 halves it, and changes answers a little.")] = KvCache.AUTO,
    tensor_parallel: Annotated[
        int | None, typer.Option(min=1, help="Cards that share each layer; chosen where it is not said.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="shell and yaml print nothing else.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> int:
    """Plan a server: parallelism, memory, prefix cache, speculation; refuses what cannot fit.

    abruzzi engine plan --model Qwen/Qwen2.5-32B --hardware 8xh100

    Nothing is started, and no weights are needed. Memory is counted, not measured.
    """
    from abruzzi.launch.facts import check_context, parse_cards, shape_of
    from abruzzi.launch.layout import Wanted
    from abruzzi.launch.plan import make_plan
    from abruzzi.launch.report import describe_plan, plan_to_json
    from abruzzi.launch.speculation import SpeculationKind, parse_speculation

    if model.partition(":")[0] in ("embedded", "scripted"):
        raise ConfigError(f"{model!r} runs inside Abruzzi and needs no server; name a model as vLLM and SGLang do")
    drafting = parse_speculation(speculation)
    drafter = drafting.model if drafting.kind is SpeculationKind.DRAFT else None
    check_context(shape or model, context)
    wanted = Wanted(
        model=model,
        shape=shape_of(shape or model),
        cards=parse_cards(hardware),
        context=context,
        n=n,
        weights=weights,
        kv_cache=kv_cache,
        speculation=drafting,
        draft_shape=None if drafter is None else shape_of(drafter),
        tensor_parallel=tensor_parallel,
    )
    plan = make_plan(wanted, engine)
    match Format.JSON if as_json else output:
        case Format.TEXT:
            print(describe_plan(plan))
        case Format.SHELL:
            print(plan.shell)
        case Format.YAML:
            print(plan.yaml)
        case Format.JSON:
            print(json.dumps(plan_to_json(plan), indent=2))
    return 0
