"""Open automatic drum transcription: a song in, drum MIDI out.

>>> import adt
>>> transcription = adt.transcribe("song.mp3")  # doctest: +SKIP
>>> transcription.save("song.mid")  # doctest: +SKIP

Importing this package is light: numerical libraries load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import AdtError
from .vocabulary import PIECES, STEMS

if TYPE_CHECKING:
    from separation import separate, separate_file

    from .activations import Activations
    from .beats import Beats
    from .beats.tracking import BeatTracker, track_beats
    from .inference import Transcriber, transcribe
    from .transcription import Hit, Transcription

__version__ = "0.1.0"

__all__ = [
    "PIECES", "STEMS", "Activations", "AdtError", "BeatTracker", "Beats", "Hit", "Transcriber",
    "Transcription", "separate", "separate_file", "track_beats", "transcribe",
]

_HOME = {
    "Beats": "adt.beats", "BeatTracker": "adt.beats.tracking",
    "track_beats": "adt.beats.tracking",
    "Activations": "adt.activations", "Transcriber": "adt.inference",
    "transcribe": "adt.inference", "Hit": "adt.transcription",
    "Transcription": "adt.transcription", "separate": "separation",
    "separate_file": "separation",
}


def __getattr__(name: str):
    """Import a public name from its module, or a module, when first asked for (PEP 562)."""
    from importlib import import_module
    if name not in _HOME:
        if not name.startswith("_"):
            try:
                return import_module(f"{__name__}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{__name__}.{name}":
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
