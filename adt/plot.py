"""Picture of a transcription: band powers, activations and hits over time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .errors import ConfigError, OutputError
from .extras import lacking
from .frames import frames_to_time, time_to_frames
from .output import atomic_path
from .vocabulary import PIECES

__all__ = ["SUFFIXES", "check", "plot"]

#: Suffixes of pictures.
SUFFIXES = (".png", ".svg", ".pdf")
_INCHES = 0.35  # width of a second
_WIDTHS = (12.0, 150.0)  # least and most, inches


def check(path: Path | str) -> None:
    """Raise before any work is done if a picture cannot be drawn.

    Raises
    ------
    ConfigError
        If matplotlib is not installed or the suffix is none of `SUFFIXES`.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: pictures end in {', '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise ConfigError(lacking("a picture", "matplotlib", "plot"))


def plot(activations, transcription, path: Path | str, bands: np.ndarray | None = None,
         start: float = 0.0, end: float | None = None, beats=None) -> Path:
    """Draw a lane of activation for each piece, with the hits on it and the bar lines.

    Parameters
    ----------
    activations : adt.Activations
    transcription : adt.Transcription
        Of nine classes; the height of a hit is its velocity.
    path : path
        A suffix that matplotlib writes, such as ``.png`` or ``.svg``.
    bands : ndarray, shape (frames, bands), optional
        Band powers (`adt.Transcriber.bands`), drawn above as a spectrogram.
    start, end : float
        Seconds; the whole recording by default.
    beats : adt.Beats, optional
        Whose bars are drawn; by default those of the transcription.

    Returns
    -------
    Path

    Raises
    ------
    ConfigError
        If the hits are not of nine pieces, or there is nothing from `start` to `end`.
    OutputError
        If matplotlib is not installed or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OutputError(lacking("a picture", "matplotlib", "plot", error)) from error
    transcription.require_pieces("a picture")
    end = activations.duration if end is None else end
    if not 0 <= start < min(end, activations.duration):
        raise ConfigError(f"no part from {start:g} to {end:g} s to draw of a song of "
                          f"{activations.duration:.1f} s")
    rows = slice(max(0, int(time_to_frames(start))), int(time_to_frames(end)) + 1)
    onset = activations.judged[rows]
    times = frames_to_time(rows.start + np.arange(len(onset)))
    width = float(np.clip(_INCHES * (end - start), *_WIDTHS))
    figure = Figure(figsize=(width, 6 if bands is None else 8), layout="constrained")
    FigureCanvasAgg(figure)
    if bands is None:
        lanes = figure.subplots()
    else:
        above, lanes = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        decibel = 10 * np.log10(np.maximum(bands[rows], 1e-10))
        top = decibel.max() if decibel.size else 0.0
        shown = frames_to_time([rows.start, rows.start + len(decibel)])
        above.imshow(decibel.T, origin="lower", aspect="auto", cmap="magma", vmin=top - 80,
                     vmax=top, extent=(*shown, 0, bands.shape[1]))
        above.set_ylabel("band")
    for lane, piece in enumerate(PIECES):
        lanes.fill_between(times, lane, lane + 0.9 * onset[:, lane], color="tab:blue",
                           alpha=0.7, linewidth=0, zorder=3)
        hits = [h for h in transcription if h.piece == piece and start <= h.time < end]
        lanes.vlines([h.time for h in hits], lane,
                     [lane + 0.9 * h.velocity / 127 for h in hits], color="tab:red",
                     linewidth=1.0, zorder=4)
    beats = transcription.beats if beats is None else beats
    if beats is not None:
        downbeats = beats.downbeats
        lanes.vlines(downbeats[(downbeats >= start) & (downbeats < end)], 0, len(PIECES),
                     color="0.8", linewidth=0.8, zorder=0)
    lanes.set(xlim=(start, end), ylim=(0, len(PIECES)), xlabel="time (s)",
              yticks=np.arange(len(PIECES)) + 0.4, yticklabels=PIECES)
    path = Path(path)
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=90, metadata={"Software": None}
                           if path.suffix.lower() == ".png" else None)
    except ValueError as error:
        raise OutputError(f"{path}: {error}") from error
    return path
