"""Scores of drum transcriptions.

Goal
----
Say how well estimated drum onsets agree with annotated ones, class by class and
over all classes, on whole tracks.

Conventions
-----------
A transcription is a mapping of class name (`adt.vocabulary.class_names`) to an
ascending array of onset times in seconds; a class that is missing from it has no
onsets. `events` makes one from times and pieces.

Within a class, an estimated and a reference onset match if they are at most
`window` seconds apart, each used once; the largest set of matches is found by
`mir_eval.util.match_events`, as in `mir_eval.onset`.

References are scored as annotated: two annotated strokes of one class within a
few milliseconds (a flam, crash and ride together in the five-class set) are two.

Metrics
-------
* Counts are pooled ("SUM"): true positives, false positives and false negatives
  are added up over classes and tracks before F, precision and recall are taken,
  so a track counts by its onsets.
* A class with neither annotated nor estimated onsets has no F (None, printed as
  "–"), and adds nothing to a pooled score. A class that is not annotated but is
  estimated has F = 0 and its onsets are false positives of the pooled score too.
  (`mir_eval.onset.f_measure` gives 0 in both cases.)
* Precision is None without estimated, recall None without annotated onsets.
* 95 % intervals come from a percentile bootstrap over tracks (1,000 resamples,
  seeded); two systems are compared by a paired bootstrap of the difference of
  their pooled F.
"""

from __future__ import annotations

import operator
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .vocabulary import ARTICULATION_TO_PIECE, ARTICULATIONS, class_names, reduction

__all__ = ["events", "validate", "f_measure", "match", "rates", "evaluate",
           "bootstrap_interval", "paired_bootstrap", "Scores", "WINDOW", "WINDOWS"]

WINDOW = 0.05  #: default tolerance, seconds
WINDOWS = (0.05, 0.02)  #: tolerances that are reported, seconds
N_RESAMPLES = 1000

Events = Mapping[str, np.ndarray]


def events(times: Iterable[float], pieces: Iterable, classes: int = 5) -> dict[str, np.ndarray]:
    """Onset times per class, as annotated.

    Estimates that are reduced to fewer classes have hits that come too close: theirs are from
    `adt.Transcription.events`.

    Parameters
    ----------
    times : iterable of float
        Onset times in seconds, in any order.
    pieces : iterable of str or int
        Piece or articulation of each onset: its name, or its index into
        `adt.vocabulary.ARTICULATIONS` (whose first nine are the pieces).
    classes : {3, 5, 7, 9}

    Returns
    -------
    dict of str to ndarray of float64
        Every class of the set, those without onsets included.

    Raises
    ------
    ValueError
        If a time is not finite, `times` and `pieces` differ in length or a piece is not known.

    Examples
    --------
    >>> events([0.5, 0.0], ["ride", "kick"], 5)["CY"]
    array([0.5])
    """
    times = np.asarray(list(times), dtype=np.float64)
    pieces = list(pieces)
    if times.ndim != 1 or not np.isfinite(times).all():
        raise ValueError("times: expected finite seconds, one for each piece")
    if len(times) != len(pieces):
        raise ValueError(f"{len(times)} times but {len(pieces)} pieces")
    mapping = reduction(classes)
    found: dict[str, list[float]] = {name: [] for name in class_names(classes)}
    for time, piece in zip(times.tolist(), pieces):
        if not isinstance(piece, str):
            try:
                index = operator.index(piece)
            except TypeError:
                index = -1
            if not 0 <= index < len(ARTICULATIONS):
                raise ValueError(f"no piece with index {piece}")
            piece = ARTICULATIONS[index]
        if piece not in ARTICULATION_TO_PIECE:
            raise ValueError(f"unknown piece {piece!r}; known are {', '.join(ARTICULATIONS)}")
        name = mapping[ARTICULATION_TO_PIECE[piece]]
        if name is not None:
            found[name].append(time)
    return {name: np.sort(np.array(onsets, dtype=np.float64)) for name, onsets in found.items()}


def validate(reference: Events, estimate: Events, classes: int = 5) -> None:
    """Check that two transcriptions can be scored; warn if one has no onsets.

    Raises
    ------
    ValueError
        If there is a class that the set does not have, or onset times are not a
        one-dimensional, finite, non-negative and ascending array.
    """
    names = class_names(classes)
    for what, transcription in (("reference", reference), ("estimate", estimate)):
        if not isinstance(transcription, Mapping):
            raise ValueError(f"{what}: expected a mapping of class to onset times, "
                             f"got {type(transcription).__name__}; use adt.scoring.events")
        for name, onsets in transcription.items():
            if name not in names:
                raise ValueError(f"{what}: no class {name!r} in the set of {classes}: "
                                 f"{', '.join(names)}")
            onsets = np.asarray(onsets)
            if onsets.ndim != 1 or (onsets.size and onsets.dtype.kind not in "fiu"):
                raise ValueError(f"{what}: onsets of {name} are not a 1-D array of numbers")
            if not np.isfinite(onsets.astype(float)).all():
                raise ValueError(f"{what}: onsets of {name} are not all finite")
            if onsets.size and onsets.min() < 0:
                raise ValueError(f"{what}: onsets of {name} are before the start")
            if (np.diff(onsets) < 0).any():
                raise ValueError(f"{what}: onsets of {name} are not ascending")
        if not any(len(onsets) for onsets in transcription.values()):
            warnings.warn(f"{what} has no onsets", stacklevel=3)


def rates(tp: float, fp: float, fn: float) -> OrderedDict:
    """F-measure, precision and recall of counts, None where they are not defined.

    Examples
    --------
    >>> rates(3, 1, 0)["f_measure"]
    0.8571428571428571
    >>> rates(0, 0, 0)["f_measure"] is None
    True
    """
    return OrderedDict(
        f_measure=2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None,
        precision=tp / (tp + fp) if tp + fp else None,
        recall=tp / (tp + fn) if tp + fn else None)


def match(reference: Events, estimate: Events, classes: int = 5,
          window: float = WINDOW) -> OrderedDict[str, tuple[int, int, int]]:
    """True positives, false positives and false negatives of each class.

    Raises
    ------
    ValueError
        If the window is no time from 0 on.
    """
    from mir_eval.util import match_events
    if not 0 <= window < float("inf"):
        raise ValueError(f"a tolerance of {window} s; give seconds from 0 on")
    counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
    for name in class_names(classes):
        ref = np.asarray(reference.get(name, ()), dtype=np.float64)
        est = np.asarray(estimate.get(name, ()), dtype=np.float64)
        tp = len(match_events(ref, est, window))
        counts[name] = (tp, len(est) - tp, len(ref) - tp)
    return counts


def f_measure(reference: Events, estimate: Events, classes: int = 5,
              window: float = WINDOW) -> OrderedDict[str, float | None]:
    """F-measure of each class, None for a class that neither side has.

    Examples
    --------
    >>> f_measure({"KD": [0.0, 1.0]}, {"KD": [0.01]}, 3)["KD"]
    0.6666666666666666
    """
    validate(reference, estimate, classes)
    return OrderedDict((name, rates(*c)["f_measure"])
                       for name, c in match(reference, estimate, classes, window).items())


def _summary(counts: Sequence[float]) -> OrderedDict:
    tp, fp, fn = (int(c) for c in counts)
    return OrderedDict(**rates(tp, fp, fn), tp=tp, fp=fp, fn=fn)


def evaluate(reference: Events, estimate: Events, classes: int = 5,
             window: float = WINDOW) -> OrderedDict:
    """All scores of one track.

    Parameters
    ----------
    reference, estimate : mapping of str to array_like
        Class → ascending onset times in seconds.
    classes : {3, 5, 7, 9}
    window : float
        Tolerance in seconds, inclusive but for the rounding of floats, as in `mir_eval`.

    Returns
    -------
    OrderedDict
        ``"SUM"`` and every class name → ``f_measure``, ``precision``, ``recall``,
        ``tp``, ``fp``, ``fn``.

    Raises
    ------
    ValueError
        See `validate`.

    Examples
    --------
    >>> ref = events([0.0, 0.5, 1.0], ["kick", "snare", "kick"])
    >>> est = events([0.01, 0.5], ["kick", "snare"])
    >>> evaluate(ref, est)["SUM"]["f_measure"]
    0.8
    """
    validate(reference, estimate, classes)
    counts = match(reference, estimate, classes, window)
    total = np.sum(list(counts.values()), axis=0)
    return OrderedDict([("SUM", _summary(total)),
                        *((name, _summary(c)) for name, c in counts.items())])


def _f_of(counts: np.ndarray) -> np.ndarray:
    """F of counts (..., 3), NaN where not defined."""
    tp, fp, fn = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    total = 2 * tp + fp + fn
    return np.divide(2 * tp, total, out=np.full_like(total, np.nan), where=total > 0)


def _resamples(n_tracks: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each track is drawn, shape (n_resamples, n_tracks)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(n_tracks, size=(n_resamples, n_tracks))
    return np.stack([np.bincount(row, minlength=n_tracks) for row in drawn])


def _percentiles(values: np.ndarray, confidence: float) -> list[float] | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    tail = 50 * (1 - confidence)
    return [float(v) for v in np.percentile(values, [tail, 100 - tail])]


def bootstrap_interval(counts: np.ndarray, n_resamples: int = N_RESAMPLES,
                       confidence: float = 0.95, seed: int = 0) -> list[float] | None:
    """Percentile bootstrap interval of the pooled F over tracks.

    Parameters
    ----------
    counts : ndarray, shape (n_tracks, 3)
        True positives, false positives, false negatives of each track.

    Returns
    -------
    [low, high], or None
        None with fewer than two tracks or no onsets at all.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    counts = np.asarray(counts, dtype=np.float64).reshape(-1, 3)
    if len(counts) < 2:
        return None
    drawn = _resamples(len(counts), n_resamples, seed)
    return _percentiles(_f_of(drawn @ counts), confidence)


def paired_bootstrap(counts_a: np.ndarray, counts_b: np.ndarray,
                     n_resamples: int = N_RESAMPLES, confidence: float = 0.95,
                     seed: int = 0) -> OrderedDict:
    """Difference of the pooled F of two systems on the same tracks, a minus b.

    Parameters
    ----------
    counts_a, counts_b : ndarray, shape (n_tracks, 3)
        Counts of each track, tracks in the same order.

    Returns
    -------
    OrderedDict
        ``difference`` (None if not defined) and its ``interval`` ([low, high], None
        with fewer than two tracks): both systems are resampled together.

    Raises
    ------
    ValueError
        If the numbers of tracks differ.
    """
    counts_a = np.asarray(counts_a, dtype=np.float64).reshape(-1, 3)
    counts_b = np.asarray(counts_b, dtype=np.float64).reshape(-1, 3)
    if len(counts_a) != len(counts_b):
        raise ValueError(f"{len(counts_a)} and {len(counts_b)} tracks cannot be paired")
    difference = float(_f_of(counts_a.sum(axis=0)) - _f_of(counts_b.sum(axis=0)))
    interval = None
    if len(counts_a) >= 2:
        drawn = _resamples(len(counts_a), n_resamples, seed)
        interval = _percentiles(_f_of(drawn @ counts_a) - _f_of(drawn @ counts_b), confidence)
    return OrderedDict(difference=difference if np.isfinite(difference) else None,
                       interval=interval)


class Scores:
    """Accumulator of scores over tracks: `update`, call, `reset`.

    Parameters
    ----------
    classes : {3, 5, 7, 9}
    windows : sequence of float
        Tolerances in seconds.

    Examples
    --------
    >>> scores = Scores(3)
    >>> scores.update("a", {"KD": [0.0, 1.0]}, {"KD": [0.0, 1.03]})
    >>> scores()[0.05]["SUM"]["f_measure"], scores()[0.02]["SUM"]["f_measure"]
    (1.0, 0.5)
    """

    def __init__(self, classes: int = 5, windows: Sequence[float] = WINDOWS):
        self.classes = classes
        self.windows = tuple(float(w) for w in windows)
        self._names = class_names(classes)
        self.reset()

    def reset(self) -> None:
        """Forget all tracks."""
        self._counts: dict[str, np.ndarray] = {}

    def update(self, name: str, reference: Events, estimate: Events) -> None:
        """Add a track; a name that was used before adds to the same track.

        Raises
        ------
        ValueError
            See `validate`.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* has no onsets")
            validate(reference, estimate, self.classes)
        counts = np.array([list(match(reference, estimate, self.classes, w).values())
                           for w in self.windows])
        self._counts[name] = self._counts.get(name, 0) + counts

    @property
    def names(self) -> list[str]:
        """Names of the tracks, in the order they were added."""
        return list(self._counts)

    def counts(self, window: float = WINDOW, class_name: str | None = None) -> np.ndarray:
        """True positives, false positives, false negatives, shape (n_tracks, 3)."""
        if window not in self.windows:
            raise ValueError(f"no window of {window} s here; there are {self.windows}")
        if class_name is not None and class_name not in self._names:
            raise ValueError(f"no class {class_name!r} here; there are {', '.join(self._names)}")
        if not self._counts:
            return np.zeros((0, 3), dtype=np.int64)
        counts = np.stack(list(self._counts.values()))[:, self.windows.index(window)]
        return counts.sum(axis=1) if class_name is None else (
            counts[:, self._names.index(class_name)])

    def __call__(self, n_resamples: int = N_RESAMPLES, seed: int = 0) -> OrderedDict:
        """Scores so far.

        Returns
        -------
        OrderedDict
            Window in seconds → ``SUM``, ``classes`` (name → scores) and ``tracks``
            (name → scores). Scores are ``f_measure``, ``precision``, ``recall``,
            ``tp``, ``fp``, ``fn`` and, for SUM and classes, ``interval`` ([low, high]
            of F over tracks, None with fewer than two tracks).
        """
        def pooled(counts):
            return OrderedDict(**_summary(counts.sum(axis=0)), interval=bootstrap_interval(
                counts, n_resamples=n_resamples, seed=seed))
        result = OrderedDict()
        for window in self.windows:
            total = self.counts(window)
            result[window] = OrderedDict(
                SUM=pooled(total),
                classes=OrderedDict((name, pooled(self.counts(window, name)))
                                    for name in self._names),
                tracks=OrderedDict((name, _summary(c)) for name, c in zip(self.names, total)))
        return result

    def compare(self, other: Scores, window: float = WINDOW,
                n_resamples: int = N_RESAMPLES, seed: int = 0) -> OrderedDict:
        """Paired bootstrap of this system's pooled F minus the other's.

        Raises
        ------
        ValueError
            If the two were not scored on the same tracks and classes, or not with `window`.
        """
        if self.names != other.names or self.classes != other.classes:
            raise ValueError("only scores of the same tracks and classes can be compared")
        return paired_bootstrap(self.counts(window), other.counts(window),
                                n_resamples=n_resamples, seed=seed)
