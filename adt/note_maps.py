"""Which MIDI note each piece is, in General MIDI, drum plug-ins and electronic kits.

A map is a YAML file (``configs/note_maps/*.yaml``)::

    name: My sampler
    write: {kick: 36, snare: 38, tom_high: 48, tom_mid: 45, tom_floor: 43,
            hihat_closed: 42, hihat_open: 46, ride: 51, crash: 49}
    read: {35: kick, 44: hihat_pedal}     # optional: further notes, understood when reading
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ConfigError
from .vocabulary import (
    ARTICULATION_TO_PIECE,
    CLASS_TO_PIECE,
    GM_TO_PIECE,
    PIECE_TO_GM,
    PIECES,
)

__all__ = ["NoteMap", "note_map", "presets", "GENERAL_MIDI"]


@dataclass(frozen=True)
class NoteMap:
    """Notes of the pieces.

    Attributes
    ----------
    name : str
    write : mapping of piece to int
        MIDI note (0 to 127) of each of the nine pieces.
    read : mapping of int to str
        Further notes and the piece or articulation that they mean.
    source : str
        Where the notes are documented.
    """

    name: str
    write: Mapping[str, int]
    read: Mapping[int, str] = field(default_factory=dict)
    source: str = ""

    def note(self, piece: str) -> int:
        """MIDI note written for a piece or a class of a reduced set."""
        return self.write[CLASS_TO_PIECE.get(piece, piece)]

    @property
    def to_piece(self) -> dict[int, str]:
        """Note → piece, when reading."""
        further = {note: ARTICULATION_TO_PIECE[name] for note, name in self.read.items()}
        return {**further, **{note: piece for piece, note in self.write.items()}}

    @classmethod
    def load(cls, path: Path | str) -> NoteMap:
        """Read a YAML file.

        Raises
        ------
        ConfigError
            If it is no such file, lacks a piece, or a note is not 0 to 127 or is that
            of two pieces.
        """
        from .config import load_config
        path = Path(path)
        found = load_config(path)
        unknown = sorted(set(map(str, found)) - {"name", "source", "write", "read"})
        if unknown:
            raise ConfigError(f"{path}: no setting {unknown[0]!r}; a note map has name, source, "
                              "write and read")
        write, read = found.get("write"), found.get("read") or {}
        if not isinstance(write, dict) or not isinstance(read, dict):
            raise ConfigError(f"{path}: write maps pieces to notes, read maps notes to pieces; "
                              "see configs/note_maps/general_midi.yaml")
        missing = [p for p in PIECES if p not in write]
        strange = [p for p in write if p not in PIECES]
        if missing or strange:
            raise ConfigError(f"{path}: write " + (
                f"lacks {', '.join(missing)}" if missing else
                f"has no piece {strange[0]!r}; there are {', '.join(PIECES)}"))
        for note in (*write.values(), *read):
            if isinstance(note, bool) or not isinstance(note, int) or not 0 <= note <= 127:
                raise ConfigError(f"{path}: {note!r} is not a MIDI note; write 0 to 127")
        if len(set(write.values())) < len(write):
            twice = next(n for n in write.values() if list(write.values()).count(n) > 1)
            raise ConfigError(f"{path}: note {twice} is written for two pieces")
        for note, name in read.items():
            if not isinstance(name, str) or name not in ARTICULATION_TO_PIECE:
                raise ConfigError(f"{path}: note {note} is read as {name!r}; known are "
                                  f"{', '.join(ARTICULATION_TO_PIECE)}")
            if note in write.values() and write[ARTICULATION_TO_PIECE[name]] != note:
                raise ConfigError(f"{path}: note {note} is written and read as two pieces")
        return cls(str(found.get("name", path.stem)), write, read, str(found.get("source", "")))


GENERAL_MIDI = NoteMap("General MIDI", PIECE_TO_GM, GM_TO_PIECE, "MIDI Association, GM level 1")


def _folder() -> Path:
    here = Path(__file__).parent
    packaged = here / "configs" / "note_maps"
    return packaged if packaged.is_dir() else here.parent / "configs" / "note_maps"


def presets() -> list[str]:
    """Names of the maps that come with the package."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def note_map(name: NoteMap | Path | str | None = None) -> NoteMap:
    """A note map by the name of a preset or the path of a YAML file.

    Parameters
    ----------
    name : NoteMap, path or str, optional
        General MIDI by default.

    Raises
    ------
    ConfigError
        If there is no such preset and no such file, or the file is not a note map.
    """
    if name is None:
        return GENERAL_MIDI
    if isinstance(name, NoteMap):
        return name
    if str(name) in presets():
        return NoteMap.load(_folder() / f"{name}.yaml")
    if Path(name).suffix.lower() not in (".yaml", ".yml"):
        raise ConfigError(f"no note map {str(name)!r}; choose one of {', '.join(presets())} or "
                          "give a .yaml file")
    if not Path(name).is_file():
        raise ConfigError(f"{name}: no such file; give a note map (docs/producer.md shows one) or "
                          f"one of {', '.join(presets())}")
    return NoteMap.load(name)
