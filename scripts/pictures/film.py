"""Draws a recorded terminal as an SVG that plays by itself, with CSS and nothing else: it also plays as a page's image.

Whoever asks for reduced motion, or has a viewer without animations, sees one page of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recording import COLUMNS, LAST_S, ROWS, Line, Run, Stay

WIDTH, HEIGHT = 8.4, 18.0
"""Of a character, in the picture's units, which are pixels unless it is scaled."""

SIZE = 14
MARGIN = 16

COLOURS = {
    "default": "#e6edf3",
    "red": "#ff7b72",
    "green": "#3fb950",
    "brown": "#d29922",
    "yellow": "#d29922",
    "blue": "#58a6ff",
    "magenta": "#bc8cff",
    "cyan": "#39c5cf",
    "white": "#e6edf3",
    "brightblack": "#9198a1",
}
"""By pyte's names; all readable on the dark background."""

_STYLE = """\
text{font:%dpx ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}
.b{font-weight:bold}
@media (prefers-reduced-motion:no-preference){
%s}
"""


def draw(lines: Sequence[Line], stays: Sequence[Stay], *, still: str) -> str:
    """The picture, as the text of an SVG file.

    Args:
        lines: what to show.
        stays: where to look.
        still: the first words of the page that is seen where nothing moves.
    """
    length = _length(lines, stays)
    spans = sorted({(line.begin, line.end) for line in lines if line.begin or line.end is not None}, key=str)
    names = {span: f"t{index}" for index, span in enumerate(spans)}
    rules = [_appearance(names[span], span, length) for span in spans]
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + 2 * MARGIN
    body = "\n".join(_line(line, names.get((line.begin, line.end), "")) for line in lines)
    top = next(line.row for line in lines if line.runs[0].text.startswith(still))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">\n'
        "<title>srekv up, test, failover-test and down in a terminal</title>\n"
        f"<style>{_STYLE % (SIZE, ''.join((*rules, _camera(stays, length))))}</style>\n"
        f'<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8" fill="#0d1117" stroke="#57606a"/>\n'
        f'<svg x="{MARGIN}" y="{MARGIN}" width="{COLUMNS * WIDTH:g}" height="{ROWS * HEIGHT:g}">\n'
        f'<g class="camera" transform="translate(0 {-top * HEIGHT:g})">\n{body}\n</g>\n</svg>\n</svg>\n'
    )


def _length(lines: Sequence[Line], stays: Sequence[Stay]) -> float:
    """Seconds until it begins again."""
    return max(*(line.begin for line in lines), *(stay.begin for stay in stays)) + LAST_S


def _appearance(name: str, span: tuple[float, float | None], length: float) -> str:
    begin, end = span
    shown = [] if not begin else ["0%{visibility:hidden}"]
    shown.append(f"{begin / length:.2%}{{visibility:visible}}")
    if end is not None:
        shown.append(f"{end / length:.2%},to{{visibility:hidden}}")
    return f".{name}{{animation:{name} {length:.1f}s step-end infinite}}@keyframes {name}{{{''.join(shown)}}}\n"


def _camera(stays: Sequence[Stay], length: float) -> str:
    moves = "".join(f"{stay.begin / length:.2%}{{transform:translateY({-stay.top * HEIGHT:g}px)}}" for stay in stays)
    return f".camera{{animation:camera {length:.1f}s step-end infinite}}@keyframes camera{{{moves}}}\n"


def _line(line: Line, name: str) -> str:
    """What does not last is hidden where nothing moves."""
    hidden = "" if line.end is None else ' visibility="hidden"'
    group = f' class="{name}"' if name else ""
    return f"<g{group}{hidden}>{''.join(_run(run, line.row) for run in line.runs)}</g>"


def _run(run: Run, row: int) -> str:
    """Held to its columns, whatever the width of the reader's font."""
    colour, bold = run.look
    x, y, width = run.column * WIDTH, row * HEIGHT + SIZE, len(run.text) * WIDTH
    weight = ' class="b"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" textLength="{width:g}" fill="{COLOURS[colour]}"{weight}>'
        f"{escape(run.text, quote=False)}</text>"
    )
