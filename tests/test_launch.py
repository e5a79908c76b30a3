"""`launch.sh` in a copy of the repository whose Python is a stand-in: nothing is installed."""

import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Records its calls, creates a .venv with itself as Python, and passes the rest to a real Python.
STAND_IN = r"""#!/bin/bash
printf '%s\n' "$*" >>"$CALLS"
case "$*" in
  "-m venv "*)
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python" ;;
  "-m pip install "*)
    sleep "${PIP_SECONDS:-0}"
    [ -z "${PIP_ERROR-}" ] || { echo "$PIP_ERROR" >&2; exit 1; } ;;
  "-P -m pytest"*|"-P -m experiments."*)
    printf '%s\n' "$PWD" "$PYTHONPATH" "$MALLOC_MMAP_MAX_" "${@:4}"
    exit "${STATUS:-0}" ;;
  *) exec @real-python@ "$@" ;;
esac
"""

LENET = '''"""LeNet-5 reads digits. | LeCun 1998

More.
"""
import nowhere_to_be_found
class Config: ...
def run(config): ...
'''


class Repository:
    """A copy of the repository, in a folder with blanks in its name, and its Python's calls."""

    def __init__(self, folder: pathlib.Path):
        self.root = folder / "un  fold"
        self.calls_file = folder / "calls"
        (self.root / "experiments" / "runtime").mkdir(parents=True)
        for name in ("launch.sh", "setup.cfg", "pyproject.toml", "experiments/__main__.py",
                     "experiments/runtime/broken_pipe.py",
                     "experiments/runtime/usage.py"):  # fmt: skip
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "experiments" / "lenet5.py").write_text(LENET)
        (self.root / "experiments" / "train.py").write_text('"""No experiment."""')
        programs = folder / "programs"
        programs.mkdir()
        stand_in = programs / "python3.12"
        stand_in.write_text(STAND_IN.replace("@real-python@", shlex.quote(sys.executable)))
        stand_in.chmod(0o755)
        (programs / "nvidia-smi").write_text("#!/bin/sh\nprintf '%s\\n' \"$GPU\"\n")
        (programs / "nvidia-smi").chmod(0o755)
        ours = ("PYTHONPATH", "UNFOLD_EXTRAS")
        others = {
            name: value
            for name, value in os.environ.items()
            if name not in ours and not name.startswith(("MALLOC_", "TPU_"))
        }
        self.environment = others | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CALLS": str(self.calls_file),
        }

    def start(self, *arguments, script=None, cwd=None, **environment):
        return subprocess.Popen(
            [str(script or self.root / "launch.sh"), *arguments],
            cwd=cwd,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments, **options):
        """(status, standard output, standard error)"""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def installations(self) -> list[str]:
        """What pip was called to install, call by call."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line.split()[-1] for line in lines if line.startswith("-m pip install")]

    def wait_for_pip(self, seconds=20):
        end = time.monotonic() + seconds
        while not self.installations():
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture
def launch(tmp_path):
    return Repository(tmp_path)


def test_without_arguments_it_lists_the_experiments_and_installs_nothing(launch):
    status, out, _ = launch()
    assert status == 0
    assert "  lenet5  LeNet-5 reads digits.  LeCun 1998\n" in out
    assert "train" not in out.partition("Commands")[0] and "./launch.sh test" in out
    assert not (launch.root / ".venv").exists()


@pytest.mark.parametrize("word", ["-h", "--help", "--helpshort", "--helpfull", "help"])
def test_help_lists_the_same(launch, word):
    assert launch(word) == launch()
    if word != "help":
        assert launch("setup", word) == launch()
    assert not (launch.root / ".venv").exists()


def test_the_version_is_that_of_setup_cfg(launch):
    assert "version = 0.1.0\n" in (launch.root / "setup.cfg").read_text()
    assert launch("--version") == launch("setup", "--version") == (0, "Unfold 0.1.0\n", "")


@pytest.mark.parametrize("word", ["--help", "-h", "--helpfull", "--version"])
@pytest.mark.parametrize("command", ["multi", "multi 2", "slurm", "doctor", "speed", "results"])
def test_a_command_explains_itself(launch, command, word):
    """Python gets the word, whatever launch.sh checks before."""
    status, out, _ = launch(*command.split(), word)
    assert status == 0 and out.splitlines()[-1] == word


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["lenet6", "--seed=1"], "lenet5"),
        (["train"], "lenet5"),
        (["../experiments/lenet5"], "lenet5"),
        (["-n", "lenet6"], "lenet5"),
        (["-n"], "experiment"),
        (["--seed=1", "lenet5"], "--seed=1"),
    ],
)
def test_user_errors_get_one_sentence_and_status_2(launch, arguments, word):
    status, out, err = launch(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1) and word in err
    assert not (launch.root / ".venv").exists()


def test_flags_and_the_current_folder_are_unchanged(launch, tmp_path):
    flags = ["sample", "--workdir=a b", "--text=$HOME 'x' *", ""]
    (tmp_path / "elsewhere").mkdir()
    status, out, err = launch("lenet5", *flags, cwd=tmp_path / "elsewhere", STATUS="3")
    assert status == 3 and err.startswith("Setting up .venv")
    cwd, path, heap, *arguments = out.removesuffix("\n").split("\n")
    assert (cwd, path, heap) == (str(tmp_path / "elsewhere"), str(launch.root), "0")
    assert arguments == flags


def test_a_dry_run_prints_a_command_that_a_shell_can_run(launch):
    flags = ["--workdir=a b", "--text=it's $HOME"]
    status, out, err = launch("-n", "lenet5", *flags, PYTHONPATH="/the users")
    python = f"{launch.root}/.venv/bin/python"
    assert (status, err) == (0, "") and not (launch.root / ".venv").exists()
    command = shlex.split(out)
    assert command[0] == "env" and f"PYTHONPATH={launch.root}:/the users" in command
    assert command[command.index(python) :] == [python, "-P", "-m", "experiments.lenet5", *flags]


@pytest.mark.parametrize(
    ("command", "module"),
    [("test", "pytest"), ("speed", "experiments.speed"), ("export", "experiments.export")],
)
def test_a_dry_run_of_the_other_commands(launch, command, module):
    status, out, _ = launch("-n", command, "one two")
    assert status == 0 and shlex.split(out)[-3:] == ["-m", module, "one two"]
    assert (shlex.split(out)[:2] == ["cd", str(launch.root)]) == (command == "test")


def test_the_doctor_installs_nothing(launch):
    status, out, _ = launch("doctor", "--raw_dir=a b", STATUS="1")
    assert status == 1 and "--raw_dir=a b" in out.splitlines()
    assert not (launch.root / ".venv").exists()


def test_a_sweep_takes_n_before_or_after_its_name(launch):
    first, second = launch("-n", "sweep", "lenet5"), launch("sweep", "-n", "lenet5")
    assert first[0] == 0 and first[1].splitlines()[-2:] == ["-n", "lenet5"]
    assert second[1] == first[1]


def test_the_users_own_heap_setting_is_kept(launch):
    assert "MALLOC_MMAP_MAX_=" not in launch("-n", "lenet5", MALLOC_MMAP_MAX_="7")[1]


def test_through_a_symbolic_link(launch, tmp_path):
    (tmp_path / "link").symlink_to(launch.root / "launch.sh")
    (tmp_path / "link to link").symlink_to("link")
    _, out, _ = launch("-n", "test", script=tmp_path / "link to link")
    assert str(launch.root) in shlex.split(out)


def test_pip_runs_once(launch):
    assert launch("lenet5")[0] == launch("lenet5")[0] == launch("setup")[0] == 0
    assert launch.installations() == [".[experiments]"]


def test_extras_accumulate(launch):
    launch("lenet5")
    launch("test", "-k", "x y")
    launch("lenet5")
    launch("test", UNFOLD_EXTRAS="oracle")
    launch("speed", "lenet5")
    launch("setup", GPU="| CUDA Version: 12.4 |")
    launch("lenet5", GPU="| CUDA Version: 13.0 |")
    assert launch.installations() == [
        f".[{extras}]"
        for extras in ("experiments", "experiments,test", "experiments,oracle,test",
                       "cuda12,experiments,oracle,test")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "extra"),
    [
        ("| NVIDIA-SMI 535.1  Driver Version: 535.1  CUDA Version: 12.2 |", "cuda12"),
        ("| NVIDIA-SMI 610.1  KMD Version: 610.1  CUDA UMD Version: 13.3 |", "cuda13"),
        ("| NVIDIA-SMI 470.1  Driver Version: 470.1  CUDA Version: 11.4 |", None),
        ("NVIDIA-SMI has failed because it couldn't communicate with the driver.", None),
    ],
)
def test_extras_match_the_driver(launch, shown, extra):
    launch("setup", GPU=shown)
    assert launch.installations() == [f".[{extra},experiments]" if extra else ".[experiments]"]


def test_what_experiments_need_is_added_to_an_older_installation(launch):
    """One that was made when setup.cfg had no extra of that name."""
    launch("test")
    stamp = launch.root / ".venv" / "unfold-stamp"
    fingerprint, _ = stamp.read_text().splitlines()
    stamp.write_text(f"{fingerprint}\ntest\n")
    launch("lenet5")
    launch("lenet5")
    assert launch.installations() == [".[experiments,test]"] * 2
    assert stamp.read_text().splitlines() == [fingerprint, "experiments test"]


def test_unknown_extra(launch):
    status, _, err = launch("setup", UNFOLD_EXTRAS="test,cuda")
    assert status == 2 and "cuda," in err and launch.installations() == []


def test_changed_requirements_are_installed(launch):
    launch("test")
    with open(launch.root / "setup.cfg", "a") as file:
        file.write("\n# changed\n")
    launch("lenet5")
    launch("lenet5")
    assert launch.installations() == [".[experiments,test]"] * 2


def test_a_failure_shows_pips_error_and_the_next_call_retries(launch):
    status, _, err = launch("lenet5", PIP_ERROR="no such wheel")
    assert status == 1 and "no such wheel" in err
    assert launch("lenet5")[0] == 0 and len(launch.installations()) == 2


def test_a_failure_to_add_an_extra_keeps_what_was_installed(launch):
    launch("lenet5")
    assert launch("test", PIP_ERROR="no network")[0] == 1
    assert launch("lenet5", PIP_ERROR="no network")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_installation_is_started_over(launch, number):
    process = launch.start("lenet5", PIP_SECONDS="2")
    launch.wait_for_pip()
    (launch.root / ".venv" / "half a package").touch()
    process.send_signal(number)
    process.wait(timeout=20)
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    assert launch("lenet5")[0] == 0 and len(launch.installations()) == 2
    assert not (launch.root / ".venv" / "half a package").exists()


def without_flock(folder: pathlib.Path) -> str:
    """A PATH as on macOS: everything that launch.sh calls except flock."""
    programs = folder / "no flock"
    programs.mkdir()
    names = "bash cat cksum cp dirname echo env getconf grep ln ls mkdir mv printenv readlink"
    for name in [*names.split(), "rm", "sed", "sleep", "sort", "tr", "xargs"]:
        (programs / name).symlink_to(shutil.which(name))
    return f"{folder / 'programs'}:{programs}"


@pytest.mark.parametrize("flock", [True, False])
def test_two_calls_at_once_install_once(launch, tmp_path, flock):
    if flock and shutil.which("flock") is None:
        pytest.skip("needs flock")
    path = {} if flock else {"PATH": without_flock(tmp_path)}
    first = launch.start("lenet5", PIP_SECONDS="5", **path)
    launch.wait_for_pip()
    status, _, err = launch("lenet5", **path)
    first.communicate(timeout=20)
    assert first.returncode == status == 0 and launch.installations() == [".[experiments]"]
    assert "Waiting" in err


def test_a_stale_lock_is_taken_over(launch, tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (launch.root / ".venv.lock").symlink_to(str(ended.pid))
    status, _, err = launch("lenet5", PATH=without_flock(tmp_path))
    assert status == 0, err
    assert not (launch.root / ".venv.lock").is_symlink()


def test_the_users_own_environment_is_never_deleted(launch):
    (launch.root / ".venv").mkdir()
    (launch.root / ".venv" / "a file").touch()
    status, _, err = launch("lenet5")
    assert status == 2 and "move it away" in err and (launch.root / ".venv" / "a file").exists()


def test_a_missing_python_gets_one_sentence(launch, tmp_path):
    stand_in = tmp_path / "programs" / "python3.12"
    stand_in.write_text("#!/bin/bash\nexit 1\n")
    status, out, err = launch("lenet5", PATH=without_flock(tmp_path))
    assert (status, out) == (2, "") and "Python 3.11 or newer" in err and err.count("\n") == 1
