"""The README's table of results, made from the committed result files.

    ./launch.sh results add runs/lenet5/paper ...    takes finished runs over
    ./launch.sh results                              writes the table into README.md anew

`experiments/results/<experiment>-<preset>.json` is a run's result.json, or several by seed.
"""

import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.workdir import write_json, write_whole

FOLDER = pathlib.Path(__file__).parent / "results"
README = pathlib.Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
HEADER = (
    "| command | cost | figure | reached | published | kind |\n"
    "| --- | ---: | --- | ---: | ---: | --- |\n"
)


def add(workdirs: Sequence[str]) -> None:
    """Takes the result.json of each folder over; runs that differ in their seed go side by side."""
    for folder in workdirs:
        result = json.loads((pathlib.Path(folder) / "result.json").read_text(encoding="utf-8"))
        path = FOLDER / f"{result['experiment']}-{result['preset']}.json"
        runs = by_seed(path) if path.exists() else {}
        runs[str(result["seed"])] = result
        FOLDER.mkdir(exist_ok=True)
        runs = dict(sorted(runs.items()))
        write_json(path, runs if len(runs) > 1 else result)


def by_seed(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """The runs of a result file, by seed."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {str(content["seed"]): content} if "experiment" in content else content


def rows() -> str:
    """The table's rows, one for each result file and published figure."""
    return "".join(_row(list(by_seed(path).values())) for path in sorted(FOLDER.glob("*.json")))


def _row(runs: list[Mapping[str, Any]]) -> str:
    first = runs[0]
    name = next(iter(first["paper"]), headline(first))
    values = [run["metrics"][name] for run in runs]
    form = ".2f" if name.endswith("_percent") else ".3f"
    reached = f"{sum(values) / len(values):{form}}"
    if len(values) > 1:
        reached += f" (mean of {len(values)} seeds: {', '.join(f'{v:{form}}' for v in values)})"
    paper = first["paper"].get(name, {"value": "", "kind": "", "source": ""})
    preset = "" if first["preset"] == "quick" else f" --preset={first['preset']}"
    minutes = sum(run["seconds"] for run in runs) / len(runs) / 60
    cells = (
        f"`./launch.sh {first['experiment']}{preset}`",
        f"{minutes:.1f} min",
        name.replace("_", " "),
        reached,
        f"{paper['value']:.4g}" if paper["value"] else "",
        f"{paper['kind']}{': ' + paper['source'] if paper['source'] else ''}",
    )
    return f"| {' | '.join(cells)} |\n"


def headline(result: Mapping[str, Any]) -> str:
    """The figure that stands for a run without a published one: its test error, or the like."""
    tested = [name for name in result["metrics"] if name.startswith("test_")]
    return next((n for n in tested if n in ("test_error_percent", "test_wrong_percent")), tested[0])


def with_table(text: str) -> str:
    """The README with its table made anew between the two marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{HEADER}{rows()}{END}{rest.split(END)[1]}"


def main(words: Sequence[str]) -> int:
    if words and words[0] != "add":
        print(f"{words[0]!r}: say nothing, or add and the folders of runs.", file=sys.stderr)
        return 2
    add(words[1:])
    write_whole(README, with_table(README.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
