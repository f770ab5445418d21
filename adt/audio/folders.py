"""Audio files in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import AudioError

#: Suffixes by which audio is recognised inside a folder (a file named outright may have any).
AUDIO_SUFFIXES = frozenset((
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".aif", ".aiff",
    ".aifc", ".au", ".caf", ".w64", ".wma", ".webm", ".mka", ".mkv", ".mov",
))


def _audio_below(folder: Path) -> list[Path]:
    """Audio files in `folder` and its sub-folders, sorted; hidden ones left out."""
    found, seen = [], set()
    for name, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(name)
        if real in seen:  # a link to where it lies, or to what was searched; links come last
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted((inner for inner in folders if not inner.startswith(".")),
                            key=lambda inner: os.path.islink(os.path.join(name, inner)))
        found += [file for file in (Path(name) / file for file in files)
                  if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file()
                  and not file.name.startswith(".")]
    return sorted(found)


def find_audio(paths: Iterable[str | os.PathLike] | str | os.PathLike) -> list[Path]:
    """Expand folders into the audio files below them.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        Files (taken whatever their suffix) and folders (searched recursively for
        `AUDIO_SUFFIXES`; hidden files are left out).

    Returns
    -------
    list of Path
        In the order given, folders sorted, each file once.

    Raises
    ------
    AudioError
        If a path does not exist or a folder has no audio in it.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        try:
            files = _audio_below(path) if path.is_dir() else [path]
            exists = path.exists()
        except OSError as error:
            raise AudioError(
                f"{path}: cannot be opened ({error.strerror}); check the path") from None
        if not exists:
            raise AudioError(f"{path}: no such file or folder; check the path")
        if not files:
            raise AudioError(
                f"{path}: folder without audio files; name one with"
                " wav, flac, ogg, mp3 or m4a files")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())
