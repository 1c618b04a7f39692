"""Hash lists to matchers: formats, encrypted storage, exact joins, PDQ neighbours; and what a match comes to."""

from typing import TYPE_CHECKING

from linkwell.base.faces import face_of

if TYPE_CHECKING:
    from linkwell.lists.fetching import FetchReport, fetch_list, find_exchange
    from linkwell.lists.findings import (
        FINDING_CLASSES,
        PRIVACY,
        PROPOSED,
        Finding,
        Match,
        read_findings,
        write_findings,
    )
    from linkwell.lists.formats import LIST_FORMATS
    from linkwell.lists.importing import (
        ImportReport,
        ListInfo,
        ListNotes,
        forget_list,
        import_list,
        lists_generation,
        note_list,
        show_lists,
    )
    from linkwell.lists.likeness import Likeness
    from linkwell.lists.matcher import Matcher, load_matcher, shared_matcher

# Who matches does without the exchanges' clients, 40 MB.
__getattr__ = face_of(
    __name__,
    {
        "fetching": (
            "FetchReport",
            "fetch_list",
            "find_exchange",
        ),
        "findings": (
            "FINDING_CLASSES",
            "PRIVACY",
            "PROPOSED",
            "Finding",
            "Match",
            "read_findings",
            "write_findings",
        ),
        "formats": ("LIST_FORMATS",),
        "importing": (
            "ImportReport",
            "ListInfo",
            "ListNotes",
            "forget_list",
            "import_list",
            "lists_generation",
            "note_list",
            "show_lists",
        ),
        "likeness": ("Likeness",),
        "matcher": ("Matcher", "load_matcher", "shared_matcher"),
    },
)

__all__ = [
    "FINDING_CLASSES",
    "LIST_FORMATS",
    "PRIVACY",
    "PROPOSED",
    "FetchReport",
    "Finding",
    "ImportReport",
    "Likeness",
    "ListInfo",
    "ListNotes",
    "Match",
    "Matcher",
    "fetch_list",
    "find_exchange",
    "forget_list",
    "import_list",
    "lists_generation",
    "load_matcher",
    "note_list",
    "read_findings",
    "shared_matcher",
    "show_lists",
    "write_findings",
]
