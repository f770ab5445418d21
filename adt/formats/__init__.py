"""Files that a transcription is written to and read from: suffix → writer or reader.

A writer takes ``(transcription, path)`` and the options of its format; a reader takes
the path and gives ``(hits, duration, beats)``, and of JAMS what else it tells
(arguments of `adt.Transcription`). Their modules load on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ..errors import ConfigError, DataError, OutputError
from ..extras import lacking

__all__ = ["WRITERS", "READERS", "MIDI", "SUFFIXES", "suffix_of", "writer", "reader"]

#: Suffix → (module, function) that writes it. The longest suffix that fits counts.
WRITERS: dict[str, tuple[str, str]] = {
    ".mid": ("adt.formats.midi", "write"),
    ".midi": ("adt.formats.midi", "write"),
    ".csv": ("adt.formats.text", "write_csv"),
    ".jams": ("adt.formats.jams", "write"),
    ".labels.txt": ("adt.formats.text", "write_labels"),
    ".txt": ("adt.formats.text", "write_mirex"),
    ".musicxml": ("adt.formats.sheet", "write_musicxml"),
    ".svg": ("adt.formats.sheet", "write_svg"),
    ".pdf": ("adt.formats.sheet", "write_pdf"),
}

#: Suffix → (module, function) that reads it.
READERS: dict[str, tuple[str, str]] = {
    ".mid": ("adt.formats.midi", "read"),
    ".midi": ("adt.formats.midi", "read"),
    ".csv": ("adt.formats.text", "read_csv"),
    ".jams": ("adt.formats.jams", "read"),
    ".labels.txt": ("adt.formats.text", "read_labels"),
    ".txt": ("adt.formats.text", "read_mirex"),
}

#: Suffixes whose files hold notes: those take a note map.
MIDI = (".mid", ".midi")

#: Sheet music, which cannot do without beats.
SHEETS = (".musicxml", ".svg", ".pdf")

#: Libraries that a format needs beside those of the package, and the extra that has them.
_NEEDS = {".jams": (("jams",), "jams"), ".musicxml": (("music21",), "notation"),
          ".svg": (("music21", "verovio"), "notation"),
          ".pdf": (("music21", "verovio", "typst"), "notation")}

#: Suffixes that can be written.
SUFFIXES = tuple(WRITERS)


def suffix_of(path: Path | str) -> str:
    """The suffix, in lower case, that decides the format of `path`.

    Examples
    --------
    >>> suffix_of("song.labels.txt"), suffix_of("labels.txt"), suffix_of("v1.5.MID")
    ('.labels.txt', '.txt', '.mid')
    """
    name = Path(path).name.lower()
    double = [s for s in WRITERS if s.count(".") > 1 and name.endswith(s) and name != s]
    return double[0] if double else Path(name).suffix


def writer(path: Path | str) -> Callable:
    """The function that writes the format of `path`.

    Raises
    ------
    OutputError
        If the suffix is not known.
    """
    suffix = suffix_of(path)
    if suffix not in WRITERS:
        raise OutputError(f"{path}: unknown format {suffix!r}; "
                          f"choose one of {', '.join(SUFFIXES)}")
    module, function = WRITERS[suffix]
    return getattr(import_module(module), function)


def reader(path: Path | str) -> Callable:
    """The function that reads the format of `path`.

    Raises
    ------
    DataError
        If the suffix is not known.
    """
    suffix = suffix_of(path)
    if suffix not in READERS:
        raise DataError(f"{path}: transcriptions are read from {', '.join(READERS)}, "
                        f"not {suffix!r}")
    module, function = READERS[suffix]
    return getattr(import_module(module), function)


def check(path: Path | str) -> None:
    """Raise before any work is done if the format of `path` lacks a library.

    Raises
    ------
    ConfigError
    """
    libraries, extra = _NEEDS.get(suffix_of(path), ((), ""))
    for library in libraries:
        if find_spec(library) is None:
            raise ConfigError(lacking(f"writing {suffix_of(path)}", library, extra))
