"""Hands launch plans to the parsers of vLLM and SGLang themselves, without a GPU; started by ``check_launch.sh``.

Every plan that Abruzzi can print, for every way to draft, is given as command line and as YAML to the engine's own
parser; each value must arrive in the field that it is meant for. vLLM then builds its ``AsyncEngineArgs`` and validates
drafting as ``SpeculativeConfig``, SGLang its ``ServerArgs``. What no plan may say is given too, and must be refused,
so that a parser that takes anything would be found out.

Not checked, since it needs the cards: that the model loads, that memory is as planned, that drafting is any faster.

Each line printed says what was held against what; the first disagreement ends the script with exit code 1.
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from abruzzi.errors import ConfigError
from abruzzi.launch.choices import Engine, KvCache, Weights
from abruzzi.launch.facts import parse_cards, shape_of
from abruzzi.launch.layout import Wanted
from abruzzi.launch.plan import LaunchPlan, make_plan
from abruzzi.launch.setting import to_arguments
from abruzzi.launch.speculation import SpeculationKind, parse_speculation

Parse = Callable[[list[str]], argparse.Namespace]

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "num_hidden_layers": 28,
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
"""Of Qwen2.5-7B, as far as a shape and a parser need it."""
HEAD = {**CONFIG, "architectures": ["LlamaForCausalLMEagle3"], "model_type": "llama", "num_hidden_layers": 1}
"""Of an EAGLE-3 head for it."""
FOLDERS = {"model": CONFIG, "draft": CONFIG, "head": HEAD}


def say(line: str) -> None:
    """Print a line at once, among what the engines print."""
    sys.stdout.write(f"ok  {line}\n")
    sys.stdout.flush()


def hold(condition: bool, line: str) -> None:
    """End the script unless something holds."""
    if not condition:
        sys.exit(f"NOT SO  {line}")


def list_plans(engine: Engine, folder: Path) -> Iterator[LaunchPlan]:
    """Make a plan for every combination of what a person can ask for; those that cannot fit are left out."""
    model, draft = str(folder / "model"), str(folder / "draft")
    drafting = ("none", "ngram", "suffix", f"eagle={folder / 'head'}", f"draft={draft}")
    for cards, text, weights, cache in product(("h100", "8xh100", "4x24GiB"), drafting, Weights, KvCache):
        speculation = parse_speculation(text)
        wanted = Wanted(
            model=model,
            shape=shape_of(model),
            cards=parse_cards(cards),
            context=16384,
            weights=weights,
            kv_cache=cache,
            speculation=speculation,
            draft_shape=shape_of(draft) if speculation.kind is SpeculationKind.DRAFT else None,
        )
        with contextlib.suppress(ConfigError):
            yield make_plan(wanted, engine)


def check_arrival(plan: LaunchPlan, found: Any, parser: argparse.ArgumentParser) -> None:
    """Hold each setting against what the parser made of it."""
    for setting in plan.settings:
        option = f"--{setting.name}"
        action = parser._option_string_actions.get(option)
        if action is None:
            sys.exit(f"NOT SO  {option} is an option of {plan.engine} {plan.version} by its full name")
        value = getattr(found, action.dest)
        expected = dict(setting.value) if not isinstance(setting.value, str | int | float) else setting.value
        hold(value == expected, f"{option} {setting.text} arrives as {action.dest} = {value!r}")


def must_refuse(what: str, parse: Callable[[], object]) -> None:
    """Hold that something is refused, whichever way the engine refuses."""
    refusals = (SystemExit, ValueError, TypeError, argparse.ArgumentError)
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            parse()
        except refusals:
            return
    hold(False, f"{what} is refused")


def check_plans(plans: list[LaunchPlan], parser: argparse.ArgumentParser, parse: Parse, folder: Path) -> None:
    """Hand every plan over, as command line and as YAML."""
    for plan in plans:
        words = shlex.split(plan.shell.replace("\\\n", " "))
        hold(words == [*plan.command, *to_arguments(plan.settings)], "the shell gets the words that were meant")
        # «vllm serve MODEL …», «sglang serve --model-path MODEL …»: the parser sees what follows «serve».
        line = parse([*plan.command[2:], *words[len(plan.command) :]])
        check_arrival(plan, line, parser)
        file = folder / "launch.yaml"
        file.write_text(plan.yaml + "\n")
        from_file = parse(["--config", str(file)])
        check_arrival(plan, from_file, parser)
    num_settings = sum(len(plan.settings) for plan in plans)
    kinds = ", ".join(sorted({plan.wanted.speculation.kind.value for plan in plans}))
    say(f"{plans[0].engine}: {len(plans)} plans ({kinds}), {num_settings} settings arrive, by command line and by YAML")


def check_refusals(parser: argparse.ArgumentParser, parse: Parse, model: list[str], options: dict[str, str]) -> None:
    """Hold that the parser is one that refuses."""
    parse(model)
    for option, value in options.items():
        must_refuse(f"{option} {value}", lambda option=option, value=value: parse([*model, option, value]))
    hold("--abruzzi-invented" not in parser._option_string_actions, "an invented option is unknown")
    say(f"it refuses {', '.join(f'{option} {value}' for option, value in options.items())}")


def check_vllm(folder: Path) -> None:
    """Check vLLM's parser, engine arguments and drafting."""
    from vllm.config import ModelConfig, ParallelConfig
    from vllm.config.cache import CacheConfig
    from vllm.config.speculative import SpeculativeConfig
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.common.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser())

    def parse(words: list[str]) -> argparse.Namespace:
        found = parser.parse_args(words)
        validate_parsed_serve_args(found)
        return found

    plans = list(list_plans(Engine.VLLM, folder))
    check_plans(plans, parser, parse, folder)
    for plan in plans:
        arguments = AsyncEngineArgs.from_cli_args(parse([*plan.command[2:], *to_arguments(plan.settings)]))
        hold(arguments.tensor_parallel_size == plan.layout.tensor_parallel, "tensor_parallel_size of AsyncEngineArgs")
        hold(arguments.max_num_seqs == plan.layout.max_sequences, "max_num_seqs of AsyncEngineArgs")
    say(f"vllm: AsyncEngineArgs are made of {len(plans)} plans")
    options = {
        "--max-num-seqs": "many",
        "--tensor-paralel": "2",
        "--speculative-config": "{",
    }
    check_refusals(parser, parse, ["m"], options)
    # The parser leaves this value to the configuration, since platforms may add their own.
    for setting in (setting for plan in plans for setting in plan.settings if setting.name == "kv-cache-dtype"):
        hold(CacheConfig(cache_dtype=setting.text).cache_dtype == setting.text, f"CacheConfig takes {setting.text}")
    must_refuse("--kv-cache-dtype fp9", lambda: CacheConfig(cache_dtype="fp9"))
    say("vllm: CacheConfig takes each --kv-cache-dtype of the plans, and refuses fp9")
    target = ModelConfig(model=str(folder / "model"), skip_tokenizer_init=True, max_model_len=16384)
    make = partial(SpeculativeConfig, target_model_config=target, target_parallel_config=ParallelConfig())
    check_vllm_drafting(plans, make)


def check_vllm_drafting(plans: list[LaunchPlan], speculative_config: Callable[..., Any]) -> None:
    """Validate each way to draft as vLLM does when it starts."""
    drafts: dict[str, dict[str, Any]] = {}
    for plan in plans:
        for setting in plan.settings:
            if setting.name == "speculative-config":
                drafts[plan.wanted.speculation.kind.value] = json.loads(setting.text)
    for kind, fields in drafts.items():
        try:
            made = speculative_config(**fields)
        except ImportError as error:
            say(f"vllm: {kind} {fields} goes no further than this: {error}")
            continue
        hold(made.num_speculative_tokens == fields["num_speculative_tokens"], f"length of {kind}'s drafts")
        say(f"vllm: SpeculativeConfig takes {kind} {fields}")
    must_refuse("an unknown field", lambda: speculative_config(method="ngram", num_speculative_tokens=2, lookup=1))
    must_refuse("an unknown method", lambda: speculative_config(method="eagle9", num_speculative_tokens=2))
    must_refuse("a draft of 0 tokens", lambda: speculative_config(method="ngram", num_speculative_tokens=0))
    say("vllm: SpeculativeConfig refuses an unknown field, an unknown method and a draft of 0 tokens")


def check_sglang(folder: Path) -> None:
    """Check SGLang's parser and server arguments."""
    from sglang.srt.server_args import ServerArgs
    from sglang.srt.utils.server_args_config_parser import ConfigArgumentMerger

    parser = argparse.ArgumentParser(prog="sglang serve")
    ServerArgs.add_cli_args(parser)

    def parse(words: list[str]) -> argparse.Namespace:
        merged = ConfigArgumentMerger(parser).merge_config_with_args(words) if "--config" in words else words
        return parser.parse_args(merged)

    plans = list(list_plans(Engine.SGLANG, folder))
    check_plans(plans, parser, parse, folder)
    for plan in plans:
        arguments = ServerArgs.from_cli_args(parse([*plan.command[2:], *to_arguments(plan.settings)]))
        hold(arguments.tp_size == plan.layout.tensor_parallel, "tp_size of ServerArgs")
        hold(arguments.max_running_requests == plan.layout.max_sequences, "max_running_requests of ServerArgs")
    say(f"sglang: ServerArgs are made of {len(plans)} plans")
    options = {"--kv-cache-dtype": "fp9", "--max-running-requests": "many", "--tp-sise": "2"}
    check_refusals(parser, parse, ["--model-path", "m"], options)


CHECKS = {"vllm": check_vllm, "sglang": check_sglang}


def main() -> None:
    """Check the engines that are named, or all."""
    names = sys.argv[1:] or list(CHECKS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, config in FOLDERS.items():
            (folder / part).mkdir()
            (folder / part / "config.json").write_text(json.dumps(config))
        for engine in names:
            version = importlib.metadata.version(engine)
            say(f"{engine} {version}, torch {importlib.metadata.version('torch')}, no GPU")
            CHECKS[engine](folder)
    say("all checks passed")


if __name__ == "__main__":
    main()
