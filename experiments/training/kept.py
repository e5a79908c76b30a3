"""The net that a run keeps: the best on the validation part, or that of the last step.

An evaluation offers a candidate for each copy of the net. A copy's best candidate lies in the run's
folder until no checkpoint needs it any more: a run that is resumed at a step goes on from what was
best by that step, as its checkpoint says, and so keeps the same net as a run that was never cut.

    best/NAME.STEP.npz   the parameters and variables of one copy
    best/kept.json       which of them is the best, how it did, and its digest
"""

import dataclasses
import hashlib
import io
import json
import math
import pathlib
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from data.errors import UserError
from data.files import open_plain
from experiments.runtime.mesh import on_host
from experiments.runtime.options import Shared, option
from experiments.runtime.processes import from_first, is_first
from experiments.runtime.workdir import make_folder, replace_atomically, write_json
from experiments.training.checkpoints import Sound, arrays_by_name
from experiments.training.loop import TrainState, Tree

NET = "net"  # the only copy of a run that trains one net
RECORD = "kept.json"
_FILE = re.compile(r"(?P<name>.+)\.(?P<step>\d+)\.npz")
Figures = dict[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeepOptions(Shared):
    """Options of an experiment with a validation part."""

    heading = "Validation"

    keep: str = option(
        "best", "which net the run's figures, report and commands are of: best (on the validation "
        "part, if there is one), last (of the last step)",
        choices=("best", "last"), identity=False,
    )  # fmt: skip
    patience: int = option(
        0, "evaluations in a row without a better one on the validation part after which training "
        "ends; 0: it goes on to --num_steps", least=0, identity=False,
    )  # fmt: skip


class Net(NamedTuple):
    """A net as an evaluation found it."""

    step: int
    params: Tree
    variables: Tree


class Candidate(NamedTuple):
    """What an evaluation offers of one copy.

    Scores are compared from left to right, and larger is better; () is for want of a validation
    part, and the latest is kept then. `net` is called if the candidate is kept. `stalled` says
    whether the evaluation counts for --patience; None: if it is no better than the best so far.
    """

    score: tuple[float, ...]
    figures: Mapping[str, Figures]
    net: Callable[[], Net]
    stalled: bool | None = None


class Kept(NamedTuple):
    """A copy that is kept, as the run's files describe it."""

    step: int
    score: tuple[float, ...]
    figures: Mapping[str, Figures]
    sha256: str  # of its file; empty if it has none
    stalled: int  # evaluations in a row up to the latest


def deciding_options(config: Shared) -> dict[str, Any]:
    """The options that decide which net a run keeps, and when it ends, but no step of it."""
    if not isinstance(config, KeepOptions) or (config.keep == "last" and not config.patience):
        return {}
    return {name: getattr(config, name) for name in ("keep", "patience", "eval_every")}


Offer = Callable[[TrainState, Mapping[str, Figures]], dict[str, Candidate]]


def latest(state: TrainState, splits: Mapping[str, Figures]) -> dict[str, Candidate]:
    """Offers the net whether or not it is better than others: for want of a validation part."""
    return {NET: Candidate((), splits, lambda: net_of(state))}


def lowest(*names: str) -> Offer:
    """Offers the net by a figure of the validation part, the lower the better; ties go by the next.

    Without a validation part the latest net is kept.
    """

    def offer(state: TrainState, splits: Mapping[str, Figures]) -> dict[str, Candidate]:
        if "valid" not in splits:
            return latest(state, splits)
        score = tuple(-splits["valid"][name] for name in names)
        return {NET: Candidate(score, splits, lambda: net_of(state))}

    return offer


def net_of(state: TrainState) -> Net:
    """The net of a train state, on the host."""
    return Net(int(state.step), on_host(state.params), on_host(state.variables))


class KeptNets:
    """The copies that a run keeps, by name; see the module.

    With `best` false they are those of the latest evaluation, and their record is of the best.
    """

    def __init__(self, folder: pathlib.Path, best: bool):
        self._folder, self._best = folder, best
        self._record: dict[str, Kept] = {}
        self._latest: Mapping[str, Candidate] = {}

    def begin(self, note: Mapping[str, Any] | None, step: int) -> None:
        """Goes on from the note of a checkpoint of this step.

        Raises:
          UserError: the checkpoint is of a run that kept the last net, or a kept file is damaged.
        """
        self._record = {name: _kept(entry) for name, entry in (note or {}).items()}
        if not (self._best and is_first()):
            return
        if step and (note is None or any(k.score and not k.sha256 for k in self._record.values())):
            raise UserError(
                f"{self._folder.parent} holds a run that did not keep its best net from the "
                "start: give --keep=last, or another --workdir."
            )
        for name, kept in self._record.items():
            if kept.sha256:
                _content(self._folder, name, kept)
        later = [path for path, _, of_step in self._files() if of_step > step]
        if later:  # the run will come to these evaluations again
            self._write_record()
        for path in later:
            path.unlink()

    def note(self) -> dict[str, Any]:
        """What a checkpoint has to hold."""
        return {name: kept._asdict() for name, kept in self._record.items()}

    def offer(self, step: int, candidates: Mapping[str, Candidate]) -> None:
        """Takes over what is better than all before; of several processes the first decides."""
        self._latest = candidates
        mine = {n: [[_comparable(x) for x in c.score], c.stalled] for n, c in candidates.items()}
        for name, (score, stalled) in json.loads(from_first(json.dumps(mine).encode())).items():
            score, kept, candidate = tuple(score), self._record.get(name), candidates[name]
            better = kept is None or not score or score > kept.score
            stalled = stalled if stalled is not None else not better
            count = kept.stalled + 1 if kept and stalled else 0
            if better:
                sha256 = self._write(name, step, candidate.net()) if score and self._best else ""
                kept = Kept(step, score, candidate.figures, sha256, count)
            elif self._best and is_first():  # as it was before a resumption on other devices
                (self._folder / _file(name, step)).unlink(missing_ok=True)
            self._record[name] = kept._replace(stalled=count)
        if self._best and is_first():
            self._write_record()

    def stalled(self) -> int:
        """The fewest, over the copies, of evaluations in a row that were no better."""
        return min((k.stalled for k in self._record.values() if k.score), default=0)

    def prune(self, checkpoints: Iterable[int]) -> None:
        """Removes the files that neither the record nor a resumption at these steps needs."""
        if not is_first():
            return
        for path in self._folder.glob("*.unfinished"):
            path.unlink()
        files = self._files()
        for path, name, step in files:
            steps = [s for _, other, s in files if other == name]
            needed = {max((s for s in steps if s < c), default=-1) for c in checkpoints}
            if step not in needed | {max(steps)}:
                path.unlink()

    def best_is_kept(self) -> bool:
        """Whether the kept nets were chosen by the validation part."""
        return self._best and any(kept.score for kept in self._record.values())

    def nets(self) -> dict[str, tuple[Net, Mapping[str, Figures]]]:
        """Each kept copy, on the host, and the figures of its evaluation."""
        return {name: self._net(name, candidate) for name, candidate in self._latest.items()}

    def _net(self, name: str, candidate: Candidate) -> tuple[Net, Mapping[str, Figures]]:
        kept, latest = self._record[name], candidate.net()
        if not (self._best and kept.score) or kept.step == latest.step:
            return latest, candidate.figures
        content = _content(self._folder, name, kept) if is_first() else b""
        like = latest._replace(step=np.asarray(latest.step))
        net = Sound(self._folder, {}, _arrays(from_first(content))).tree(like)
        return net._replace(step=int(net.step)), kept.figures

    def _write(self, name: str, step: int, net: Net) -> str:
        if not is_first():
            return ""
        content = io.BytesIO()
        np.savez(content, **arrays_by_name(net))
        make_folder(self._folder)
        replace_atomically(self._folder / _file(name, step), content.getbuffer())
        return hashlib.sha256(content.getbuffer()).hexdigest()

    def _write_record(self) -> None:
        if any(kept.sha256 for kept in self._record.values()):
            make_folder(self._folder)
            write_json(self._folder / RECORD, self.note())

    def _files(self) -> list[tuple[pathlib.Path, str, int]]:
        found = [(path, _FILE.fullmatch(path.name)) for path in self._folder.glob("*.npz")]
        return [(path, match["name"], int(match["step"])) for path, match in found if match]


def read_kept(folder: pathlib.Path) -> dict[str, np.ndarray] | None:
    """The arrays of the first copy of the net in a run's `best` folder; None without a record.

    They are named as those of a `Net`, which are those of a train state.

    Raises:
      UserError: a file is damaged.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
        names = [name for name in record if name.startswith(NET)]  # and not a second net's
        if not names:
            raise ValueError("it names no net")
        kept = _kept(record[names[0]])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise damaged(folder / RECORD, error) from None
    return _parsed(folder, names[0], kept)


def _kept(entry: Mapping[str, Any]) -> Kept:
    kept = Kept(**entry)
    return kept._replace(score=tuple(kept.score))


def _file(name: str, step: int) -> str:
    return f"{name}.{step}.npz"


def _comparable(x: float) -> float:
    """A number that JSON knows, and that is smaller than others if it is none."""
    return float(np.nan_to_num(-math.inf if math.isnan(x) else x))


def _content(folder: pathlib.Path, name: str, kept: Kept) -> bytes:
    path = folder / _file(name, kept.step)
    try:
        with open_plain(path) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != kept.sha256:
            raise ValueError("its digest differs")
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None
    return content


def _parsed(folder: pathlib.Path, name: str, kept: Kept) -> dict[str, np.ndarray]:
    content = _content(folder, name, kept)
    try:
        return _arrays(content)
    except Exception as error:  # of many kinds, by zipfile and NumPy
        raise damaged(folder / _file(name, kept.step), error) from None


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; nothing in it is code, or takes more memory than its bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def damaged(path: pathlib.Path, error: Exception | str) -> UserError:
    """What a run is told whose best net is lost."""
    reason = getattr(error, "strerror", None) or str(error).split("\n")[0][:80]
    return UserError(
        f"{path} is damaged ({reason}), and with it the best net is lost: give --keep=last, or "
        "train again in another --workdir."
    )
