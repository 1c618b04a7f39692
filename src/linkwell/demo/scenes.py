"""What the demo's pictures show: one function for each subject, drawing on a canvas with that canvas's chance."""

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from linkwell.demo.canvas import Canvas, Colour, hsv, mix

_PAPER: Colour = (246, 240, 226)
_INK: Colour = (44, 42, 52)


def _sun(canvas: Canvas) -> None:
    x, y, radius = canvas.pick(0.1, 0.9), canvas.pick(0.08, 0.34), canvas.pick(0.04, 0.1)
    disc = canvas.tone(0.12, 0.98, 0.5)
    for ring in range(3, 0, -1):
        canvas.disc(x, y, radius * (1 + ring * 0.35), mix(disc, canvas.tone(0.25, 0.88), 0.35 + ring * 0.15))
    canvas.disc(x, y, radius, disc)


def _clouds(canvas: Canvas, most: int = 5) -> None:
    for _ in range(canvas.count(1, most)):
        x, y = canvas.pick(0, 1), canvas.pick(0.05, 0.35)
        shade = canvas.tone(canvas.pick(0.03, 0.12), canvas.pick(0.88, 1.0))
        for _ in range(canvas.count(3, 6)):
            canvas.disc(
                x + canvas.pick(-0.09, 0.09), y + canvas.pick(-0.02, 0.02), canvas.pick(0.03, 0.07), shade, 0.45
            )


def hills(canvas: Canvas) -> None:
    """Layer behind layer of hills under a sky."""
    canvas.sky(canvas.tone(0.45, 0.72), canvas.tone(0.12, 0.97))
    _sun(canvas)
    _clouds(canvas, 3)
    layers = canvas.count(4, 7)
    start = canvas.pick(0.3, 0.55)
    for layer in range(layers):
        share = layer / (layers - 1)
        line = canvas.ridge(start + (0.95 - start) * share, canvas.pick(0.04, 0.13) * (1.1 - 0.5 * share))
        canvas.land(line, canvas.tone(0.25 + 0.5 * share, 0.82 - 0.58 * share, canvas.pick(-0.05, 0.05)))
        if layer and canvas.chance(0.6):
            _trees_along(canvas, line, share)


def _trees_along(canvas: Canvas, line: "np.typing.NDArray[np.float64]", share: float) -> None:
    for _ in range(canvas.count(3, 12)):
        x = canvas.pick(0, 1)
        y = float(line[round(x * 96)])
        _fir(
            canvas, x, y + 0.01, 0.05 + 0.14 * share * canvas.pick(0.7, 1.3), canvas.tone(0.6, 0.5 - 0.3 * share, 0.04)
        )


def _fir(canvas: Canvas, x: float, foot: float, height: float, fill: Colour) -> None:
    half = height * 0.2
    canvas.box(x - half * 0.12, foot - height * 0.15, x + half * 0.12, foot, mix(fill, _INK, 0.5))
    for tier in range(3):
        low = foot - height * (0.12 + 0.26 * tier)
        spread = half * (1 - 0.26 * tier)
        canvas.shape([(x - spread, low), (x + spread, low), (x, low - height * 0.42)], mix(fill, _PAPER, 0.08 * tier))


def forest(canvas: Canvas) -> None:
    """Trunks in rows, darker towards the front."""
    canvas.sky(canvas.tone(0.3, 0.85), canvas.tone(0.1, 1.0, 0.06))
    _sun(canvas)
    rows = canvas.count(3, 5)
    for row in range(rows):
        share = row / max(rows - 1, 1)
        line = canvas.ridge(0.5 + 0.42 * share, 0.04)
        canvas.land(line, canvas.tone(0.25 + 0.35 * share, 0.8 - 0.5 * share))
        for _ in range(canvas.count(3, 9 - row)):
            x = canvas.pick(-0.02, 1.02)
            foot = float(line[min(96, max(0, round(x * 96)))]) + 0.02
            fill = canvas.tone(0.35 + 0.4 * share, 0.72 - 0.48 * share, canvas.pick(-0.08, 0.08))
            if canvas.chance(0.5):
                _fir(canvas, x, foot, canvas.pick(0.22, 0.42) * (0.7 + 0.6 * share), fill)
            else:
                _crown(canvas, x, foot, canvas.pick(0.18, 0.34) * (0.7 + 0.6 * share), fill)


def _crown(canvas: Canvas, x: float, foot: float, height: float, fill: Colour) -> None:
    canvas.stroke(
        [(x, foot), (x + canvas.pick(-0.01, 0.01), foot - height * 0.7)], mix(fill, _INK, 0.55), height * 0.05
    )
    for _ in range(canvas.count(5, 9)):
        shade = mix(fill, _PAPER, canvas.pick(0.0, 0.25))
        off_x, off_y = canvas.pick(-0.2, 0.2) * height, canvas.pick(-0.22, 0.18) * height
        canvas.disc(x + off_x, foot - height * 0.8 + off_y, height * canvas.pick(0.1, 0.2), shade)


def houses(canvas: Canvas) -> None:
    """A street of gabled houses."""
    canvas.sky(canvas.tone(0.4, 0.8, 0.5), canvas.tone(0.1, 0.98, 0.5))
    _clouds(canvas)
    canvas.land(canvas.ridge(canvas.pick(0.45, 0.6), 0.08), canvas.tone(0.3, 0.7, 0.3))
    ground = canvas.pick(0.82, 0.92)
    x = canvas.pick(-0.12, 0.02)
    while x < 1.0:
        width, height = canvas.pick(0.12, 0.26), canvas.pick(0.2, 0.5)
        _house(canvas, x, ground, width, height)
        x += width + (canvas.pick(0, 0.08) if canvas.chance(0.4) else 0.004)
    canvas.box(0, ground, 1, 1, canvas.tone(0.2, 0.55, 0.1))
    for _ in range(canvas.count(6, 18)):
        y = canvas.pick(ground + 0.015, 0.99)
        left = canvas.pick(-0.05, 1)
        canvas.box(left, y, left + canvas.pick(0.03, 0.12), y + 0.008, canvas.tone(0.2, canvas.pick(0.42, 0.66), 0.1))


def _house(canvas: Canvas, left: float, ground: float, width: float, height: float) -> None:
    wall = canvas.tone(canvas.pick(0.15, 0.65), canvas.pick(0.5, 0.97), canvas.pick(-0.1, 0.1))
    roof = canvas.tone(canvas.pick(0.5, 0.8), canvas.pick(0.25, 0.6), canvas.pick(0.3, 0.6))
    top = ground - height
    gable = canvas.pick(0.06, 0.2)
    canvas.box(left, top, left + width, ground, wall)
    peak = left + width * canvas.pick(0.35, 0.65)
    canvas.shape([(left - 0.01, top), (left + width + 0.01, top), (peak, top - gable)], roof)
    columns, rows = canvas.count(1, 3), canvas.count(1, 4)
    pane = hsv(0.13, 0.5, 0.98) if canvas.light in {"evening", "winter"} else mix(wall, _INK, 0.65)
    for row in range(rows):
        for column in range(columns):
            x = left + width * (column + 0.5) / columns
            y = top + height * (row + 0.45) / (rows + 0.6)
            canvas.box(x - 0.018, y - 0.022, x + 0.018, y + 0.03, mix(wall, _PAPER, 0.7))
            canvas.box(x - 0.013, y - 0.016, x + 0.013, y + 0.024, pane)
    door = left + width * canvas.pick(0.25, 0.75)
    canvas.box(door - 0.018, ground - 0.08, door + 0.018, ground, roof)


def birds(canvas: Canvas) -> None:
    """A bird on a branch, close by."""
    canvas.sky(canvas.tone(0.16, 0.97, 0.45), canvas.tone(0.3, 0.82, 0.4))
    for _ in range(canvas.count(6, 14)):
        shade = canvas.tone(canvas.pick(0.1, 0.4), canvas.pick(0.7, 1.0), canvas.pick(0.3, 0.55))
        canvas.disc(canvas.pick(0, 1), canvas.pick(0, 1), canvas.pick(0.03, 0.13), shade)
    x, y, size = canvas.pick(0.34, 0.66), canvas.pick(0.38, 0.58), canvas.pick(0.13, 0.22)
    ratio = canvas.width / canvas.height
    side = 1 if canvas.chance(0.5) else -1
    slope = canvas.pick(-0.12, 0.12)
    level = y + size * 0.92 * ratio
    branch = (74, 56, 44)
    canvas.stroke([(-0.05, level - slope), (x, level), (1.05, level + slope)], branch, 0.022)
    for _ in range(canvas.count(5, 14)):
        place = canvas.pick(0, 1)
        root = level + (place - x) * slope * 1.6
        leaf = canvas.tone(0.55, canvas.pick(0.35, 0.75), canvas.pick(0.2, 0.35))
        canvas.petal(place, root, canvas.pick(0.06, 0.15), canvas.pick(-math.pi, 0.3), leaf)
    body = canvas.tone(canvas.pick(0.5, 0.85), canvas.pick(0.45, 0.9))
    wing = mix(body, _INK, canvas.pick(0.3, 0.6))
    belly = mix(canvas.tone(0.4, 0.95, canvas.pick(-0.2, 0.2)), _PAPER, canvas.pick(0.2, 0.7))
    tail = math.pi * 0.5 + side * canvas.pick(0.5, 1.1)
    canvas.petal(x - side * size * 0.5, y + size * 0.25 * ratio, size * canvas.pick(1.0, 1.6), tail, wing, 0.3)
    canvas.disc(x, y, size, body, canvas.pick(0.8, 0.95))
    canvas.disc(x + side * size * 0.25, y + size * 0.24 * ratio, size * 0.72, belly, 0.8)
    canvas.petal(x + side * size * 0.3, y - size * 0.15 * ratio, size * 1.25, tail - side * 0.25, wing, 0.5)
    head_x, head_y = x + side * size * 0.75, y - size * 0.72 * ratio
    canvas.disc(head_x, head_y, size * 0.52, mix(body, _PAPER, canvas.pick(0, 0.25)))
    beak = hsv(0.1, 0.8, 0.9)
    tip = head_x + side * size * canvas.pick(0.85, 1.2)
    canvas.shape(
        [
            (head_x + side * size * 0.44, head_y - size * 0.14),
            (tip, head_y + 0.01),
            (head_x + side * size * 0.44, head_y + size * 0.2),
        ],
        beak,
    )
    canvas.disc(head_x + side * size * 0.2, head_y - size * 0.1, size * 0.12, _PAPER)
    canvas.disc(head_x + side * size * 0.22, head_y - size * 0.1, size * 0.07, _INK)
    for leg in (-0.15, 0.2):
        canvas.stroke([(x + size * leg, y + size * 0.75 * ratio), (x + size * leg * 1.1, level)], beak, 0.007)


def flowers(canvas: Canvas) -> None:
    """A bed of flowers."""
    canvas.sky(canvas.tone(0.12, 0.98, 0.4), canvas.tone(0.35, 0.72, 0.3))
    canvas.land(canvas.ridge(canvas.pick(0.55, 0.78), 0.05), canvas.tone(0.5, 0.45, 0.25))
    for _ in range(canvas.count(30, 60)):
        blade = canvas.tone(0.6, canvas.pick(0.25, 0.6), canvas.pick(0.2, 0.35))
        canvas.petal(
            canvas.pick(0, 1), canvas.pick(0.9, 1.1), canvas.pick(0.15, 0.4), canvas.pick(-2.1, -1.0), blade, 0.12
        )
    for _ in range(canvas.count(4, 11)):
        x, y, size = canvas.pick(0.06, 0.94), canvas.pick(0.12, 0.78), canvas.pick(0.05, 0.13)
        canvas.stroke([(x, y), (x + canvas.pick(-0.05, 0.05), 1.0)], canvas.tone(0.6, 0.4, 0.28), 0.008)
        petal = canvas.tone(canvas.pick(0.4, 0.9), canvas.pick(0.6, 1.0), canvas.pick(-0.08, 0.08))
        blades = canvas.count(5, 13)
        start = canvas.pick(0, math.tau)
        for blade_index in range(blades):
            angle = start + blade_index * math.tau / blades
            canvas.petal(x, y, size, angle, mix(petal, _PAPER, 0.12 * (blade_index % 3)), canvas.pick(0.4, 0.55))
        canvas.disc(x, y, size * 0.28, hsv(0.12, 0.8, canvas.pick(0.5, 0.95)))


def maps(canvas: Canvas) -> None:
    """A map of islands with heights, roads and towns."""
    height, width = 96, max(96, round(96 * canvas.width / canvas.height))
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    field = np.zeros((height, width))
    for _ in range(canvas.count(5, 11)):
        x, y, reach = canvas.pick(0.05, 0.95), canvas.pick(0.05, 0.95), canvas.pick(0.08, 0.26)
        field += canvas.pick(0.5, 1.2) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * reach**2))
    field += 0.06 * np.sin(columns * canvas.pick(20, 45) + canvas.pick(0, 6)) * np.sin(rows * canvas.pick(20, 45))
    levels = np.quantile(field, [0.0, canvas.pick(0.3, 0.55), 0.7, 0.82, 0.91, 0.97])
    shades = [canvas.tone(0.4, 0.85, 0.45), canvas.tone(0.25, 0.95), canvas.tone(0.4, 0.82), canvas.tone(0.5, 0.66)]
    shades += [canvas.tone(0.6, 0.48), mix(canvas.tone(0.1, 1.0), _PAPER, 0.6)]
    smooth = np.asarray(
        Image.fromarray(field.astype(np.float32)).resize(canvas.image.size, Image.Resampling.BICUBIC), dtype=np.float32
    )
    bands = np.clip(np.searchsorted(levels, smooth, side="right") - 1, 0, len(shades) - 1)
    pixels = np.array(shades, dtype=np.uint8)[bands]
    pixels[:-1][bands[:-1] != bands[1:]] = _INK
    pixels[:, :-1][bands[:, :-1] != bands[:, 1:]] = _INK
    canvas.image.paste(Image.fromarray(pixels))
    towns = [(canvas.pick(0.1, 0.9), canvas.pick(0.1, 0.9)) for _ in range(canvas.count(4, 9))]
    for first, second in itertools.pairwise(towns):
        middle = ((first[0] + second[0]) / 2 + canvas.pick(-0.06, 0.06), (first[1] + second[1]) / 2)
        canvas.stroke([first, middle, second], (150, 52, 44), 0.005)
    for x, y in towns:
        canvas.disc(x, y, 0.014, _PAPER)
        canvas.disc(x, y, 0.009, (150, 52, 44))
    for line in range(1, 6):
        canvas.stroke([(line / 6, 0), (line / 6, 1)], mix(_INK, _PAPER, 0.45), 0.0012)
        canvas.stroke([(0, line / 6), (1, line / 6)], mix(_INK, _PAPER, 0.45), 0.0012)


def abstract(canvas: Canvas) -> None:
    """Planes, discs and bars in balance."""
    canvas.sky(canvas.tone(0.08, 0.98), canvas.tone(0.18, 0.88, 0.1))
    for _ in range(canvas.count(7, 15)):
        fill = canvas.tone(
            canvas.pick(0.15, 0.9), canvas.pick(0.2, 1.0), float(canvas.random.choice([0, 0.08, 0.45, 0.55]))
        )
        x, y = canvas.pick(0, 1), canvas.pick(0, 1)
        form = str(canvas.random.choice(["disc", "box", "triangle", "bar"]))
        if form == "disc":
            canvas.disc(x, y, canvas.pick(0.04, 0.2), fill)
        elif form == "box":
            canvas.box(x, y, x + canvas.pick(0.05, 0.4), y + canvas.pick(0.05, 0.4), fill)
        elif form == "triangle":
            points = [(x + canvas.pick(-0.3, 0.3), y + canvas.pick(-0.3, 0.3)) for _ in range(3)]
            canvas.shape(points, fill)
        else:
            end = (x + canvas.pick(-0.6, 0.6), y + canvas.pick(-0.6, 0.6))
            canvas.stroke([(x, y), end], fill, canvas.pick(0.01, 0.05))
    radius = canvas.pick(0.06, 0.15)
    x, y = canvas.pick(0.2, 0.8), canvas.pick(0.2, 0.8)
    for ring in range(4):
        canvas.disc(x, y, radius * (1 - ring * 0.24), _INK if ring % 2 else canvas.tone(0.7, 0.9, 0.5))


def sea(canvas: Canvas) -> None:
    """Boats on the water."""
    canvas.sky(canvas.tone(0.4, 0.8), canvas.tone(0.12, 1.0, 0.08))
    _sun(canvas)
    _clouds(canvas)
    horizon = canvas.pick(0.38, 0.6)
    canvas.land(np.full(97, horizon), canvas.tone(0.5, 0.62, 0.04))
    if canvas.chance(0.6):
        coast = canvas.ridge(horizon - 0.05, 0.06)
        across = np.linspace(0, 1, 97)
        points = [
            (0.0, horizon),
            *zip(across.tolist(), np.minimum(coast, horizon).tolist(), strict=True),
            (1.0, horizon),
        ]
        canvas.shape(points, canvas.tone(0.3, 0.6, 0.1))
    for wave in range(canvas.count(5, 9)):
        share = (wave + 1) / 10
        line = canvas.ridge(horizon + (1 - horizon) * share, 0.012, 9)
        canvas.land(line, canvas.tone(0.45 + 0.3 * share, 0.66 - 0.3 * share, 0.04 + canvas.pick(-0.02, 0.02)))
    for _ in range(canvas.count(1, 5)):
        y = canvas.pick(horizon + 0.03, 0.88)
        _boat(canvas, canvas.pick(0.1, 0.9), y, 0.05 + 0.16 * (y - horizon) / (1 - horizon))


def _boat(canvas: Canvas, x: float, y: float, size: float) -> None:
    hull = canvas.tone(canvas.pick(0.5, 0.9), canvas.pick(0.25, 0.6), 0.5)
    sail = mix(canvas.tone(canvas.pick(0.1, 0.7), 0.98, canvas.pick(0.3, 0.7)), _PAPER, 0.3)
    tall = size * canvas.pick(2.0, 3.2)
    canvas.shape([(x, y - tall), (x, y - size * 0.2), (x + size * canvas.pick(0.7, 1.1), y - size * 0.2)], sail)
    canvas.shape(
        [(x - 0.006, y - tall * 0.9), (x - 0.006, y - size * 0.2), (x - size * 0.7, y - size * 0.2)],
        mix(sail, hull, 0.3),
    )
    canvas.stroke([(x, y - tall * 1.05), (x, y)], _INK, 0.004)
    canvas.shape(
        [
            (x - size, y - size * 0.15),
            (x + size * 1.1, y - size * 0.15),
            (x + size * 0.7, y + size * 0.3),
            (x - size * 0.7, y + size * 0.3),
        ],
        hull,
    )


def city(canvas: Canvas) -> None:
    """Towers at night under a moon."""
    canvas.sky(canvas.tone(0.65, 0.2), canvas.tone(0.5, 0.52, 0.12))
    for _ in range(canvas.count(30, 80)):
        canvas.disc(canvas.pick(0, 1), canvas.pick(0, 0.6), canvas.pick(0.001, 0.003), (240, 236, 220))
    x, y, radius = canvas.pick(0.1, 0.9), canvas.pick(0.1, 0.35), canvas.pick(0.04, 0.1)
    canvas.disc(x, y, radius, hsv(0.14, 0.18, 0.97))
    canvas.disc(x + radius * canvas.pick(0.2, 0.6), y - 0.01, radius * 0.9, canvas.tone(0.62, 0.26))
    for row in range(3):
        left = canvas.pick(-0.08, 0)
        while left < 1:
            width, height = canvas.pick(0.05, 0.16), canvas.pick(0.12, 0.62) * (1 - 0.18 * row)
            wall = canvas.tone(0.5, 0.46 - 0.13 * row, canvas.pick(-0.06, 0.06))
            canvas.box(left, 1 - height, left + width, 1, wall)
            lit = hsv(canvas.pick(0.09, 0.15), 0.55, 0.98)
            share = canvas.pick(0.1, 0.7)
            for floor in np.arange(1 - height + 0.03, 0.98, 0.045):
                for window in np.arange(left + 0.012, left + width - 0.02, 0.028):
                    if canvas.chance(share):
                        canvas.box(float(window), float(floor), float(window) + 0.013, float(floor) + 0.022, lit)
            left += width + canvas.pick(0, 0.05)


def still_life(canvas: Canvas) -> None:
    """A vase and fruit on a table."""
    canvas.sky(canvas.tone(0.3, canvas.pick(0.35, 0.75), 0.5), canvas.tone(0.2, canvas.pick(0.6, 0.95), 0.45))
    table = canvas.pick(0.62, 0.76)
    for stripe in range(canvas.count(0, 9)):
        left = stripe / 9 + canvas.pick(-0.02, 0.02)
        canvas.box(left, 0, left + canvas.pick(0.01, 0.06), table, canvas.tone(0.25, canvas.pick(0.4, 0.9), 0.48))
    canvas.box(0, table, 1, 1, canvas.tone(0.4, 0.5, 0.08))
    x = canvas.pick(0.25, 0.75)
    glaze = canvas.tone(canvas.pick(0.4, 0.85), canvas.pick(0.45, 0.95))
    top = canvas.pick(0.18, 0.36)
    rows = np.linspace(0, 1, 40)
    belly = canvas.pick(0.08, 0.16) * np.sin(rows * math.pi * canvas.pick(0.75, 0.95) + 0.2) + canvas.pick(0.025, 0.06)
    foot = table + 0.1
    levels = top + rows * (foot - top)
    right = [(x + float(b), float(v)) for b, v in zip(belly, levels, strict=True)]
    left_side = [(x - float(b), float(v)) for b, v in zip(belly, levels, strict=True)]
    for _ in range(canvas.count(0, 12)):
        stem = canvas.pick(-2.6, -0.6)
        canvas.petal(
            x,
            top + 0.02,
            canvas.pick(0.1, 0.28),
            stem,
            canvas.tone(0.6, canvas.pick(0.3, 0.8), canvas.pick(0.1, 0.5)),
            0.3,
        )
    canvas.shape(right + left_side[::-1], glaze)
    for band in range(canvas.count(1, 4)):
        row = 8 + band * 8
        half = float(belly[row])
        canvas.box(
            x - half,
            float(levels[row]),
            x + half,
            float(levels[row]) + 0.02,
            mix(glaze, _PAPER if band % 2 else _INK, 0.55),
        )
    for _ in range(canvas.count(2, 7)):
        fruit = hsv(canvas.pick(0.0, 0.3), canvas.pick(0.6, 0.9), canvas.pick(0.5, 0.95))
        size, where = canvas.pick(0.035, 0.075), canvas.pick(0.08, 0.92)
        level = canvas.pick(table + 0.06, 0.92)
        canvas.disc(where + 0.01, level + size * 0.9, size * 1.05, canvas.tone(0.45, 0.34, 0.08), 0.35)
        canvas.disc(where, level, size, fruit)
        canvas.disc(where - size * 0.3, level - size * 0.35, size * 0.28, mix(fruit, _PAPER, 0.55))


SCENES: Mapping[str, Callable[[Canvas], None]] = {
    "bird": birds,
    "house": houses,
    "hills": hills,
    "flowers": flowers,
    "map": maps,
    "abstract": abstract,
    "sea": sea,
    "city": city,
    "forest": forest,
    "vase": still_life,
}
"""Every subject by its name."""
