"""A picture of one case: a bar for everybody's median, a thin line for the range, one block for each
metric. And one of all cases: everybody beside the best peer of each."""
from html import escape
from math import log

from .report import DIRECT, OURS, number

WIDTH, LEFT, RIGHT, BAR, GAP = 720, 110, 150, 18, 6
STYLE = "font-family: sans-serif; font-size: 13px"
COLOURS = {OURS: "#1f6f54", DIRECT: "#c9c9c9"}
PEER_COLOURS = {"haproxy": "#2f6db5", "nginx": "#c2593f", "nghttpx": "#8a63b0", "seed": "#b8860b",
                "openssh": "#7a7a7a"}
# The overview: from here to there; what is beyond its scale stands at the edge.
WIDE, FROM, TO, LEAST, MOST = 820, 330, 760, 0.5, 8


def _text(x, y, text, more=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{escape(text)}</text>'


def _document(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" style="{STYLE}">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


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
    return _document(WIDTH, y, parts)


def _place(ratio):
    share = log(min(max(ratio, LEAST), MOST) / LEAST) / log(MOST / LEAST)
    return FROM + share * (TO - FROM)


def _dot(x, y, name):
    if name == OURS:
        return f'<rect x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" fill="{COLOURS[OURS]}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{PEER_COLOURS[name]}"/>'


def _row(figure, y):
    peers = {name: figure.median(name) for name in figure.names() if name in PEER_COLOURS}
    ours, best = figure.median(OURS), min(peers.values())
    row = [_text(FROM - 10, y + 4, f"{figure.case}: {figure.metric}"[:42], 'text-anchor="end"'),
           f'<line x1="{FROM}" x2="{TO}" y1="{y}" y2="{y}" stroke="#eee"/>']
    row += [_dot(_place(value / best), y, name) for name, value in peers.items()]
    return row + [_dot(_place(ours / best), y, OURS), _text(TO + 10, y + 4, f"{ours / best:.2f}")]


def overview(figures):
    """A row for each metric of which less is better and that a peer has, too: the best peer is at 1, further
    left is better."""
    parts, y = [], 20
    for at, name in enumerate([OURS, *PEER_COLOURS]):
        parts += [_dot(20 + at * 105, y, name), _text(32 + at * 105, y + 4, name)]
    top = y = y + 36
    for figure in figures:
        peers = [name for name in figure.names() if name in PEER_COLOURS]
        if figure.lower_is_better and peers and figure.median(OURS) is not None:
            parts += _row(figure, y)
            y += 22
    for ratio in (LEAST, 1, 2, 4, MOST):
        x = _place(ratio)
        parts += [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 12}" y2="{y - 8}" stroke="#999"'
                  f' stroke-dasharray="{"none" if ratio == 1 else "2 4"}"/>',
                  _text(x, y + 8, f"{ratio:g}", 'text-anchor="middle"')]
    return _document(WIDE, y + 16, parts)
