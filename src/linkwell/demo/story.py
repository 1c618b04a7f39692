"""The whole cycle, once: every step calls the functions behind the command that stands beside it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from linkwell.base.counts import plural
from linkwell.demo import keeper, lab
from linkwell.demo.cycle import Cycle, Outcome
from linkwell.demo.folder import DemoFolder
from linkwell.demo.sources import OwnArchive, Place, SmallWeb, small_web
from linkwell.demo.telling import Teller, counted
from linkwell.engine import Engine

__all__ = ["tell_story"]


def tell_story(folder: DemoFolder, teller: Teller, engine: Engine, archives: Sequence[Path] = ()) -> Outcome:
    """Tell the whole cycle into a folder.

    Args:
        folder: a fresh one.
        teller: who tells it.
        engine: what runs the work.
        archives: WARC files of the user's; none: the demo's own web.

    Raises:
        LinkwellError: a step could not be done; the error is the step's own.
    """
    started = time.monotonic()
    outcome = Outcome(folder, "archive" if archives else "birds")
    with ExitStack() as stack:
        place: Place = (
            OwnArchive(tuple(path.absolute() for path in archives))
            if archives
            else stack.enter_context(_own_web(folder, teller, outcome))
        )
        cycle = Cycle(folder, place, teller, engine, outcome)
        keeper.build_links(cycle, small_web=not archives)
        keeper.first_audit(cycle)
        keeper.release_links(cycle)
        lab.fetch_pictures(cycle)
    # From here on nothing is fetched: the web may be gone, as much of the real one is when a new list arrives.
    keeper.second_list(cycle)
    keeper.opt_out(cycle)
    keeper.decide(cycle)
    keeper.recall_entries(cycle)
    lab.ask_what_goes(cycle)
    lab.purge_copy(cycle)
    lab.look_again(cycle)
    keeper.check_log(cycle)
    outcome.seconds = time.monotonic() - started
    return outcome


@contextmanager
def _own_web(folder: DemoFolder, teller: Teller, outcome: Outcome) -> Iterator[SmallWeb]:
    """The demo's web, drawn, crawled, and served for the block."""
    with ExitStack() as stack:
        command = "(any crawler that writes WARC: wget --recursive --warc-file=crawl URL)"
        with teller.step("Draw, serve and crawl a small web", command) as notes:
            place = stack.enter_context(small_web(folder.archive))
            crawled = outcome.crawled = place.crawled
            notes.say(
                f"{plural(len(place.web.pictures), 'picture')} and {plural(place.web.page_count, 'page')} "
                f"on {plural(len(place.web.hosts), 'site')} that only this machine can reach."
            )
            notes.say(f"{plural(crawled.pages, 'page')} crawled into a WARC. Left out: {counted(crawled.failed)}.")
        yield place
