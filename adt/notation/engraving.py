"""Pages of a drum part: MusicXML engraved to SVG by verovio and bound to PDF by typst."""

from __future__ import annotations

import json

from ..errors import OutputError
from ..transcription import Transcription
from .score import to_musicxml

__all__ = ["engrave", "to_pdf"]

#: A4 in tenths of a millimetre.
PAGE = (2100, 2970)


def engrave(transcription: Transcription, *, title: str | None = None,
            tempo: float | None = None) -> list[str]:
    """Pages of the drum part, A4 upright, each an SVG.

    Parameters and errors as in `adt.notation.to_score`; needs verovio too.
    """
    try:
        import verovio
    except ImportError as error:
        raise OutputError(
            'engraving needs the library verovio; pip install "adt[notation]"') from error
    text = to_musicxml(transcription, title=title, tempo=tempo)
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(json.dumps({
        "pageWidth": PAGE[0], "pageHeight": PAGE[1], "scale": 40, "scaleToPageSize": True,
        "adjustPageHeight": False, "breaks": "line", "header": "auto", "footer": "none",
        "justifyVertically": False, "xmlIdSeed": 1, "svgViewBox": True,
        "smuflTextFont": "embedded",
    }))
    if not toolkit.loadData(text):
        raise OutputError(f"{transcription.source}: verovio cannot read the drum part")
    return [toolkit.renderToSVG(page + 1) for page in range(toolkit.getPageCount())]


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
        raise OutputError('writing PDF needs the library typst; pip install '
                          '"adt[notation]"') from error
    import tempfile
    from pathlib import Path
    with tempfile.TemporaryDirectory() as folder:
        lines = ["#set document(date: none)",
                 "#set page(width: 210mm, height: 297mm, margin: 0pt)"]
        for k, page in enumerate(pages):
            Path(folder, f"{k}.svg").write_text(page, encoding="utf-8")
            lines.append(("#pagebreak()\n" if k else "")
                         + f'#image("{k}.svg", width: 210mm, height: 297mm)')
        source = Path(folder, "part.typ")
        source.write_text("\n".join(lines), encoding="utf-8")
        try:
            return typst.compile(str(source), format="pdf")
        except RuntimeError as error:
            raise OutputError(f"the pages cannot be bound ({error})") from error
