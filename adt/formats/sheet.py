"""Transcriptions as sheet music (``.musicxml``, ``.svg``, ``.pdf``)."""

from __future__ import annotations

from pathlib import Path


def write_musicxml(song, path: Path, *, title: str | None = None,
                   tempo: float | None = None) -> None:
    """Write `adt.notation.to_musicxml`."""
    from ..notation import to_musicxml
    text = to_musicxml(song, title=title, tempo=tempo)
    path.write_text(text, encoding="utf-8", newline="\n")


def write_svg(song, path: Path, *, title: str | None = None,
              tempo: float | None = None) -> None:
    """Write the pages of `adt.notation.engrave`, one below the other."""
    from ..notation import engrave, stack
    pages = stack(engrave(song, title=title, tempo=tempo))
    path.write_text(pages, encoding="utf-8", newline="\n")


def write_pdf(song, path: Path, *, title: str | None = None,
              tempo: float | None = None) -> None:
    """Write the pages of `adt.notation.engrave`."""
    from ..notation import engrave, to_pdf
    path.write_bytes(to_pdf(engrave(song, title=title, tempo=tempo)))
