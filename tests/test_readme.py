"""The pages for readers: their snippets run, their commands are understood, their links work."""

import functools
import importlib
import pathlib
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import warnings
from unittest import mock

import pytest

from data.errors import UserError
from experiments import lenet5, memory
from experiments.__main__ import COMMANDS, experiments
from experiments.export.__main__ import Export
from experiments.export.__main__ import main as export
from experiments.faults.__main__ import Options as FaultOptions
from experiments.images import lenet5_report
from experiments.launch import multi
from experiments.runtime import command_line, usage
from experiments.runtime.command_line import configuration, options_of
from experiments.speed.__main__ import parsed as speed_parsed

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted(page for folder in ("", "nets", "data", "experiments", "experiments/results")
               for page in (ROOT / folder).glob("README.md"))  # fmt: skip
EXPERIMENTS = experiments(ROOT / "experiments")
WORDS = {*EXPERIMENTS, *re.findall(r"^\./launch\.sh ([a-z]+)", COMMANDS, re.MULTILINE)}
FILE = re.compile(r"# (\w+/\S+\.py)\n")  # the first line of a block that is a whole file


def name(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


def fenced(page: pathlib.Path, *languages: str) -> list[str]:
    """The contents of a page's fenced blocks in these languages."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [content for language, content in found if language in languages]


# ---- Python


SNIPPETS = [
    pytest.param(code, id=f"{name(page)}-{n}")
    for page in PAGES
    for n, code in enumerate(fenced(page, "python"))
    if not FILE.match(code)
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder as a user has it after a few commands: two runs and an export, all of them short."""
    folder = tmp_path_factory.mktemp("user")
    short = {"num_steps": 2, "eval_every": 2, "checkpoint_every": 2, "steps_per_call": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(memory, "TEST_SIZE", 8)
        memory.run(memory.Config(length=10, **short))
        patch.setattr(lenet5_report, "write", lambda *_: None)
        patch.setattr(lenet5, "robustness", lambda *_: {})
        lenet5.run(lenet5.Config(**short))
        assert export(["--workdir=runs/lenet5/quick", "--out=runs/lenet5/export"]) == 0
    return folder


@pytest.mark.parametrize("code", SNIPPETS)
def test_python_runs_as_it_stands(code, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(runs)
    # the repository's nets under the wheel's name; tests/test_wheel.py installs that
    code = code.replace("from unfold_nets.", "from nets.")
    (tmp_path / "snippet.py").write_text(code)
    runpy.run_path(str(tmp_path / "snippet.py"))


@pytest.mark.thorough
def test_the_recipe_for_a_new_architecture_is_complete(tmp_path, quick_processes):
    """Its files and no other change: the net trains, resumes, is reported on, exported, tested."""
    for folder in ("nets", "data", "experiments"):
        ignored = shutil.ignore_patterns("__pycache__", "*.json")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    blocks = fenced(ROOT / "experiments" / "README.md", "python")
    files = {FILE.match(code)[1]: code for code in blocks if FILE.match(code)}
    assert [pathlib.Path(file).name for file in files] == [
        "row_reader.py", "row_reader.py", "test_row_reader.py"]  # fmt: skip
    for file, code in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        assert not (tmp_path / file).exists()
        (tmp_path / file).write_text(code)

    def python(*words):
        environment = quick_processes | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run([sys.executable, "-P", "-m", *words], cwd=tmp_path, env=environment,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "row_reader" in python("experiments")
    short = ("--num_steps=4", "--eval_every=2", "--checkpoint_every=2", "--workdir=run")
    assert "report: run/report.html" in python("experiments.row_reader", *short)
    assert "resuming at step 4" in python("experiments.row_reader", *short)
    assert "forward(images) -> logits" in python(
        "experiments.export", "--workdir=run", "--out=exported")  # fmt: skip
    python("pytest", "-q", "-p", "no:cacheprovider", "tests/nets/test_row_reader.py")


# ---- Commands


def shell_lines(page: pathlib.Path) -> list[str]:
    """What a reader types: sh blocks, what follows $ in console blocks, code in the text."""
    lines = [line for block in fenced(page, "sh") for line in block.splitlines()]
    for block in fenced(page, "console"):
        lines += re.findall(r"^\$ (.*(?:[|\\]\n.*)*)", block, re.MULTILINE)
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    return lines + [" ".join(code.split()) for code in re.findall(r"`(\./launch\.sh[^`]*)`", text)]


def launches(line: str) -> list[list[str]]:
    """The words after each ./launch.sh of a line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    commands = [[]]
    for word in lexer:
        if set(word) <= set("|&;<>"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [words[words.index("./launch.sh") + 1 :] for words in commands if "./launch.sh" in words]


@functools.cache
def main_of(experiment: str):
    """(presets, run, commands): what an experiment gives to `main`."""
    given = []
    with (
        mock.patch.object(command_line, "main", lambda *args: given.extend(args)),
        warnings.catch_warnings(action="ignore"),  # the module is imported already
        pytest.raises(SystemExit),
    ):
        runpy.run_module(f"experiments.{experiment}", run_name="__main__")
    return (*given, {})[:3]


def check(words: list[str]) -> None:
    """Parses a command without running it; raises UserError or AssertionError."""
    word, *rest = words if words[:1] != ["-n"] else words[1:]
    assert word in WORDS
    if usage.answer(rest, str) is not None:  # help or version
        return
    if word in EXPERIMENTS:
        presets, _, commands = main_of(word)
        if rest[:1] and rest[0] in commands:
            options_of(commands[rest[0]][0], rest)
        else:
            configuration(presets, words)
    elif not rest or any(word.isupper() for word in rest):  # named, or with a place-holder
        return
    elif word == "multi":
        check(multi.parsed(rest)[1])
    elif word in ("slurm", "tpu", "sweep"):
        dry = rest if "-n" in rest else ["-n", *rest]
        assert importlib.import_module(f"experiments.launch.{word}").main(dry) == 0
    elif word == "export":
        asked = options_of(Export(), words)
        assert asked.workdir and asked.out
    elif word == "faults":
        options_of(FaultOptions(), words)
    elif word == "speed":
        with mock.patch("importlib.util.find_spec"):  # whether PyTorch is installed is not asked
            speed_parsed(rest)
    elif word == "results":
        assert rest[0] in ("add", "picture") and len(rest) > 1


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_understood(page):
    lines = shell_lines(page)
    assert page != README or len(lines) > 20
    for line in lines:
        for words in filter(None, launches(line)):
            try:
                check(words)
            except (UserError, AssertionError) as error:
                pytest.fail(f"{name(page)}: {line}\n{error}")


@pytest.mark.parametrize(
    "line",
    ["./launch.sh lenet6", "./launch.sh lenet5 --rate=1", "X=1 ./launch.sh lenet5 --preset=papers",
     "echo ./launch.sh | ./launch.sh char_rnn sample --work=runs", "./launch.sh speed lenet",
     "./launch.sh multi 2 lenet5 --preset=papers", "./launch.sh sweep lenet5 --mu=no,yes",
     "./launch.sh export --workdir=runs", "./launch.sh results put runs"],
)  # fmt: skip
def test_wrong_commands_are_found(line):
    with pytest.raises((UserError, AssertionError)):
        for words in filter(None, launches(line)):
            check(words)


# ---- Links and size


def anchors(page: pathlib.Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists() and target.is_relative_to(ROOT), link
            assert not anchor or anchor in anchors(target), link


def test_the_front_page_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 220
    # a row of a table cannot be wrapped
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []
