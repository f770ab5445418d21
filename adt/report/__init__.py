"""Report of a transcription: one page to see, hear and take away, without a network.

The steps, each callable alone:

- `encode_track`: audio → MP3 that every browser decodes, with a mark to align it by
- `waveform`, `spectrogram`: audio → outlines, picture
- `downloads`, `draw_score`: transcription → files, engraved pages
- `render_report`: all of them → the text of a page
- `write_report`: recording → file
"""

from __future__ import annotations

from .page import MAX_SIZE, Score, downloads, draw_score, render_report, write_report
from .pictures import spectrogram, waveform
from .tracks import MARK, START, encode_track

__all__ = ["MARK", "MAX_SIZE", "START", "Score", "downloads", "draw_score", "encode_track",
           "render_report", "spectrogram", "waveform", "write_report"]
