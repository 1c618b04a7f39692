"""What the database itself forbids, whoever writes to it: the log and the entries only grow, and one person decides nothing.

SQLite triggers. The code never runs into them; they stand against a slip, a script, or a hand at the database. A hand that
drops them is noticed: `log verify` compares what is installed with what is written here. Other databases need their own.
"""

from sqlalchemy import Connection

_OVER = "a row cannot be written over"


def _forbid(name: str, when: str, message: str, condition: str = "") -> tuple[str, str]:
    clause = f" WHEN {condition}" if condition else ""
    return name, f"CREATE TRIGGER {name} {when}{clause} BEGIN SELECT RAISE(ABORT, '{message}'); END"


_APPROVED = (
    "EXISTS (SELECT 1 FROM decisions d WHERE d.case_number = NEW.number AND d.approver IS NOT NULL"
    " AND d.id = (SELECT max(id) FROM decisions WHERE case_number = NEW.number)"
    " AND d.decision = CASE NEW.state WHEN 'upheld' THEN 'takedown' WHEN 'rejected' THEN 'reject' ELSE 'hold' END)"
)

GUARDS: dict[str, str] = dict(
    [
        _forbid("log_no_update", "BEFORE UPDATE ON log", "the log only grows"),
        _forbid("log_no_delete", "BEFORE DELETE ON log", "the log only grows"),
        _forbid(
            "log_only_appends",
            "BEFORE INSERT ON log",
            "the log only grows at its end",
            "NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM log)"
            " OR NEW.prev_hash <> coalesce((SELECT hash FROM log ORDER BY seq DESC LIMIT 1), NEW.prev_hash)",
        ),
        _forbid("entries_no_update", "BEFORE UPDATE ON entries", "entries stay as they are"),
        _forbid("entries_no_delete", "BEFORE DELETE ON entries", "entries stay"),
        _forbid(
            "entries_no_replace",
            "BEFORE INSERT ON entries",
            _OVER,
            "EXISTS (SELECT 1 FROM entries e WHERE e.id = NEW.id"
            " OR (e.case_number = NEW.case_number AND e.link_id = NEW.link_id)"
            " OR (e.source = NEW.source AND e.finding_class = NEW.finding_class AND e.link_id = NEW.link_id))",
        ),
        _forbid("resolved_no_update", "BEFORE UPDATE ON resolved", "entries stay as they are"),
        _forbid("resolved_no_delete", "BEFORE DELETE ON resolved", "entries stay"),
        _forbid("cases_no_delete", "BEFORE DELETE ON cases", "cases stay"),
        _forbid(
            "cases_begin_open",
            "BEFORE INSERT ON cases",
            "a case begins open",
            "NEW.state <> 'open' OR NEW.decided_at IS NOT NULL OR EXISTS (SELECT 1 FROM cases WHERE number = NEW.number)",
        ),
        _forbid(
            "cases_fixed",
            "BEFORE UPDATE ON cases",
            "what a case is about stays as it is",
            "NEW.number IS NOT OLD.number OR NEW.kind IS NOT OLD.kind OR NEW.covered IS NOT OLD.covered"
            " OR NEW.source IS NOT OLD.source OR NEW.opened_at IS NOT OLD.opened_at OR NEW.due_at IS NOT OLD.due_at",
        ),
        _forbid(
            "cases_final",
            "BEFORE UPDATE ON cases",
            "a decided case stays decided",
            "OLD.state IN ('upheld', 'rejected')",
        ),
        _forbid(
            "cases_two_people",
            "BEFORE UPDATE ON cases",
            "two people decide a case",
            f"NEW.state IN ('upheld', 'rejected', 'held') AND NOT (OLD.state = 'proposed' AND {_APPROVED})",
        ),
        _forbid("decisions_no_delete", "BEFORE DELETE ON decisions", "decisions stay"),
        _forbid(
            "decisions_begin_proposed",
            "BEFORE INSERT ON decisions",
            "a decision begins as a proposal",
            "NEW.approver IS NOT NULL OR NEW.approver_key IS NOT NULL OR NEW.replaced_at IS NOT NULL"
            " OR EXISTS (SELECT 1 FROM decisions WHERE id = NEW.id)",
        ),
        _forbid(
            "decisions_fixed",
            "BEFORE UPDATE ON decisions",
            "a decision stays as it is",
            "OLD.approver IS NOT NULL OR OLD.replaced_at IS NOT NULL OR NEW.id IS NOT OLD.id"
            " OR NEW.case_number IS NOT OLD.case_number OR NEW.decision IS NOT OLD.decision"
            " OR NEW.proposer IS NOT OLD.proposer OR NEW.proposer_key IS NOT OLD.proposer_key"
            " OR NEW.proposed_at IS NOT OLD.proposed_at",
        ),
    ]
)
"""Name → the statement that makes the trigger."""


def install_guards(connection: Connection) -> None:
    """Make every trigger; those of that name that exist are made anew."""
    for name, statement in GUARDS.items():
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        connection.exec_driver_sql(statement)


def missing_guards(connection: Connection) -> list[str]:
    """Names of triggers that are not installed as written here."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
    installed = {str(name): str(sql) for name, sql in rows}
    return [name for name, statement in GUARDS.items() if installed.get(name) != statement]
