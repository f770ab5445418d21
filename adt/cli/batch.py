"""Run a function over many inputs: one that fails does not stop the others."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePath

from ..audio import find_audio
from ..errors import AdtError, AudioError
from ..progress import Progress
from . import console


@dataclass(frozen=True)
class Job:
    """One input file.

    Attributes
    ----------
    source : Path
    name : str
        Name of its output, without suffix and relative to the output folder;
        no two jobs of a batch share one.
    """

    source: Path
    name: str


def unique_names(files: Sequence[Path]) -> list[str]:
    """Names for the outputs of `files`: their stems, told apart where they are equal.

    Files of one stem in different folders are told apart by as many parent folders
    as it takes, files that differ in suffix alone by the suffix.

    Examples
    --------
    >>> unique_names([Path("a/one.wav"), Path("b/one.wav"), Path("b/two.wav")])
    ['a/one', 'b/one', 'two']
    >>> unique_names([Path("one.wav"), Path("one.mp3")])
    ['one.wav', 'one.mp3']
    >>> unique_names([Path("...wav")])  # whose stem is the folder above
    ['...wav']
    """
    return _names([Path(os.path.abspath(file)) for file in files])


def _names(paths: Sequence[PurePath]) -> list[str]:
    """The same for absolute paths of any system."""
    leaves = [path.stem.rstrip(" .") or path.name for path in paths]  # Windows ends no name so
    numbers = _numbers(paths, leaves)
    leaves = [leaf + number for leaf, number in zip(leaves, numbers)]
    for _ in range(2):  # a suffix put back may meet a stem of that name
        for i in _clashes([str(path.parent / leaf) for path, leaf in zip(paths, leaves)]):
            leaves[i] = paths[i].stem + numbers[i] + paths[i].suffix
    names = list(leaves)
    for depth in range(1, max((len(path.parts) for path in paths), default=0)):
        for i in _clashes(names):
            names[i] = "/".join((*paths[i].parts[1:-1][-depth:], leaves[i]))
    for i in _clashes(names):  # on different drives
        names[i] = "/".join((*re.findall(r"\w+", paths[i].drive), names[i]))
    return names


def _numbers(paths: Sequence[PurePath], leaves: Sequence[str]) -> list[str]:
    """What is added to a stem: ``-2`` and so on to names that differ in case alone, or nothing."""
    def place(i: int, number: str = "") -> str:
        return folded(str(paths[i].parent / (leaves[i] + number)))

    taken = {place(i) for i in range(len(paths))}
    numbers, first = [""] * len(paths), set()
    for i in _clashes([str(path) for path in paths]):
        name = folded(str(paths[i]))
        if name in first:
            numbers[i] = next(n for n in (f"-{k}" for k in count(2)) if place(i, n) not in taken)
            taken.add(place(i, numbers[i]))
        first.add(name)
    return numbers


def folded(name: str) -> str:
    """What is the same for names that are one for some file systems."""
    return unicodedata.normalize("NFC", name).casefold()


def _clashes(names: Sequence[str]) -> list[int]:
    """Indices of names that are one for some file systems, whatever their case and accents."""
    same = [folded(name) for name in names]
    times = Counter(same)
    return [i for i, name in enumerate(same) if times[name] > 1]


def _identity(path: Path) -> tuple[int, int] | None:
    """What two paths of one file have in common; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Batch:
    """The inputs of a command.

    Parameters
    ----------
    inputs : iterable of path-like
        Files and folders.
    ignore : callable, optional
        Tells files inside folders that are not inputs (results of an earlier run).

    Attributes
    ----------
    jobs : list of Job
        What is left to do.
    failures : list of str
        Inputs that failed so far; each has been reported on stderr.
    """

    def __init__(self, inputs: Iterable[str | Path],
                 ignore: Callable[[Path], bool] = lambda file: False):
        self.failures: list[str] = []
        files: dict[Path, Path] = {}
        for entry in map(Path, inputs):
            try:
                found = find_audio(entry)
            except AdtError as problem:
                self._fail(entry, problem)
                continue
            kept = [file for file in found if file == entry or not ignore(file)]
            if kept and len(kept) < len(found):
                console.say(f"{entry}: {len(found) - len(kept)} drum stems are left out; name "
                            "them to use them")
            if not kept:
                self._fail(entry, AudioError(f"{entry}: holds nothing but drum stems; name the "
                                             "files themselves"))
            for file in kept:
                files.setdefault(file.resolve(), file)
        chosen = list(files.values())
        self._read = {_identity(file) for file in chosen} - {None}
        self.jobs = [Job(*pair) for pair in zip(chosen, unique_names(chosen))]
        self._total = len(self.jobs) + len(self.failures)

    def __len__(self) -> int:
        """Number of inputs, those that failed or were dropped included."""
        return self._total

    def reads(self, path: Path) -> bool:
        """Whether a path that exists is one of the inputs."""
        return _identity(path) in self._read

    def check(self, test: Callable[[Job], bool]) -> None:
        """Keep the jobs for which `test` is true; one for which it raises has failed."""
        kept = []
        for job in self.jobs:
            try:
                if test(job):
                    kept.append(job)
                else:
                    console.say(f"{job.source}: skipped, what would be written is there")
            except AdtError as problem:
                self._fail(job.source, problem)
        self.jobs = kept

    def run(self, work: Callable[[Job, Progress | None], str | None]) -> int:
        """Call ``work(job, progress)`` for every job; it returns a line for the terminal, or None.

        Returns
        -------
        int
            Exit status: 1 if any input failed. The failures of several inputs are
            named in a last line on stderr.
        """
        for number, job in enumerate(self.jobs, 1):
            label = job.source.name
            if len(self.jobs) > 1:
                label = f"[{number}/{len(self.jobs)}] {label}"
            try:
                with console.progress(label) as progress:
                    result = work(job, progress)
            except Exception as problem:
                self._fail(job.source, problem)
            else:
                if result is not None:
                    console.note(f"{job.source}: {result}")
        return self.finish()

    def finish(self) -> int:
        """Name the failures; the exit status."""
        if self.failures and self._total > 1:
            console.error(f"{len(self.failures)} of {self._total} inputs failed: "
                          + ", ".join(self.failures))
        return 1 if self.failures else 0

    def _fail(self, source: Path, problem: Exception) -> None:
        self.failures.append(str(source))
        console.error(console.describe(problem, source))
