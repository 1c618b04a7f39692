"""What a case can be about, how long its decision may take, and how names of people are compared."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from linkwell.base.errors import TwoPersonError, UsageError

STATES = ("open", "proposed", "held", "upheld", "rejected")
"""Where a case stands. `upheld` and `rejected` are final; a `held` case can be proposed for again."""

DECISIONS = {"takedown": "upheld", "reject": "rejected", "hold": "held"}
"""What can be proposed, and the state it brings once a second person approves."""

REPORTABLE = ("illegal", "intimate", "privacy", "opt-out", "licence", "dead")
"""Kinds that a person can report; `perceptual` comes from findings only."""

_MAX_NAME_CHARACTERS = 100
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that show as nothing (Default_Ignorable_Code_Point outside the categories Z and C), and the empty Braille cell."""


@dataclass(frozen=True)
class Kind:
    """One kind of case: its clock, and how its takedowns leave."""

    hours: int
    """Hours from intake to the time a decision is due."""
    covered: bool
    """Whether a takedown leaves with its whole cell and without a reason, unless the report says otherwise."""
    reason: str
    """The public reason of an open removal; empty where there is none."""
    rule: str
    """Where the clock comes from."""

    @property
    def clock(self) -> timedelta:
        """Time from intake to the time a decision is due."""
        return timedelta(hours=self.hours)


KINDS: dict[str, Kind] = {
    "illegal": Kind(24, covered=True, reason="", rule="DSA art. 16(6) says timely; a day is our own promise"),
    "perceptual": Kind(
        24, covered=True, reason="", rule="a look-alike of something listed: the same day, because it may be the thing"
    ),
    "intimate": Kind(48, covered=True, reason="", rule="TAKE IT DOWN Act, sec. 3(a)(3): 48 hours"),
    "privacy": Kind(30 * 24, covered=True, reason="", rule="GDPR art. 12(3): one month"),
    "opt-out": Kind(
        30 * 24, covered=False, reason="opt-out", rule="GDPR art. 12(3), taken over for rights holders: one month"
    ),
    "licence": Kind(
        14 * 24,
        covered=False,
        reason="licence",
        rule="17 USC 512(c)(1)(C) says expeditiously; two weeks is our own promise",
    ),
    "dead": Kind(
        90 * 24, covered=False, reason="dead", rule="nobody is harmed by a dead link: with the next quarterly release"
    ),
}
"""Every kind of case. Not legal advice: a workspace's own duties may be shorter."""


_WHO_IS_MEANT = {
    "--as": "Say who you are: --as NAME",
    "--second": "This takes two people. Say who agrees with you: --second NAME",
}


def check_person(who: str, option: str = "--as") -> str:
    """A person's name as it stands in the log: white space folded. `option` is where it was given.

    Raises:
        UsageError: it is empty, longer than 100 characters, or holds characters that do not print.
    """
    name = " ".join(who.split())
    if not person_key(name):
        raise UsageError("a name is needed here, and this one is empty", option, _WHO_IS_MEANT[option])
    if len(name) > _MAX_NAME_CHARACTERS or any(unicodedata.category(c).startswith("C") for c in name):
        raise UsageError("a name has at most 100 characters, all of which print", option)
    return name


def two_people(who: str, second: str, where: str) -> tuple[str, str]:
    """The names of who acts and who agrees, as they stand in the log.

    Raises:
        TwoPersonError: they are one person's.
        UsageError: one is no name.
    """
    first, other = check_person(who), check_person(second, "--second")
    if person_key(first) == person_key(other):
        raise TwoPersonError("this takes two people", where, "Have somebody else agree: --second NAME")
    return first, other


def person_key(who: str) -> str:
    """What two spellings of one name have in common: no case, no white space, no invisible characters.

    >>> person_key("Ada  Lovelace") == person_key("ada lovelace ") == person_key("ADALOVELACE")
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", who).casefold())
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "ZC" and not _UNSEEN.match(c))
