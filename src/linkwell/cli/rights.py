"""Commands about rights: `rights explain`, `rights policy`."""

from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

import typer

from linkwell.cli.output import JsonOption, WorkspaceOption, emit, open_workspace

if TYPE_CHECKING:
    from linkwell.build import Build, Explanation

rights_app = typer.Typer(
    no_args_is_help=True, help="Say what is known about consent and licence of a link, and under which policy."
)


def add_rights_commands(app: typer.Typer) -> None:
    """Add the group to the program."""
    rights_app.command("explain")(explain)
    rights_app.command("policy")(policy)
    app.add_typer(rights_app, name="rights")


def explain(
    url: Annotated[str, typer.Argument(metavar="URL", help="The image's URL, as it stands in the list.")],
    release: Annotated[
        str | None, typer.Option("--release", metavar="V", help="Look in this release. [default: the current build]")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain what a link may be used for: the verdict for each use, and every statement behind it, with where and when.

    Statements on the page and in robots.txt and its like were kept when the list was built; nothing is fetched.

    Example: linkwell rights explain https://photos.example/heron.jpg
    """
    import msgspec

    from linkwell.build import build_behind, current_build, finished_builds
    from linkwell.build import explain as run_explain
    from linkwell.rights import load_policy

    opened = open_workspace(workspace)
    held = load_policy(opened)
    build: Build | None
    if release is None:
        build = current_build(opened)
        place, links = f"build {build.name}", list(build.links)
    else:
        from linkwell.release import open_release

        links = list(open_release(opened, release).parts)
        build = build_behind(url, links, finished_builds(opened))
        place = f"release {release}, from {f'build {build.name}' if build else 'a build that is not here'}"
    found = run_explain(url, links, build.evidence if build else (), build.well_known if build else (), policy=held)
    same_policy = build is None or build.rights_policy_sha256 in ("", held.sha256)
    result = msgspec.to_builtins(found) | {"in": place, "policy": {"name": held.name, "sha256": held.sha256}}
    lines = _lines(found, place, kept=build is not None)
    lines.append(f"Policy: {held.name}, SHA-256 {held.sha256}")
    if not same_policy:
        lines.append("  The policy was changed since the build: build again to have its verdicts follow.")
    emit(result | {"policy_changed_since_build": not same_policy}, as_json, *lines)


def policy(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show the policy in force: its name and hash, which crawlers count, what malformed statements come to.

    To change it, copy the file it names to rights.toml in the workspace and edit that.

    Example: linkwell rights policy --json
    """
    import msgspec

    from linkwell.rights import POLICY_FILE, load_policy

    opened = open_workspace(workspace)
    held = load_policy(opened)
    own = (opened.root / POLICY_FILE).is_file()
    file = str(opened.root / POLICY_FILE if own else files("linkwell.rights") / "policy.toml")
    emit(
        msgspec.to_builtins(held) | {"own": own, "file": file},
        as_json,
        f"{held.name} ({POLICY_FILE} of the workspace)" if own else f"{held.name} (the default, in {file})",
        f"SHA-256 {held.sha256}",
        f"Crawlers that gather training data: {', '.join(held.agents.training)}",
        f"Crawlers of search engines: {', '.join(held.agents.search)}",
        f"A statement that does not read counts as: {held.malformed}",
        f"What a page says holds for its images: {'yes' if held.pages_cover_images else 'no'}",
        f"A robots.txt that answers with a server error counts as: {held.unreachable_robots}",
    )


def _lines(found: "Explanation", place: str, *, kept: bool) -> list[str]:
    from linkwell.rights import verdict_words

    lines = [
        f"{found.url}, in {place}",
        f"  on the page {found.page_url}, seen {found.seen_at or 'at an unknown time'}",
        f"  in {found.crawl}: {found.warc} at byte {found.offset}",
    ]
    lines += [f"{use + ':':9} {verdict:12} {verdict_words(use, verdict)}" for use, verdict in found.verdicts.items()]
    licence = f"{found.license} (stated for the {found.license_scope})" if found.license else "none stated"
    lines.append(f"licence:  {licence}")
    if not kept:
        lines.append("The build it came from, with the statements behind the verdicts, is not in this workspace.")
    elif not found.statements:
        lines.append("No statement about it was seen.")
    else:
        lines.append("Why:")
    for each in found.statements:
        flag = " [malformed]" if each.malformed else ""
        lines.append(f"- {each.use}: {each.verdict}{flag}. Said of the {each.of}: {each.words}.")
        lines.append(f"    {' '.join(each.said.split())}")
        where = f"{each.where}, seen {each.seen_at or 'at an unknown time'}, read by {each.parser}"
        lines.append(f"    at {where}" + (f" ({each.warc} at byte {each.offset})" if each.warc else ""))
    if kept and found.hosts_without_files:
        lines.append(f"Not in the archives: robots.txt and its like of {' and '.join(found.hosts_without_files)}.")
    return lines
