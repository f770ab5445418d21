"""From strokes to beats and bars: two networks, each decoded by a hidden Markov model.

Beats are decoded in the state space of Krebs, Böck & Widmer ("An efficient state-space
model for joint tempo and meter tracking", ISMIR 2015), as `madmom_infer` implements it, but
searched faster (`adt.beats.search`).
Then the bar network reads the strokes beat by beat, and a second hidden Markov model gives
every beat its place in a bar of 2 to 7 beats.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from ..frames import BEAT_FRAME_RATE
from ..vocabulary import PIECES
from .beats import LONGEST_BAR, Beats
from .compound import track_compound

if TYPE_CHECKING:
    from ..transcription import Transcription
    from .bar_network import BarNetwork
    from .beat_network import BeatNetwork

__all__ = ["BeatTracker", "track_beats"]

TEMPO_RANGE = (50.0, 215.0)  #: beats per minute that are looked for
_TEMPO_LIMITS = (30.0, 400.0)  # of a range that is given
METRES = (2, 3, 4, 5, 6, 7)
#: How common the metres are, before anything is heard.
_METRE_SHARES = (0.03, 0.14, 0.71, 0.03, 0.06, 0.03)
_CHANGE = 0.01   # chance that the metre changes at a bar line
_BREAK = 0.002   # chance that a bar is cut short, or a beat was lost or doubled
_START = 0.5     # chance that the first beat begins a bar
_NEUTRAL = 0.3   # activation that speaks neither for nor against a downbeat, in most songs
_TEMPER = 0.25   # weight of one beat's evidence: bars that are alike do not count as many
_ENOUGH = 96     # beats that may tell where the bars are if none of them is sure
_STROKES = 8     # with fewer strokes there is nothing to track
_NEAR = 0.25     # beats that a beat may be from a time that is known to be one
_SAME = 0.12     # octaves by which other beats may be off the tempo, its half or its double
_LEFT_OUT, _KNOWN = 0.01, 0.999  # activation near beats that are known to be none, and on one
_SILENCE, _AT = 8.0, 0.1  # seconds without strokes through which beats keep their tempo; near one
_LATELY = 9      # beats by which the tempo is told
_WINDOW, _OVERLAP = 15_000, 1_000  # frames decoded at once (5 minutes), and either side


class BeatTracker:
    """Beat and bar networks and their decoders, loaded once for many songs.

    Parameters
    ----------
    device : str
    beats, bars : str, path or network, optional
        Weights, by the name of a packaged model or a file, or a network.

    Examples
    --------
    >>> song = adt.transcribe("song.mp3")                        # doctest: +SKIP
    >>> BeatTracker()(song).tempo                                # doctest: +SKIP
    119.8
    """

    def __init__(self, device: str = "cpu", *, beats: Path | str | BeatNetwork | None = None,
                 bars: Path | str | BarNetwork | None = None):
        from ..network import load_network, pick_device
        from .bar_network import BarNetwork
        from .beat_network import BeatNetwork

        self.device = pick_device(device)
        self.beat_network = _network(beats, BeatNetwork, "beats", self.device, load_network)
        self.bar_network = _network(bars, BarNetwork, "bars", self.device, load_network)
        self._beat_decoders: dict[tuple[float, float], Any] = {}

    def __call__(self, hits: Transcription, metre: int | None = None,
                 first_beat: float | None = None,
                 tempo_range: tuple[float, float] = TEMPO_RANGE,
                 compound: bool = False) -> Beats:
        """Beats of a transcription; without any where too little is struck.

        Parameters
        ----------
        hits : Transcription
            Of nine pieces.
        metre : int, optional
            Beats a bar, where it is known; by default one of 2 to 7 is found.
        first_beat : float, optional
            Time of a downbeat in seconds. If the nearest beat is none of those found, all
            bars are counted from it instead, of one length. If it lies between two beats,
            others are looked for.
        tempo_range : (float, float)
            Slowest and fastest tempo, beats per minute.
        compound : bool
            Beats of three eighths: 6/8 for ``metre=2``, 9/8 for 3, 12/8 for 4.

        Raises
        ------
        ConfigError
            If the transcription is of fewer classes, the range is none or not within 30 to 400,
            `metre` or `first_beat` cannot be, or `compound` lacks its `metre`.
        """
        hits.require_pieces("tracking beats")
        if compound and metre is None:
            raise ConfigError("compound=True: give metre, the beats of three eighths in a bar")
        strokes = ([h.time for h in hits], [PIECES.index(h.piece) for h in hits],
                   [h.velocity / 127 for h in hits], [h.confidence for h in hits])

        def track(metre: int | None, tempo_range: tuple[float, float] = tempo_range) -> Beats:
            return self.track(*strokes, hits.duration, metre, first_beat, tempo_range)

        return track_compound(track, hits, metre) if compound else track(metre)

    def track(self, times, pieces, velocities, confidences, duration: float,
              metre: int | None = None, first_beat: float | None = None,
              tempo_range: tuple[float, float] = TEMPO_RANGE) -> Beats:
        """Beats of strokes.

        Parameters
        ----------
        times : array_like, shape (n,)
            Seconds.
        pieces : array_like of int, shape (n,)
            Indices into `adt.vocabulary.PIECES`.
        velocities, confidences : array_like, shape (n,)
            0..1.
        duration : float
            Of the recording, seconds.
        metre, first_beat, tempo_range
            As when called.
        """
        check_tempo_range(tempo_range)
        if metre is not None and not (isinstance(metre, Integral) and 1 <= metre <= LONGEST_BAR):
            raise ConfigError(f"metre {metre}: expected 1 to {LONGEST_BAR} beats a bar")
        if first_beat is not None and not 0 <= first_beat < duration:
            raise ConfigError(f"first beat {first_beat}: expected seconds within the song, which "
                              f"lasts {duration:.1f} s")
        if len(times) < _STROKES:
            return Beats([], [])
        strokes = (times, pieces, velocities, confidences)
        activation = self.activations(*strokes, duration)[:, 0]
        found = self.decode(activation, tempo_range)
        if first_beat is not None and len(found) > 1:
            found = self._through(first_beat, activation, found, tempo_range)
        found = _through_silence(found, times)
        if len(found) < 2:
            return Beats([], [])
        downbeat = self.downbeats(*strokes, found)
        beats = Beats(found, bar_positions(downbeat, METRES if metre is None else (metre,)),
                      bar=metre or 0)
        return beats if first_beat is None else _with_downbeat(beats, first_beat)

    def activations(self, times, pieces, velocities, confidences,
                    duration: float) -> np.ndarray:
        """Probabilities of beat and downbeat.

        Returns
        -------
        ndarray of float32, shape (frames, 2)
            At `adt.frames.BEAT_FRAME_RATE`; frame k is centred at k / 50 s.
        """
        import torch

        from ..network import chunks
        from .beat_network import rasterise

        n_frames = int(duration * BEAT_FRAME_RATE) + 1
        grid = rasterise(times, pieces, velocities, confidences, n_frames)
        out = np.empty((n_frames, 2), np.float32)
        for read, keep in chunks(n_frames, chunk=_WINDOW, margin=self.beat_network.margin):
            with torch.inference_mode():
                part = self.beat_network(torch.from_numpy(grid[None, :, read]).to(self.device))
            start = read.start + keep.start
            out[start:start + keep.stop - keep.start] = (
                part[0, :, keep].sigmoid().T.float().cpu().numpy())
        return out

    def decode(self, activation: np.ndarray,
               tempo_range: tuple[float, float] = TEMPO_RANGE) -> np.ndarray:
        """Activation of beats → times of beats in seconds."""
        return _in_seconds(activation, self._beats(activation, tempo_range))

    def _through(self, seconds: float, activation: np.ndarray, found: np.ndarray,
                 tempo_range: tuple[float, float]) -> np.ndarray:
        """Beats one of which is at a time that is known, if there are such.

        At half the tempo there are as good beats between those that were found: they are
        decoded with what speaks for these left out.
        """
        if _off(found, seconds) <= _NEAR:
            return found
        between = activation.copy()
        width = max(1, round(np.median(np.diff(found)) * BEAT_FRAME_RATE * _NEAR))
        for frame in np.rint(found * BEAT_FRAME_RATE).astype(int):
            between[max(0, frame - width):frame + width + 1] *= _LEFT_OUT
        at = round(seconds * BEAT_FRAME_RATE)
        between[max(0, at - 1):at + 2] = _KNOWN
        others = _in_seconds(activation, self._beats(between, tempo_range))
        if len(others) > 1 and _off(others, seconds) <= _NEAR:
            octaves = np.log2(np.median(np.diff(others)) / np.median(np.diff(found)))
            if abs(octaves - round(octaves)) < _SAME:
                return others
        nearest = found[np.abs(found - seconds).argmin()]
        warnings.warn(f"first beat {seconds:g}: lies between the beats that are heard, and bars "
                      f"are counted from {nearest:.2f} s; give a tempo or the beats instead",
                      stacklevel=4)
        return found

    def downbeats(self, times, pieces, velocities, confidences, beats) -> np.ndarray:
        """Probability that each of some beats is a downbeat.

        Parameters
        ----------
        times, pieces, velocities, confidences : array_like, shape (n,)
            Strokes, as in `track`.
        beats : array_like, shape (m,)
            Seconds, two at least.

        Returns
        -------
        ndarray of float64, shape (m,)

        Raises
        ------
        ValueError
            With fewer than two beats.
        """
        from .bar_network import by_beat

        return self.bar_network.downbeats(by_beat(times, pieces, velocities, confidences, beats))

    def _decoder(self, tempo_range: tuple[float, float]):
        """madmom's decoder of beats in a range of tempi, made once."""
        from madmom_infer.features.downbeats import DBNDownBeatTrackingProcessor

        from .search import BeatModel

        tempo_range = tuple(tempo_range)
        if tempo_range not in self._beat_decoders:  # a bar of one beat: beats alone
            decoder = DBNDownBeatTrackingProcessor(
                beats_per_bar=[1], min_bpm=tempo_range[0], max_bpm=tempo_range[1],
                num_tempi=None, transition_lambda=100, fps=BEAT_FRAME_RATE)
            decoder.hmms = [BeatModel(m) for m in decoder.hmms]
            self._beat_decoders[tempo_range] = decoder
        return self._beat_decoders[tempo_range]

    def _beats(self, activation: np.ndarray, tempo_range: tuple[float, float]) -> np.ndarray:
        """Frames of the beats, window by window."""
        decoder = self._decoder(tempo_range)
        found: list[int] = []
        for start in range(0, len(activation), _WINDOW):
            low = max(0, start - _OVERLAP)
            part = activation[low:start + _WINDOW + _OVERLAP]
            part = part.astype(np.float64) * (1 - 1e-6)
            both = np.stack([np.full_like(part, 1e-7), part], axis=1)
            frames = np.rint(decoder(both)[:, 0] * BEAT_FRAME_RATE).astype(int) + low
            frames = frames[(frames >= start) & (frames < start + _WINDOW)].tolist()
            if found and len(frames) > 1 and frames[0] - found[-1] < (frames[1] - frames[0]) / 2:
                frames = frames[1:]  # the beat on the border, found from both sides
            found += frames
        return np.array(found, dtype=np.int64)


def _through_silence(beats: np.ndarray, strokes) -> np.ndarray:
    """Beats, seconds, that keep the tempo before it where nothing is struck for long.

    There the decoder takes any tempo, and finds no beats at the ends of its windows.
    """
    strokes = np.unique(strokes)
    for first, last in zip(strokes, strokes[1:]):
        if last - first < _SILENCE:
            continue
        before, after = beats[beats < first + _AT], beats[beats > last - _AT]
        if len(before) > 1 and len(after):
            period = np.median(np.diff(before[-_LATELY:]))
            steps = max(1, round((after[0] - before[-1]) / period))
            between = np.linspace(before[-1], after[0], steps + 1)[1:-1]
            beats = np.concatenate([before, between, after])
    return beats


def check_tempo_range(tempo_range: tuple[float, float]) -> None:
    """Raise ConfigError if beats cannot be looked for in a range of tempi."""
    low, high = tempo_range
    least, most = _TEMPO_LIMITS
    if not (least <= low and low * 1.1 <= high + 1e-9 and high <= most):
        raise ConfigError(f"tempo range {low:g} to {high:g}: expected two tempi from "
                          f"{_TEMPO_LIMITS[0]:g} to {_TEMPO_LIMITS[1]:g} beats per minute, the "
                          "second a tenth above the first or more")


def bar_positions(downbeat: np.ndarray, metres: Sequence[int] = METRES) -> np.ndarray:
    """Place in the bar of every beat, from 1.

    Parameters
    ----------
    downbeat : array_like, shape (beats,)
        Probability that a beat is a downbeat.
    metres : sequence of int
        Beats a bar that there may be; one metre is kept unless much speaks for another.

    Returns
    -------
    ndarray of int, shape (beats,)
    """
    from madmom_infer.ml.hmm import HiddenMarkovModel, ObservationModel, TransitionModel

    neutral, temper = _weighed(np.asarray(downbeat, np.float64))

    class Downbeats(ObservationModel):
        def log_densities(self, observations):
            p = np.clip(observations, 0.01, 0.99)
            odds = temper * np.log(p / (1 - p) * (1 - neutral) / neutral)
            return np.stack([np.zeros_like(odds), odds], axis=1)

    share = np.array([_METRE_SHARES[METRES.index(m)] if m in METRES else 0.01 for m in metres])
    share = share / share.sum()
    offsets = np.concatenate([[0], np.cumsum(metres)[:-1]]).astype(int)
    place = np.concatenate([np.arange(m) for m in metres])
    to, source, chance = [], [], []
    for i, m in enumerate(metres):
        for p in range(m):
            last = p == m - 1
            if not last:
                to.append(offsets[i] + p + 1), source.append(offsets[i] + p)
                chance.append(1 - _BREAK)
            for j, start in enumerate(offsets):
                stay = (1 - _CHANGE) * (i == j) + _CHANGE * share[j]
                to.append(start), source.append(offsets[i] + p)
                chance.append(stay if last else _BREAK * stay)
    to, source, chance = np.array(to), np.array(source), np.array(chance)
    initial = np.concatenate([
        s * np.concatenate([[_START if m > 1 else 1.0],
                            np.full(m - 1, (1 - _START) / max(1, m - 1))])
        for s, m in zip(share, metres, strict=True)])
    model = HiddenMarkovModel(TransitionModel.from_dense(to, source, chance),
                              Downbeats((place == 0).astype(np.uint32)), initial)
    path, _ = model.viterbi(np.asarray(downbeat, np.float64))
    return place[path.astype(int)] + 1


def _weighed(downbeat: np.ndarray) -> tuple[float, float]:
    """Activation that speaks neither for nor against a downbeat, and the weight of one beat.

    In a song that is sure of hardly any downbeat the first is that of the beats which may be one,
    and all beats together weigh as much as `_ENOUGH`: if each gained or lost a little, long songs
    would take to short or to long bars.
    """
    usual, best = np.quantile(downbeat, [0.75, 0.9]) if len(downbeat) else (_NEUTRAL, 1.0)
    if best >= 0.5:
        return _NEUTRAL, _TEMPER
    return max(0.02, float(usual)), _TEMPER * min(1.0, _ENOUGH / len(downbeat))


def _with_downbeat(beats: Beats, seconds: float) -> Beats:
    """The beats as they are if there is a downbeat at that time, or else counted from there."""
    at = round(float(beats.position_of(seconds)))
    if 0 <= at < len(beats) and beats.positions[at] == 1:
        return beats
    positions = (np.arange(len(beats)) - at) % beats.metre + 1
    return replace(beats, positions=positions, bar=beats.metre)


def _off(beats: np.ndarray, seconds: float) -> float:
    """How far a time is from the nearest beat, in beats, also before the first one."""
    place = float(Beats(beats, np.ones(len(beats), int)).position_of(seconds))
    return abs(place - round(place))


def _in_seconds(activation: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Frames of beats → their times."""
    times = _between_frames(activation, frames) / BEAT_FRAME_RATE
    return times[np.concatenate([[True], np.diff(times) > 0.05])] if len(times) else times


def _between_frames(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Frames moved to the centre of gravity of the peak around them."""
    around = frames[:, None] + np.arange(-2, 3)
    weight = values[np.clip(around, 0, len(values) - 1)] * (around >= 0) * (around < len(values))
    total = weight.sum(axis=1)
    return np.where(total > 0.2, (weight * np.maximum(around, 0)).sum(axis=1)
                    / np.maximum(total, 1e-9), frames)


def _network(given, kind: type, name: str, device, load):
    """A network given as it is, or loaded by a name or path, or the packaged one."""
    if isinstance(given, kind):
        return given.to(device)
    return load(kind, name, given or name, device)[0]


def track_beats(hits: Transcription, device: str = "cpu",
                tempo_range: tuple[float, float] = TEMPO_RANGE) -> Beats:
    """Beats and downbeats of a transcription.

    Parameters
    ----------
    hits : Transcription
        Of nine pieces.
    device : str
    tempo_range : (float, float)
        Slowest and fastest tempo, beats per minute.

    Returns
    -------
    Beats
        Without any where too little is struck.

    Examples
    --------
    >>> adt.track_beats(adt.transcribe("song.mp3")).downbeats[:2]   # doctest: +SKIP
    array([0.31, 2.31])
    """
    return BeatTracker(device=device)(hits, tempo_range=tempo_range)
