"""Thresholds for one song from a corrected transcription of a part of it.

For each stem, the threshold t maximises

    n F(t) - strength (logit t - logit t0)^2

on the corrected part: n is the number of corrected hits of the stem, F its F-measure at
±50 ms and t0 the threshold before. The second term keeps a few hits from moving it far:
it costs `strength` hits to go one logit away. A stem without corrected hits keeps t0.
The median offset in time is reported and allowed for when hits are matched; no hit is moved.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .errors import ConfigError
from .frames import frames_to_time, time_to_frames
from .hits import pick_hits
from .peaks import all_thresholds, pick_peaks
from .scoring import WINDOW, rates
from .transcription import Hit, Transcription
from .vocabulary import MIN_HIT_DISTANCE, PIECE_TO_STEM, PIECES, STEM_TO_CLASS, STEMS

__all__ = ["Calibration", "calibrate", "STRENGTH"]

STRENGTH = 2.0  #: hits that a change of one logit must gain
_GRID = np.round(np.arange(0.10, 0.901, 0.02), 2)
_NEVER = 1.0  # threshold of stems that are not asked for
_BESIDE = 20  #: frames either side of the part that peaks in it are compared with
_FITTING, _ENOUGH = 0.6, 8  #: share of hits that match if a file fits the song, and hits to tell
_ALIKE = 0.03  #: s: differences of hits that match lie as near together


@dataclass(frozen=True)
class Calibration:
    """Result of `calibrate`.

    Attributes
    ----------
    thresholds : dict of stem to float
    before, after : dict of stem to (float or None)
        F on the corrected part with the old and with the new thresholds.
    offset : float
        Median of corrected minus detected times, seconds; not applied.
    start, end : float
        The corrected part, seconds.
    """

    thresholds: dict[str, float]
    before: dict[str, float | None]
    after: dict[str, float | None]
    offset: float
    start: float
    end: float

    def transcribe(self, transcriber, activations, corrected: Transcription) -> Transcription:
        """The corrected part as it is, the rest picked with the new thresholds.

        Parameters
        ----------
        transcriber : adt.Transcriber
        activations : adt.Activations
        corrected : Transcription
            Of nine classes.

        Raises
        ------
        ConfigError
            If `corrected` does not tell the nine pieces apart.
        """
        return self.merge(transcriber.hits(activations, self.thresholds), corrected)

    def merge(self, heard: Transcription, corrected: Transcription) -> Transcription:
        """Hits of `corrected` inside the part, of `heard` outside.

        A stroke at an edge, on one side of it as heard and on the other as corrected, is there
        once, as corrected.
        """
        if corrected.classes != heard.classes:
            raise ConfigError(f"the corrected file has {corrected.classes} classes, the "
                              f"transcription {heard.classes}; correct a file of all nine pieces")

        def within(hit: Hit) -> bool:
            return self.start <= hit.time < self.end

        def at_edge(hit: Hit) -> bool:
            return min(abs(hit.time - self.start), abs(hit.time - self.end)) <= WINDOW

        def among(hit: Hit, others: list[Hit], window: float = WINDOW) -> bool:
            return any(o.piece == hit.piece and abs(o.time - hit.time) < window for o in others)

        inside = [h for h in corrected if within(h)]
        moved_out = [h for h in heard if within(h) and at_edge(h) and not among(h, inside)]
        inside += [h for h in corrected if not within(h) and at_edge(h) and among(h, moved_out)]
        edge, known = [h for h in inside if at_edge(h)], [h for h in heard if within(h)]
        moved_in = [h for h in edge if not among(h, known)]
        outside = [h for h in heard if not within(h) and not among(h, moved_in)
                   and not among(h, edge, MIN_HIT_DISTANCE)]
        return heard.replace(hits=[*inside, *outside])

    def describe(self) -> str:
        """One line for people."""
        changes = ", ".join(f"{s} {t:.2f}" for s, t in self.thresholds.items())
        text = f"corrected from {self.start:g} to {self.end:.1f} s; thresholds {changes}"
        if abs(self.offset) >= 0.010:
            text += (f"; the corrected hits are {abs(self.offset) * 1000:.0f} ms "
                     f"{'later' if self.offset > 0 else 'earlier'} than the detected ones "
                     "(not applied" + ("; does the file begin where the song begins?)"
                                       if abs(self.offset) >= WINDOW else ")"))
        return text


def calibrate(activations, corrected: Transcription, start: float = 0.0,
              end: float | None = None, *, thresholds: Mapping[str, float] | None = None,
              strength: float = STRENGTH) -> Calibration:
    """Fit the stems' thresholds to a corrected part of a song.

    Parameters
    ----------
    activations : adt.Activations
        Of the whole song.
    corrected : Transcription
        What is right from `start` to `end`; hits outside are ignored.
    start, end : float
        Seconds; by default the end is behind the last hit of `corrected`.
    thresholds : mapping of stem to float, optional
        Those to start from; by default, and for stems that it lacks,
        `adt.peaks.STEM_THRESHOLDS` or, without demixing, `adt.peaks.DEFAULT_THRESHOLD`.
    strength : float
        Of the preference for them, in hits.

    Raises
    ------
    ConfigError
        If the part is empty, outside the song or has no corrected hit, the hits are not of
        nine pieces, or a threshold or `strength` cannot be.
    """
    base = all_thresholds(thresholds, activations.demixed)
    if not (math.isfinite(strength) and strength >= 0):
        raise ConfigError(f"strength {strength}: expected hits from 0")
    corrected.require_pieces("a correction")
    if end is None:
        end = max((h.time + MIN_HIT_DISTANCE for h in corrected), default=activations.duration)
        if start >= end:
            raise ConfigError(f"the corrected hits end at {end:g} s, before the part that begins "
                              f"at {start:g} s; give its end too")
    wanted, end = float(end), min(float(end), activations.duration)
    if not (math.isfinite(start) and 0 <= start < end):
        raise ConfigError(f"no part from {start:g} to {wanted:g} s to calibrate on in a song of "
                          f"{activations.duration:.1f} s")
    inside = [h for h in corrected.reduce(5, merge=False) if start <= h.time < end]
    if not inside:
        raise ConfigError(f"the corrected file has no hit from {start:g} to {end:g} s")
    part = _Part(activations, inside, start, end, base)
    chosen = dict(base)

    def worth(stem: str, threshold: float) -> float:
        """Right hits of the stem, less what moving its threshold costs.

        With the threshold of kicks go the low toms that are found among them.
        """
        kick = threshold if stem == "kick" else chosen["kick"]
        gain = len(part.right[stem]) * part.f_measure(stem, threshold, kick)
        if stem == "kick" and len(part.right["toms"]):
            gain += len(part.right["toms"]) * part.f_measure("toms", base["toms"], kick)
        return gain - strength * (_logit(threshold) - _logit(base[stem])) ** 2

    for stem in STEMS:  # kick comes first
        if len(part.right[stem]):
            nearest = sorted({*_GRID.tolist(), base[stem]}, key=lambda t: abs(t - base[stem]))
            chosen[stem] = max(nearest, key=lambda t: worth(stem, t))
    before, after = ({s: part.f_measure(s, thresholds[s], thresholds["kick"]) for s in STEMS}
                     for thresholds in (base, chosen))
    return Calibration(chosen, before, after, part.offset, float(start), end)


class _Part:
    """A part of a song whose hits are known.

    Parameters
    ----------
    activations : adt.Activations
        Of the whole song.
    known : list of Hit
        Right hits, five classes.
    start, end : float
        Seconds.
    base : dict of stem to float
        Thresholds to start from.

    Attributes
    ----------
    right : dict of stem to ndarray
        Times of the known hits.
    offset : float
        Median of known minus detected times, in seconds.
    """

    def __init__(self, activations, known: list[Hit], start: float, end: float,
                 base: Mapping[str, float]):
        self._activations, self._base, self._start, self._end = activations, base, start, end
        self.right = {s: np.array([h.time for h in known if h.piece == STEM_TO_CLASS[s]])
                      for s in STEMS}
        first = max(0, int(time_to_frames(start)) - _BESIDE)
        rows = slice(first, math.ceil(time_to_frames(end)) + _BESIDE)
        self._arrays = [a[rows] for a in
                        (activations.judged, activations.velocity, activations.offset)]
        self._shift = float(frames_to_time(first))
        self._low_toms = {base["kick"]: pick_hits(activations, base).low_toms}
        self.offset = _offset(self.right, {s: self._detect(s, base[s], base["kick"])
                                           for s in STEMS})

    def f_measure(self, stem: str, threshold: float, kick: float) -> float | None:
        """Of a stem with one threshold, and another for the kicks that low toms are among."""
        from mir_eval.util import match_events
        reference, estimate = self.right[stem], self._detect(stem, threshold, kick) + self.offset
        tp = len(match_events(reference, estimate, WINDOW))
        return rates(tp, len(estimate) - tp, len(reference) - tp)["f_measure"]

    def _detect(self, stem: str, threshold: float, kick: float) -> np.ndarray:
        """Times that are picked in the part."""
        alone = {s: threshold if s == stem else _NEVER for s in STEMS}
        hits = [Hit(t + self._shift, PIECES[p], 100, 1.0)
                for t, p, _, _ in pick_peaks(*self._arrays, alone)
                if PIECE_TO_STEM[PIECES[p]] == stem]
        times = np.array([h.time for h in Transcription(hits, self._end, classes=9).reduce(5)])
        if stem == "kick":
            times = np.array([t for t in times if not _near(self._low_toms_of(kick), t)])
        elif stem == "toms":
            times = np.sort(np.concatenate(
                [times, [t for t in self._low_toms_of(kick) if not _near(times, t)]]))
        return times[(self._start <= times) & (times < self._end)]

    def _low_toms_of(self, kick: float) -> np.ndarray:
        """Those among the kicks that are picked with this threshold."""
        told, usual = self._low_toms, self._low_toms[self._base["kick"]]
        if kick not in told:
            told[kick] = (pick_hits(self._activations, {**self._base, "kick": kick}).low_toms
                          if len(usual) else usual)
        return told[kick]


def _near(times: np.ndarray, time: float) -> bool:
    return bool(len(times) and np.abs(times - time).min() < MIN_HIT_DISTANCE)


def _logit(x: float) -> float:
    x = min(max(x, 1e-3), 1 - 1e-3)
    return math.log(x / (1 - x))


def _offset(right: Mapping[str, np.ndarray], heard: Mapping[str, np.ndarray]) -> float:
    """Median of corrected minus detected times of matched hits; 0 where few match."""
    from mir_eval.util import match_events
    differences = [right[s][i] - heard[s][j] for s in right
                   for i, j in match_events(right[s], heard[s], 2 * WINDOW)]
    possible = sum(min(len(right[s]), len(heard[s])) for s in right)
    middle = float(np.median(differences)) if differences else 0.0
    near = int((np.abs(np.array(differences) - middle) <= _ALIKE).sum())
    if near < _FITTING * possible and possible >= _ENOUGH:
        warnings.warn(f"of {possible} corrected hits {near} are where one is detected; "
                      "a corrected file must be of the same song and begin where it begins",
                      stacklevel=4)
        return 0.0
    return middle
