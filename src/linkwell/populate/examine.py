"""From the bytes of one response to what is kept of it: digests, matches, and the image as it goes into the copy.

Everything happens in memory. The digests are compared with the hash lists before anything is resized; what matches leaves nothing
but its digests and the match (ground rule 1).
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from linkwell.base.errors import SafetyError
from linkwell.base.memory_file import MemoryFile
from linkwell.ledger import Digests, exact_digests, piecewise_digests
from linkwell.lists import Match, Matcher
from linkwell.pictures import Box, Kept, Look, Pictures, Rendering, keep_original
from linkwell.populate.failures import Failure
from linkwell.populate.transport import Body


@dataclass(slots=True)
class Examined:
    """What one image came to. `image` is None where it failed or matched, which `matches` then says, and once it was handed on."""

    digests: Digests
    matches: tuple[Match, ...] = ()
    failure: Failure | None = None
    image: bytes | None = dataclasses.field(default=None, repr=False)
    extension: str = "jpg"
    width: int | None = None
    height: int | None = None
    exif: dict[str, str] = dataclasses.field(default_factory=dict)


def examine(body: bytes, kept: Kept, matcher: Matcher, boxes: Sequence[Box] = ()) -> Examined:
    """Digest, match, and make the image as it is kept, in this process.

    Raises:
        SafetyError: the lists hold PDQ hashes and none is to be made: what they name could pass.
    """
    _require_pdq(kept, matcher)
    examination = _Examination(exact_digests(body), matcher)
    if kept.header_only:
        return examination.of_header(kept, body)
    from linkwell.pictures import look, render  # noqa: PLC0415 - who has picture processes, or reads headers only, loads no decoder

    if kept.keep_original:
        return examination.of_original(look(body, kept)[0], kept, body)
    seen, picture = look(body, kept)
    if not examination.wants(seen) or picture is None:
        return examination.without_image(seen)
    return examination.with_image(seen, *render(picture, kept, boxes))


async def examine_apart(
    pictures: Pictures, body: Body, kept: Kept, matcher: Matcher, boxes: Sequence[Box] = ()
) -> Examined:
    """As `examine`, with everything that decodes in a picture process, and of a large body no copy unless it is kept as it came.

    Raises:
        SafetyError: as `examine`.
        UnavailableError: no picture process starts.
    """
    _require_pdq(kept, matcher)
    examination = _Examination(await _digests(body), matcher)
    if kept.header_only:
        return examination.of_header(kept, await _whole(body))
    if kept.keep_original:
        seen, *_ = await pictures.examine(body, kept)
        return examination.of_original(seen, kept, await _whole(body) if seen.failure is None else b"")
    decide = None if matcher.empty else examination.wants
    seen, rendering, image = await pictures.examine(body, kept, boxes, decide)
    if rendering is None:
        examination.wants(seen)
        return examination.without_image(seen)
    return examination.with_image(seen, rendering, image)


async def _digests(body: Body) -> Digests:
    if isinstance(body, bytes):
        return exact_digests(body)
    return await asyncio.get_running_loop().run_in_executor(None, lambda: piecewise_digests(body.pieces()))


async def _whole(body: Body) -> bytes:
    if isinstance(body, MemoryFile):
        return await asyncio.get_running_loop().run_in_executor(None, body.read)
    return body


def _require_pdq(kept: Kept, matcher: Matcher) -> None:
    if matcher.needs_pdq and not kept.pdq:
        raise SafetyError("the hash lists hold PDQ hashes, and this run makes none", "populate", "Run it with PDQ.")


class _Examination:
    """One image between its look and its rendering."""

    def __init__(self, exact: Digests, matcher: Matcher) -> None:
        self._exact = exact
        self._matcher = matcher
        self._matches: tuple[Match, ...] = ()

    def wants(self, seen: Look) -> bool:
        """Match; whether the image is wanted."""
        self._matches = (
            () if self._matcher.empty else tuple(self._matcher.match_digests(self._digests(seen), seen.looks))
        )
        return not self._matches and seen.failure is None

    def of_header(self, kept: Kept, body: bytes) -> Examined:
        """What is kept of an original of which only the header is read."""
        from linkwell.pictures import look_at_header  # noqa: PLC0415 - as in examine

        return self.of_original(look_at_header(body, kept), kept, body)

    def of_original(self, seen: Look, kept: Kept, body: bytes) -> Examined:
        """What is kept of an original."""
        if not self.wants(seen):
            return self.without_image(seen)
        return self.with_image(seen, keep_original(body, seen, kept), body)

    def without_image(self, seen: Look) -> Examined:
        """What is left where there is no image."""
        failure = Failure(seen.failure) if seen.failure is not None else None
        return Examined(self._digests(seen), self._matches, failure)

    def with_image(self, seen: Look, rendering: Rendering, image: bytes) -> Examined:
        """What is kept; nothing where the rendering failed."""
        if rendering.failure is not None:
            return Examined(self._digests(seen), failure=Failure(rendering.failure))
        return Examined(
            self._digests(seen),
            image=image,
            extension=rendering.extension,
            width=rendering.width,
            height=rendering.height,
            exif=seen.exif,
        )

    def _digests(self, seen: Look) -> Digests:
        exact = self._exact
        return Digests(
            exact.byte_size, exact.md5, exact.sha1, exact.sha256, seen.pdq, seen.pdq_quality, seen.width, seen.height
        )
