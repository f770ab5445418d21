"""Annotated strokes of real recordings: in which stems their sound comes to lie.

    python -m benchmarks.attribution --data MDB

There are no true stems of a recording, but there are true strokes. Where nothing but one stem is
struck within 80 ms, all that sounds from 10 ms before the stroke to 50 ms after it belongs into
that stem: its share of the energy of all five is given, mean over such strokes. *Elsewhere* is
the share of stems in which nothing is struck near, mean over all moments at which something is.
What rings on from before counts as wrong, and what the masks leave in the residual not at all, so
that this tells stems of one recording apart, not how good they are as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from adt import Transcriber
from adt.audio import probe
from adt.data.mdb import Track, read_mdb
from adt.errors import ConfigError
from adt.vocabulary import PIECE_TO_STEM, PIECES, STEMS
from separation import Separator

from . import report, tables
from .separation import TITLES

NEAR = 0.08  #: s, within which a stroke on another stem is heard as well
BEFORE, AFTER = 0.01, 0.05  #: s around an onset
ELSEWHERE = "elsewhere"
RESAMPLES = 10_000
_PLACES = [*STEMS, ELSEWHERE]

#: Stems of a recording from its file.
System = Callable[[Path], Mapping[str, np.ndarray]]


def attribute(stems: Mapping[str, np.ndarray], sample_rate: int, track: Track) -> np.ndarray:
    """Shares of energy of a recording's strokes, summed over strokes.

    Parameters
    ----------
    stems : mapping of str to ndarray, shape (channels, samples)
    sample_rate : int
        Hz.
    track : Track

    Returns
    -------
    ndarray, shape (6, 2)
        For each stem and `ELSEWHERE` the sum of shares and the number of strokes or moments.
    """
    energy = np.array([np.concatenate([[0.0], np.square(stems[s], dtype=np.float64).sum(axis=0)])
                       for s in STEMS]).cumsum(axis=1)
    struck = np.array([STEMS.index(PIECE_TO_STEM[PIECES[p]]) for p in track.pieces], np.int64)
    sums = np.zeros((len(_PLACES), 2))
    for moment in np.unique(track.times):
        first, last = np.clip(np.rint(np.array([moment - BEFORE, moment + AFTER]) * sample_rate)
                              .astype(np.int64), 0, energy.shape[1] - 1)
        here = energy[:, last] - energy[:, first]
        if not here.sum() > 0:
            continue
        shares = here / here.sum()
        near = np.unique(struck[np.abs(track.times - moment) <= NEAR])
        sums[-1] += 1.0 - shares[near].sum(), 1
        if len(near) == 1:
            sums[near[0]] += shares[near[0]], 1
    return sums


def measure(tracks: list[Track], systems: Mapping[str, System], seed: int = 0) -> dict:
    """Shares of systems on the drums and on the songs of tracks.

    Returns
    -------
    dict
        ``INPUT, SYSTEM`` → ``mean`` share of each place, ``strokes`` counted, the sums of
        the ``tracks``, and ``interval``, that of the difference of `ELSEWHERE` to the first system
        (95 %, bootstrap over tracks).
    """
    rng = np.random.default_rng(seed)
    figures: dict[str, dict] = {}
    for kind, audio in (("drums alone", "drums"), ("songs", "mix")):
        paths = [(t, getattr(t, audio)) for t in tracks if getattr(t, audio) is not None]
        if not paths:
            continue
        drawn = rng.integers(0, len(paths), (RESAMPLES, len(paths)))
        first = None
        for name, separate in systems.items():
            sums = np.array([attribute(separate(path), probe(path).sample_rate, track)
                             for track, path in paths])
            total = sums.sum(axis=0)
            again = sums[:, -1][drawn].sum(axis=1)
            elsewhere = again[:, 0] / again[:, 1]
            first = elsewhere if first is None else first
            figures[f"{kind}, {name}"] = {
                "mean": [s / n if n else None for s, n in total], "strokes": total[:, 1],
                "interval": np.percentile(elsewhere - first, [2.5, 97.5]),
                "tracks": {t.name: s for (t, _), s in zip(paths, sums, strict=True)}}
    return figures


def table(figures: Mapping[str, Mapping]) -> str:
    """Markdown table of the mean shares."""
    rows = []
    for name, figure in figures.items():
        kind, system = name.split(", ", 1)
        low, high = figure["interval"]
        rows.append((kind, system, *(tables.number(share) for share in figure["mean"]),
                     tables.ABSENT if low == high == 0
                     else f"[{tables.number(low)}, {tables.number(high)}]"))
    counts = {tuple(figure["strokes"].astype(int)) for figure in figures.values()}
    places = _PLACES if len(counts) > 1 else [  # not all inputs have all tracks
        f"{place} ({n})" for place, n in zip(_PLACES, *counts, strict=True)]
    return tables.markdown(("input", "stems", *places, "difference"), rows, left=2)


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    parser = report.parser("benchmarks.attribution", __doc__, ["attribution"])
    parser.add_argument("--data", type=Path, metavar="DIR", required=True,
                        help="annotated recordings in the layout of MDB Drums")
    args = parser.parse_args(argv)
    tracks = [track for track in read_mdb(args.data) if len(track)]
    if not tracks:
        raise ConfigError(f"{args.data}: no track has an annotated stroke")
    separator = Separator(device=args.device)
    transcriber = Transcriber(device=args.device, beats=False)
    figures = measure(tracks, {
        TITLES["adt"]: separator,
        TITLES["adt_informed"]: lambda path: separator(path, hits=transcriber(path))}, args.seed)
    report.deliver(args, {"benchmark": "attribution",
                          "environment": report.environment(args.device), "systems": figures},
                   {"attribution": table(figures)})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
