"""The outcome: a table for people, JSON for programs."""
import json

OURS, DIRECT = "envgate", "direct"


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def as_json(figures):
    rows = []
    for figure in figures:
        peers = {name: figure.median(name) for name in figure.samples if name not in (figure.ours, DIRECT)}
        rows.append({"case": figure.case, "metric": figure.metric, "unit": figure.unit,
                     "lower_is_better": figure.lower_is_better, "ours": figure.median(figure.ours),
                     "peers": peers, "direct": figure.median(DIRECT)})
    return json.dumps(rows, indent=2) + "\n"


def details(figure):
    """One figure, with everybody's median, range, and the median as a ratio of ours."""
    arrow = "lower" if figure.lower_is_better else "higher"
    lines = [f"{figure.case}: {figure.metric}, {figure.unit} ({arrow} is better)"]
    ours = figure.median(figure.ours)
    for name, values in figure.samples.items():
        if not values:
            lines.append(f"  {name:<14} no run without errors")
            continue
        low, high = figure.spread(name)
        its = figure.median(name)
        ratio = f"   ours / this {ours / its:.2f}" if ours and its and name != figure.ours else ""
        lines.append(f"  {name:<14} {number(its):>9}   {number(low)} to {number(high)}"
                     f" in {len(values)} runs{ratio}")
    return "\n".join(lines)


def tables(figures):
    """A line a figure, medians only; those of each `ours` have a table of their own."""
    by_ours = {}
    for figure in figures:
        by_ours.setdefault(figure.ours, []).append(figure)
    return "\n\n".join(_table(ours, some) for ours, some in by_ours.items())


def _table(ours, figures):
    there = {name for figure in figures for name in figure.samples}
    first = [ours] + [DIRECT] * (DIRECT in there)
    names = first + sorted(there - set(first))
    rows = [["case", "metric", "unit", *names]]
    for figure in figures:
        medians = (number(figure.median(name)) for name in names)
        rows.append([figure.case, figure.metric, figure.unit, *medians])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:3], widths)]
        right = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:])]
        lines.append("  ".join(left + right).rstrip())
    return "\n".join(lines)
