"""Commands about the workspace itself: `init`, `doctor`, `worker`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from linkwell.base.workspace import Workspace
from linkwell.cli.output import JsonOption, WorkspaceOption, emit, find_workspace


def add_workspace_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("init")(init)
    app.command("doctor")(doctor)
    app.command("worker")(worker)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME", help="Name of the dataset.")] = "links",
    as_json: JsonOption = False,
) -> None:
    """Make a workspace: the folder that holds a dataset's builds, ledger, lists, cases, releases and feed.

    Example: linkwell init birds --dataset birds
    """
    workspace = Workspace.create(folder, dataset)
    emit(
        {"workspace": str(workspace.root), "dataset": workspace.settings.dataset},
        as_json,
        f"Workspace for the dataset {workspace.settings.dataset!r} in {workspace.root}",
        f"Keep {workspace.keys} secret and backed up: without it the ledger and the lists cannot be read.",
    )


def doctor(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what is installed, missing or misconfigured here and in the workspace, and what to do about it.

    Changes nothing. Exit code 1 when something is wrong.

    Example: linkwell doctor
    """
    from linkwell.doctor import examine

    checks = examine(find_workspace(workspace))
    wrong = sum(check.state == "wrong" for check in checks)
    marks = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}
    lines = []
    for check in checks:
        lines.append(f"{marks[check.state]}  {check.name}: {check.said}")
        if check.advice and check.state != "ok":
            lines.append(f"       {check.advice}")
    lines.append(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    emit({"checks": [asdict(check) for check in checks], "wrong": wrong}, as_json, *lines)
    if wrong:
        raise typer.Exit(1)


def worker(
    folder: Annotated[Path, typer.Argument(metavar="STAGE", help="A stage's folder, with its tasks.json.")],
    task: Annotated[int, typer.Option("--task", metavar="N", help="Index of the task.")],
    as_json: JsonOption = False,
) -> None:
    """Run one task of a stage, as a batch scheduler's array job does; a task that is done is not done again.

    Example: linkwell worker birds/builds/b1/extract --task $SLURM_ARRAY_TASK_ID
    """
    from linkwell.engine import run_listed_task

    mark = run_listed_task(folder, task)
    emit(
        {"stage": mark.stage, "task": mark.index, "counts": mark.counts, "seconds": mark.seconds},
        as_json,
        f"{mark.stage} {mark.index}: done in {mark.seconds} s",
    )
