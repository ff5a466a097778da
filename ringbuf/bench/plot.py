"""A plot of figures, as SVG, one line per name: marks on a logarithmic axis, or bars if there is one figure each."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH: Final = 960
RIGHT: Final = 90
LINE: Final = 22
TOP: Final = 62
GAP: Final = 66
LETTER: Final = 6.9
"""Width of a letter, roughly, at the size of labels."""
COLOURS: Final = ("#1b6ca8", "#e08e0b", "#b8336a", "#5b8c5a", "#555555")
OURS: Final = ("ring", "writer")
FLOORS: Final = ("floor", "empty timer", "noop", "server's limit")
STEPS: Final = (1, 2, 5)

Axis = Callable[[float], float]


class Group(NamedTuple):
    """What shares one axis: a title, a unit, the names of the figures, and a label with figures for each line.

    Labels that begin with one of `OURS` are what is measured, with one of `FLOORS` what it is measured against.
    """

    title: str
    unit: str
    names: Sequence[str]
    lines: Sequence[tuple[str, Sequence[float | None]]]


def draw(title: str, subtitle: str, groups: Iterable[Group]) -> str:
    """The plot as the text of an SVG file."""
    drawn = list(groups)
    left = 28 + LETTER * max((len(label) for group in drawn for label, _ in group.lines), default=0)
    parts = [_text(16, 26, title, size=17, weight="bold"), _text(16, 44, subtitle, size=11, colour="#666")]
    top = TOP
    for group in drawn:
        parts += (_bars if len(group.names) == 1 else _marks)(group, left, top)
        top += len(group.lines) * LINE + GAP
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif">'
    return "\n".join([frame, f'<rect width="{WIDTH}" height="{top}" fill="white"/>', *parts, "</svg>"]) + "\n"


def figure_text(figure: float) -> str:
    """A figure with three digits, or all that are in front of the point."""
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.3g}"


def _marks(group: Group, left: float, top: float) -> list[str]:
    """One mark per figure, on a logarithmic axis."""
    ticks = _ticks([figure for _, values in group.lines for figure in values if figure])
    low, high = math.log10(ticks[0]), math.log10(ticks[-1])

    def x(figure: float) -> float:
        return left + (math.log10(figure) - low) / (high - low) * (WIDTH - RIGHT - left)

    parts = _frame(group, top, [(x(tick), figure_text(tick)) for tick in ticks])
    parts += _legend(group.names, top + 18)
    for index, (label, values) in enumerate(group.lines):
        y = _height(top, index)
        marks = [(x(value), COLOURS[number % len(COLOURS)]) for number, value in enumerate(values) if value]
        if marks:
            first, last = min(at for at, _ in marks), max(at for at, _ in marks)
            parts.append(f'<line x1="{first:.1f}" y1="{y}" x2="{last:.1f}" y2="{y}" stroke="#bbb" stroke-width="2"/>')
        for at, colour in reversed(marks):  # the first figure on top
            parts.append(f'<circle cx="{at:.1f}" cy="{y}" r="5" fill="{colour}" stroke="white"/>')
        parts += _labels(label, next((value for value in values if value), None), left, y)
    return parts


def _bars(group: Group, left: float, top: float) -> list[str]:
    """One bar per line, from zero."""
    longest = max((values[0] or 0.0 for _, values in group.lines), default=0.0) or 1.0
    parts = _frame(group, top, [])
    for index, (label, (value,)) in enumerate(group.lines):
        y = _height(top, index)
        colour = "#9ab" if label.startswith(FLOORS) else COLOURS[0]
        width = (value or 0.0) / longest * (WIDTH - RIGHT - left)
        parts.append(f'<rect x="{left:.1f}" y="{y - 7}" width="{width:.1f}" height="14" fill="{colour}"/>')
        parts += _labels(label, value, left, y)
    return parts


def _frame(group: Group, top: float, ticks: Sequence[tuple[float, str]]) -> list[str]:
    """The title, the name of the figures at the right, and lines with their numbers below."""
    begin, end = top + 30, top + 30 + len(group.lines) * LINE
    title = group.title if group.unit in group.names else f"{group.title} [{group.unit}]"
    parts = [_text(16, top + 18, title, size=13, weight="bold")]
    parts.append(_text(WIDTH - 8, top + 18, group.names[0], anchor="end", size=11, colour=COLOURS[0]))
    for at, text in ticks:
        parts.append(f'<line x1="{at:.1f}" y1="{begin}" x2="{at:.1f}" y2="{end}" stroke="#ddd"/>')
        parts.append(_text(at, end + 14, text, anchor="middle", size=10, colour="#666"))
    return parts


def _labels(label: str, value: float | None, left: float, y: float) -> list[str]:
    """The name of a line, and its first figure in numbers."""
    weight = "bold" if label.startswith(OURS) else "normal"
    colour = "#777" if label.startswith(FLOORS) else "#222"
    parts = [_text(left - 12, y + 4, label, anchor="end", size=12, weight=weight, colour=colour)]
    if value is not None:
        parts.append(_text(WIDTH - 8, y + 4, figure_text(value), anchor="end", size=11, colour=COLOURS[0]))
    return parts


def _legend(names: Sequence[str], y: float) -> list[str]:
    parts = []
    at = WIDTH - RIGHT - sum(26 + LETTER * len(name) for name in names)
    for index, name in enumerate(names):
        parts.append(f'<circle cx="{at:.1f}" cy="{y - 4}" r="5" fill="{COLOURS[index % len(COLOURS)]}"/>')
        parts.append(_text(at + 9, y, name, size=11))
        at += 26 + LETTER * len(name)
    return parts


def _height(top: float, index: int) -> float:
    return top + 30 + index * LINE + LINE / 2


def _ticks(figures: Sequence[float]) -> list[float]:
    """Numbers around all figures, at least two: 1, 2, 5, 10 and so on, or only powers of ten if they are many."""
    low, high = min(figures, default=1.0), max(figures, default=1.0)
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    for steps in (STEPS, STEPS[:1]):
        every = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
        first = max(tick for tick in every if tick <= low)
        last = min(tick for tick in every if tick >= high and tick > first)
        found = [tick for tick in every if first <= tick <= last]
        if len(found) <= 9:
            break
    return found


def _text(
    x: float, y: float, text: str, *, size: int, anchor: str = "start", weight: str = "normal", colour: str = "#222"
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
