"""Which piece was taken for which.

Hits are first matched within their piece, as for the F-measure; what is left of
the references is then matched with what is left of the estimates, whatever their
piece. References that remain were missed, estimates that remain were invented.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adt.scoring import WINDOW
from adt.vocabulary import PIECES

from . import tables

MISSED = INVENTED = len(PIECES)  #: last column, last row


def confusion(reference: Mapping[str, np.ndarray], estimate: Mapping[str, np.ndarray],
              window: float = WINDOW) -> np.ndarray:
    """Confusion matrix of one track.

    Parameters
    ----------
    reference, estimate : mapping of str to ndarray
        Piece → ascending onset times in seconds.
    window : float
        Tolerance in seconds.

    Returns
    -------
    ndarray of int, shape (10, 10)
        Rows are annotated pieces, columns transcribed ones, in the order of
        `PIECES`; the last column counts missed, the last row invented hits.
    """
    from mir_eval.util import match_events
    matrix = np.zeros((len(PIECES) + 1, len(PIECES) + 1), dtype=np.int64)
    rest: dict[str, list[tuple[float, int]]] = {"reference": [], "estimate": []}
    for index, piece in enumerate(PIECES):
        ref = np.asarray(reference.get(piece, ()), dtype=float)
        est = np.asarray(estimate.get(piece, ()), dtype=float)
        pairs = match_events(ref, est, window)
        matrix[index, index] += len(pairs)
        rest["reference"] += [(t, index) for t in np.delete(ref, [i for i, _ in pairs])]
        rest["estimate"] += [(t, index) for t in np.delete(est, [j for _, j in pairs])]
    ref, est = sorted(rest["reference"]), sorted(rest["estimate"])
    pairs = match_events(np.array([t for t, _ in ref]), np.array([t for t, _ in est]), window)
    for i, j in pairs:
        matrix[ref[i][1], est[j][1]] += 1
    for i in set(range(len(ref))) - {i for i, _ in pairs}:
        matrix[ref[i][1], MISSED] += 1
    for j in set(range(len(est))) - {j for _, j in pairs}:
        matrix[INVENTED, est[j][1]] += 1
    return matrix


def table(matrix: np.ndarray) -> str:
    """Markdown table of a confusion matrix."""
    header = ["annotated \\ heard as", *PIECES, "missed"]
    rows = [[name, *(str(v) if v else "·" for v in row)]
            for name, row in zip((*PIECES, "invented"), np.asarray(matrix).tolist())]
    rows[-1][-1] = ""
    return tables.markdown(header, rows)
