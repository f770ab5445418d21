"""How well velocities are told.

* Pearson's correlation of annotated and transcribed velocity over matched hits, for
  each piece, pooled over tracks. It does not ask for the same scale.
* Velocity-aware F (`mir_eval.transcription_velocity`): a hit counts only if its
  velocity, after the best linear rescaling of the track's velocities, is within 0.1
  of the annotated one, in units of the track's range. Pooled over tracks.
* Recall of ghost notes, the annotated hits of velocity below 40: of the snare and of
  all pieces.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from adt.scoring import WINDOW, rates
from adt.transcription import Transcription
from adt.vocabulary import PIECES

GHOST = 40  #: velocities below this are ghost notes
TOLERANCE = 0.1  #: of the velocity-aware F, fraction of the track's range


class VelocityScores:
    """Accumulator of velocity scores over tracks: `update`, call, `reset`.

    Parameters
    ----------
    window : float
        Tolerance of onsets in seconds.
    """

    def __init__(self, window: float = WINDOW):
        self.window = window
        self.reset()

    def reset(self) -> None:
        """Forget all tracks."""
        self._pairs: list[list[tuple[int, int]]] = [[] for _ in PIECES]
        self._counts = np.zeros(3, dtype=np.int64)
        self._ghosts = np.zeros((len(PIECES), 2), dtype=np.int64)  # found, annotated

    def update(self, times: np.ndarray, pieces: np.ndarray, velocities: np.ndarray,
               estimate: Transcription) -> None:
        """Add a track.

        Parameters
        ----------
        times : ndarray, shape (n,)
            Annotated onsets, ascending, in seconds.
        pieces : ndarray of int, shape (n,)
            Indices into `PIECES`.
        velocities : ndarray, shape (n,)
            1 to 127.
        estimate : Transcription
            Of nine classes.
        """
        from mir_eval.transcription_velocity import match_notes
        from mir_eval.util import match_events
        times, pieces, velocities = map(np.asarray, (times, pieces, velocities))
        estimate = estimate.reduce(9, merge=False)
        est_times = np.array([h.time for h in estimate])
        est_pieces = np.array([PIECES.index(h.piece) for h in estimate], dtype=int)
        est_velocities = np.array([h.velocity for h in estimate], dtype=float)
        for piece in range(len(PIECES)):
            ours, theirs = np.flatnonzero(pieces == piece), np.flatnonzero(est_pieces == piece)
            pairs = match_events(times[ours], est_times[theirs], self.window)
            self._pairs[piece] += [(int(velocities[ours[i]]), int(est_velocities[theirs[j]]))
                                   for i, j in pairs]
            found = np.zeros(len(ours), dtype=bool)
            found[[i for i, _ in pairs]] = True
            ghosts = velocities[ours] < GHOST
            self._ghosts[piece] += (int(found[ghosts].sum()), int(ghosts.sum()))
        matched = 0
        if len(times) and len(est_times):
            # a tone for each piece, so that mir_eval matches within pieces only
            matched = len(match_notes(
                np.stack([times, times + 0.1], axis=1), 100.0 * 2.0 ** pieces,
                velocities.astype(float),
                np.stack([est_times, est_times + 0.1], axis=1), 100.0 * 2.0 ** est_pieces,
                est_velocities, onset_tolerance=self.window, offset_ratio=None,
                velocity_tolerance=TOLERANCE))
        self._counts += (matched, len(est_times) - matched, len(times) - matched)

    def __call__(self) -> OrderedDict:
        """Scores so far.

        Returns
        -------
        OrderedDict
            ``correlation`` (piece → ``r``, None with fewer than three matched hits or
            one velocity only, and ``matched``), ``f_measure`` with ``precision`` and
            ``recall`` (velocity-aware), ``ghost_recall`` (``snare``, ``all``: recall or
            None, and ``annotated``).
        """
        correlation = OrderedDict()
        for piece, pairs in zip(PIECES, self._pairs):
            values = np.array(pairs, dtype=float).reshape(-1, 2).T
            defined = values.shape[1] >= 3 and (values.std(axis=1) > 0).all()
            correlation[piece] = {"r": float(np.corrcoef(values)[0, 1]) if defined else None,
                                  "matched": values.shape[1]}
        ghosts = OrderedDict()
        for name, (found, annotated) in (
                ("snare", self._ghosts[PIECES.index("snare")]),
                ("all", self._ghosts.sum(axis=0))):
            ghosts[name] = {"recall": float(found / annotated) if annotated else None,
                            "annotated": int(annotated)}
        return OrderedDict(correlation=correlation, **rates(*self._counts.tolist()),
                           ghost_recall=ghosts)
