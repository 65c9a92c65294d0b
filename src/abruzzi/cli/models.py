"""``abruzzi models``: which models can be named, where the embedded one lies, and how to fetch it."""

import os
from typing import Annotated

import typer

from abruzzi.errors import ConfigError, WeightsError
from abruzzi.models.specs import EmbeddedSpec, EndpointSpec, HubSpec, find_key, key_variables, parse_spec

app = typer.Typer(help="Which models can be named; fetch the embedded one.", no_args_is_help=True)

_FORMS = (
    ("embedded", "the embedded engine's model; today the untrained base"),
    ("embedded:base", "SmolLM2-135M-Instruct as it came, without adapters"),
    ("embedded:/path/model.gguf", "a GGUF file of yours in the embedded engine"),
    ("hf:ORG/REPO/FILE.gguf", "a GGUF file of the Hugging Face hub in the embedded engine"),
    ("http://host:port/v1#model", "an OpenAI-compatible endpoint: vLLM, SGLang, llama.cpp, Ollama…"),
    ("cerebras:NAME", "a model at Cerebras; key in CEREBRAS_API_KEY"),
    ("scripted", "a canned demonstration without any model"),
)


@app.command("list")
def list_command(
    endpoint: Annotated[str | None, typer.Argument(help="An endpoint, to list what it serves.")] = None,
) -> int:
    """List the forms of a model spec, or the models that an endpoint serves.

    abruzzi models list http://localhost:8000/v1
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    if endpoint is None:
        table.add_column("spec")
        table.add_column("what it is")
        for form, meaning in _FORMS:
            table.add_row(form, meaning)
    else:
        table.add_column("model")
        table.add_column("context")
        for name, context in _list_endpoint(endpoint):
            table.add_row(name, context)
    Console().print(table)
    return 0


@app.command("fetch")
def fetch_command(
    spec: Annotated[str, typer.Argument(help="embedded, or hf:ORG/REPO/FILE.gguf.")] = "embedded",
) -> int:
    """Fetch the weights of an embedded model, and print where they lie."""
    from abruzzi.cli.wiring import fetch_weights

    print(fetch_weights(_parse_embedded(spec)))
    return 0


@app.command("where")
def where_command() -> int:
    """Print where the embedded model's weights lie; exit code 1 when they have not been fetched."""
    from abruzzi.cli.wiring import cache_folder
    from abruzzi.engine.weights import locate_base

    cache = cache_folder(os.environ)
    path = locate_base(cache)
    if path is None:
        raise WeightsError(f"the embedded model is not on this machine (cache: {cache}); run: abruzzi models fetch")
    print(path)
    return 0


def _list_endpoint(text: str) -> list[tuple[str, str]]:
    import anyio

    from abruzzi.models.openai_client import OpenAIChat

    spec = parse_spec(text)
    if not isinstance(spec, EndpointSpec):
        raise ConfigError(f"{text!r} is not an endpoint; write http://host:port/v1")

    async def ask() -> list[tuple[str, str]]:
        key = find_key(spec, os.environ) or ""
        async with OpenAIChat(spec.base_url, api_key=key, key_variable=key_variables(spec)[0]) as chat:
            cards = await chat.list_models()
        return [(card.id, f"{card.max_context:,}" if card.max_context else "?") for card in cards]

    return anyio.run(ask)


def _parse_embedded(text: str) -> EmbeddedSpec | HubSpec:
    spec = parse_spec(text)
    if not isinstance(spec, EmbeddedSpec | HubSpec):
        raise ConfigError(f"{text!r} has no weights to fetch; name embedded or hf:ORG/REPO/FILE.gguf")
    return spec
