"""How a transcription differs from a reference: scores, timing, velocity, worst seconds."""

from __future__ import annotations

from collections import Counter, OrderedDict

import numpy as np

from .scoring import WINDOW, evaluate
from .transcription import Transcription
from .vocabulary import class_names

__all__ = ["compare"]


def compare(reference: Transcription, estimate: Transcription, classes: int = 5,
            window: float = WINDOW, n_worst: int = 10) -> OrderedDict:
    """Compare two transcriptions of one recording.

    Parameters
    ----------
    reference, estimate : Transcription
        Hits of the estimate that fall together in the smaller set of classes count once
        if it is of more classes than the reference (`adt.Transcription.reduce`).
    classes : {3, 5, 7, 9}
    window : float
        Tolerance in seconds.
    n_worst : int
        How many of the worst seconds are listed.

    Returns
    -------
    OrderedDict
        ``scores`` (`adt.scoring.evaluate`); ``offset``, median of estimated minus
        reference times of matched hits in seconds (None without); ``velocity`` with
        ``correlation`` (Pearson) and ``difference`` (mean absolute, in MIDI steps) of
        matched hits, None where a side has one velocity only or fewer
        than three match; ``worst``, a list of
        ``second``, ``missed`` and ``invented`` (class → count).

    Raises
    ------
    ValueError
        If a transcription has fewer classes than `classes`.
    """
    from mir_eval.util import match_events
    merge = estimate.classes > reference.classes
    reference = reference.reduce(classes, merge=False)  # as annotated
    estimate = estimate.reduce(classes, merge=merge)
    pairs, missed, invented = [], [], []
    sides: list[dict[str, np.ndarray]] = [{}, {}]
    for name in class_names(classes):
        ref, est = ([h for h in t if h.piece == name] for t in (reference, estimate))
        for side, hits in zip(sides, (ref, est)):
            side[name] = np.array([h.time for h in hits])
        matched = match_events(sides[0][name], sides[1][name], window)
        pairs += [(ref[i], est[j]) for i, j in matched]
        found, right = {i for i, _ in matched}, {j for _, j in matched}
        missed += [h for k, h in enumerate(ref) if k not in found]
        invented += [h for k, h in enumerate(est) if k not in right]
    return OrderedDict(
        scores=evaluate(*sides, classes, window),
        offset=float(np.median([b.time - a.time for a, b in pairs])) if pairs else None,
        velocity=_velocity(pairs),
        worst=_worst(missed, invented, n_worst))


def _velocity(pairs) -> OrderedDict | None:
    a, b = (np.array([p[k].velocity for p in pairs], float) for k in (0, 1))
    if len(a) < 3 or not a.std() or not b.std():
        return None
    return OrderedDict(correlation=float(np.corrcoef(a, b)[0, 1]),
                       difference=float(np.abs(a - b).mean()))


def _worst(missed, invented, n: int) -> list[OrderedDict]:
    counts = Counter(int(h.time) for h in (*missed, *invented))
    ranked = sorted(counts, key=lambda second: (-counts[second], second))[:n]
    return [OrderedDict(
        second=second,
        missed=dict(Counter(h.piece for h in missed if int(h.time) == second)),
        invented=dict(Counter(h.piece for h in invented if int(h.time) == second)))
        for second in ranked]
