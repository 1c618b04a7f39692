"""The tables of the case book, as SQLAlchemy sees them. `migrations` makes them; a test compares the two.

Times are ISO 8601 text in UTC to the second: they sort, they read, and the log hashes exactly what is stored.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

cases = Table(
    "cases",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("covered", Boolean, nullable=False),
    Column("source", String, nullable=False),  # name of a hash list, or `report`
    Column("opened_at", String, nullable=False),
    Column("due_at", String, nullable=False),
    Column("decided_at", String),
    CheckConstraint("state IN ('open', 'proposed', 'held', 'upheld', 'rejected')", name="case_state"),
    sqlite_autoincrement=True,
)

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("case_number", Integer, ForeignKey("cases.number"), nullable=False, index=True),
    Column("link_id", LargeBinary(16), nullable=False, index=True),
    Column("canonical_id", LargeBinary(16)),  # of a reported URL; a finding has none
    Column("source", String),  # of a finding; a report has none
    Column("finding_class", String),
    Column("algorithm", String),
    UniqueConstraint("case_number", "link_id", name="entry_once_in_a_case"),
    UniqueConstraint(
        "source", "finding_class", "link_id", name="finding_in_one_case"
    ),  # NULLs differ: reports may repeat
    sqlite_autoincrement=True,
)

resolved = Table(
    "resolved",
    metadata,
    Column("case_number", Integer, ForeignKey("cases.number"), primary_key=True),
    Column("link_id", LargeBinary(16), primary_key=True),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("case_number", Integer, ForeignKey("cases.number"), nullable=False, index=True),
    Column("decision", String, nullable=False),
    Column("proposer", String, nullable=False),
    Column("proposer_key", String, nullable=False),
    Column("proposed_at", String, nullable=False),
    Column("approver", String),
    Column("approver_key", String),
    Column("approved_at", String),
    Column("replaced_at", String),
    CheckConstraint("decision IN ('takedown', 'reject', 'hold')", name="decision_known"),
    CheckConstraint("proposer_key <> ''", name="proposer_named"),
    CheckConstraint("approver_key IS NULL OR (approver_key <> '' AND approver_key <> proposer_key)", name="two_people"),
    CheckConstraint(
        "approver IS NULL OR lower(replace(approver, ' ', '')) <> lower(replace(proposer, ' ', ''))",
        name="two_names",
    ),
    CheckConstraint("(approver IS NULL) = (approver_key IS NULL)", name="approver_whole"),
    CheckConstraint("approver IS NULL OR replaced_at IS NULL", name="approved_or_replaced"),
    sqlite_autoincrement=True,
)

log = Table(
    "log",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String, nullable=False),
    Column("who", String, nullable=False),
    Column("action", String, nullable=False),
    Column("case_number", Integer),
    Column("detail", Text, nullable=False),
    Column("prev_hash", String, nullable=False),
    Column("hash", String, nullable=False),
)
