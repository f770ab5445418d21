"""Compound metres: 6/8, 9/8 and 12/8, whose beats are three eighths.

Nobody tells the tracker which of the two it should find: beats of three eighths in a slow song may
be the eighths themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .beats import Beats
from .quantize import divided_by_three

if TYPE_CHECKING:
    from ..transcription import Transcription

_FASTEST = 130.0  #: beats a minute: faster ones are eighths unless they are divided by three


def in_compound(beats: Beats, metre: int) -> Beats:
    """Beats of three eighths, of those or of the eighths themselves.

    Parameters
    ----------
    beats : Beats
    metre : int
        Beats of three eighths in a bar: 2 for 6/8.

    Raises
    ------
    ConfigError
        If the bars are of another length, or there are too few beats.
    """
    if beats.metre == 3 * metre:
        try:
            return beats.by_threes()
        except ValueError as error:
            raise ConfigError(str(error)) from error
    if beats.metre == metre:
        return Beats(beats.times, beats.positions, compound=True, bar=metre)
    raise ConfigError(f"{beats.metre} beats a bar; {3 * metre}/8 needs {metre} (of three eighths) "
                      f"or {3 * metre} (eighths)")


def track_compound(track: Callable[[int], Beats], hits: Transcription, metre: int) -> Beats:
    """Beats of three eighths, whether a tracker finds them or the eighths.

    Parameters
    ----------
    track : callable
        Beats a bar → beats.
    hits : Transcription
        Those that are tracked.
    metre : int
        Beats of three eighths in a bar.

    Raises
    ------
    ConfigError
        If there are too few beats.
    """
    found = track(metre)
    if len(found) < 2:
        return found
    if found.tempo > _FASTEST and not divided_by_three(hits.replace(beats=found)):
        found = track(3 * metre)
    return in_compound(found, metre)
