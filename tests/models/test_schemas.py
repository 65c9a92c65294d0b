"""Schemas of strangers are checked in bounded time, as the standard's own metaschema would have it."""

import contextlib
import json
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from abruzzi.errors import ConfigError, StructureError
from abruzzi.models.chat import Schema
from abruzzi.models.schemas import MAX_NODES, check_schema
from abruzzi.models.structured import read_json

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"type": "wat"}, "is not a JSON schema: at \\$.type"),
        ({"properties": {"a": {"pattern": "("}}}, "is not a JSON schema"),
        ({"type": "array"}, "a reply is one object"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}}, "refers to 'http://127.0.0.1:9/x'"),
        ({"properties": {"a": {"anyOf": [{"$ref": "#/$defs/no"}]}}}, "which it does not hold"),
        ({"$ref": "#"}, "refers to itself"),
    ],
)
def test_a_schema_that_nothing_can_be_held_to_is_refused(body: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check_schema(Schema("s", body))


def test_a_schema_may_refer_to_its_own_parts() -> None:
    body = {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    check_schema(Schema("s", body))
    assert read_json('{"a": 1}', Schema("s", body)) == '{"a": 1}'
    with pytest.raises(StructureError, match=r"at \$\.a"):
        read_json('{"a": "x"}', Schema("s", body))


def double(depth: int, **keywords: Any) -> dict[str, Any]:
    """Make a schema in which each part refers twice to the next one."""
    parts: dict[str, Any] = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2, **keywords} for i in range(depth)}
    return {"type": "object", "$ref": "#/$defs/a0", "$defs": {**parts, f"a{depth}": {"type": "object"}}}


@pytest.mark.parametrize(
    "keywords", [{}, {"$schema": DRAFT_7}, {"$schema": "https://json-schema.org/draft/2020-12/schema"}]
)
def test_a_schema_that_doubles_with_each_turn_is_given_up(keywords: dict[str, Any]) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError, match="nested too deep, or refers to itself without end"):
        check_schema(Schema("s", double(30, **keywords)))
    assert time.process_time() - started < 20  # 2 to the power of 30 references would take days
    check_schema(Schema("s", double(5, **keywords)))


def test_a_reply_that_makes_a_schema_double_is_given_up() -> None:
    schema = Schema("s", {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}})
    check_schema(schema)
    assert read_json('{"a": {"a": {}}}', schema) == '{"a": {"a": {}}}'
    with pytest.raises(StructureError, match="takes too many steps"):
        read_json('{"a": ' * 40 + "{}" + "}" * 40, schema)


def test_a_schema_has_a_size() -> None:
    sized: dict[str, Any] = {"type": "object", "properties": {f"p{i}": {} for i in range(MAX_NODES - 3)}}
    check_schema(Schema("s", sized))
    with pytest.raises(ConfigError, match="more than 5,000 values"):
        check_schema(Schema("s", {**sized, "title": "One more"}))
    with pytest.raises(ConfigError, match="more than 5,000 values"):
        check_schema(Schema("s", {"enum": [[1] * 10_000]}))


PARTS: list[Any] = [
    {"type": "string"},
    {"type": ["string", "null"], "minLength": 1},
    {"type": "wat"},
    {"minLength": -1},
    {"minLength": "1"},
    {"multipleOf": 0},
    {"required": ["a", "a"]},
    {"required": "a"},
    {"enum": 1},
    {"items": [1]},
    {"items": {"items": {"type": 5}}},
    {"prefixItems": []},
    {"anyOf": []},
    {"anyOf": [{"type": "x"}]},
    {"not": {"$ref": 5}},
    {"$defs": {"a": {"maximum": "x"}}},
    {"$dynamicRef": 7},
    {"$id": 5},
    {"$id": "x#y"},
    {"$anchor": "9"},
    {"$schema": 5},
    {"definitions": {"a": {"type": 1}}},
    {"dependencies": {"a": ["b", 1]}},
    {"dependentRequired": {"a": "b"}},
    {"dependentSchemas": {"a": {"type": "x"}}},
    {"if": 1},
    {"unevaluatedProperties": {"type": "x"}},
    {"patternProperties": {"(": {}}},
    {"propertyNames": {"minLength": -1}},
    {"contains": {"maxContains": -1}},
    {"title": 5},
    {"deprecated": "x"},
    {"contentSchema": {"type": 1}},
    {"format": 1},
    {"const": {"type": 5}},
    {"properties": {"$ref": {"type": "string"}, "$dynamicRef": {"type": "string"}}},
    True,
    5,
]


@pytest.mark.parametrize("part", PARTS, ids=json.dumps)
def test_what_is_a_schema_is_as_the_standard_says(part: Any) -> None:
    body: dict[str, Any] = {"type": "object", "properties": {"p": part}}
    standard: Any = Draft202012Validator(
        Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    is_valid = standard.is_valid(body)
    with contextlib.nullcontext() if is_valid else pytest.raises(ConfigError, match="is not a JSON schema"):
        check_schema(Schema("s", body))
