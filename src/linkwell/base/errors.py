"""Every error Linkwell raises on purpose.

The tree, so that one screen shows what to catch:

    LinkwellError                 exit code 3: it could not be done
    ├── UsageError                exit code 2: the command itself is wrong
    ├── DataError                 what was given is wrong
    │   ├── DamagedFileError      bytes that do not read as what they should be
    │   ├── FormatError           readable, but not in a form known here
    │   ├── ReconciliationError   row counts that do not add up
    │   └── SignatureError        a signature, hash or chain that does not hold
    ├── UnavailableError          it could not be got or put
    │   ├── MissingError          a file, dataset, release or case that is not there
    │   ├── MissingKeyError       a key that is needed and not there
    │   ├── StorageError          disk full, read-only, not permitted
    │   ├── PartnerError          a partner's service that refuses, or does not answer as it should
    │   ├── BusyError             another linkwell is at work on the same thing
    │   └── WorkerLostError       a task that kills its worker every time
    └── SafetyError               a ground rule of safety stops the step
        ├── TwoPersonError        who proposes cannot approve
        ├── NoHashListError       nothing to check against
        ├── StaleFeedError        a feed that is expired, rolled back or unsigned
        └── AddressRefusedError   a private, loopback or reserved network address

A message names the file, row or field, says what is wrong and what to do. It never holds a restricted value: no hash of a
list, no URL or text of a suspected entry (ground rule 8).
"""

from typing import ClassVar


class LinkwellError(Exception):
    """Base of all: `problem` says what is wrong, `where` names the file, row or field, `advice` says what to do."""

    exit_code: ClassVar[int] = 3

    def __init__(self, problem: str, where: str | None = None, advice: str | None = None) -> None:
        super().__init__(problem, where, advice)
        self.problem = problem
        self.where = where
        self.advice = advice

    def __str__(self) -> str:
        """One or two lines: `where: problem`, then the advice."""
        line = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{line}\n{self.advice}" if self.advice else line


class UsageError(LinkwellError):
    """The command or call is wrong: an option, a name, a combination."""

    exit_code: ClassVar[int] = 2


class DataError(LinkwellError):
    """What was given is wrong."""


class DamagedFileError(DataError):
    """Bytes that do not read as what they should be."""


class FormatError(DataError):
    """Readable, but not in a form known here."""


class ReconciliationError(DataError):
    """Row counts that do not add up."""


class SignatureError(DataError):
    """A signature, content hash or hash chain that does not hold."""


class UnavailableError(LinkwellError):
    """Something could not be got or put."""


class MissingError(UnavailableError):
    """A file, dataset, release or case that is not there."""


class MissingKeyError(UnavailableError):
    """A key that is needed and not there."""


class StorageError(UnavailableError):
    """Disk full, read-only or not permitted."""


class PartnerError(UnavailableError):
    """A partner's service that refuses, or does not answer as it should. What it said is not quoted."""

    def __init__(
        self, problem: str, where: str | None = None, advice: str | None = None, *, status: int | None = None
    ) -> None:
        super().__init__(problem, where, advice)
        self.status = status
        """The HTTP status, where it was that."""


class BusyError(UnavailableError):
    """Another linkwell is at work on the same thing."""


class WorkerLostError(UnavailableError):
    """A task that kills its worker every time it is tried."""


class SafetyError(LinkwellError):
    """A ground rule of safety stops the step."""


class TwoPersonError(SafetyError):
    """Who proposes cannot approve."""


class NoHashListError(SafetyError):
    """Nothing to check against; a check that checked nothing would look like a pass."""


class StaleFeedError(SafetyError):
    """A feed that is expired, rolled back or unsigned."""


class AddressRefusedError(SafetyError):
    """A private, loopback, link-local or reserved network address that nobody allowed."""
