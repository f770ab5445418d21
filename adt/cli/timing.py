"""Options with which a user says where the beats are."""

from __future__ import annotations

import click

from ..errors import ConfigError

_OPTIONS = (
    click.option("--tempo", metavar="BPM", type=float, default=None,
                 help="Tempo of the song: bar lines of the MIDI file follow it.  [default: none]"),
    click.option("--time-signature", metavar="N/4", default=None,
                 help="With --tempo: beats a bar.  [default: 4/4]"),
    click.option("--first-beat", metavar="SECONDS", type=float, default=None,
                 help="With --tempo: time of a first beat of a bar.  [default: 0]"),
    click.option("--beats", metavar="FILE", type=click.Path(),
                 help="File of the song's beats, lines of time<TAB>place in the bar, instead of"
                      " --tempo."),
)


def given(command):
    """Options ``--tempo``, ``--time-signature``, ``--first-beat`` and ``--beats``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Timing:
    """Beats that the user gave, and the grid they want.

    Raises
    ------
    ConfigError
        If the options do not go together or are out of range.
    DataError
        If the file of beats cannot be read.
    """

    def __init__(self, tempo: float | None, time_signature: str | None,
                 first_beat: float | None, beats: str | None, quantize: str | None = None, *,
                 n_inputs: int):
        from ..tempo import regular_beats
        if tempo is None and (time_signature, first_beat) != (None, None):
            raise ConfigError("--time-signature and --first-beat go with --tempo; add it")
        if tempo is not None and beats is not None:
            raise ConfigError("--tempo and --beats exclude each other; drop one of them")
        if beats is not None and n_inputs > 1:
            raise ConfigError(f"--beats is of one song, not of {n_inputs}; give one input")
        if quantize is not None and tempo is None and beats is None:
            raise ConfigError("--quantize needs to know the beats; add --tempo or --beats")
        self._beats, self._regular = None, None
        if beats is not None:
            from ..beats import Beats
            self._beats = Beats.load(beats)
            if len(self._beats) < 2:
                raise ConfigError(f"{beats}: {len(self._beats)} beats; two at least are needed")
        if tempo is not None:
            metre, _, unit = (time_signature or "4/4").partition("/")
            if unit != "4" or not metre.isdigit():
                raise ConfigError(f"--time-signature {time_signature}: expected quarters a bar,"
                                  " such as 3/4")
            self._regular = lambda duration: regular_beats(
                tempo, duration, first_beat=first_beat or 0.0, metre=int(metre))
            self._regular(1.0)
        self._grid = quantize
        if quantize is not None:
            from ..quantize import GRIDS
            if quantize not in GRIDS:
                raise ConfigError(f"--quantize {quantize}: choose one of {', '.join(GRIDS)}")

    def __call__(self, hits):
        """The hits with beats, and on the grid if there is to be one."""
        beats = self._regular(hits.duration) if self._regular else self._beats
        if beats is None:
            return hits
        from ..transcription import Transcription
        hits = Transcription(hits.hits, hits.duration, hits.source, hits.classes, beats=beats)
        if self._grid is None:
            return hits
        from ..quantize import quantize
        return quantize(hits, self._grid)
