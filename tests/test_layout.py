"""The arrows between the folders: who may import what, read from the source with `ast`."""

import ast
import configparser
import functools
import importlib.metadata
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ("nets", "data", "experiments")
FOLDERS = (*OURS, "tests")
TOP_LEVEL = {
    *("setup.cfg", "README.md", "launch.sh", "nets", "experiments", "data", "tests"),
    *("pyproject.toml", "LICENSE", ".gitignore", ".ci"),
}
MAY_IMPORT = {
    "nets": {"nets", "jax", "flax", "numpy"},
    "data": {"data", "numpy", "tensorflow_datasets", "sklearn", "scipy", "PIL",
             "sentencepiece", "pooch", "requests"},
}
NOBODY_IMPORTS = {
    *("tensorflow", "clu", "chex", "ml_collections", "haiku", "flax.nnx"),
    "flax.metrics.tensorboard",
    # What is read is data and never code.
    *("pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "yaml"),
}
RUNS_WHAT_IT_READS = {"eval", "exec", "compile", "__import__"}
UNPACKS_OR_RUNS = {"unpack_archive", "extractall", "system", "popen", "read_pickle"}
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.Module, package: str) -> set[str]:
    """Full names of all that a file of a package imports: `from flax import linen` is `flax.linen`.

    What is relative is resolved: in `nets`, `from .cells import GRU` is `nets.cells.GRU`.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{origin(node, package)}.{alias.name}" for alias in node.names}
    return found


def origin(node: ast.ImportFrom, package: str) -> str:
    """What `from ... import` names, in full; `..` where it leads out of all packages."""
    if not node.level:
        return node.module
    parents = package.split(".")
    above = parents[: len(parents) + 1 - node.level] or [".."]
    return ".".join([*above, *filter(None, [node.module])])


def within(name: str, modules: set[str]) -> bool:
    """Whether `name` is one of the modules or lies inside one."""
    return any(name == module or name.startswith(module + ".") for module in modules)


def every_file(folders=FOLDERS):
    chosen = [path for path in SOURCES if name_of(path).partition("/")[0] in folders]
    return pytest.mark.parametrize("path", chosen, ids=name_of)


@functools.cache
def tree_of(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports_of(path: pathlib.Path) -> frozenset[str]:
    return frozenset(imports(tree_of(path), ".".join(path.relative_to(ROOT).parent.parts)))


# Rooms of experiments/ -> the rooms and folders that they may import beside themselves.
ROOMS = {
    "runtime": {"data"},
    "training": {"data", "nets", "runtime"},
    "reports": {"data", "runtime", "training"},
    **dict.fromkeys(
        ("images", "language", "tagging", "translation"),
        {"data", "nets", "runtime", "training", "reports"},
    ),
}
COMMANDS = {"launch", "speed", "export", "faults", "results"}  # about runs: may import everything
ENTRIES = {path.stem for path in (ROOT / "experiments").glob("*.py")} - {"__init__", "__main__"}


def every_entry():
    paths = [ROOT / "experiments" / f"{name}.py" for name in sorted(ENTRIES)]
    return pytest.mark.parametrize("path", paths, ids=name_of)


def rooms_imported(path: pathlib.Path) -> set[str]:
    """`nets`, `data`, rooms and entry points that a file of experiments/ imports."""
    found = set()
    for name in imports_of(path):
        folder, _, rest = name.partition(".")
        if folder == "experiments":
            found.add(rest.partition(".")[0])
        elif folder in OURS:
            found.add(folder)
    return found


@every_file(["experiments"])
def test_rooms_of_experiments_import_what_lies_below_them(path):
    _, room, *inside = name_of(path).split("/")
    if not inside and path.stem in ENTRIES:
        allowed = {*OURS, *ROOMS}
    elif not inside:  # the package itself, and the list of experiments
        allowed = {"runtime"}
    elif room in COMMANDS:
        return
    else:
        allowed = ROOMS[room] | {room}
    assert rooms_imported(path) - allowed == set()


@every_entry()
def test_what_lies_in_experiments_itself_is_an_entry_point(path):
    defined = {
        name
        for node in tree_of(path).body
        for name in (
            [target.id for target in node.targets if isinstance(target, ast.Name)]
            if isinstance(node, ast.Assign)
            else [getattr(node, "name", "")]
        )
    }
    assert {"Config", "PRESETS", "run", "export_form"} <= defined
    what, mark, paper = ast.get_docstring(tree_of(path)).partition("\n")[0].partition(" | ")
    assert what.endswith(".") and mark and paper


@pytest.mark.parametrize("package", ["", "runtime"])
def test_flags_of_xla_come_before_jax(package):
    """Neither package may import JAX before `experiments.runtime.xla` has set XLA's flags."""
    path = ROOT / "experiments" / package / "__init__.py"
    assert imports_of(path) == (set() if package else {"experiments.runtime.xla"})


distributions_of_packages = functools.cache(importlib.metadata.packages_distributions)


@every_file(MAY_IMPORT)
def test_arrows_between_folders(path):
    allowed = MAY_IMPORT[name_of(path).partition("/")[0]] | set(sys.stdlib_module_names)
    assert {name for name in imports_of(path) if not within(name, allowed)} == set()


@every_file(["nets"])
def test_nets_import_each_other_relatively(path):
    """They are installed under another name than that of their folder."""
    found = imports(tree_of(path), "unfold_nets")
    assert {name for name in found if within(name, {"nets"})} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "nets").glob("*.py")), ids=name_of)
def test_tests_of_nets_import_nets_alone(path):
    others = {name for name in imports_of(path) if within(name, {"data", "experiments", "tests"})}
    assert others == set()


NETS = [path for path in sorted((ROOT / "nets").glob("*.py")) if path.stem != "__init__"]


@pytest.mark.parametrize("path", NETS, ids=name_of)
def test_every_net_has_its_tests(path):
    """In tests/nets/test_<module>.py, or in a file there whose docstring names <module>.py."""
    tests = (ROOT / "tests" / "nets").glob("test_*.py")
    found = [test for test in tests if test.stem == f"test_{path.stem}"
             or re.search(rf"\b{path.name}\b", ast.get_docstring(tree_of(test)) or "")]  # fmt: skip
    assert found, f"name {path.name} in the docstring of the file in tests/nets that tests it"


@every_file(["nets"])
def test_nets_take_linen_alone_from_flax(path):
    flax = {name for name in imports_of(path) if within(name, {"flax"})}
    assert {name for name in flax if not within(name, {"flax.linen"})} == set()


@every_file(["nets"])
def test_public_functions_of_nets_say_their_types(path):
    """mypy, which `.ci/run` runs, checks them and passes over what has none."""
    assert [f.name for f in public_functions(tree_of(path)) if untyped(f)] == []


def public_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Those of the module and of its classes that have public names, `__call__` among them."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in classes if not node.name.startswith("_"))]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return [f for f in functions if f.name == "__call__" or not f.name.startswith("_")]


def untyped(function: ast.FunctionDef) -> bool:
    """Whether a parameter's type, or that of what is returned, is left open."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
    types = [arg.annotation for arg in (*named, *starred) if arg.arg != "self"]
    return None in (*types, function.returns)


@every_file()
def test_what_nobody_imports(path):
    assert {name for name in imports_of(path) if within(name, NOBODY_IMPORTS)} == set()


@every_file(["experiments"])
def test_pytorch_is_the_peer_of_the_speed_table_alone(path):
    if not name_of(path).startswith("experiments/speed"):
        assert not any(within(name, {"torch"}) for name in imports_of(path))


@every_file(OURS)
def test_nothing_of_ours_imports_tests(path):
    assert not any(within(name, {"tests"}) for name in imports_of(path))


@every_file()
def test_no_pmap(path):
    names = {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    assert "pmap" not in names and not any(name.endswith(".pmap") for name in imports_of(path))


@every_file(OURS)
def test_every_import_is_asked_for_in_setup_cfg(path):
    """Of the nets, which are installed alone, without extras."""
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = options["options"]["install_requires"].splitlines()
    if name_of(path).partition("/")[0] != "nets":
        extras = options["options.extras_require"]
        lines += extras["experiments"].splitlines() + extras["oracle"].splitlines()
    asked = {plain(re.split(r"[<>=\[]", line)[0]) for line in lines if line}
    known = {*sys.stdlib_module_names, *FOLDERS}
    distributions = distributions_of_packages()
    for package in {name.partition(".")[0] for name in imports_of(path)} - known:
        owners = {plain(owner) for owner in distributions.get(package, [package])}
        assert owners & asked, f"{package} is not among setup.cfg's requirements"


def plain(distribution: str) -> str:
    return distribution.strip().lower().replace("_", "-")


@every_file()
def test_files_say_what_they_hold(path):
    assert path.stem not in ("utils", "util", "helpers", "misc", "common")


@every_file(["data"])
def test_every_module_is_named_by_a_test_file(path):
    """A module has a test file of its own name, or one whose docstring names it."""
    folder = ROOT / "tests" / path.parent.relative_to(ROOT)
    tests = {test.stem: ast.get_docstring(tree_of(test)) for test in folder.glob("test_*.py")}
    assert (
        path.stem == "__init__"
        or f"test_{path.stem}" in tests
        or any(f"`{name_of(path)}`" in (docstring or "") for docstring in tests.values())
    )


@every_file()
def test_what_is_read_is_never_run_nor_unpacked_into_a_folder(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            assert not dangerous(node), f"{name_of(path)}, line {node.lineno}"


def dangerous(call: ast.Call) -> bool:
    """Whether a call may run what it reads, or write where an archive's member says."""
    values = {keyword.arg: keyword.value for keyword in call.keywords}
    pickle = values.get("allow_pickle", ast.Constant(False))
    if not (isinstance(pickle, ast.Constant) and pickle.value is False) or "shell" in values:
        return True
    if isinstance(call.func, ast.Name):
        return call.func.id in RUNS_WHAT_IT_READS
    if not isinstance(call.func, ast.Attribute):
        return False
    return call.func.attr in UNPACKS_OR_RUNS or (
        ast.unparse(call.func) in ("torch.load", "np.load") and "allow_pickle" not in values
    )


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("eval(text)", True), ("exec(text)", True), ("re.compile(text)", False),
        ("np.load(path)", True), ("np.load(path, allow_pickle=False)", False),
        ("np.load(path, allow_pickle=True)", True), ("f(x, allow_pickle=yes)", True),
        ("archive.extractall(folder)", True), ("subprocess.run(words, shell=True)", True),
        ("torch.load(path)", True), ("json.load(file)", False),
    ],
)  # fmt: skip
def test_dangerous_calls_are_found(line, found):
    assert dangerous(ast.parse(line).body[0].value) == found


def test_top_level_is_fixed():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {name.partition("/")[0] for name in listed.stdout.splitlines()} <= TOP_LEVEL


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import flax.linen as nn", {"flax.linen"}),
        ("from flax import linen, nnx", {"flax.linen", "flax.nnx"}),
        ("from . import cells", {"nets.cells"}),
        ("from .cells import GRU, LSTM", {"nets.cells.GRU", "nets.cells.LSTM"}),
        ("from ..data import text", {"...data.text"}),  # out of the package
        ("def late():\n    import torch", {"torch"}),
    ],
)
def test_imports_are_found_where_they_hide(line, expected):
    assert imports(ast.parse(line), "nets") == expected
