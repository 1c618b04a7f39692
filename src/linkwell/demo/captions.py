"""Captions of the demo's pictures, in nine languages and four scripts."""

import tomllib
from functools import cache
from importlib import resources

import msgspec

from linkwell.demo.pictures import Picture

_COMMA = {"ja": "、", "ar": "، "}


class _Language(msgspec.Struct, frozen=True):
    things: dict[str, list[str]]
    colours: dict[str, str]
    moods: dict[str, str]


@cache
def _languages() -> dict[str, _Language]:
    raw = tomllib.loads(resources.files(__package__).joinpath("captions.toml").read_text("utf-8"))
    return {
        code: _Language(
            things={kind: words for kind, words in table.items() if kind not in {"colours", "moods"}},
            colours=table["colours"],
            moods=table["moods"],
        )
        for code, table in raw.items()
    }


def languages() -> tuple[str, ...]:
    """ISO 639-1 codes of the languages there are captions in."""
    return tuple(_languages())


def caption(picture: Picture, language: str) -> str:
    """What a picture shows, said in a language: subject, colour and light; the wording varies with the seed."""
    words = _languages()[language]
    things = words.things[picture.kind]
    comma = _COMMA.get(language, ", ")
    space = "、" if language == "ja" else " "
    return (
        f"{things[picture.seed % len(things)]}{space}{words.colours[picture.colour]}{comma}{words.moods[picture.mood]}"
    )
