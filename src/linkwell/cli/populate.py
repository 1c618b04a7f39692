"""The command `populate`."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from typer.core import TyperCommand

from linkwell.base.counts import counted, plural
from linkwell.base.errors import MissingError
from linkwell.cli.img2dataset import SWITCH, translate
from linkwell.cli.output import JsonOption, WorkspaceOption, emit, open_engine, open_workspace
from linkwell.cli.together import refuse_beside, require, typed

if TYPE_CHECKING:
    from linkwell.base.workspace import Workspace


def add_populate_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("populate", cls=_Populate)(populate)


class _Populate(TyperCommand):
    """Takes img2dataset's options, too, where it is told to, and `status COPY` for `COPY --status`."""

    def parse_args(self, ctx: object, args: list[str]) -> list[str]:
        """Translate the arguments before they are read."""
        if args[:1] == ["status"]:
            args = [*args[1:], "--status"]
        if SWITCH in args:
            translation = translate(args)
            for note in translation.notes:
                sys.stderr.write(f"linkwell: {note}\n")
            args = translation.arguments
        return super().parse_args(ctx, args)  # type: ignore[arg-type] # the context's class is private to Typer


def populate(  # noqa: PLR0917 - Typer declares options as arguments
    context: typer.Context,
    to: Annotated[Path, typer.Argument(metavar="TO", help="The folder for the copy; made where it is not there.")],
    release: Annotated[
        str | None, typer.Option("--release", metavar="V", help="The release to populate. [default: the current build]")
    ] = None,
    url_list: Annotated[
        str | None,
        typer.Option("--url-list", metavar="FILE", help="Import this list of URLs first, as linkwell import does."),
    ] = None,
    url_column: Annotated[
        str | None, typer.Option("--url-column", metavar="C", help="Its column with the URL. [default: by its name]")
    ] = None,
    caption_column: Annotated[
        str | None,
        typer.Option("--caption-column", metavar="C", help="Its column with the text. [default: by its name]"),
    ] = None,
    shard_rows: Annotated[
        int | None,
        typer.Option(
            "--shard-rows", min=1, metavar="N", help="Links in a shard of a build. [default: as the settings say]"
        ),
    ] = None,
    _img2dataset_compat: Annotated[
        bool, typer.Option(SWITCH, help="Take img2dataset's options and defaults, as --output_folder.")
    ] = False,
    size: Annotated[
        int, typer.Option("--size", metavar="PIXELS", help="Pixels of the side that --resize names.")
    ] = 256,
    resize: Annotated[
        str,
        typer.Option(
            "--resize",
            metavar="MODE",
            help="keep_ratio: shorter side; keep_ratio_largest: longer side; center_crop: middle square; "
            "border: white to a square; no: the full size, encoded again.",
        ),
    ] = "keep_ratio",
    only_if_bigger: Annotated[
        bool, typer.Option("--resize-only-if-bigger", help="Leave smaller pictures as large as they are.")
    ] = False,
    image_format: Annotated[str, typer.Option("--format", metavar="NAME", help="Encode as jpg, png or webp.")] = "jpg",
    quality: Annotated[
        int | None,
        typer.Option(
            "--quality", metavar="N", help="1-100; for png the compression, 0-9. [default: as the settings say]"
        ),
    ] = None,
    min_image_size: Annotated[
        int,
        typer.Option("--min-image-size", metavar="PIXELS", help="Refuse pictures whose shorter side has fewer pixels."),
    ] = 0,
    max_aspect_ratio: Annotated[
        float,
        typer.Option(
            "--max-aspect-ratio",
            metavar="RATIO",
            help="Refuse pictures whose longer side is more than so many times the shorter; 0: no limit.",
        ),
    ] = 0.0,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            metavar="KIND",
            help="webdataset: tar shards; files: a folder a shard; parquet: images in the table.",
        ),
    ] = "webdataset",
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Blur these boxes: parquet with url or link_id, and boxes as shares of the sides.",
        ),
    ] = None,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Store the bytes as they came; nothing is resized.")
    ] = False,
    pdq: Annotated[
        bool,
        typer.Option(
            "--pdq/--no-pdq",
            help="Hash pictures by PDQ. Without, an audit cannot find a changed picture; refused when a hash list has PDQ.",
        ),
    ] = True,
    allow_net: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-net", metavar="CIDR", help="Allow a private or reserved network, as 127.0.0.0/8. Repeatable."
        ),
    ] = None,
    resolve: Annotated[
        list[str] | None,
        typer.Option("--resolve", metavar="HOST:PORT:ADDRESS", help="Use this address for a host. Repeatable."),
    ] = None,
    from_archive: Annotated[
        list[str] | None,
        typer.Option(
            "--from-archive", metavar="FILE", help="A WARC file whose responses stand for the web. Repeatable."
        ),
    ] = None,
    respect: Annotated[
        str,
        typer.Option(
            "--respect",
            metavar="USES",
            help="Uses whose refusal is obeyed, of train_ai, tdm and search, with commas; or none.",
        ),
    ] = "train_ai,tdm",
    verify_hash: Annotated[
        Path | None,
        typer.Option(
            "--verify-hash",
            metavar="FILE",
            help="Keep an image only with its digest: parquet with url or link_id, and sha256, sha1 or md5.",
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for what failed for a reason that may have passed.")
    ] = False,
    feed: Annotated[
        str | None,
        typer.Option(
            "--feed",
            metavar="URL",
            help="Leave out what this feed recalls; a stale feed stops. [default: as the settings say]",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FILE", help="The feed's root file; needed the first time."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="[ADDRESS:]PORT", help="Answer Prometheus there, on loopback by default."),
    ] = None,
    adopts: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Enter what img2dataset left in TO in the ledger, as far as it is as served; fetch nothing."
        ),
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say how the run into TO is doing, live on a terminal, and fetch nothing.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=0, metavar="N", help="Processes; 0 is one for each core. [default: as the settings say]"
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the images of a release, or of the current build, into a copy, laid out as img2dataset does.

    Digests of every image go into the ledger; what a loaded hash list names is never written. The same command goes on where a
    stopped one was. Dead links are counted, not an error. Exit code 1: something was found that needs a decision;
    see linkwell cases list. How a run is doing, live: linkwell populate status COPY (a folder called status is ./status).

    Example: linkwell populate copies/birds --release v1 --size 256
    """
    from linkwell.populate import PopulateOptions, chart
    from linkwell.populate import populate as run_populate

    _check_together(typed(context), resize)
    opened = open_workspace(workspace)
    if status:
        show_status(opened, to, as_json=as_json)
        return
    if adopts:
        show_adopted(opened, to, as_json=as_json)
        return
    address = feed or opened.settings.populate.feed
    require("--root", "--feed", given=root, there=address)
    number: int | None = None
    if url_list is not None:
        from linkwell.build import ImportOptions, import_links

        columns = ImportOptions(url_column=url_column, text_column=caption_column)
        import_links(opened, [url_list], options=columns, engine=open_engine(opened, workers))
    if release is None:
        from linkwell.build import current_build

        links = list(current_build(opened).links)
    else:
        from linkwell.release import open_release

        found = open_release(opened, release)
        links, number = list(found.parts), found.revision
    from linkwell.cases import CaseBook, resolve_reports
    from linkwell.recall import recalled_links

    of_feed = recalled_by_feed(opened, address, root, allow_net or ())
    engine = open_engine(opened, workers)
    book = CaseBook.open(opened)
    book.check_lists(opened)
    resolve_reports(opened, links, engine)
    report = run_populate(
        opened,
        to,
        links=links,
        engine=engine,
        options=PopulateOptions(
            size=size,
            resize=resize,
            only_if_bigger=only_if_bigger,
            format=image_format,
            quality=quality,
            min_side_pixels=min_image_size,
            max_aspect_ratio=max_aspect_ratio,
            output=output,
            boxes=boxes,
            keep_original=keep_original,
            pdq=pdq,
            respect=tuple(use for use in respect.replace(" ", "").split(",") if use not in ("", "none")),
            allow_net=tuple(allow_net or ()),
            resolve=tuple(resolve or ()),
            from_archive=tuple(from_archive or ()),
            verify_hash=verify_hash,
            shard_rows=shard_rows,
        ),
        withhold=book.quarantined() | recalled_links(opened) | of_feed,
        release=release,
        revision=number,
        retry_failed=retry_failed,
        metrics=metrics,
    )
    if not report.lists_loaded:
        sys.stderr.write(
            "linkwell: no hash list is loaded, so nothing was matched. Import one with: linkwell lists import" + "\n"
        )
    if report.review:
        from linkwell.lists import read_findings

        book.open_from_findings(read_findings(opened))
    failed = sum(report.failed.values())
    emit(
        {
            "to": str(to),
            "links": report.links,
            "success": report.success,
            "failed": report.failed,
            "withheld": report.withheld,
            "shards": report.shards,
            "image_bytes": report.image_bytes,
            "lists_loaded": report.lists_loaded,
            "review": report.review,
            "seconds": report.seconds,
            "images_per_second": report.images_per_second,
            "hosts": [{"host": each.host, **each.outcomes} for each in report.hosts],
        },
        as_json,
        f"{report.success:,} of {plural(report.links, 'link')} populated into {to}, {plural(report.shards, 'shard')}, {report.seconds:.1f} s",
        f"Failed: {failed:,} ({counted(report.failed)})" if failed else "Failed: none",
        f"Left out: {report.withheld:,}",
        *chart(report.hosts),
        *(["Something was found that needs a decision: see linkwell cases list"] if report.review else []),
    )
    if report.review:
        raise typer.Exit(1)


def _check_together(given: Mapping[str, str], resize: str) -> None:
    """Refuse options that would be passed over.

    Raises:
        UsageError: there is one.
    """
    for alone in ("status", "adopts"):
        if alone in given:
            refuse_beside(given[alone], given.keys() - {alone, "to", "workspace", "as_json"}, given)
    for name in ("url_column", "caption_column"):
        require(given.get(name, ""), "--url-list", given=name in given, there="url_list" in given)
    if "release" in given:
        refuse_beside("--release", {"url_list", "shard_rows"}, given)
    if "keep_original" in given:
        refuse_beside("--keep-original", {"size", "resize", "only_if_bigger", "quality"}, given)
    if "from_archive" in given:
        refuse_beside("--from-archive", {"resolve"}, given)
    if resize == "no":
        refuse_beside("--resize no", {"size", "only_if_bigger"}, given)


def recalled_by_feed(
    workspace: "Workspace", feed: str, root: Path | None, allow_net: Sequence[str]
) -> frozenset[bytes]:
    """The links that a feed recalls, of every dataset in it; none where no feed is named. Its trusted state is kept in the workspace.

    The workspace may call its dataset something else than the feed does: a link has the same id everywhere.

    Raises:
        StaleFeedError: the feed is expired or rolled back: nothing is fetched then.
        SignatureError: it does not hold.
        MissingKeyError: first use, and no root file was given.
    """
    if not feed:
        return frozenset()
    from linkwell.purge import open_feed
    from linkwell.recall import datasets_of, load_recalled

    client = open_feed(feed, workspace.root / "populate" / "feed-state", root=root, allow_net=allow_net)
    return frozenset(
        link_id for dataset in datasets_of(client) for link_id in load_recalled(client, dataset).link_ids.tolist()
    )


def show_status(workspace: "Workspace", to: Path, *, as_json: bool) -> None:
    """Print how the run into a folder is doing; on a terminal again and again, until it has ended.

    Raises:
        MissingError: this workspace has never populated that folder.
    """
    from linkwell.populate import read_status, run_folder

    live = sys.stdout.isatty() and not as_json
    while True:
        found = read_status(run_folder(workspace, to))
        if found is None:
            raise MissingError("no run into this folder is known here", str(to), "Start one with: linkwell populate TO")
        failed = sum(found.failed.values())
        emit(
            {
                "to": str(to),
                "state": found.state,
                **msgspec.structs.asdict(found),
                "links_per_second": round(found.links_per_second, 1),
            },
            as_json,
            *(["\x1b[2J\x1b[H"] if live else []),
            f"{to}: {found.state}, {found.shards_done} of {plural(found.shards, 'shard')}, {plural(found.links, 'link')}, {found.links_per_second:,.1f} a second",
            f"Images: {found.success:,} ({found.image_bytes / 1e6:,.1f} MB)",
            f"Failed: {failed:,} ({counted(found.failed)})" if failed else "Failed: none",
            f"Left out: {found.withheld:,}",
            f"Requests: {found.requests} under way, {found.slow} of them slow; {found.waiting:,} waiting for {plural(found.hosts, 'host')}, "
            f"{found.hosts_resting:,} of which rest",
        )
        if not (live and found.running):
            return
        time.sleep(1.0)


def show_adopted(workspace: "Workspace", to: Path, *, as_json: bool) -> None:
    """Enter a folder of img2dataset's in the ledger, and say what it holds."""
    from linkwell.populate import adopt

    found = adopt(workspace, to)
    emit(
        {"to": str(to), **asdict(found)},
        as_json,
        f"{plural(found.shards, 'shard')} that img2dataset finished, {plural(found.links, 'link')}: the digests of {plural(found.entered, 'image')} are in the ledger.",
        f"Encoded again, so that the bytes that were served are gone: {found.encoded_again:,}. Failed: {found.failed:,}.",
        f"Match them with: linkwell audit. Take out what is recalled with: linkwell purge plan {to}",
    )
