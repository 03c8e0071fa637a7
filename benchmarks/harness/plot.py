"""Draws the peaks as bars: SVG that follows its reader's light or dark theme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from .figures import median
from .messages import SIZES
from .results import Results
from .targets import GRPC, HTTP, Target

_WIDTH, _LABELS, _BAR, _GAP, _GROUP = 760, 290, 16, 6, 40
_ROOM_FOR_NUMBERS = 130
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.ours { fill: #0969da; } .peer { fill: #8c959f; } .base { fill: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .ours { fill: #4493f8; } .peer { fill: #6e7681; } .base { fill: #3d444d; }
}
"""
_CHARTS: Sequence[tuple[str, Sequence[Target], str]] = (
    ("gRPC over HTTP/2, calls/s", GRPC, "{:.1f} times"),
    ("HTTP/JSON, requests/s", HTTP, "{:.0%}"),
)
"""Titles, whose bars, and how their ratio to the first one is written."""


def svg(results: Results) -> str:
    """The peaks of all that were measured, for each protocol and size of message."""
    lines: list[str] = []
    y = 0
    for title, targets, share in _CHARTS:
        for size in SIZES:
            peaks = _peaks(results, targets, size.name)
            if peaks:
                heading = f"{title}: {size.title.replace('`', '')}"
                lines.append(f'<text class="title" x="0" y="{y + 24}">{escape(heading)}</text>')
                y += _GROUP
                lines += _bars(peaks, share, y)
                y += len(peaks) * (_BAR + _GAP)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 8}" '
            f'viewBox="0 0 {_WIDTH} {y + 8}" role="img" '
            'aria-label="Calls per second over gRPC and HTTP/JSON, by peer and size of message">',
            f"<style>{_STYLE}</style>",
            *lines,
            "</svg>",
            "",
        ]
    )


def _peaks(results: Results, targets: Sequence[Target], size: str) -> list[tuple[Target, float]]:
    return [
        (target, median(results.peaks[target.name][size]["requests_per_second"]))
        for target in targets
        if size in results.peaks.get(target.name, {})
    ]


def _bars(peaks: list[tuple[Target, float]], share: str, y: int) -> Iterator[str]:
    (base, least), most = peaks[0], max(peak for _, peak in peaks)
    for target, peak in peaks:
        kind = "base" if target is base else "ours" if "**" in target.title else "peer"
        title = target.title.replace("*", "").replace("`", "")
        width = (_WIDTH - _LABELS - _ROOM_FOR_NUMBERS) * peak / most
        middle = y + _BAR - 4
        yield f'<text x="{_LABELS - 8}" y="{middle}" text-anchor="end">{escape(title)}</text>'
        yield (
            f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{max(width, 1):.1f}" '
            f'height="{_BAR}" rx="2"/>'
        )
        ratio = "" if target is base else f" ({share.format(peak / least)})"
        yield f'<text x="{_LABELS + width + 6:.1f}" y="{middle}">{peak:,.0f}{ratio}</text>'
        y += _BAR + _GAP
