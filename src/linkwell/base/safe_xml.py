"""XML from strangers: read as a stream of events, without document types and entities, so that it cannot grow or reach out."""

from collections.abc import Callable
from xml.parsers import expat


class XmlRefusedError(ValueError):
    """Not well-formed, in an unknown encoding, or with a document type or an entity of its own."""


class XmlStream:
    """A parser that is fed a document in pieces and calls back for every element and text, names as `namespace name`."""

    def __init__(
        self,
        *,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None],
        characters: Callable[[str], None],
    ) -> None:
        """Begin a document.

        Args:
            start: called with the name and the attributes of an element that opens.
            end: called with the name of an element that closes.
            characters: called with text, in pieces of any length.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = characters
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.buffer_text = True
        self._parser = parser

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Parse the next piece.

        Raises:
            XmlRefusedError: see there. What stood before has been called back by then.
        """
        try:
            self._parser.Parse(piece, last)
        except (
            expat.ExpatError,
            LookupError,
            ValueError,
        ) as error:  # ValueError: expat's word for encodings of several bytes
            raise XmlRefusedError from error


def read_xml(
    data: bytes,
    *,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    characters: Callable[[str], None],
) -> None:
    """Call back for every element and text of a whole document; arguments as of `XmlStream`.

    Raises:
        XmlRefusedError: see there. What stood before has been called back by then.
    """
    XmlStream(start=start, end=end, characters=characters).feed(data, last=True)


def _refuse(*_declared: object) -> None:
    raise XmlRefusedError
