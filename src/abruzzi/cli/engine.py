"""``abruzzi engine``: launch settings for servers that are not ours."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from abruzzi.errors import ConfigError

app = typer.Typer(help="Launch settings for vLLM and SGLang, planned on paper.", no_args_is_help=True)


class EngineName(StrEnum):
    """``--engine``."""

    VLLM = "vllm"
    SGLANG = "sglang"


class Format(StrEnum):
    """``--format``."""

    TEXT = "text"
    SHELL = "shell"
    YAML = "yaml"
    JSON = "json"


class WeightsName(StrEnum):
    """``--weights``."""

    BF16 = "bf16"
    FP8 = "fp8"


class KvCacheName(StrEnum):
    """``--kv-cache``."""

    AUTO = "auto"
    FP8 = "fp8"


@app.callback()
def _root() -> None:
    """Keep ``plan`` a sub-command while it is the only one."""


@app.command("plan")
def plan_command(
    model: Annotated[str, typer.Option("--model", "-m", help="A known shape's name, or a folder with config.json.")],
    hardware: Annotated[str, typer.Option(help="Cards of one machine: h100, 8xh100, or by memory: 24GiB, 4x48GiB.")],
    shape: Annotated[
        str | None, typer.Option(help="Where the shape comes from when the model's name tells none, e.g. its base's.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="Whose settings.")] = EngineName.VLLM,
    context: Annotated[int, typer.Option(min=1, help="Tokens of prompt and completion together.")] = 32768,
    n: Annotated[int, typer.Option("--n", min=1, max=64, help="Candidates of one question.")] = 3,
    speculation: Annotated[
        str, typer.Option(help="none, ngram, suffix, eagle=HEAD (EAGLE-3) or draft=MODEL.")
    ] = "none",
    weights: Annotated[WeightsName, typer.Option(help="fp8 has the engine quantise them.")] = WeightsName.BF16,
    kv_cache: Annotated[KvCacheName, typer.Option(help="fp8 halves it, and changes answers a little.")] = (
        KvCacheName.AUTO
    ),
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
    from abruzzi.launch.budget import KvCache, Weights
    from abruzzi.launch.facts import check_context, parse_cards, shape_of
    from abruzzi.launch.layout import Wanted
    from abruzzi.launch.plan import Engine, make_plan
    from abruzzi.launch.report import describe_plan, plan_to_json
    from abruzzi.launch.speculation import SpeculationKind, parse_speculation

    if model.partition(":")[0] in ("embedded", "scripted"):
        raise ConfigError(f"{model!r} runs inside Abruzzi and needs no server; name a model as vLLM and SGLang do")
    drafting = parse_speculation(speculation)
    is_draft = drafting.kind is SpeculationKind.DRAFT and drafting.model is not None
    check_context(shape or model, context)
    wanted = Wanted(
        model=model,
        shape=shape_of(shape or model),
        cards=parse_cards(hardware),
        context=context,
        n=n,
        weights=Weights(weights.value),
        kv_cache=KvCache(kv_cache.value),
        speculation=drafting,
        draft_shape=shape_of(drafting.model) if is_draft and drafting.model is not None else None,
        tensor_parallel=tensor_parallel,
    )
    plan = make_plan(wanted, Engine(engine.value))
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
