"""Transcriptions as text: CSV with a header, MIREX text, Audacity labels."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from ..errors import DataError
from ..transcription import COLUMNS, LABEL_VELOCITY, Hit
from ..vocabulary import ARTICULATION_TO_PIECE, CLASS_TO_PIECE


def write_csv(song, path: Path) -> None:
    """Columns time (seconds), piece, velocity, confidence, with a header."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        for hit in song:
            writer.writerow((f"{hit.time:.6f}", hit.piece, hit.velocity,
                             f"{hit.confidence:.4f}"))


def write_mirex(song, path: Path) -> None:
    """MIREX text: ``time<TAB>label`` in each line."""
    path.write_text("".join(f"{hit.time:.6f}\t{hit.piece}\n" for hit in song), encoding="utf-8")


def write_labels(song, path: Path) -> None:
    """A label track for Audacity: ``start<TAB>end<TAB>piece velocity``, point labels."""
    path.write_text("".join(f"{hit.time:.6f}\t{hit.time:.6f}\t{hit.piece} {hit.velocity}\n"
                            for hit in song), encoding="utf-8")


def read_csv(path: Path) -> tuple[list[Hit], float, None]:
    """Read what `write_csv` writes; velocity and confidence may be missing."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:  # Excel's has a mark
            rows = csv.DictReader(handle)
            if not {"time", "piece"} <= set(rows.fieldnames or ()):
                raise DataError(f"{path}: not a transcription with the columns "
                                f"{', '.join(COLUMNS)}; its first line names them")
            hits = []
            for row in rows:
                try:
                    confidence = (row.get("confidence") or "").strip()
                    hits.append(Hit(
                        float(row["time"]), piece_of(row["piece"].strip()),
                        _velocity(row.get("velocity")), float(confidence or 1.0)))
                except (AttributeError, TypeError, ValueError):
                    raise DataError(f"{path}: line {rows.line_num} is not a time in seconds, a "
                                    "piece, a velocity of 1 to 127 and a confidence") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a text file of columns ({error})") from error
    return hits, _end_of(hits), None


def piece_of(label: str) -> str:
    """The piece or class that a label means; labels that mean none stay as they are."""
    for name in (label, label.lower(), label.upper()):
        if name in ARTICULATION_TO_PIECE:
            return ARTICULATION_TO_PIECE[name]
        if name in CLASS_TO_PIECE:
            return name
    return label


def _velocity(text: str | None) -> int:
    """A velocity as other programs write it, with a point and zeros perhaps."""
    if not text or not text.strip():
        return LABEL_VELOCITY
    if not (math.isfinite(float(text)) and float(text).is_integer()):
        raise ValueError(f"velocity {text}")
    return int(float(text))


def read_mirex(path: Path) -> tuple[list[Hit], float, None]:
    """Read ``time<TAB>label`` lines; a velocity (whole numbers) may follow the label."""
    hits = []
    for number, line in _lines(path):
        try:
            time, label, *more = line.split("\t")
            velocity = more[0] if more and more[0].strip().isdecimal() else None
            hits.append(Hit(float(time), piece_of(label.strip()), _velocity(velocity)))
        except ValueError:
            raise DataError(f"{path}: line {number} is not time<TAB>label") from None
        if more and _is_number(label):
            raise DataError(f"{path}: line {number} is start<TAB>end<TAB>label, as in a label "
                            "track of Audacity; rename the file to NAME.labels.txt")
    return hits, _end_of(hits), None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_labels(path: Path) -> tuple[list[Hit], float, None]:
    """Read a label track of Audacity; a label is a piece, with or without a velocity."""
    hits = []
    for number, line in _lines(path):
        if line.startswith("\\"):  # the frequencies of a spectral selection
            continue
        try:
            start, _, text = line.split("\t")[:3]
            label, *velocity = text.split()
            hits.append(Hit(float(start), piece_of(label), _velocity(" ".join(velocity[:1]))))
        except ValueError:
            raise DataError(f"{path}: line {number} is not "
                            "start<TAB>end<TAB>piece [velocity]") from None
    return hits, _end_of(hits), None


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file") from error
    return [(n, line) for n, line in enumerate(lines, 1) if line.strip()]


def _end_of(hits: list[Hit]) -> float:
    return max((h.time for h in hits), default=0.0)
