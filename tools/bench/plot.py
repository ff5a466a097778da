"""A plot of figures on a logarithmic axis, as SVG: one line per name, one mark per figure."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH: Final = 960
LEFT: Final = 300
RIGHT: Final = 90
LINE: Final = 22
TOP: Final = 62
GAP: Final = 66
COLOURS: Final = ("#1b6ca8", "#e08e0b", "#b8336a", "#5b8c5a", "#555555")


Axis = Callable[[float], float]


class Group(NamedTuple):
    """What shares one axis: a title, a unit, the names of the figures, and a label with figures for each line."""

    title: str
    unit: str
    names: Sequence[str]
    lines: Sequence[tuple[str, Sequence[float | None]]]


def draw(title: str, subtitle: str, groups: Iterable[Group]) -> str:
    """The plot as the text of an SVG file."""
    parts = [_text(16, 26, title, size=17, weight="bold"), _text(16, 44, subtitle, size=11, colour="#666")]
    top = TOP
    for group in groups:
        parts += _group(group, top)
        top += len(group.lines) * LINE + GAP
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif">'
    return "\n".join([frame, f'<rect width="{WIDTH}" height="{top}" fill="white"/>', *parts, "</svg>"]) + "\n"


def _group(group: Group, top: int) -> list[str]:
    figures = [figure for _, values in group.lines for figure in values if figure]
    low, high = _decades(figures)

    def x(figure: float) -> float:
        return LEFT + (math.log10(figure) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    begin, end = top + 30, top + 30 + len(group.lines) * LINE
    parts = [_text(16, top + 18, f"{group.title} [{group.unit}]", size=13, weight="bold")]
    parts += _legend(group.names, top + 18)
    for decade in range(low, high + 1):
        at = x(10.0**decade)
        parts.append(f'<line x1="{at:.1f}" y1="{begin}" x2="{at:.1f}" y2="{end}" stroke="#ddd"/>')
        parts.append(_text(at, end + 14, _power(decade), anchor="middle", size=10, colour="#666"))
    for index, (label, values) in enumerate(group.lines):
        parts += _line(label, values, begin + index * LINE + LINE / 2, x)
    return parts


def _line(label: str, values: Sequence[float | None], y: float, x: Axis) -> list[str]:
    marks = [(x(value), COLOURS[index % len(COLOURS)]) for index, value in enumerate(values) if value]
    parts = [_text(LEFT - 12, y + 4, label, anchor="end", size=12)]
    if marks:
        first, last = min(at for at, _ in marks), max(at for at, _ in marks)
        parts.append(f'<line x1="{first:.1f}" y1="{y}" x2="{last:.1f}" y2="{y}" stroke="#bbb" stroke-width="2"/>')
    parts += [f'<circle cx="{at:.1f}" cy="{y}" r="4.5" fill="{colour}"/>' for at, colour in marks]
    shown = next((value for value in values if value), None)
    if shown is not None:
        parts.append(_text(WIDTH - 8, y + 4, f"{shown:,.3g}", anchor="end", size=11, colour=COLOURS[0]))
    return parts


def _legend(names: Sequence[str], y: float) -> list[str]:
    parts = []
    for index, name in enumerate(names):
        at = WIDTH - RIGHT - 90 * (len(names) - index)
        parts.append(f'<circle cx="{at}" cy="{y - 4}" r="4.5" fill="{COLOURS[index % len(COLOURS)]}"/>')
        parts.append(_text(at + 9, y, name, size=11))
    return parts


def _decades(figures: Sequence[float]) -> tuple[int, int]:
    low = math.floor(math.log10(min(figures, default=1.0)))
    return low, max(math.ceil(math.log10(max(figures, default=10.0))), low + 1)


def _power(decade: int) -> str:
    return f"{10.0**decade:,g}" if -4 <= decade <= 9 else f"1e{decade}"


def _text(
    x: float, y: float, text: str, *, size: int, anchor: str = "start", weight: str = "normal", colour: str = "#222"
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
