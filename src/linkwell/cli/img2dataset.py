"""img2dataset's options (1.47.0) as ours: what `linkwell populate --img2dataset-compat` takes.

An option that has no meaning here and changes nothing about the copy is passed over, and said so; one that would change the copy and
cannot be followed is an error, never a silent difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from linkwell.base.errors import UsageError

SWITCH: Final = "--img2dataset-compat"


def _as(option: str) -> Callable[[str], list[str]]:
    return lambda value: [option, value]


def _flag(option: str) -> Callable[[str], list[str]]:
    return lambda value: [option] if _is_true(value) else []


def _is_true(value: str) -> bool:
    return value.strip().lower() in ("true", "1", "yes")


def _is_none(value: str) -> bool:
    return value.strip().strip("\"'").lower() in ("none", "", "[]", "false")


def _only(name: str, *allowed: str) -> Callable[[str], list[str]]:
    def check(value: str) -> list[str]:
        if value.strip("\"'").lower() not in allowed:
            raise UsageError(f"{value!r} is not possible here", f"--{name}", f"Use one of {', '.join(allowed)}.")
        return []

    return check


def _refuse(name: str, instead: str) -> Callable[[str], list[str]]:
    def check(value: str) -> list[str]:
        if _is_none(value) or value.lower() == "inf":
            return []
        raise UsageError("this option cannot be followed here", f"--{name}", instead)

    return check


def _respect(value: str) -> list[str]:
    return ["--respect", "none"] if _is_none(value) else []


def _ratio(value: str) -> list[str]:
    return [] if value.lower() == "inf" else ["--max-aspect-ratio", value]


_TAKEN: Final[Mapping[str, Callable[[str], list[str]]]] = MappingProxyType(
    {
        "url_list": _as("--url-list"),
        "image_size": _as("--size"),
        "processes_count": _as("--workers"),
        "resize_mode": _as("--resize"),
        "resize_only_if_bigger": _flag("--resize-only-if-bigger"),
        "encode_quality": _as("--quality"),
        "encode_format": _as("--format"),
        "disable_all_reencoding": _flag("--keep-original"),
        "output_format": _as("--output"),
        "url_col": _as("--url-column"),
        "caption_col": _as("--caption-column"),
        "number_sample_per_shard": _as("--shard-rows"),
        "min_image_size": _as("--min-image-size"),
        "max_aspect_ratio": _ratio,
        "disallowed_header_directives": _respect,
        "incremental_mode": _only("incremental_mode", "incremental"),
        "distributor": _only("distributor", "multiprocessing"),
        "compute_hash": _only("compute_hash", "sha256"),
        "bbox_col": _refuse("bbox_col", "Give the boxes in a table of their own: --boxes FILE."),
        "verify_hash": _refuse(
            "verify_hash", "Give the digests in a table of their own: linkwell's --verify-hash FILE."
        ),
        "max_image_area": _refuse("max_image_area", "Set max_image_pixels in linkwell.toml."),
        "save_additional_columns": _refuse(
            "save_additional_columns", "Join the table of the copy with your own by url."
        ),
        "ignore_ssl_certificate": _refuse("ignore_ssl_certificate", "Certificates are always checked."),
    }
)
_PASSED_OVER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "input_format": "the file's name says it",
        "thread_count": "see concurrency in linkwell.toml",
        "timeout": "see total_deadline_seconds in linkwell.toml",
        "retries": "see retries in linkwell.toml",
        "user_agent_token": "see user_agent in linkwell.toml",
        "extract_exif": "EXIF is always kept",
        "upscale_interpolation": "chosen by the size",
        "downscale_interpolation": "chosen by the size",
        "oom_shard_count": "names have five digits, and more where needed",
        "subjob_size": "there are no subjobs",
        "max_shard_retry": "give the same command again",
        "enable_wandb": "see --metrics",
        "wandb_project": "see --metrics",
    }
)
_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {"resize_mode": "border", "output_format": "files", "number_sample_per_shard": "10000"}
)
"""Where img2dataset's differ from ours."""


@dataclass(frozen=True)
class Translation:
    """Our arguments, and what is to be said about options that were passed over."""

    arguments: list[str]
    notes: list[str]


def translate(arguments: Sequence[str]) -> Translation:
    """Arguments of img2dataset, among which some of ours may stand, as ours.

    >>> translate(["--url_list", "a.csv", "--output_folder=images", "--image_size", "128", "--thread_count", "64"]).arguments
    ['--url-list', 'a.csv', '--size', '128', '--resize', 'border', '--output', 'files', '--shard-rows', '10000', 'images']

    Raises:
        UsageError: an option that would change the copy cannot be followed, or there is no folder or list.
    """
    if not {"-h", "--help"}.isdisjoint(arguments):
        return Translation(["--help"], [])
    given, rest = _split([each for each in arguments if each != SWITCH])
    folder = given.pop("output_folder", None)
    if folder is None or "url_list" not in given:
        raise UsageError(
            "url_list and output_folder are needed", SWITCH, "Give --url_list FILE and --output_folder FOLDER."
        )
    skips = given.pop("skip_reencode", "False")
    typed = set(given)
    given = given | {name: value for name, value in _DEFAULTS.items() if name not in given}
    if _is_true(skips) and given["resize_mode"] == "no":
        given["disable_all_reencoding"] = "True"
    idle = _idle(given)
    notes = [f"--{name} is passed over: {idle[name]}" for name in idle if name in typed]
    given = {name: value for name, value in given.items() if name not in idle}
    ours = [part for name, value in given.items() if name in _TAKEN for part in _TAKEN[name](value)]
    notes += [f"--{name} is passed over: {_PASSED_OVER[name]}" for name in given if name in _PASSED_OVER]
    return Translation([*ours, *rest, folder], notes)


def _idle(given: Mapping[str, str]) -> dict[str, str]:
    """Options that change nothing beside the others, and why; img2dataset passes them over silently."""
    if _is_true(given.get("disable_all_reencoding", "")):
        names = ("image_size", "resize_mode", "resize_only_if_bigger", "encode_quality")
        return {name: "the bytes are kept as they came" for name in names if name in given}
    if given.get("resize_mode") == "no":
        return {name: "nothing is resized" for name in ("image_size", "resize_only_if_bigger") if name in given}
    return {}


def _split(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """img2dataset's options by name, the last of each; and all other arguments as they stand."""
    known = {*_TAKEN, *_PASSED_OVER, "output_folder", "skip_reencode"}
    given: dict[str, str] = {}
    rest: list[str] = []
    left = list(arguments)
    while left:
        each = left.pop(0)
        name, equals, value = each.removeprefix("--").partition("=")
        # Ours are told apart by their hyphens; the few that are the same word mean the same.
        if not each.startswith("--") or name not in known:
            rest.append(each)
        elif equals:
            given[name] = value
        elif left and not left[0].startswith("--"):
            given[name] = left.pop(0)
        else:
            given[name] = "True"
    return given, rest
