"""Checks JSON schemas, and values against them, in bounded time.

A schema may come from a client that wishes us ill. So its size is bounded, no reference in it is fetched, and a check
is given up after so many steps: references that name others twice double the work with each turn. Everything is read
as draft 2020-12, whatever ``$schema`` says, since another draft's validator would not count its steps.

The standard's own metaschema is put together into one without dynamic references, which says the same and is checked
six times as fast (1,000 properties: 0.3 s for 2.0 s; 2 busy cores, 2026-11-29).
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, cast

import attrs
import jsonschema
from jsonschema import Draft202012Validator, SchemaError
from jsonschema_specifications import REGISTRY
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from abruzzi.errors import ConfigError
from abruzzi.models.chat import Schema

MAX_NODES = 5_000
"""Objects, arrays and plain values in a schema; checking so many takes about a second."""
MAX_STEPS = 100_000
"""Keywords that one check may apply; about a second's work too."""
REFERENCE_STEPS = 20
"""What following a reference counts as: it takes some 200 µs, another keyword 10."""
_SHOWN_CHARS = 200
_untyped: Any = jsonschema
_HOME = "https://json-schema.org/draft/2020-12/"


class UnfollowableError(Exception):
    """A value cannot be checked against a schema; says why."""


class _TooMuchError(Exception):
    """A check has taken all the steps that it may."""


_steps_left: ContextVar[list[int]] = ContextVar("steps_left")
"""Of the check that runs; a list of one, so that each keyword takes from the same."""


def _count_steps(keyword: str, check: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a keyword's check so that it takes its share of the steps."""
    cost = REFERENCE_STEPS if keyword in ("$ref", "$dynamicRef") else 1

    def checked(*arguments: Any) -> Any:
        left = _steps_left.get()
        left[0] -= cost
        if left[0] < 0:
            raise _TooMuchError
        return check(*arguments)

    return checked


def _make_validator() -> Any:
    """Make a validator that counts, and stays itself inside a schema that names another draft."""
    checks: Mapping[str, Callable[..., Any]] = Draft202012Validator.VALIDATORS
    counted = {keyword: _count_steps(keyword, check) for keyword, check in checks.items()}
    counting = _untyped.validators.extend(Draft202012Validator, counted)

    def evolve(self: Any, **changes: Any) -> Any:
        return attrs.evolve(self, **changes)

    counting.evolve = evolve
    return counting


def _put_together() -> dict[str, Any]:
    """Put the vocabularies of the metaschema together into one schema."""
    meta = cast("dict[str, Any]", Draft202012Validator.META_SCHEMA)
    whole: dict[str, Any] = {"type": ["object", "boolean"], "properties": {}, "$defs": {}}
    parts = [REGISTRY.contents(_HOME + part["$ref"]) for part in meta["allOf"]]
    for part in (*parts, meta):
        for keyword in ("properties", "$defs"):
            whole[keyword] |= _make_static(cast("dict[str, Any]", part).get(keyword, {}))
    return whole


def _make_static(part: Any) -> Any:
    if isinstance(part, dict):
        entries = cast("dict[str, Any]", part)
        if entries.get("$dynamicRef") == "#meta":
            return {"$ref": "#"}
        if str(entries.get("$ref", "")).startswith("meta/"):
            return {"$ref": "#" + entries["$ref"].partition("#")[2]}
        return {key: _make_static(value) for key, value in entries.items()}
    return [_make_static(value) for value in cast("list[Any]", part)] if isinstance(part, list) else part


_Validator = _make_validator()
_Meta: Any = Draft202012Validator(_put_together(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def check_schema(schema: Schema) -> None:
    """Refuse a schema that no reply could be held to.

    Raises:
        ConfigError: it is too large, not a JSON schema, not one of an object, or refers to something outside itself.
    """
    body = dict(schema.body)
    if _count_nodes(body) > MAX_NODES:
        raise ConfigError(f"the schema {schema.name!r} has more than {MAX_NODES:,} values; make it smaller")
    try:
        _check_form(body)
        resolver = Registry[Any]().resolver_with_root(DRAFT202012.create_resource(body))
        for reference in _find_references(body):
            resolver.lookup(reference)
        _find_fault({}, body)
    except SchemaError as error:
        raise ConfigError(
            f"the schema {schema.name!r} is not a JSON schema: at {error.json_path}: {_shorten(error.message)}"
        ) from None
    except Unresolvable as error:
        raise ConfigError(f"the schema {schema.name!r} refers to {error.ref!r}, which it does not hold") from None
    except (RecursionError, _TooMuchError):
        raise ConfigError(f"the schema {schema.name!r} is nested too deep, or refers to itself without end") from None
    if body.get("type", "object") != "object":
        raise ConfigError(f"the schema {schema.name!r} is of {body['type']!r}; a reply is one object")


def find_fault(value: Any, schema: Schema) -> str:
    """Say what is wrong with a value, or nothing.

    Raises:
        UnfollowableError: the schema cannot be followed to its end.
    """
    body = dict(schema.body)
    try:
        _check_form(body)
        return _find_fault(value, body)
    except (SchemaError, Unresolvable, RecursionError) as error:
        raise UnfollowableError(str(error)) from None
    except _TooMuchError:
        raise UnfollowableError("it takes too many steps") from None


def _check_form(body: dict[str, Any]) -> None:
    """Hold a schema against the metaschema.

    Raises:
        SchemaError: it does not fit.
    """
    error = _untyped.exceptions.best_match(_Meta.iter_errors(body))
    if error is not None:
        raise SchemaError.create_from(error)


def _find_fault(value: Any, body: dict[str, Any]) -> str:
    token = _steps_left.set([MAX_STEPS])
    try:
        error = _untyped.exceptions.best_match(_Validator(body, registry=Registry[Any]()).iter_errors(value))
    finally:
        _steps_left.reset(token)
    return "" if error is None else f"at {error.json_path}: {error.message}"


def _count_nodes(part: object) -> int:
    """Count the values in a schema; stops soon after the limit."""
    num_nodes, waiting = 0, [part]
    while waiting and num_nodes <= MAX_NODES:
        num_nodes += 1
        match waiting.pop():
            case dict() as entries:  # pyright: ignore[reportUnknownVariableType] -- JSON
                waiting.extend(cast("dict[str, object]", entries).values())
            case list() as items:  # pyright: ignore[reportUnknownVariableType] -- JSON
                waiting.extend(cast("list[object]", items))
            case _:
                pass
    return num_nodes


def _find_references(part: object) -> Iterator[str]:
    """Find every reference in a schema."""
    if isinstance(part, dict):
        for key, value in cast("dict[str, object]", part).items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _find_references(value)
    elif isinstance(part, list):
        for value in cast("list[object]", part):
            yield from _find_references(value)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
