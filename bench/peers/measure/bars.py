"""The bars that this project has set itself for audited SSH: ratios of medians of one run, and a few absolute
figures. Each is told as met or missed, with what was reached."""
from dataclasses import dataclass

from .report import number


@dataclass
class Bar:
    case: str
    metric: str
    bar: float
    of: str = None  # the peer that ours is divided by; None: ours alone
    least: bool = False  # the bar is the least, not the most

    def told(self, figure):
        ours, other = figure.median(figure.ours), figure.median(self.of) if self.of else 1
        if ours is None or not other:
            return None
        reached = ours / other
        met = reached >= self.bar if self.least else reached <= self.bar
        unit = f"of {self.of}" if self.of else figure.unit
        reading = f"{number(reached)} {unit}".strip()
        return (f"{'met   ' if met else 'MISSED'}  {self.case}: {self.metric}: {reading}, "
                f"bar {'>=' if self.least else '<='} {number(self.bar)}")


BARS = [
    Bar("ssh-logins", "rate, 8 at once", 2, "ssh-j", least=True),
    *(Bar("ssh-transfer", f"rate {way}", 1.5, "ssh-j", least=True) for way in ("up", "down")),
    *(Bar("ssh-transfer", f"CPU per GB {way}", 1, "ssh-j") for way in ("up", "down")),
    *(Bar("ssh-sftp", f"rate {way}", 0.9, "unrecorded", least=True) for way in ("up", "down")),
    Bar("ssh-idle", "private memory of its process", 1.2),
    Bar("ssh-held", "logins a second, of those without", 0.8, least=True),
    Bar("ssh-stuck", "CPU, client stopped", 0.05),
    Bar("ssh-stuck", "CPU, compression asked for", 0.05),
]


def told(figures):
    by_name = {(figure.case, figure.metric): figure for figure in figures}
    lines = [bar.told(by_name[bar.case, bar.metric]) for bar in BARS if (bar.case, bar.metric) in by_name]
    return [line for line in lines if line]
