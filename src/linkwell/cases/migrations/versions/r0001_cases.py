"""The first tables: cases, entries, resolved, decisions, log."""

import sqlalchemy as sa
from alembic import op

from linkwell.cases.guards import install_guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their guards."""
    op.create_table(
        "cases",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("covered", sa.Boolean, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("opened_at", sa.String, nullable=False),
        sa.Column("due_at", sa.String, nullable=False),
        sa.Column("decided_at", sa.String),
        sa.CheckConstraint("state IN ('open', 'proposed', 'held', 'upheld', 'rejected')", name="case_state"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("case_number", sa.Integer, sa.ForeignKey("cases.number"), nullable=False, index=True),
        sa.Column("link_id", sa.LargeBinary(16), nullable=False, index=True),
        sa.Column("canonical_id", sa.LargeBinary(16)),
        sa.Column("source", sa.String),
        sa.Column("finding_class", sa.String),
        sa.Column("algorithm", sa.String),
        sa.UniqueConstraint("case_number", "link_id", name="entry_once_in_a_case"),
        sa.UniqueConstraint("source", "finding_class", "link_id", name="finding_in_one_case"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "resolved",
        sa.Column("case_number", sa.Integer, sa.ForeignKey("cases.number"), primary_key=True),
        sa.Column("link_id", sa.LargeBinary(16), primary_key=True),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("case_number", sa.Integer, sa.ForeignKey("cases.number"), nullable=False, index=True),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("proposer", sa.String, nullable=False),
        sa.Column("proposer_key", sa.String, nullable=False),
        sa.Column("proposed_at", sa.String, nullable=False),
        sa.Column("approver", sa.String),
        sa.Column("approver_key", sa.String),
        sa.Column("approved_at", sa.String),
        sa.Column("replaced_at", sa.String),
        sa.CheckConstraint("decision IN ('takedown', 'reject', 'hold')", name="decision_known"),
        sa.CheckConstraint("proposer_key <> ''", name="proposer_named"),
        sa.CheckConstraint(
            "approver_key IS NULL OR (approver_key <> '' AND approver_key <> proposer_key)", name="two_people"
        ),
        sa.CheckConstraint(
            "approver IS NULL OR lower(replace(approver, ' ', '')) <> lower(replace(proposer, ' ', ''))",
            name="two_names",
        ),
        sa.CheckConstraint("(approver IS NULL) = (approver_key IS NULL)", name="approver_whole"),
        sa.CheckConstraint("approver IS NULL OR replaced_at IS NULL", name="approved_or_replaced"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "log",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("case_number", sa.Integer),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
    )
    install_guards(op.get_bind())
