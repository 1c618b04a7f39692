"""What one copy is to hold."""

from dataclasses import dataclass
from pathlib import Path

from linkwell.base.errors import MissingError, UsageError
from linkwell.base.schema import USES
from linkwell.base.settings import PopulateSettings
from linkwell.pictures import FORMATS, RESIZE_MODES, Kept
from linkwell.populate.boxes import read_boxes
from linkwell.populate.expected import read_expected
from linkwell.populate.guard import AddressPolicy, parse_pins
from linkwell.populate.writer import NOTHING, OUTPUTS

MAX_SIZE_PIXELS = 16_383
"""The longest side that every format can hold."""


@dataclass(frozen=True)
class PopulateOptions:
    """What one copy is to hold; the rest is in the settings."""

    size: int = 256
    """Pixels of the side that `resize` names."""
    resize: str = "keep_ratio"
    """img2dataset's names: `keep_ratio` (shorter side), `keep_ratio_largest` (longer side), `center_crop`, `border`, or `no`:
    the full size, encoded again."""
    only_if_bigger: bool = False
    """Leave pictures whose side is not above `size` as large as they are."""
    format: str = "jpg"
    """`jpg`, `png` or `webp`."""
    quality: int | None = None
    """1-100; for png the compression level, 0-9; None: as the settings say."""
    min_side_pixels: int = 0
    """Pictures with a shorter side below are refused."""
    max_aspect_ratio: float = 0.0
    """Pictures whose longer side is more than this many times the shorter are refused; 0: none."""
    keep_original: bool = False
    """Store the bytes as they came; then nothing is resized or encoded."""
    output: str = "webdataset"
    """img2dataset's names: `webdataset` (tar shards), `files` (a folder for each shard), `parquet` (images in the table);
    and `none`: nothing of an image is kept but its digests, in the ledger."""
    boxes: Path | None = None
    """A parquet file of boxes to blur in the images: columns `url` or `link_id`, and `boxes`, as shares of the sides."""
    shard_rows: int | None = None
    """Links in one shard of a copy made from a build; None: as the settings say."""
    verify_hash: Path | None = None
    """A parquet file of digests that the images are expected to have: columns `url` or `link_id`, and `sha256`, `sha1` or `md5`."""
    pdq: bool = True
    """Hash every picture by PDQ. Without it no audit can find a picture that was changed a little; refused where a hash list loaded
    holds PDQ hashes."""
    respect: tuple[str, ...] = ("train_ai", "tdm")
    """Uses whose `disallow` is obeyed; empty: none."""
    allow_net: tuple[str, ...] = ()
    """Networks that may be connected to although they are private or reserved, in CIDR notation."""
    resolve: tuple[str, ...] = ()
    """`HOST:PORT:ADDRESS`: the address to use for a host and port."""
    from_archive: tuple[str, ...] = ()
    """WARC files that stand for the web."""

    def kept(self, settings: PopulateSettings) -> Kept:
        """How pictures are kept."""
        quality = {"jpg": settings.jpeg_quality, "webp": settings.webp_quality, "png": settings.png_compression}
        return Kept(
            size=self.size,
            resize=self.resize,
            only_if_bigger=self.only_if_bigger,
            keep_original=self.keep_original,
            format=self.format,
            quality=quality[self.format] if self.quality is None else self.quality,
            max_pixels=settings.max_image_pixels,
            min_side_pixels=self.min_side_pixels,
            max_aspect_ratio=self.max_aspect_ratio,
            pdq=self.pdq,
        )


def check_options(options: PopulateOptions) -> None:
    """Refuse what does not read before anything is done.

    Raises:
        UsageError: an option that is out of its range, or does not go with another.
        MissingError: a file that is not there.
        FormatError: a table of boxes that does not read.
    """
    _check_pictures(options)
    for use in options.respect:
        if use not in USES:
            raise UsageError(f"{use!r} is no use", "--respect", f"Use some of {', '.join(USES)}, or none.")
    if options.verify_hash is not None:
        read_expected(options.verify_hash)
    AddressPolicy(options.allow_net)
    parse_pins(options.resolve)
    for path in options.from_archive:
        if not Path(path).is_file():
            raise MissingError("there is no such file", path)


def _check_pictures(options: PopulateOptions) -> None:
    if options.output not in (*OUTPUTS, NOTHING):
        raise UsageError(
            f"{options.output!r} is no way to lay out images", "--output", f"Use one of {', '.join(OUTPUTS)}."
        )
    if options.boxes is not None:
        if options.keep_original:
            raise UsageError("an original cannot be kept and blurred", "--boxes", "Leave out --keep-original.")
        read_boxes(options.boxes)
    if options.resize not in RESIZE_MODES:
        raise UsageError(
            f"{options.resize!r} is no way to resize", "--resize", f"Use one of {', '.join(RESIZE_MODES)}."
        )
    if options.format not in FORMATS:
        raise UsageError(f"{options.format!r} is no format to encode", "--format", f"Use one of {', '.join(FORMATS)}.")
    if not 1 <= options.size <= MAX_SIZE_PIXELS:
        raise UsageError(f"the size must be 1 to {MAX_SIZE_PIXELS} pixels", "--size")
    lowest, highest = (0, 9) if options.format == "png" else (1, 100)
    if options.quality is not None and not lowest <= options.quality <= highest:
        raise UsageError(f"the quality of {options.format} is {lowest} to {highest}", "--quality")
    if options.min_side_pixels < 0:
        raise UsageError("it must be 0 or more", "--min-image-size")
    if options.max_aspect_ratio and not options.max_aspect_ratio >= 1:
        raise UsageError("it must be 1 or more, or 0 for no limit", "--max-aspect-ratio")
