"""Help and version: `--help`, `--helpshort`, `--helpfull`, `-h` and `--version`.

Only the standard library is needed, so that the doctor and `./launch.sh --version` work before
anything is installed.
"""

import configparser
import dataclasses
import pathlib
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELP = {"h", "?", "help", "helpshort", "helpfull"}  # absl's words, and the usual -h; all the same


def answer(words: Sequence[str], text: Callable[[], str]) -> str | None:
    """The help or version that a command's arguments ask for; None if they ask for neither.

    Args:
      words: the arguments.
      text: gives the help.
    """
    names = {word.lstrip("-") for word in words if word.startswith("-")}
    if names & HELP:
        return text()
    return version() if "version" in names else None


def version() -> str:
    """`Unfold 0.1.0`, as setup.cfg has it."""
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    return f"Unfold {options['metadata']['version']}"


def of_command(module: str, options: Any = None) -> str:
    """The docstring of a command's module, followed by its flags, if it has any.

    Args:
      module: its name.
      options: a dataclass with the default values.
    """
    text = _docstring(module)
    if options is None:
        return text
    return "\n".join([text, "", "Flags and their default values", *_flags(options)])


def of_experiment(presets: Mapping[str, Any], words: Sequence[str]) -> str:
    """What an experiment is, with examples; its presets; and the flags, with a preset's values.

    Args:
      presets: by name.
      words: the arguments; `--preset=NAME` among them chooses whose values are shown.
    """
    values = [word.lstrip("-").removeprefix("preset=") for word in words]
    shown = presets[next((name for name in values if name in presets), "quick")]
    return "\n".join([
        _docstring(type(shown).__module__),
        "", "Presets (--preset=NAME)", *_presets(presets),
        "", f"Flags and their values in the preset {shown.preset}", *_flags(shown),
    ])  # fmt: skip


def _docstring(module: str) -> str:
    """A module's docstring; an experiment's headline `What. | Paper` reads `What. (Paper)`."""
    headline, end, rest = (sys.modules[module].__doc__ or "").strip().partition("\n")
    title, bar, paper = headline.partition(" | ")
    return (f"{title} ({paper})" if bar else headline) + end + rest


def _presets(presets: Mapping[str, Any]) -> Iterator[str]:
    width, data_width = (max(map(len, names)) for names in
                         (presets, [preset.dataset for preset in presets.values()]))  # fmt: skip
    for name, preset in presets.items():
        steps = f"{preset.num_steps:,} steps, " if preset.num_steps else ""  # 0: by the data
        cost = f"{steps}batch size {preset.batch_size:,}"
        yield f"  {name:{width}}  {preset.dataset:{data_width}}  {cost}"


def _flags(options: Any) -> Iterator[str]:
    """The flags, under the heading of the class that introduces each; the command's own first."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    groups: dict[str, list[str]] = {}
    for kind in filter(dataclasses.is_dataclass, type(options).__mro__):
        heading = "" if kind is type(options) else kind.heading
        inherited = {name for base in kind.__bases__ for name in _names(base)}
        groups.setdefault(heading, []).extend(n for n in _names(kind) if n not in inherited)
    for heading, names in groups.items():
        if heading:
            yield f"\n{heading}"
        for name in names:
            yield f"  --{name}={getattr(options, name)}"
            yield textwrap.indent(textwrap.fill(fields[name].metadata["help"], 92), 8 * " ")


def _names(kind: type) -> list[str]:
    return [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
