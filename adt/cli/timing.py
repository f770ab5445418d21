"""Beats of the commands: tracked, or as the user says they are."""

from __future__ import annotations

from collections.abc import Mapping

import click

from ..errors import ConfigError, DataError
from . import options

_OPTIONS = (
    click.option("--tempo", metavar="BPM", type=float, default=None,
                 help="Steady tempo of the song, instead of beats that are tracked."),
    click.option("--tempo-range", metavar="LOW:HIGH", default=None,
                 help="Beats per minute within which beats are tracked, where they were found at"
                      " half or double the tempo.  [default: 50:215]"),
    click.option("--time-signature", metavar="N/D", default=None,
                 help="Quarters a bar, such as 3/4, or 6/8, 9/8 or 12/8, whose beats are three"
                      " eighths; 7/8 is 7/4 with its eighths as beats."
                      "  [default: tracked; with --tempo 4/4]"),
    click.option("--first-beat", metavar="SECONDS", type=float, default=None,
                 help="Time of a first beat of a bar.  [default: tracked; with --tempo 0]"),
    click.option("--beats", metavar="FILE", type=options.Path(),
                 help="File of the song's beats, lines of time<TAB>place in the bar (as of adt"
                      " transcribe --save-beats), instead of beats that are tracked."),
    click.option("--no-beats", is_flag=True,
                 help="Do without beats: MIDI of 120 beats per minute, no bars."),
)


def given(command):
    """The options of `_OPTIONS`, for a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Timing:
    """Beats that the user gave or wants tracked, and the grid they want.

    Raises
    ------
    ConfigError
        If the options do not go together or are out of range.
    DataError
        If the file of beats cannot be read.
    """

    def __init__(self, tempo: float | None, tempo_range: str | None,
                 time_signature: str | None, first_beat: float | None, beats: str | None,
                 no_beats: bool = False, quantize: str | None = None, swing: str | None = None,
                 *, n_inputs: int):
        _check_together({
            "--tempo": tempo, "--tempo-range": tempo_range, "--beats": beats,
            "--time-signature": time_signature, "--first-beat": first_beat,
            "--quantize": quantize, "--swing": swing}, no_beats, n_inputs)
        from ..beats.tempo import regular_beats
        from ..beats.tempo import time_signature as read
        self._range = None if tempo_range is None else _range(tempo_range)
        self._metre, self._compound = read(time_signature) if time_signature else (None, False)
        if beats is not None and time_signature and not self._compound:
            raise ConfigError(_OF_FILE)
        self._beats, self._regular = None, None
        self.tracked = not no_beats and tempo is None and beats is None
        self._first = first_beat
        if beats is not None:
            self._beats = _beats_of_file(beats, self._metre if self._compound else None)
        if tempo is not None:
            self._regular = lambda duration: regular_beats(
                tempo, duration, first_beat=first_beat or 0.0, metre=self._metre or 4,
                compound=self._compound)
            self._regular(1.0)
        self._grid, self._swing = quantize, swing
        if quantize is not None:
            from ..beats.quantize import check_grid
            check_grid(quantize, swing, self._compound or bool(self._beats
                                                               and self._beats.compound))

    def __call__(self, hits, transcriber):
        """The hits with beats."""
        if self._first is not None and self._first >= hits.duration:
            raise ConfigError(f"--first-beat {self._first:g}: is not within the song, which lasts "
                              f"{hits.duration:.1f} s")
        if self.tracked:
            try:
                hits = transcriber.with_beats(hits, self._metre, self._first, self._range,
                                              self._compound)
            except ConfigError as error:
                raise ConfigError(f"{hits.source}: {error}") from error
        else:
            beats = self._regular(hits.duration) if self._regular else self._beats
            if beats is not None and beats.times[0] >= hits.duration:
                raise ConfigError(f"--beats: begin at {beats.times[0]:g} s, after {hits.source}, "
                                  f"which lasts {hits.duration:.1f} s; are they of another song?")
            hits = hits.replace(beats=beats)
        return hits

    def on_grid(self, hits):
        """Hits with beats on the grid, and the beats evened with it, if there is to be one.

        Raises
        ------
        DataError
            If too little was struck to find the beats.
        """
        if self._grid is None:
            return hits
        if hits.beats is None:
            raise DataError(f"{hits.source}: too little is struck to find the beats that "
                            "--quantize needs; give --tempo or --beats")
        from ..beats.quantize import quantize
        return quantize(hits, self._grid, self._swing)


_OF_FILE = ("--time-signature and --first-beat do not go with --beats, whose file says where the "
            "bars are; leave them out")


def _check_together(values: Mapping[str, object], no_beats: bool, n_inputs: int) -> None:
    """Raise ConfigError if options exclude each other, or need another."""
    given = [name for name, value in values.items() if value is not None]
    if no_beats and given:
        raise ConfigError(f"--no-beats and {given[0]} exclude each other; drop one of them")
    if {"--tempo", "--beats"} <= set(given):
        raise ConfigError("--tempo and --beats exclude each other; drop one of them")
    known = next((name for name in ("--tempo", "--beats") if name in given), None)
    if known and "--tempo-range" in given:
        raise ConfigError(f"--tempo-range is for beats that are tracked; drop it, or {known}")
    if {"--beats", "--first-beat"} <= set(given):
        raise ConfigError(_OF_FILE)
    if "--beats" in given and n_inputs > 1:
        raise ConfigError(f"--beats is of one song, not of {n_inputs}; give one input")
    first = values["--first-beat"]
    if first is not None and not 0 <= first < float("inf"):
        raise ConfigError(f"first beat {first}: expected seconds from 0")
    if "--swing" in given and "--quantize" not in given:
        raise ConfigError("--swing goes with --quantize, such as --quantize auto; add it")


def _beats_of_file(path: str, metre: int | None):
    """Beats of a file, in bars of `metre` beats of three eighths if that is given."""
    from ..beats import Beats
    from ..beats.compound import in_compound
    from ..beats.tempo import tempo_map
    beats = Beats.load(path)
    if len(beats) < 2:
        raise ConfigError(f"{path}: {len(beats)} beats; two at least are needed")
    try:
        if metre is not None and not (beats.compound and beats.metre == metre):
            beats = in_compound(beats, metre)
        tempo_map(beats)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return beats


def _range(text: str) -> tuple[float, float]:
    """The tempi that LOW:HIGH says."""
    from ..beats.tracking import check_tempo_range
    given = options.two_numbers("--tempo-range", text, "LOW:HIGH in beats per minute, as in 60:110")
    check_tempo_range(given)
    return given
