"""The page a run leaves behind: report.html, one file that needs no other.

A page is a title, a sentence and sections; a section is text, a table, a listing and pictures in
that order. Everything that is text is escaped by the template. The sections that every experiment
has are made here; what a net looks like inside comes from the experiment.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from experiments.reports import drawing
from experiments.reports.result import headlines
from experiments.runtime.options import Shared
from experiments.runtime.processes import is_first
from experiments.runtime.workdir import Workdir, write_atomically
from experiments.training.loop import parameter_count


@dataclasses.dataclass(frozen=True)
class Picture:
    """What `drawing` made, and the line below it."""

    markup: Markup
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A table's cell with a background: kind `right` or `wrong`, strength from 0 to 1."""

    text: str
    kind: str = ""
    strength: float = 0.0


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of strings or Cells; the first column names the row."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    columns: str = "l"  # l, c or r for each, as in LaTeX; further ones are set right


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page; what is empty is left out."""

    title: str
    text: Sequence[str] = ()
    table: Table | None = None
    listing: str = ""
    pictures: Sequence[Picture] = ()
    folded: bool = False  # shown by a click on the title


def write(path: pathlib.Path, title: str, summary: str, sections: Sequence[Section]) -> None:
    """Writes the page, completely or not at all, and prints where it lies."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("experiments.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html")
    write_atomically(path, page.render(title=title, summary=summary, sections=sections))
    if is_first():
        print(f"report: {path}")


def results_section(result: Mapping[str, Any], unsaid: Sequence[str] = ()) -> Section:
    """The run's figures, the paper's beside them, and what had to be guessed."""
    rows = [
        (name.replace("_", " "), f"{value:.4g}", *_published(result["paper"].get(name)))
        for name, value in headlines(result["metrics"]).items()
    ]
    for name in ("parameters", "steps", "seconds", "examples_per_second", "seed"):
        rows.append((name.replace("_", " "), f"{result[name]:,}", *_published(None)))
    header = ("figure", "this run", "published", "source", "kind")
    if not result["paper"]:
        header, rows = header[:2], [row[:2] for row in rows]
    return Section("Result", unsaid, Table(header, rows, "lrrll"))


def _published(figure: Mapping[str, Any] | None) -> tuple[str, str, str]:
    return (f"{figure['value']:g}", figure["source"], figure["kind"]) if figure else ("", "", "")


def configuration_sections(config: Shared, workdir: Workdir) -> list[Section]:
    """Every option with its meaning; and command, commit, devices and versions, all folded."""
    made = json.loads((workdir.path / "config.json").read_text(encoding="utf-8"))
    options = [
        (field.name, str(getattr(config, field.name)), field.metadata["help"])
        for field in dataclasses.fields(config)
    ]
    origin = [("commit", made["commit"] or "none"), ("devices", ", ".join(made["devices"]))]
    origin += made["versions"].items()
    return [
        Section("Configuration", table=Table(("option", "value", "meaning"), options, "lll"),
                folded=True),
        Section("Command and versions", table=Table(("what", "which"), origin, "ll"),
                listing=made["command"], folded=True),
    ]  # fmt: skip


def parameters_section(
    params: Mapping[str, Any], order: Sequence[str], paper: Mapping[str, int], source: str
) -> Section:
    """Trainable numbers by layer, counted, beside the paper's.

    Args:
      params: the parameters by layer.
      order: names of layers; those without parameters are left out.
      paper: the published counts by layer, and of `total`; {} where none are.
      source: where those are published.
    """
    counts = {name: parameter_count(params[name]) for name in order if name in params}
    counts["total"] = parameter_count(params)
    published = {name: f"{paper[name]:,}" if name in paper else "" for name in counts}
    rows = [(name, f"{count:,}", published[name]) for name, count in counts.items()]
    if not paper:
        return Section("Parameters", table=Table(("layer", "this run"), [row[:2] for row in rows]))
    text = (f"The published counts are from {source}.",)
    return Section("Parameters", text, Table(("layer", "this run", "published"), rows))


def curves_section(
    rows: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    passes: float,
    text: Sequence[str] = (),
    x: str = "passes through the training set",
) -> Section:
    """Figures against passes through the training set, or what else `x` says, one plot each.

    Args:
      rows: of metrics.jsonl.
      names: the figures to draw, with the words of their axis, unit included.
      passes: that one step makes, or how many of `x`.
      text: what to say first.
    """
    pictures = [
        Picture(drawing.plot(f"{words} against {x}", _curves(rows, name, words, passes, x)))
        for name, words in names.items()
        if any(name in row for row in rows)
    ]
    return Section("Curves", text, pictures=pictures)


def _curves(rows, name: str, words: str, passes: float, x: str):
    def draw(axes):
        shown = [row for row in rows if name in row]
        for split, marker in (("train", "o"), ("test", "s"), ("valid", "^")):
            points = [(passes * r["step"], r[name]) for r in shown if r["split"] == split]
            if points:
                axes.plot(*zip(*points, strict=True), marker=marker, markersize=3, label=split)
        drawing.log_scale_if_wide(axes, [row[name] for row in shown])
        axes.set(xlabel=x, ylabel=words)
        axes.set_xlim(left=0)
        axes.legend()

    return draw
