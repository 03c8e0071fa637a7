"""Draws the HTTP peaks as bars: SVG that follows its reader's light or dark theme."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from .figures import median
from .messages import SIZES
from .peers import HTTP, Target
from .results import Results

_WIDTH, _LABELS, _BAR, _GAP, _GROUP = 760, 230, 16, 6, 40
_ROOM_FOR_NUMBERS = 130
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.ours { fill: #0969da; } .peer { fill: #8c959f; } .limit { fill: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .ours { fill: #4493f8; } .peer { fill: #6e7681; } .limit { fill: #3d444d; }
}
"""


def svg(results: Results) -> str:
    """The share of the limit that each peer reaches, for each size of message."""
    height = len(SIZES) * (_GROUP + len(HTTP) * (_BAR + _GAP)) + 8
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" role="img" '
            'aria-label="HTTP/JSON requests per second, by peer and size of message">',
            f"<style>{_STYLE}</style>",
            *_groups(results),
            "</svg>",
            "",
        ]
    )


def _groups(results: Results) -> Iterator[str]:
    y = 0
    for size in SIZES:
        title = size.title.replace("`", "")
        yield f'<text class="title" x="0" y="{y + 24}">{escape(title)}, requests/s</text>'
        y += _GROUP
        peaks = {
            target.name: median(results.peaks[target.name][size.name]["requests_per_second"])
            for target in HTTP
        }
        for target in HTTP:
            yield from _bar(target, peaks[target.name], peaks["limit"], y)
            y += _BAR + _GAP


def _bar(target: Target, peak: float, limit: float, y: int) -> Iterator[str]:
    kind = "limit" if target.name == "limit" else "ours" if "**" in target.title else "peer"
    title = target.title.replace("*", "").replace("`", "")
    width = (_WIDTH - _LABELS - _ROOM_FOR_NUMBERS) * peak / limit
    middle = y + _BAR - 4
    yield f'<text x="{_LABELS - 8}" y="{middle}" text-anchor="end">{escape(title)}</text>'
    yield (
        f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{max(width, 1):.1f}" '
        f'height="{_BAR}" rx="2"/>'
    )
    share = "" if kind == "limit" else f" ({peak / limit:.0%})"
    yield f'<text x="{_LABELS + width + 6:.1f}" y="{middle}">{peak:,.0f}{share}</text>'
