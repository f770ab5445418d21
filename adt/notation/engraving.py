"""Pages of a drum part: MusicXML engraved to SVG by verovio and bound to PDF by typst."""

from __future__ import annotations

import re

from ..errors import OutputError
from ..extras import lacking
from ..transcription import Transcription
from .score import to_musicxml

__all__ = ["engrave", "engrave_musicxml", "stack", "to_pdf"]

#: A4 in tenths of a millimetre.
PAGE = (2100, 2970)

_TITLE = 75  # letters for which a line has room; longer titles are smaller

_OPTIONS = {
    "pageWidth": PAGE[0], "pageHeight": PAGE[1], "pageMarginLeft": 150, "pageMarginRight": 150,
    "pageMarginTop": 150, "pageMarginBottom": 120, "scale": 100, "unit": 7.0,
    "breaks": "line", "header": "auto", "footer": "none", "justifyVertically": False,
    "minLastJustification": 0.7, "spacingSystem": 6, "svgViewBox": True, "xmlIdSeed": 1,
    "smuflTextFont": "embedded",
}


def engrave(transcription: Transcription, *, title: str | None = None,
            tempo: float | None = None) -> list[str]:
    """Pages of the drum part, A4 upright, each an SVG.

    Parameters and errors as in `adt.notation.to_score`; needs verovio too.
    """
    return engrave_musicxml(to_musicxml(transcription, title=title, tempo=tempo))


def engrave_musicxml(text: str) -> list[str]:
    """Pages of a drum part in MusicXML, A4 upright, each an SVG.

    Parameters
    ----------
    text : str
        From `adt.notation.to_musicxml`.

    Raises
    ------
    OutputError
        If verovio is missing or cannot read the part.
    """
    try:
        import verovio
    except ImportError as error:
        raise OutputError(lacking("engraving", "verovio", "notation", error)) from error
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(_OPTIONS)
    if not toolkit.loadData(text):
        raise OutputError("verovio cannot read the drum part")
    return [_anchored(toolkit.renderToSVG(page + 1)) for page in range(toolkit.getPageCount())]


def stack(pages: list[str]) -> str:
    """One SVG of engraved pages, one below the other."""
    if len(pages) == 1:
        return pages[0]
    width, height = PAGE
    placed = (page[page.index("<svg"):].replace("<svg ", f'<svg y="{k * height}" '
                                                f'height="{height}" width="{width}" ', 1)
              for k, page in enumerate(pages))
    return ('<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {width} {height * len(pages)}">\n' + "\n".join(placed) + "\n</svg>\n")


def to_pdf(pages: list[str]) -> bytes:
    """PDF of engraved pages, one SVG each on A4, with the fonts embedded.

    Raises
    ------
    OutputError
        If typst is missing or cannot draw a page.
    """
    try:
        import typst
    except ImportError as error:
        raise OutputError(lacking("writing PDF", "typst", "notation", error)) from error
    import tempfile
    from pathlib import Path
    with tempfile.TemporaryDirectory() as folder:
        lines = ["#set document(date: none)",
                 "#set page(width: 210mm, height: 297mm, margin: 0pt)"]
        for k, page in enumerate(pages):
            Path(folder, f"{k}.svg").write_text(_plain_note(page), encoding="utf-8")
            lines.append(("#pagebreak()\n" if k else "")
                         + f'#image("{k}.svg", width: 210mm, height: 297mm)')
        source = Path(folder, "part.typ")
        source.write_text("\n".join(lines), encoding="utf-8")
        try:
            return typst.compile(str(source), format="pdf")
        except RuntimeError as error:
            raise OutputError(f"the pages cannot be bound ({error})") from error


def _anchored(page: str) -> str:
    """Write title and page number as one text with its own place, which all readers centre."""
    def join(match: re.Match) -> str:
        place = re.search(r' x="[^"]*" y="[^"]*" text-anchor="[^"]*"', match[0])
        pieces = re.findall(r'<tspan font-size="([^"]*)">([^<]*)</tspan>', match[0])
        if not place or not pieces:
            return match[0]
        words = "".join(text for _, text in pieces)
        size = float(pieces[0][0].removesuffix("px")) * min(1.0, _TITLE / max(1, len(words)))
        return f'<text{place[0]} font-size="{size:g}px">{words}</text>'

    return re.sub(r'<text font-size="0px">.*?</text>', join, page, flags=re.DOTALL)


def _plain_note(page: str) -> str:
    """The note of the metronome mark in a font that typst brings along."""
    page = re.sub(r'<tspan font-family="Leipzig"([^>]*)>\ueca5',
                  '<tspan font-family="DejaVu Sans Mono"\\1>\u2669', page)
    return re.sub(r"\s*\uecb7", ".", page)
