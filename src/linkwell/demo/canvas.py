"""Paper and brushes for the demo's pictures: gradients, soft shapes and grain, all from a seeded generator."""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

SUPERSAMPLE = 2
"""Everything is drawn this many times larger and reduced at the end, which smooths the edges."""

HUES = {
    "blue": 0.58,
    "green": 0.33,
    "red": 0.01,
    "yellow": 0.12,
    "violet": 0.76,
    "pink": 0.92,
    "turquoise": 0.48,
    "orange": 0.07,
}
"""The main colours, by hue (0 to 1)."""

LIGHTS = {
    "morning": (0.10, 1.04),
    "noon": (0.14, 1.08),
    "evening": (0.05, 0.86),
    "mist": (0.55, 1.10),
    "autumn": (0.08, 0.93),
    "winter": (0.60, 1.14),
}
"""The lights of a picture: the hue that tints it, and how bright it is."""


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from hue, saturation and value, each 0 to 1; a hue wraps, the others are cut."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour between two: `share` 0 is the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass
class Canvas:
    """A picture in the making; lengths are shares of its width and height, 0 to 1, from the top left."""

    width: int
    height: int
    random: np.random.Generator
    hue: float
    light: str
    image: Image.Image = field(init=False)
    pen: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (self.width * SUPERSAMPLE, self.height * SUPERSAMPLE))
        self.pen = ImageDraw.Draw(self.image)

    def pick(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self.random.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A whole number between two, both included."""
        return int(self.random.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """Yes in `share` of all cases, 0 to 1."""
        return self.pick(0, 1) < share

    def place(self, x: float, y: float) -> Point:
        """Pixels of a place."""
        return x * self.image.width, y * self.image.height

    def tone(self, saturation: float, value: float, turn: float = 0.0) -> Colour:
        """A colour of the picture's own hue (turned by `turn`), tinted by its light."""
        tint, brightness = LIGHTS[self.light]
        return mix(hsv(self.hue + turn, saturation, value * brightness), hsv(tint, 0.35, value * brightness), 0.18)

    def sky(self, top: Colour, bottom: Colour) -> None:
        """Fill the paper with a gradient, tilted a little."""
        height, width = self.image.height // 4, self.image.width // 4
        slope = self.pick(-0.35, 0.35)
        rows = np.linspace(0, 1, height)[:, None] + slope * np.linspace(-0.5, 0.5, width)[None, :]
        share = np.clip(rows, 0, 1)[..., None]
        pixels = np.array(top) * (1 - share) + np.array(bottom) * share
        self.image.paste(Image.fromarray(pixels.astype(np.uint8)).resize(self.image.size, Image.Resampling.BILINEAR))

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self.pen.polygon([self.place(*point) for point in points], fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: Colour, stretch: float = 1.0) -> None:
        """A disc; `radius` is a share of the width, `stretch` its height over its width."""
        centre_x, centre_y = self.place(x, y)
        half_width = radius * self.image.width
        half_height = half_width * stretch
        box = (centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height)
        self.pen.ellipse(box, fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """A filled rectangle."""
        self.pen.rectangle((*self.place(left, top), *self.place(max(right, left), max(bottom, top))), fill=fill)

    def stroke(self, points: Sequence[Point], fill: Colour, thickness: float) -> None:
        """A line through points; `thickness` is a share of the width."""
        pixels = max(1, round(thickness * self.image.width))
        self.pen.line([self.place(*point) for point in points], fill=fill, width=pixels, joint="curve")

    def petal(  # noqa: PLR0917 - a place and a form, as in every drawing library
        self, x: float, y: float, length: float, angle: float, fill: Colour, breadth: float = 0.4
    ) -> None:
        """A leaf-shaped blade that starts at a place; `length` is a share of the width, `angle` in radians."""
        ratio = self.image.width / self.image.height
        steps = np.linspace(0, 1, 9)
        swell = np.sin(steps * math.pi) * length * breadth / 2
        along = steps * length
        cos, sin = math.cos(angle), math.sin(angle)
        edge = [(x + a * cos - s * sin, y + (a * sin + s * cos) * ratio) for a, s in zip(along, swell, strict=True)]
        back = [(x + a * cos + s * sin, y + (a * sin - s * cos) * ratio) for a, s in zip(along, swell, strict=True)]
        self.shape(edge + back[::-1], fill)

    def ridge(self, base: float, roughness: float, waves: int = 6) -> npt.NDArray[np.float64]:
        """The heights of a hilly line across the picture, at 97 places, around `base`."""
        across = np.linspace(0, 1, 97)
        line = np.full_like(across, base)
        for wave in range(1, waves + 1):
            line += roughness / wave * np.sin(across * math.tau * wave * self.pick(0.4, 0.8) + self.pick(0, math.tau))
        return line

    def land(self, line: npt.NDArray[np.float64], fill: Colour) -> None:
        """Fill everything below a ridge."""
        across = np.linspace(0, 1, len(line))
        self.shape([(0.0, 1.0), *zip(across.tolist(), line.tolist(), strict=True), (1.0, 1.0)], fill)

    def finish(self, grain: float = 4.0) -> Image.Image:
        """The picture at its size, with the grain of paper; `grain` in levels of 255."""
        small = self.image.resize((self.width, self.height), Image.Resampling.BOX)
        pixels = np.asarray(small, dtype=np.float32)
        fine = self.random.normal(0, grain, (self.height, self.width)).astype(np.float32)
        rough = self.random.normal(0, grain * 1.2, (self.height // 6 + 1, self.width // 6 + 1)).astype(np.float32)
        fibres = Image.fromarray(rough).resize((self.width, self.height), Image.Resampling.BICUBIC)
        return Image.fromarray(np.clip(pixels + (fine + np.asarray(fibres))[..., None], 0, 255).astype(np.uint8))
