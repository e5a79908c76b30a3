"""What `pip install .` puts beside a user's own packages: the nets alone, as `unfold_nets`."""

import email
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT_FROM = ("setup.cfg", "pyproject.toml", "LICENSE", "nets")

# A user's own program, with a package called `data`; the training needs no more than jax.
PROGRAM = """
import pathlib, sys

import jax
import jax.numpy as jnp

import data
from unfold_nets.affine import init_linear, linear
from unfold_nets.cells import GRU
from unfold_nets.unroll import unroll

site = pathlib.Path(sys.argv[1])
loaded = [module for name, module in sys.modules.items() if name.startswith("unfold_nets")]
assert all(site in pathlib.Path(module.__file__).parents for module in loaded), loaded
assert data.OWNER == "somebody else" and not {"nets", "experiments"} & set(sys.modules)

cell, keys = GRU(8), jax.random.split(jax.random.key(0), 3)
xs = jax.random.normal(keys[0], (12, 16, 1))  # [T, B, D]; the sum of the first three is wanted
params = {"cell": cell.init(keys[1], 1), "output": init_linear(keys[2], 8, 1)}


@jax.jit
@jax.value_and_grad
def gradient(params):
    h, _ = unroll(cell, params["cell"], xs)
    return jnp.square(linear(params["output"], h) - xs[:3].sum(0)).mean()


first, _ = gradient(params)
for _ in range(200):
    loss, slopes = gradient(params)
    params = jax.tree.map(lambda p, slope: p - 0.1 * slope, params, slopes)
print(float(first), float(loss))
"""


def run(*words, **options):
    """A command's standard output; fails with what it said."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing is left in the repository, and without a network."""
    try:
        setuptools = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        setuptools = "0"
    if int(setuptools.partition(".")[0]) < 77:
        pytest.skip("needs setuptools 77 or newer to build the wheel: ./launch.sh test brings it")
    folder = tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
        "--disable-pip-version-check", "--wheel-dir", folder / "dist", folder)  # fmt: skip
    [built] = (folder / "dist").iterdir()
    return built


def test_it_holds_the_nets_alone_and_says_that_they_are_typed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    ours = {f"unfold_nets/{path.name}" for path in (ROOT / "nets").glob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == ours | {"unfold_nets/py.typed"}
    assert wheel.name.startswith("unfold_nets-") and wheel.name.endswith("-py3-none-any.whl")


def test_it_needs_jax_flax_and_numpy_alone(wheel):
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    asked = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    always = {re.match(r"[\w-]+", line)[0] for line in asked if "extra ==" not in line}
    assert always == {"jax", "flax", "numpy"}


def test_beside_somebody_else_s_data_a_gru_is_trained_with_it(wheel, tmp_path):
    site = tmp_path / "site"
    (site / "data").mkdir(parents=True)
    (site / "data" / "__init__.py").write_text('OWNER = "somebody else"\n')
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site,
        "--disable-pip-version-check", wheel)  # fmt: skip
    installed = {path.name for path in site.iterdir()}
    assert installed == {"data", "unfold_nets", wheel.name.removesuffix("-py3-none-any.whl")
                         + ".dist-info"}  # fmt: skip
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(site), "JAX_PLATFORMS": "cpu"}
    words = (sys.executable, "-P", tmp_path / "program.py", site)
    first, last = map(float, run(*words, cwd=tmp_path, env=environment).split())
    assert last < 0.1 * first
