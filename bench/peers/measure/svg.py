"""A picture of one case: a bar for everybody's median, a thin line for the range, one block for each
metric."""
from html import escape

from .report import OURS, number

WIDTH, LEFT, RIGHT, BAR, GAP = 720, 110, 150, 18, 6
STYLE = "font-family: sans-serif; font-size: 13px"
COLOURS = {OURS: "#1f6f54", "direct": "#c9c9c9"}


def _text(x, y, text, more=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{escape(text)}</text>'


def _bar(name, figure, scale, y):
    value = figure.median(name)
    low, high = figure.spread(name)
    colour = COLOURS.get(name, "#7d93b2")
    middle = y + BAR / 2
    return [
        _text(LEFT - 8, y + BAR - 5, name, 'text-anchor="end"'),
        f'<rect x="{LEFT}" y="{y}" width="{max(value * scale, 1):.1f}" height="{BAR}" fill="{colour}"/>',
        f'<line x1="{LEFT + low * scale:.1f}" x2="{LEFT + high * scale:.1f}" y1="{middle}" y2="{middle}"'
        ' stroke="#222"/>',
        _text(LEFT + max(value, high) * scale + 8, y + BAR - 5, f"{number(value)} {figure.unit}"),
    ]


def _block(figure, y):
    direction = "lower" if figure.lower_is_better else "higher"
    parts = [_text(12, y + 14, f"{figure.case}: {figure.metric}, {figure.unit} ({direction} is better)",
                   'font-weight="bold"')]
    y += 24
    names = figure.names()
    top = max((figure.spread(name)[1] for name in names), default=0)
    scale = (WIDTH - LEFT - RIGHT) / top if top else 0
    for name in names:
        parts += _bar(name, figure, scale, y)
        y += BAR + GAP
    return parts, y + 10


def picture(figures):
    parts, y = [], 8
    for figure in figures:
        block, y = _block(figure, y)
        parts += block
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" style="{STYLE}">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
