"""RFC 9651, as http-sfv reads it, on the working group's own tests."""

import base64
import json
from decimal import Decimal
from pathlib import Path

import pytest
from http_sfv.dictionary import Dictionary
from http_sfv.item import InnerList, Item
from http_sfv.list import List
from http_sfv.types import Token

_KINDS = {"dictionary": Dictionary, "list": List, "item": Item}
EMPTY = {"empty dictionary", "empty list"}
"""http-sfv takes an empty value for an error; `content_usage` answers for it before it asks."""


def _plain(value: object) -> object:
    if isinstance(value, Token):
        return {"__type": "token", "value": str(value)}
    if isinstance(value, bytes):
        return {"__type": "binary", "value": base64.b32encode(value).decode()}
    return float(value) if isinstance(value, Decimal) else value


def _parameters(held: object) -> list[list[object]]:
    return [[key, _plain(value)] for key, value in held.items()]  # type: ignore[attr-defined] # a mapping of http-sfv


def _member(held: object) -> list[object]:
    if isinstance(held, InnerList):
        return [[_member(item) for item in held], _parameters(held.params)]
    return [_plain(held.value), _parameters(held.params)]  # type: ignore[attr-defined] # an item of http-sfv


@pytest.mark.parametrize(
    "name",
    ["dictionary", "param-dict", "token", "boolean", "examples", "key-generated", "token-generated", "item", "list"],
)
def test_structured_fields(shared_vectors: Path, name: str) -> None:
    """What must parse parses to the same value, what must fail fails; what may fail may."""
    ran = 0
    for case in json.loads((shared_vectors / f"structured-fields/{name}.json").read_text("utf-8")):
        if case["name"] in EMPTY:
            continue
        parsed = _KINDS[case["header_type"]]()
        try:
            parsed.parse(", ".join(case["raw"]).encode())
        except ValueError:
            assert case.get("must_fail") or case.get("can_fail"), case["name"]
            continue
        assert not case.get("must_fail"), case["name"]
        if "expected" not in case:
            continue
        if case["header_type"] == "dictionary":
            got: object = [[key, _member(value)] for key, value in parsed.items()]
        elif case["header_type"] == "list":
            got = [_member(value) for value in parsed]
        else:
            got = _member(parsed)
        assert got == case["expected"], case["name"]
        ran += 1
    assert ran
