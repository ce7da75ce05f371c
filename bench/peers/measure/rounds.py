"""Repeats, in an order that is fair to all: A B C C B A A B C ..., so that a slow drift of the machine falls
on each alike. What is told of the repeats is their median and their range."""
import statistics
from dataclasses import dataclass, field

from .process import RunError


@dataclass
class Figure:
    """One row of the outcome: a metric of a case, with the samples of everybody who can do it."""
    case: str
    metric: str
    unit: str
    lower_is_better: bool = True
    samples: dict = field(default_factory=dict)  # name -> [value]
    ours: str = "envgate"  # whose the figure is

    def names(self):
        return [name for name, values in self.samples.items() if values]

    def median(self, name):
        values = self.samples.get(name)
        return statistics.median(values) if values else None

    def spread(self, name):
        return min(self.samples[name]), max(self.samples[name])


def rounds(names, repeats):
    """Every name `repeats` times: forwards, backwards, forwards, ..."""
    for turn in range(repeats):
        yield from names if turn % 2 == 0 else reversed(names)


def measure(bench, figures, names, run_one, repeats=None):
    """Fills `figures` ({key: Figure}) with what `run_one(name)` gives ({key: value}). A run with errors is
    said and not counted; it is tried once more."""
    for figure in figures.values():
        for name in names:
            figure.samples.setdefault(name, [])
    for name in rounds(names, repeats or bench.repeats):
        for attempt in range(2):
            try:
                values = run_one(name)
            except RunError as error:
                case = next(iter(figures.values())).case
                bench.discard(case, name, error, again=attempt == 0)
                continue
            for key, value in values.items():
                figures[key].samples[name].append(value)
            break
    return list(figures.values())
