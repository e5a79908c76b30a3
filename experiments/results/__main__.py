"""The README's tables of results, opinions, speed, scale and faults, made from the committed files.

    ./launch.sh results add runs/lenet5/paper ...    takes finished runs over
    ./launch.sh results                              writes the tables into README.md anew

`experiments/results/*.json` are the results of runs (`experiments/results/files.py`);
`experiments/results/speed/<name>.json` is what `./launch.sh speed <name> --out=` wrote,
`experiments/results/scale/presets.json` what `./launch.sh speed scale --out=` did, and
`experiments/results/faults/faults.json` what `./launch.sh faults --out=` did.
"""

import importlib
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from data.errors import UserError
from experiments.results import files
from experiments.runtime.workdir import write_atomically

README = pathlib.Path(__file__).parents[2] / "README.md"
SPEED_HEADER = (
    "| `speed` | timed | cores | ms | PyTorch's best, ms | ratio | heap kept too |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
)
HEADER = (
    "| command | cost | figure | reached | published | kind |\n"
    "| --- | ---: | --- | ---: | ---: | --- |\n"
)


def rows() -> str:
    """The table's rows, one for each result file and published figure."""
    paths = sorted(files.FOLDER.glob("*.json"))
    return "".join(_row(list(files.by_seed(path).values())) for path in paths)


def _row(runs: list[Mapping[str, Any]]) -> str:
    first = runs[0]
    name = next(iter(first["paper"]), files.headline(first))
    values = [run["metrics"][name] for run in runs]
    form = ".2f" if name.endswith(("_percent", "_f1")) else ".3f"
    reached = f"{mean(values):{form}}"
    if len(values) > 1:
        reached += f" (mean of {len(values)} seeds: {', '.join(f'{v:{form}}' for v in values)})"
    paper = first["paper"].get(name, {"value": "", "kind": "", "source": ""})
    flags = "" if first["preset"] == "quick" else f" --preset={first['preset']}"
    if first.get("dtype", "float32") != "float32":
        flags += f" --dtype={first['dtype']}"
    flags += "".join(f" --{name}={value}" for name, value in first.get("flags", {}).items())
    minutes = mean(run["seconds"] for run in runs) / 60
    cells = (
        f"`./launch.sh {first['experiment']}{flags}`",
        f"{minutes:.1f} min",
        name.replace("_", " "),
        reached,
        f"{paper['value']:.4g}" if paper["value"] else "",
        f"{paper['kind']}{': ' + paper['source'] if paper['source'] else ''}",
    )
    return f"| {' | '.join(cells)} |\n"


OPINION_HEADER = (
    "| expressions | layers x units | proportional F1 | paper | binary F1 | paper |\n"
    "| --- | --- | ---: | ---: | ---: | ---: |\n"
)


def opinion_rows() -> str:
    """The tuned nets that label opinions, and the shallow ones beside them, by depth."""
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


def speed_rows() -> str:
    """The rows of speed: of each benchmark those on the fewest cores, which are the record."""
    lines = ""
    for path in sorted((files.FOLDER / "speed").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        peers = [row for row in content if (row.get("peer") or "").startswith("PyTorch")]
        record = [row for row in peers if row["cores"] == min(r["cores"] for r in peers)]
        # in pairs: PyTorch as it comes, and with the heap kept as ours is
        for plain, kept in zip(record[::2], record[1::2], strict=True):
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
# Vendors' peaks, one direction of a link in MB/ms; TF32 without sparsity, bfloat16, in GFLOP/ms.
NVLINK, PCIE, ICI, H100, V5E = 450, 64, 200, 495, 197


def scale_rows() -> str:
    """The rows of `./launch.sh speed scale`, with what each takes at the vendors' peaks, in ms."""
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
    """What `./launch.sh faults` wrote: a line for each fault, a column for each experiment."""
    found = json.loads((files.FOLDER / "faults" / "faults.json").read_text(encoding="utf-8"))
    experiments = list(dict.fromkeys(row["experiment"] for row in found))
    survived = {(row["fault"], row["experiment"]): f"{row['survived']} of {row['times']}"
                for row in found}  # fmt: skip
    lines = [("fault", *experiments), ("---", *["---:"] * len(experiments))]
    for fault in dict.fromkeys(row["fault"] for row in found):
        lines.append((fault, *(survived[fault, experiment] for experiment in experiments)))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def with_tables(text: str) -> str:
    """The README with each table made anew between its two marks."""
    tables = {"results": HEADER + rows(), "opinion": OPINION_HEADER + opinion_rows(),
              "speed": SPEED_HEADER + speed_rows(),
              "scale": SCALE_HEADER + scale_rows(), "faults": fault_rows()}
    for name, table in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table}{end}{rest.split(end)[1]}"
    return text


def main(words: Sequence[str]) -> int:
    if words and words[0] != "add":
        print(f"{words[0]!r}: say nothing, or add and the folders of runs.", file=sys.stderr)
        return 2
    try:
        files.add(words[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    write_atomically(README, with_tables(README.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
