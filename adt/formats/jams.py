"""Transcriptions as JAMS: drum hits (``tag_open``) and beats (``beat``)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..beats import Beats
from ..errors import DataError, OutputError
from ..extras import lacking
from ..transcription import LABEL_VELOCITY, NOTE_LENGTH, Hit
from .text import piece_of


def write(song, path: Path) -> None:
    """Write `to_jams`."""
    document = to_jams(song)
    with _quiet():
        document.save(str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of the jams library, which uses its own libraries' old names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def to_jams(song):
    """`jams.JAMS` of a transcription; see `adt.Transcription.to_jams`."""
    try:
        import jams
    except ImportError as error:
        raise OutputError(lacking("writing JAMS", "jams", "jams", error)) from error
    with _quiet():
        return _document(jams, song)


def _document(jams, song):
    result = jams.JAMS()
    result.file_metadata.title = song.source
    result.file_metadata.duration = song.duration
    hits = _annotation(jams, "tag_open", song.duration)
    hits.sandbox.velocity = [hit.velocity for hit in song]
    hits.sandbox.classes = song.classes
    for hit in song:
        hits.append(time=hit.time, duration=NOTE_LENGTH, value=hit.piece,
                    confidence=hit.confidence)
    result.annotations.append(hits)
    found = song.beats
    if found is not None:
        beats = _annotation(jams, "beat", song.duration)
        beats.sandbox.compound = found.compound
        beats.sandbox.bar = found.bar
        for time, position in zip(found.times.tolist(), found.positions.tolist(), strict=True):
            if time >= 0:
                beats.append(time=time, duration=0, value=position, confidence=1.0)
        result.annotations.append(beats)
    return result


def _annotation(jams, namespace: str, duration: float):
    annotation = jams.Annotation(namespace=namespace, time=0, duration=duration)
    annotation.annotation_metadata.annotation_tools = "adt"
    annotation.annotation_metadata.data_source = "program"
    return annotation


def read(path: Path) -> tuple[list[Hit], float, Beats | None, dict]:
    """Hits of the first ``tag_open`` annotation, beats of the first ``beat``.

    The last are classes and source of what `write` wrote.
    """
    try:
        import jams
    except ImportError as error:
        raise DataError(f"{path}: {lacking('reading JAMS', 'jams', 'jams', error)}") from error
    try:
        with _quiet(), path.open(encoding="utf-8-sig") as file:
            document = jams.load(file, fmt="jams")
        (annotation, *_) = document.search(namespace="tag_open")
        rows = list(annotation.data)
        velocities = getattr(annotation.sandbox, "velocity", None) or [LABEL_VELOCITY] * len(rows)
        if len(velocities) != len(rows):  # somebody has cut the annotation, or added to it
            warnings.warn(f"{path}: {len(velocities)} velocities for {len(rows)} hits; all are "
                          f"{LABEL_VELOCITY}", stacklevel=2)
            velocities = [LABEL_VELOCITY] * len(rows)
        hits = [Hit(row.time, piece_of(row.value), int(velocity),
                    1.0 if row.confidence is None else float(row.confidence))
                for row, velocity in zip(rows, velocities, strict=True)]
        own = annotation.annotation_metadata.annotation_tools == "adt"
        told = {"classes": int(annotation.sandbox.classes),
                "source": str(document.file_metadata.title)} if own else {}
        duration = float(document.file_metadata.duration or 0)
        beats = _beats(path, next(iter(document.search(namespace="beat")), None))
    except Exception as error:  # its parsers fail in many ways
        raise DataError(f"{path}: not a JAMS file with drum hits as tag_open ({error!r})"
                        ) from error
    last = max((h.time for h in hits), default=0.0)
    return hits, last if last > duration + 1e-6 else duration, beats, told  # times are rounded


def _beats(path: Path, annotation) -> Beats | None:
    """Beats whose place in the bar is known, as a whole number; JAMS does not demand it."""
    if annotation is None:
        return None
    rows = sorted(annotation.data, key=lambda row: row.time)
    if not rows or any(row.value is None for row in rows):
        return None
    sandbox = annotation.sandbox
    try:
        return Beats([row.time for row in rows], [row.value for row in rows],
                     bool(getattr(sandbox, "compound", False)), int(getattr(sandbox, "bar", 0)))
    except (ValueError, TypeError) as error:
        warnings.warn(f"{path}: its beats are left out, {error}", stacklevel=2)
        return None
