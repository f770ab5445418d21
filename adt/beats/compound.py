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
_SLOWEST = 33.0  # beats a minute that are looked for in place of others
_AROUND = 1.08  # factor, either way, by which those may be off


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


def track_compound(track: Callable[..., Beats], hits: Transcription, metre: int) -> Beats:
    """Beats of three eighths, whether a tracker finds them or the eighths.

    Parameters
    ----------
    track : callable
        Beats a bar and, if wanted, slowest and fastest tempo → beats.
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
    if not divided_by_three(hits.replace(beats=found)):
        if found.tempo > _FASTEST or not _divided(hits, found):  # the eighths themselves
            found = track(3 * metre)
        elif 2 / 3 * found.tempo > _SLOWEST:  # or two of them
            slower = 2 / 3 * found.tempo
            other = track(metre, (slower / _AROUND, slower * _AROUND))
            if len(other) > 1 and divided_by_three(hits.replace(beats=other)):
                found = other
    return in_compound(found, metre)


def _divided(hits: Transcription, beats: Beats) -> bool:
    """Whether more than a few hits lie between the beats."""
    places = beats.position_of([hit.time for hit in hits]) % 1
    return bool(((places > 0.15) & (places < 0.85)).mean() > 0.05)
