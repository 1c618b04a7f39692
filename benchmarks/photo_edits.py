"""What people and platforms do to a picture between its original and the copy that is met: the edits of `robustness.py`.

Each takes RGB pixels and a source of chance that is the photo's own, and gives RGB pixels. Shares are of a side's length.
"""

from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Edit = Callable[[Pixels, np.random.Generator], Pixels]

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_CREAM, _NAVY = (244, 232, 208), (24, 36, 64)
_VALUES = np.arange(256, dtype=np.float64)
Colour = tuple[int, int, int]


def _of(picture: object) -> Pixels:
    return np.ascontiguousarray(np.asarray(picture, np.uint8))


def _by_value(picture: Pixels, values: npt.NDArray[np.float64]) -> Pixels:
    """Each of the 256 values of a channel by another."""
    table = np.broadcast_to(values.reshape(256, -1), (256, 3))
    return _of(cv2.LUT(picture, _of(np.clip(table, 0, 255)).reshape(1, 256, 3)))


def jpeg(picture: Pixels, _: np.random.Generator, quality: int) -> Pixels:
    """Saved again, and opened."""
    packed = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    opened = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert opened is not None
    return _of(opened[:, :, ::-1])


def scale(picture: Pixels, _: np.random.Generator, across: float, down: float) -> Pixels:
    """Another size."""
    how = cv2.INTER_AREA if across < 1 else cv2.INTER_CUBIC
    return _of(cv2.resize(picture, None, fx=across, fy=down, interpolation=how))


def crop(picture: Pixels, chance: np.random.Generator, share: float, *, anywhere: bool = False) -> Pixels:
    """Without `share` of the width and of the height: in equal parts from both ends, or split by chance."""
    height, width = picture.shape[:2]
    down, across = round(height * share), round(width * share)
    top, left = (int(chance.integers(0, each + 1)) if anywhere else each // 2 for each in (down, across))
    return _of(picture[top : top + height - down, left : left + width - across])


def border(picture: Pixels, _: np.random.Generator, share: float, colour: Colour) -> Pixels:
    """A frame, as wide as `share` of the shorter side."""
    wide = max(1, round(min(picture.shape[:2]) * share))
    return _of(cv2.copyMakeBorder(picture, wide, wide, wide, wide, cv2.BORDER_CONSTANT, value=colour))


def letterbox(picture: Pixels, _: np.random.Generator, aspect: float, colour: Colour) -> Pixels:
    """Bars that bring it to width : height = `aspect`."""
    height, width = picture.shape[:2]
    across = max(0, round(height * aspect) - width) // 2
    down = max(0, round(width / aspect) - height) // 2
    return _of(cv2.copyMakeBorder(picture, down, down, across, across, cv2.BORDER_CONSTANT, value=colour))


def blurred_bars(picture: Pixels, _: np.random.Generator) -> Pixels:
    """On a square, over itself enlarged and blurred, as players and social media show it."""
    height, width = picture.shape[:2]
    side = max(height, width) + 1
    ground = cv2.GaussianBlur(cv2.resize(picture, (side, side)), (0, 0), side / 25)
    top, left = (side - height) // 2, (side - width) // 2
    ground[top : top + height, left : left + width] = picture
    return _of(ground)


def turn(picture: Pixels, _: np.random.Generator, quarters: int) -> Pixels:
    """By quarters, counter-clockwise."""
    return _of(np.rot90(picture, quarters))


def mirror(picture: Pixels, _: np.random.Generator) -> Pixels:
    """Left for right."""
    return _of(picture[:, ::-1])


def tilt(picture: Pixels, _: np.random.Generator, degrees: float, *, cut: bool) -> Pixels:
    """Turned a little in its frame: with black corners, or cut to the largest upright part of the same shape."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    tilted = _of(cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR))
    if not cut:
        return tilted
    sine, cosine = abs(np.sin(np.radians(degrees))), abs(np.cos(np.radians(degrees)))
    left = min(1 / (cosine + sine * height / width), 1 / (cosine + sine * width / height))
    return crop(tilted, np.random.default_rng(0), 1 - float(left))


def blur(picture: Pixels, _: np.random.Generator, sigma: float) -> Pixels:
    """Gaussian, in pixels."""
    return _of(cv2.GaussianBlur(picture, (0, 0), sigma))


def sharpen(picture: Pixels, _: np.random.Generator) -> Pixels:
    """Unsharp mask."""
    return _of(cv2.addWeighted(picture, 2, cv2.GaussianBlur(picture, (0, 0), 2), -1, 0))


def noise(picture: Pixels, chance: np.random.Generator, sigma: float) -> Pixels:
    """Of a sensor, in steps of 255."""
    return _of(np.clip(picture + sigma * chance.standard_normal(picture.shape, np.float32), 0, 255))


def watermark(picture: Pixels, _: np.random.Generator) -> Pixels:
    """Half-transparent writing across."""
    height, width = picture.shape[:2]
    over = picture.copy()
    size, thick = width / 260, max(2, width // 100)
    for row in (0.3, 0.55, 0.8):
        cv2.putText(over, "SAMPLE SITE", (width // 12, int(height * row)), 0, size, _WHITE, thick, cv2.LINE_AA)
    return _of(cv2.addWeighted(picture, 0.55, over, 0.45, 0))


def logo(picture: Pixels, _: np.random.Generator) -> Pixels:
    """A plate in one corner."""
    height, width = picture.shape[:2]
    marked = picture.copy()
    cv2.rectangle(marked, (int(width * 0.68), int(height * 0.9)), (width, height), _NAVY, -1)
    cv2.putText(marked, "@name", (int(width * 0.7), int(height * 0.97)), 0, width / 500, _WHITE, 1, cv2.LINE_AA)
    return _of(marked)


def caption(picture: Pixels, _: np.random.Generator, share: float) -> Pixels:
    """A white strip with writing on top, `share` of the height."""
    height, width = picture.shape[:2]
    strip = np.full((round(height * share), width, 3), 255, np.uint8)
    line = max(14, round(height * 0.07))
    for row in range(line, len(strip), line):
        cv2.putText(strip, "when the picture says", (width // 30, row - line // 4), 0, width / 420, _BLACK, 1)
    return _of(np.vstack([strip, picture]))


def grey(picture: Pixels, _: np.random.Generator) -> Pixels:
    """Without colour."""
    return _of(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def gamma(picture: Pixels, _: np.random.Generator, power: float) -> Pixels:
    """Lighter below 1, darker above."""
    return _by_value(picture, 255 * (_VALUES / 255) ** power)


def contrast(picture: Pixels, _: np.random.Generator, factor: float) -> Pixels:
    """Around the middle."""
    return _by_value(picture, (_VALUES - 128) * factor + 128)


def warm(picture: Pixels, _: np.random.Generator) -> Pixels:
    """A filter that shifts red up and blue down."""
    return _by_value(picture, _VALUES[:, None] * np.array([1.15, 1.0, 0.8]))


def screenshot(picture: Pixels, _: np.random.Generator) -> Pixels:
    """In a viewer on a telephone: bars with writing, dark ground, scaled to the screen's width, saved as JPEG."""
    width, height = 540, 1_080
    shown = cv2.resize(picture, (width, min(round(picture.shape[0] * width / picture.shape[1]), 860)))
    screen = np.full((height, width, 3), 18, np.uint8)
    top = (height - len(shown)) // 2
    screen[top : top + len(shown)] = shown
    cv2.putText(screen, "12:31", (20, 34), 0, 0.7, _WHITE, 1, cv2.LINE_AA)
    cv2.putText(screen, "78 %", (460, 34), 0, 0.6, _WHITE, 1, cv2.LINE_AA)
    cv2.putText(screen, "Share     Edit     Delete", (60, 1_050), 0, 0.8, _WHITE, 1, cv2.LINE_AA)
    return jpeg(_of(screen), np.random.default_rng(0), 85)


def page(picture: Pixels, _: np.random.Generator) -> Pixels:
    """In a page on a screen, light ground, heading and text around it: half of each side is the picture."""
    height, width = picture.shape[:2]
    screen = np.full((2 * height, 2 * width, 3), 250, np.uint8)
    for row in range(2 * height - 20, round(1.55 * height), -18):
        cv2.putText(screen, "text of the page goes on and on here", (width // 5, row), 0, width / 600, (60, 60, 60), 1)
    cv2.putText(screen, "A heading", (width // 2, height // 4), 0, width / 250, _BLACK, 2)
    screen[height // 2 - 40 : height // 2 - 40 + height, width // 2 : width // 2 + width] = picture
    return _of(screen)


def _then(*edits: Edit) -> Edit:
    def all_of(picture: Pixels, chance: np.random.Generator) -> Pixels:
        for edit in edits:
            picture = edit(picture, chance)
        return picture

    return all_of


EDITS: Mapping[str, Edit] = {
    "JPEG quality 90": partial(jpeg, quality=90),
    "JPEG quality 50": partial(jpeg, quality=50),
    "JPEG quality 30": partial(jpeg, quality=30),
    "JPEG quality 10": partial(jpeg, quality=10),
    "scaled to 1/4": partial(scale, across=0.25, down=0.25),
    "scaled to 1/2": partial(scale, across=0.5, down=0.5),
    "scaled to 2": partial(scale, across=2, down=2),
    "stretched, 4:3": partial(scale, across=1, down=0.75),
    "blur, sigma 2": partial(blur, sigma=2),
    "blur, sigma 5": partial(blur, sigma=5),
    "sharpened": sharpen,
    "noise, sigma 15": partial(noise, sigma=15),
    "grey": grey,
    "gamma 0.5": partial(gamma, power=0.5),
    "gamma 2": partial(gamma, power=2),
    "contrast 1.5": partial(contrast, factor=1.5),
    "warm filter": warm,
    "watermark": watermark,
    "logo": logo,
    "crop 2 %": partial(crop, share=0.02),
    "crop 5 %": partial(crop, share=0.05),
    "crop 10 %": partial(crop, share=0.1),
    "crop 20 %": partial(crop, share=0.2),
    "crop 30 %": partial(crop, share=0.3),
    "crop 5 %, anywhere": partial(crop, share=0.05, anywhere=True),
    "crop 10 %, anywhere": partial(crop, share=0.1, anywhere=True),
    "crop 20 %, anywhere": partial(crop, share=0.2, anywhere=True),
    "border 3 %, white": partial(border, share=0.03, colour=_WHITE),
    "border 10 %, black": partial(border, share=0.1, colour=_BLACK),
    "border 10 %, cream, JPEG 50": _then(partial(border, share=0.1, colour=_CREAM), partial(jpeg, quality=50)),
    "letterbox 16:9, black": partial(letterbox, aspect=16 / 9, colour=_BLACK),
    "letterbox 1:1, white, JPEG 50": _then(partial(letterbox, aspect=1, colour=_WHITE), partial(jpeg, quality=50)),
    "square over its blur": blurred_bars,
    "caption strip 20 %": partial(caption, share=0.2),
    "screenshot of a viewer": screenshot,
    "screenshot of a page": page,
    "mirrored": mirror,
    "turned 90": partial(turn, quarters=1),
    "turned 180": partial(turn, quarters=2),
    "turned 270": partial(turn, quarters=3),
    "tilted 2 degrees": partial(tilt, degrees=2, cut=False),
    "tilted 3 degrees": partial(tilt, degrees=3, cut=False),
    "tilted 5 degrees": partial(tilt, degrees=5, cut=False),
    "tilted 5 degrees, cut": partial(tilt, degrees=5, cut=True),
    "mirrored, crop 5 %": _then(mirror, partial(crop, share=0.05)),
    "turned 90, border 10 %": _then(partial(turn, quarters=1), partial(border, share=0.1, colour=_BLACK)),
}
"""By name, as the table shows it."""
