"""Tables of results in Markdown, generated from the committed files. No figure is typed by hand.

`experiments/results/*.json` are the results of runs (`experiments/results/files.py`);
`experiments/results/speed/<name>.json` is what `./launch.sh speed <name> --out=` wrote,
`experiments/results/scale/presets.json` what `./launch.sh speed scale --out=` did, and
`experiments/results/faults/faults.json` what `./launch.sh faults --out=` did.
"""

import importlib
import json
import re
import shlex
from collections.abc import Mapping
from statistics import mean
from typing import Any

from data.errors import UserError
from experiments.results import files

COMMAND = re.compile(r"`\./launch\.sh ([^`]+)`")
UNITS = {"percent": "(%)", "bleu": "BLEU", "f1": "F1"}


def front_rows(text: str) -> str:
    """The front page's table, with its last three cells rewritten: the figure, the paper's, ours.

    The other cells are written by hand; the command in each row determines its result file.
    Raises UserError if there is no such file.
    """
    lines = text.splitlines()
    return "\n".join([*lines[:2], *(_front_row(line) for line in lines[2:])]) + "\n"


def _front_row(line: str) -> str:
    typed = [cell.strip() for cell in line.split("|")[1:-4]]
    runs = _runs_of(line)
    name, paper, values = _headline(runs)
    published = _short(name, paper["value"]) if paper else ""
    if paper and paper["kind"] != "paper":
        published += " \\*"
    words = [UNITS.get(word, word) for word in name.removeprefix("test_").split("_")]
    cells = (*typed, " ".join(words), published, _short(name, mean(values)))
    return f"| {' | '.join(cells)} |"


def _runs_of(line: str) -> list[Mapping[str, Any]]:
    """The runs of the command in a line of the table."""
    found = COMMAND.search(line)
    experiment, *flags = shlex.split(found[1]) if found else [""]
    options = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    named = {"preset": "quick", "dtype": "float32"}
    named = {name: options.pop(name, value) for name, value in named.items()}
    run = {"experiment": experiment, **named, "flags": options}
    path = files.FOLDER / f"{files.name_of(run)}.json"
    if not path.is_file():
        raise UserError(f"{line}: there is no {path}; add the run to the results first.")
    return list(files.by_seed(path).values())


def _headline(runs: list[Mapping[str, Any]]) -> tuple[str, Mapping[str, Any] | None, list[float]]:
    """The figure that represents runs of one command: its name, the published one, ours by run."""
    name = next(iter(runs[0]["paper"]), files.headline(runs[0]))
    return name, runs[0]["paper"].get(name), [run["metrics"][name] for run in runs]


def _short(name: str, value: float) -> str:
    """A figure with four significant digits; a percentage has at most two decimals."""
    return f"{round(value, 2) if _form(name) == '.2f' else value:.4g}"


def _form(name: str) -> str:
    return ".2f" if name.endswith(("_percent", "_f1")) else ".3f"


HEADER = (
    "| command | cost | figure | reached | published | kind |\n"
    "| --- | ---: | --- | ---: | ---: | --- |\n"
)


def rows() -> str:
    """The table's rows, one for each result file and published figure."""
    paths = sorted(files.FOLDER.glob("*.json"))
    return "".join(_row(list(files.by_seed(path).values())) for path in paths)


def _row(runs: list[Mapping[str, Any]]) -> str:
    first, (name, paper, values) = runs[0], _headline(runs)
    form = _form(name)
    reached = f"{mean(values):{form}}"
    if len(values) > 1:
        reached += f" (mean of {len(values)} seeds: {', '.join(f'{v:{form}}' for v in values)})"
    flags = "" if first["preset"] == "quick" else f" --preset={first['preset']}"
    if first.get("dtype", "float32") != "float32":
        flags += f" --dtype={first['dtype']}"
    flags += "".join(f" --{name}={value}" for name, value in first.get("flags", {}).items())
    minutes, device = mean(run["seconds"] for run in runs) / 60, first.get("device", "cpu")
    cells = (
        f"`./launch.sh {first['experiment']}{flags}`",
        f"{minutes:.1f} min" + ("" if device == "cpu" else f", {device}"),
        name.replace("_", " "),
        reached,
        f"{paper['value']:.4g}" if paper else "",
        f"{paper['kind']}: {paper['source']}" if paper else "",
    )
    return f"| {' | '.join(cells)} |\n"


OPINION_HEADER = (
    "| expressions | layers x units | proportional F1 | paper | binary F1 | paper |\n"
    "| --- | --- | ---: | ---: | ---: | ---: |\n"
)


def opinion_rows() -> str:
    """The tuned opinion nets, and the shallow ones trained with them, by depth."""
    presets, lines = importlib.import_module("experiments.tagger").PRESETS, {}
    for path in files.FOLDER.glob("tagger-opinion-*-tuned.json"):
        runs = list(files.by_seed(path).values())
        config, paper = presets[runs[0]["preset"]], runs[0]["paper"]
        sizes = {"": (config.layers, config.hidden), "shallow_": (1, config.beside_hidden)}
        for prefix, (layers, units) in sizes.items():
            names = [f"test_{prefix}{measure}_f1" for measure in ("proportional", "binary")]
            if names[0] not in paper:
                continue
            pairs = [(mean(run["metrics"][n] for run in runs), paper[n]["value"]) for n in names]
            kind = config.dataset.removeprefix("mpqa-").upper()
            figures = [f"{value:.2f}" for pair in pairs for value in pair]
            line = " | ".join((kind, f"{layers} x {units}", *figures))
            lines[kind, layers, units] = f"| {line} |\n"
    return "".join(line for _, line in sorted(lines.items()))


SPEED_HEADER = (
    "| `speed` | timed | cores | ms | PyTorch's best, ms | ratio | heap kept too |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
)


def speed_rows() -> str:
    """The rows of each benchmark that were timed on the fewest cores, which are the ones quoted."""
    lines = ""
    for path in sorted((files.FOLDER / "speed").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        peers = [row for row in content if (row.get("peer") or "").startswith("PyTorch")]
        quoted = [row for row in peers if row["cores"] == min(r["cores"] for r in peers)]
        # in pairs: PyTorch by default, and with our heap setting
        for plain, kept in zip(quoted[::2], quoted[1::2], strict=True):
            figures = (plain["cores"], plain["ours_ms"], plain["peer_ms"], plain["ratio"])
            cells = (path.stem, plain["workload"], *figures, kept["ratio"])
            shown = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
            lines += f"| {' | '.join(shown)} |\n"
    return lines


SCALE_HEADER = (
    "| preset | parameters | devices x rows | state + step, MB | all-reduce, MB | NVLink | PCIe "
    "| ICI | GFLOP | H100 | v5e | steps in a row | CPU, us a token |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)
# Vendors' peak rates: one direction of a link, MB/ms; dense TF32 and bfloat16, GFLOP/ms.
NVLINK, PCIE, ICI, H100, V5E = 450, 64, 200, 495, 197


def scale_rows() -> str:
    """The rows of `./launch.sh speed scale`, with the times at the vendors' peak rates, in ms."""
    path, lines = files.FOLDER / "scale" / "presets.json", ""
    for row in json.loads(path.read_text(encoding="utf-8")):
        n = row["devices"]
        sent = 2 * (n - 1) / n * 4e-6 * row["parameters"]  # by each device of a ring
        times = [sent / NVLINK, sent / PCIE, sent / ICI, row["gflop"] / H100, row["gflop"] / V5E]
        nvlink, pcie, ici, h100, v5e = (f"{ms:.2g}" for ms in times)
        cells = (row["preset"], f"{row['parameters']:,}", f"{n} x {row['rows']}",
                 f"{row['state_mb']:.0f} + {row['temporary_mb']:.0f}", f"{sent:.0f}", nvlink, pcie,
                 ici, f"{row['gflop']:.0f}", h100, v5e, row["recurrent_steps"],
                 f"{row['us_per_token']:.0f}")  # fmt: skip
        lines += f"| {' | '.join(map(str, cells))} |\n"
    return lines


def fault_rows() -> str:
    """The table of `./launch.sh faults`: a row for each fault, a column for each experiment."""
    found = json.loads((files.FOLDER / "faults" / "faults.json").read_text(encoding="utf-8"))
    experiments = list(dict.fromkeys(row["experiment"] for row in found))
    survived = {(row["fault"], row["experiment"]): f"{row['survived']} of {row['times']}"
                for row in found}  # fmt: skip
    lines = [("fault", *experiments), ("---", *["---:"] * len(experiments))]
    for fault in dict.fromkeys(row["fault"] for row in found):
        lines.append((fault, *(survived[fault, experiment] for experiment in experiments)))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


# By the name in the comments around the table; each function gets the table as it is.
TABLES = {
    "front": front_rows,
    "results": lambda _: HEADER + rows(),
    "opinion": lambda _: OPINION_HEADER + opinion_rows(),
    "speed": lambda _: SPEED_HEADER + speed_rows(),
    "scale": lambda _: SCALE_HEADER + scale_rows(),
    "faults": lambda _: fault_rows(),
}


def with_tables(text: str) -> str:
    """A page with the tables between `<!-- NAME: begin -->` and `<!-- NAME: end -->` rewritten."""

    def rewritten(found: re.Match) -> str:
        begin, name, table, end = found.groups()
        return begin + TABLES[name](table) + end

    marks = r"(<!-- (\w+): begin -->\n)(.*?)(<!-- \2: end -->)"
    return re.sub(marks, rewritten, text, flags=re.DOTALL)
