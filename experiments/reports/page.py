"""The page that a run leaves behind: report.html, a single self-contained file.

A page consists of a title, a summary and sections; a section of text, a table, a listing and
pictures, in this order. The template escapes all text. The sections common to all experiments are
made here; those that look inside a net come from the experiment.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from experiments.reports import drawing
from experiments.reports.result import headlines, kept_net
from experiments.runtime.numbers import readable
from experiments.runtime.options import Shared
from experiments.runtime.processes import is_first
from experiments.runtime.workdir import Workdir, write_atomically
from experiments.training.loop import parameter_count

SPLITS = (  # the marker and the colour of a part's curve
    ("train", "o", drawing.BLUE), ("test", "s", drawing.ORANGE), ("valid", "^", drawing.GREEN),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Picture:
    """Markup from `drawing`, and the caption below it."""

    markup: Markup
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A table cell with a background: `kind` is `right` or `wrong`, `strength` from 0 to 1."""

    text: str
    kind: str = ""
    strength: float = 0.0


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of strings or Cells; the first column names the row."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    columns: str = "l"  # l, c or r for each, as in LaTeX; the remaining ones are right-aligned


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page; empty parts are omitted."""

    title: str
    text: Sequence[str] = ()
    table: Table | None = None
    listing: str = ""
    pictures: Sequence[Picture] = ()
    folded: bool = False  # opened by a click on the title


def write(path: pathlib.Path, title: str, summary: str, sections: Sequence[Section]) -> None:
    """Writes the page, completely or not at all, and prints its path."""
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


def result_section(result: Mapping[str, Any], notes: Sequence[str] = ()) -> Section:
    """The run's figures next to the published ones, under some notes on how to read them."""
    rows = [
        (name.replace("_", " "), readable(value), *_published(result["paper"].get(name)))
        for name, value in headlines(result["metrics"]).items()
    ]
    speed = {result["speed_unit"]: result["speed"]} if result["speed"] else {}
    counts = {name: result[name] for name in ("parameters", "steps", "seconds", "seed")} | speed
    rows += [(name, readable(value), *_published(None)) for name, value in counts.items()]
    header = ("figure", "this run", "published", "source", "kind")
    if not result["paper"]:
        header, rows = header[:2], [row[:2] for row in rows]
    notes = (f"The figures are of the net of {kept_net(result)}.", *notes)
    return Section("Result", notes, Table(header, rows, "lrrll"))


def _published(figure: Mapping[str, Any] | None) -> tuple[str, str, str]:
    return (readable(figure["value"]), figure["source"], figure["kind"]) if figure else ("", "", "")


def configuration_sections(config: Shared, workdir: Workdir) -> list[Section]:
    """Every option with its meaning; and command, commit, devices and versions. Both folded."""
    provenance = json.loads((workdir.path / "config.json").read_text(encoding="utf-8"))
    options = [
        (field.name, _written(getattr(config, field.name)), field.metadata["help"])
        for field in dataclasses.fields(config)
    ]
    rows = [
        ("commit", provenance["commit"] or "none"),
        ("devices", ", ".join(provenance["devices"])),
        *provenance["versions"].items(),
    ]
    return [
        Section("Configuration", table=Table(("option", "value", "meaning"), options, "lll"),
                folded=True),
        Section("Command and versions", table=Table(("item", "value"), rows, "ll"),
                listing=provenance["command"], folded=True),
    ]  # fmt: skip


def _written(value: Any) -> str:
    """An option's value, with all its digits."""
    return readable(value, None) if type(value) in (int, float) else str(value)


def parameters_section(
    params: Mapping[str, Any], order: Sequence[str], paper: Mapping[str, int], source: str
) -> Section:
    """The number of trainable parameters by layer, next to the published counts.

    Args:
      params: the parameters by layer.
      order: names of layers; those without parameters are omitted.
      paper: the published counts by layer and in `total`; {} if there are none.
      source: where they are published.
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
    labels: Mapping[str, str],
    x_per_step: float,
    text: Sequence[str] = (),
    x: str = "passes through the training set",
) -> Section:
    """Figures against the amount of training, one plot each.

    Args:
      rows: of metrics.jsonl.
      labels: the figures to plot, with the labels of their axes, units included.
      x_per_step: the amount of training in one step, in units of `x`.
      text: introductory sentences.
      x: the label of the x axis.
    """
    pictures = [
        Picture(drawing.plot(f"{label} against {x}", _curves(rows, name, label, x_per_step, x)))
        for name, label in labels.items()
        if any(row.get(name) is not None for row in rows)
    ]
    return Section("Curves", text, pictures=pictures)


def _curves(rows, name: str, label: str, x_per_step: float, x: str):
    def draw(axes):
        shown = [row for row in rows if row.get(name) is not None]
        for split, marker, color in SPLITS:
            points = [(x_per_step * r["step"], r[name]) for r in shown if r["split"] == split]
            if points:
                axes.plot(*zip(*points, strict=True), marker=marker, markersize=3, color=color,
                          label=split)  # fmt: skip
        drawing.log_scale_if_wide(axes, [row[name] for row in shown])
        axes.set(xlabel=x, ylabel=label)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlim(left=0)
        axes.legend()

    return draw
