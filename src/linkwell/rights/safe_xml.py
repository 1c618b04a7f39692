"""XML from strangers: read as a stream of events, without document types and entities, so that it cannot grow or reach out."""

from collections.abc import Callable
from xml.parsers import expat


class XmlRefusedError(ValueError):
    """Not well-formed, in an unknown encoding, or with a document type or an entity of its own."""


def read_xml(
    data: bytes,
    *,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    characters: Callable[[str], None],
) -> None:
    """Call back for every element and text, names as `namespace name`.

    Raises:
        XmlRefusedError: see there. What stood before has been called back by then.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.buffer_text = True
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat's way to say that this is all
    except (
        expat.ExpatError,
        LookupError,
        ValueError,
    ) as error:  # ValueError: expat's word for encodings of several bytes
        raise XmlRefusedError from error


def _refuse(*_declared: object) -> None:
    raise XmlRefusedError
