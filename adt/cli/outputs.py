"""Where results go, and whether they can, settled before any work is done."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from separation import RESIDUAL

from ..errors import ConfigError, OutputError
from ..formats import MIDI, SUFFIXES, suffix_of
from ..output import same_file
from ..vocabulary import STEMS
from .batch import Batch

#: Suffix → choice of ``--format``.
_KINDS = {suffix: "mid" if suffix in MIDI else suffix[1:] for suffix in SUFFIXES}

#: Choices of ``--format``.
FORMATS = tuple(dict.fromkeys(_KINDS.values()))


def as_file(out: str | None, format: str | None, n_inputs: int,
            kinds: Mapping[str, str] = _KINDS) -> Path | None:
    """The file that ``-o OUT`` means, or None if it means a folder.

    `kinds` are the suffixes that it may have, and the format of each.

    Raises
    ------
    ConfigError
        If OUT is a file for several inputs, of an unknown type, or not of `format`.
    """
    if out is None or out.endswith(("/", os.sep)) or os.path.isdir(out):
        return None
    path = Path(out)
    suffix = suffix_of(path)
    if not suffix or (suffix not in kinds and n_inputs > 1):
        return None
    if suffix not in kinds:
        raise ConfigError(f"{out}: cannot write '{path.suffix}'; end it in {', '.join(kinds)}, "
                          "or in / for a folder")
    if n_inputs > 1:
        raise ConfigError(f"{out}: one file for {n_inputs} inputs; give a folder with -o")
    if format is not None and kinds[suffix] != format:
        raise ConfigError(f"{out}: does not end in .{format} as --format says; drop one of them")
    return path


def existing(path: Path) -> Path:
    """`path`, or the nearest of its parents that is there; the farthest if none is."""
    return next((folder for folder in (path, *path.parents) if folder.exists()),
                [path, *path.parents][-1])


def check_writable(folders: Iterable[Path]) -> None:
    """Raise `OutputError` unless files can be made in every folder (or it can be made)."""
    for folder in dict.fromkeys(folders):
        there = existing(folder.absolute())
        try:
            if not there.exists():
                raise FileNotFoundError(errno.ENOENT, f"there is no {there}")
            if not there.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, f"{there} is a file")
            # not by tempfile, which before Python 3.14 tries for hours on Windows
            probe = there / f".adt-{secrets.token_hex(8)}.tmp"
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            probe.unlink()
        except OSError as problem:
            raise OutputError(f"{folder}: cannot be written to ({problem.strerror});"
                              " choose another place") from None


def check_choice(force: bool, skip_existing: bool) -> None:
    """Raise `ConfigError` if outputs that exist are to be both replaced and kept."""
    if force and skip_existing:
        raise ConfigError("--force and --skip-existing exclude each other; drop one of them")


def writable(folders: Iterable[Path]) -> bool:
    """True; raises as `check_writable`."""
    check_writable(folders)
    return True


def pending(batch: Batch, source: Path, targets: Iterable[Path], force: bool,
            skip_existing: bool) -> list[Path]:
    """Those of `targets` of an input `source` that are to be written.

    Raises
    ------
    OutputError
        If one exists and neither `force` nor `skip_existing` says what to do, or if
        one is an input of the batch.
    """
    todo = []
    for target in targets:
        if not os.path.exists(target):
            todo.append(target)
            continue
        if batch.reads(target):
            which = "the input itself" if same_file(target, source) else "another input"
            raise OutputError(f"{target}: is {which}; choose another place")
        if target.is_dir():
            raise OutputError(f"{target}: is a folder; choose another name")
        if force:
            todo.append(target)
        elif not skip_existing:
            raise OutputError(f"{target}: exists already (from {source}); add --force to replace"
                              " it or --skip-existing to keep it")
    return todo


def stem_names(residual: bool) -> tuple[str, ...]:
    """Names of the files that separation writes, without suffix."""
    return (*STEMS, RESIDUAL) if residual else STEMS


def is_stem(file: Path) -> bool:
    """Whether `file` is a stem that separation wrote earlier: all of its name are beside it."""
    return (file.stem in stem_names(True)
            and all(file.with_name(stem + file.suffix).is_file() for stem in STEMS))


def remove_empty(folder: Path, top: Path) -> None:
    """Remove `folder` and its parents below `top` while they are empty."""
    try:
        while folder != top and top in folder.parents:
            folder.rmdir()
            folder = folder.parent
    except OSError:
        pass
