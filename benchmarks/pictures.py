"""Pictures for the README: stems of a render beside the truth and of a song; confusions.

``docs/images/stems.png`` shows band powers of the mixture and of the five stems;
``docs/images/confusion.png`` what was heard as what on renders, from the figures that
``benchmarks.transcription --out`` wrote.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from adt.audio import stream
from adt.errors import ConfigError, DataError
from adt.features import audio_to_bands, reference_level, to_decibel
from adt.frames import FRAME_RATE
from adt.inference import Transcriber
from adt.output import atomic_path
from adt.vocabulary import PIECE_TO_STEM, PIECES, STEMS

from . import clips, report
from .transcription import confusions


def stems_picture(clip: clips.Clip, song: Path, path: Path, transcriber: Transcriber,
                  start: float, seconds: float) -> None:
    """Draw mixture and stems: truth and estimate of a render, estimate of a song.

    Parameters
    ----------
    clip : Clip
    song : path
    path : path
        Of the picture.
    transcriber : Transcriber
        With demixing.
    start, seconds : float
        Which part of both.

    Raises
    ------
    ConfigError
        If one of them has no such part.
    """
    pieces, _ = clip.render()
    truth = np.stack([sum((a for p, a in pieces.items() if PIECE_TO_STEM[p] == stem),
                          np.zeros_like(next(iter(pieces.values())))) for stem in STEMS])
    part = slice(round(start * FRAME_RATE), round((start + seconds) * FRAME_RATE))
    mixture, heard = audio_to_bands([truth.sum(axis=0)]), audio_to_bands(stream(song))
    for name, bands in (("the render", mixture), (song, heard)):
        if not len(bands[part]):
            raise ConfigError(f"{name}: nothing from {start:g} s on, it has "
                              f"{len(bands) / FRAME_RATE:.1f} s; choose another --start")

    def estimated(bands: np.ndarray) -> list[np.ndarray]:
        decibel = to_decibel(bands, reference_level(bands))
        return [decibel[part], *(s[part] for s in transcriber.stems(decibel))]

    level = reference_level(mixture)
    columns = {
        "render, truth": [to_decibel(b, level)[part] for b in
                          (mixture, *(audio_to_bands([s]) for s in truth))],
        "render, adt": estimated(mixture),
        f"{song.stem}, adt": estimated(heard)}
    figure, axes = _figure((15, 11), len(STEMS) + 1, len(columns))
    for column, (title, panels) in enumerate(columns.items()):
        axes[0, column].set_title(title)
        for row, (name, panel) in enumerate(zip(("mixture", *STEMS), panels)):
            axis = axes[row, column]
            axis.imshow(panel.T, origin="lower", aspect="auto", cmap="magma", vmin=-70, vmax=0,
                        extent=(start, start + len(panel) / FRAME_RATE, 0, panel.shape[1]))
            axis.set(yticks=[], xticks=[] if row < len(STEMS) else np.arange(
                start, start + seconds + 0.1, 2))
            if column == 0:
                axis.set_ylabel(name)
        axes[-1, column].set_xlabel("time (s)")
    _save(figure, path)


def read_confusions(path: Path) -> np.ndarray:
    """Confusions with demixing in what ``benchmarks.transcription --out`` wrote.

    Raises
    ------
    DataError
        If it is no such file or has none.
    """
    try:
        matrix = confusions(json.loads(path.read_text(encoding="utf-8"))["renders"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or repr(error)
        raise DataError(f"{path}: cannot be read as figures of renders ({reason}); write them "
                        "with benchmarks.transcription --kits KITS --groove GROOVE "
                        "--out FILE.json") from error
    if matrix is None:
        raise DataError(f"{path}: has no figures with demixing; write them without --no-demix")
    return matrix


def confusion_picture(matrix: np.ndarray, path: Path) -> None:
    """Draw a confusion matrix of `benchmarks.confusion`; colour is the share of a row."""
    matrix = np.asarray(matrix, dtype=float)
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    figure, axes = _figure((8, 6.5), 1, 1)
    axis = axes[0, 0]
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [p.replace("_", " ") for p in PIECES]
    axis.set(xticks=range(len(matrix)), yticks=range(len(matrix)), xlabel="heard as",
             ylabel="played", yticklabels=[*names, "nothing"])
    axis.set_xticklabels([*names, "nothing"], rotation=40, ha="right")
    for row, column in zip(*np.nonzero(matrix)):
        axis.text(column, row, f"{matrix[row, column]:.0f}", ha="center", va="center", fontsize=8,
                  color="white" if share[row, column] > 0.5 else "black")
    _save(figure, path)


def _figure(inches: tuple[float, float], rows: int, columns: int):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _save(figure, path: Path) -> None:
    from PIL import Image

    figure.set_dpi(75)
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:  # a palette is a quarter of the size
        image.quantize(64).save(temporary, "PNG", optimize=True)


def main(argv: list[str] | None = None) -> None:
    """Draw the pictures from the command line."""
    parser = report.parser("benchmarks.pictures", __doc__)
    parser.add_argument("--kits", type=Path, metavar="DIR", required=True, help="sampled kits")
    parser.add_argument("--groove", type=Path, metavar="DIR", required=True,
                        help="Groove MIDI Dataset")
    parser.add_argument("--song", type=Path, metavar="FILE", required=True, help="any song")
    parser.add_argument("--figures", type=Path, metavar="FILE.json",
                        help="what benchmarks.transcription --out wrote")
    parser.add_argument("--images", type=Path, metavar="DIR", default=Path("docs/images"))
    parser.add_argument("--clip", type=int, default=3, metavar="N", help="which render")
    parser.add_argument("--start", type=float, default=40.0, metavar="S")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S")
    args = parser.parse_args(argv)
    if args.clip < 0 or not 0 <= args.start < np.inf or not 0 < args.seconds < np.inf:
        raise ConfigError("--clip and --start must not be below zero, --seconds must be above it")
    report.make_folder(args.images, "--images")
    matrix = read_confusions(args.figures) if args.figures else None
    chosen = clips.held_out(args.groove, args.kits, args.clip + 1, 60.0, args.seed)
    if args.clip >= len(chosen):
        raise ConfigError(f"--clip {args.clip}: there are {len(chosen)} renders, from 0 on")
    stems_picture(chosen[args.clip], args.song, args.images / "stems.png",
                  Transcriber(device=args.device, beats=False), args.start, args.seconds)
    if matrix is not None:
        confusion_picture(matrix, args.images / "confusion.png")


if __name__ == "__main__":
    raise SystemExit(report.run(main))
