"""Written rhythm as a score of two voices (hands up, feet down) and as MusicXML.

Positions and noteheads follow Weinberg, "Guide to Standardized Drumset Notation",
Percussive Arts Society, 1998.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction

import numpy as np

from ..beats import Beats
from ..errors import ConfigError, OutputError
from ..extras import lacking
from ..output import plain
from ..transcription import Transcription
from ..vocabulary import class_note
from .rhythm import Bar, Rhythm, Stroke, write_rhythm

__all__ = ["to_score", "to_musicxml", "POSITIONS"]

#: Piece → line or space, notehead, and name of the instrument. Classes of smaller sets are written
#: as the piece whose General MIDI key they have.
_WRITTEN = {
    "kick": ("F4", "normal", "Bass Drum"), "snare": ("C5", "normal", "Snare Drum"),
    "tom_floor": ("A4", "normal", "Floor Tom"), "tom_mid": ("D5", "normal", "Mid Tom"),
    "tom_high": ("E5", "normal", "High Tom"), "hihat_closed": ("G5", "x", "Closed Hi-Hat"),
    "hihat_open": ("G5", "x", "Open Hi-Hat"), "ride": ("F5", "x", "Ride Cymbal"),
    "crash": ("A5", "x", "Crash Cymbal"),
}
#: General MIDI key of a piece or class → line or space, and notehead.
POSITIONS = {class_note(piece): written[:2] for piece, written in _WRITTEN.items()}
_NAMES = {class_note(piece): name for piece, (*_, name) in _WRITTEN.items()}
_FEET, _OPEN = {class_note("kick")}, class_note("hihat_open")
BARS_PER_SYSTEM = 4  #: in a line; fewer where more onsets than these would be in it
ONSETS_PER_SYSTEM = 52

#: Length in beats → type, dots and whether it is a triplet.
_DURATIONS = {
    Fraction(4): ("whole", 0, ""), Fraction(2): ("half", 0, ""), Fraction(1): ("quarter", 0, ""),
    Fraction(3, 4): ("eighth", 1, ""), Fraction(1, 2): ("eighth", 0, ""),
    Fraction(3, 8): ("16th", 1, ""), Fraction(1, 4): ("16th", 0, ""),
    Fraction(1, 8): ("32nd", 0, ""), Fraction(1, 3): ("eighth", 0, "eighth"),
    Fraction(2, 3): ("quarter", 0, "eighth"), Fraction(1, 6): ("16th", 0, "16th"),
    Fraction(3, 2): ("quarter", 1, ""),
}
_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3}


def to_score(transcription: Transcription, *, title: str | None = None,
             tempo: float | None = None):
    """`music21.stream.Score` of the drum part.

    Ghost notes are snare hits softer than half the upper quartile of the song's snare
    velocities (or than half the loud ones, where most are ghosts); accents are drum hits 1.3
    times as loud as the drum's median, or of 120 and more, unless they are more than a quarter
    of its hits. Two hits of a drum within 40 ms are a flam (on one
    slot within 80 ms), three are a drag.

    Parameters
    ----------
    transcription : Transcription
    title : str, optional
        Name of the transcription's source by default.
    tempo : float, optional
        Beats per minute of a steady 4/4 whose first beat is the first hit; taken instead
        of the transcription's beats.

    Raises
    ------
    OutputError
        If no beats are known and no tempo is given, or music21 is missing.
    ConfigError
        If the tempo is not between 20 and 400.
    """
    return _score(transcription, write_rhythm(transcription, _beats(transcription, tempo)), title)


def _score(transcription: Transcription, rhythm: Rhythm, title: str | None):
    m21 = _library()
    name = plain(transcription.name if title is None else title)
    score = m21.stream.Score(id="score")
    score.metadata = m21.metadata.Metadata(title=name or "Drums")
    part = m21.stream.Part(id="P1")
    part.partName = "Drums"
    signature, systems = None, _systems(rhythm)
    for number, bar in enumerate(rhythm.bars):
        measure = m21.stream.Measure(
            number=number + (0 if rhythm.bars[0].pickup else 1))
        if number == 0:
            measure.insert(0, m21.clef.PercussionClef())
            _mark_swing(m21, measure, rhythm.swing)
        elif number in systems:
            measure.insert(0, m21.layout.SystemLayout(isNew=True))
        if number in rhythm.tempi:
            _mark_tempo(m21, measure, bar, rhythm.tempi[number])
        shown = bar
        if bar.pickup and len(rhythm.bars) > 1 and bar.length <= rhythm.bars[1].length:
            shown = rhythm.bars[1]
        if bar.pickup:
            measure.paddingLeft = shown.length - bar.length
        if shown.signature != signature:
            signature = shown.signature
            measure.insert(0, m21.meter.TimeSignature(f"{signature[0]}/{signature[1]}"))
        for voice in _voices(m21, bar):
            measure.insert(0, voice)
        part.append(measure)
    measure.rightBarline = "final"
    score.insert(0, part)
    return score


def to_musicxml(transcription: Transcription, *, title: str | None = None,
                tempo: float | None = None) -> str:
    """The drum part as MusicXML; parameters and errors as in `to_score`.
    Every note names its instrument, whose ``midi-unpitched`` is the General MIDI key
    counted from 1, as MusicXML counts.
    """
    rhythm = write_rhythm(transcription, _beats(transcription, tempo))
    score = _score(transcription, rhythm, title)
    from music21.musicxml.m21ToXml import GeneralObjectExporter
    exporter = GeneralObjectExporter(score)
    exporter.makeNotation = False
    root = ET.fromstring(exporter.parse())
    _name_instruments(root, {class_note(hit.piece) for hit in transcription})
    pickup = root.find("part/measure[@number='0']")
    if pickup is not None:
        pickup.set("implicit", "yes")
    for identification in root.iter("identification"):
        for creator in identification.findall("creator"):
            identification.remove(creator)
    for encoding in root.iter("encoding"):
        for date in encoding.findall("encoding-date"):
            encoding.remove(date)
    ET.indent(root)
    return ('<?xml version="1.0" encoding="utf-8"?>\n'
            '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
            '"http://www.musicxml.org/dtds/partwise.dtd">\n'
            + ET.tostring(root, encoding="unicode") + "\n")


def _library():
    try:
        import music21
    except ImportError as error:
        raise OutputError(lacking("notation", "music21", "notation", error)) from error
    return music21


def _beats(transcription: Transcription, tempo: float | None) -> Beats:
    if tempo is not None:
        if not 20 <= tempo <= 400:
            raise ConfigError(f"tempo is {tempo}; expected 20 to 400 beats per minute")
        first = transcription[0].time if len(transcription) else 0.0
        count = int(max(transcription.duration - first, 0) * tempo / 60) + 2
        return Beats(first + np.arange(count) * 60 / tempo, np.arange(count) % 4 + 1, bar=4)
    if transcription.beats is None or len(transcription.beats) < 2:
        raise OutputError(f"{transcription.name or 'transcription'}: its beats are not known "
                          "(or too little is struck to find them), so it cannot be written as "
                          "notes; give --beats FILE or --tempo BPM (beats of the transcription, "
                          "or tempo=)")
    return transcription.beats


def _systems(rhythm: Rhythm) -> set[int]:
    """Bars that begin a line: groups of four, halved until there is room for their notes."""
    onsets = [len(bar.slots) for bar in rhythm.bars]
    pickup = int(rhythm.bars[0].pickup)

    def begin(first: int, bars: int) -> set[int]:
        if bars == 1 or sum(onsets[first:first + bars]) <= ONSETS_PER_SYSTEM:
            return {first}
        return begin(first, bars // 2) | begin(first + bars // 2, bars // 2)

    groups = range(pickup, len(onsets), BARS_PER_SYSTEM)
    return set().union(*(begin(first, BARS_PER_SYSTEM) for first in groups)) - {pickup}


def _mark_tempo(m21, measure, bar: Bar, tempo: float) -> None:
    beat = m21.duration.Duration(bar.beat)
    measure.insert(0, m21.tempo.MetronomeMark(number=round(tempo), referent=beat))


def _mark_swing(m21, measure, level: int) -> None:
    if level:
        text = m21.expressions.TextExpression("Swing" if level == 8 else "Swing 16ths")
        text.placement = "above"
        measure.insert(0, text)


def _voices(m21, bar: Bar) -> list:
    """Hands, and feet where they play."""
    hands: dict[Fraction, list[Stroke]] = {}
    feet: dict[Fraction, list[Stroke]] = {}
    for offset, strokes in bar.slots.items():
        for stroke in strokes:
            kind = feet if class_note(stroke.piece) in _FEET else hands
            kind.setdefault(offset, []).append(stroke)
    voices = []
    if hands or not feet:
        voices.append(_voice(m21, "1", hands, bar, "up", hidden=False))
    if feet:
        voices.append(_voice(m21, "2" if hands else "1", feet, bar,
                             "down", hidden=bool(hands)))
    return voices


def _voice(m21, name: str, slots, bar: Bar, stem: str, hidden: bool):
    voice = m21.stream.Voice(id=name)
    if not slots:
        rest = m21.note.Rest(quarterLength=bar.length)
        rest.fullMeasure = True
        voice.insert(0, rest)
        return voice
    beat, size = Fraction(0), bar.beat
    while beat < bar.length:
        inner = {offset - beat: slots[offset] for offset in slots
                 if beat <= offset < beat + size}
        if not inner:
            free = beat % 2 == 0 and beat + 2 <= bar.length and bar.length % 2 == 0 and not any(
                beat <= offset < beat + 2 for offset in slots) and size == 1
            length = Fraction(2) if free else size
            _add(m21, voice, beat, [(Fraction(0), length, None)], stem, hidden)
            beat += length
            continue
        for start, cells in _cells(inner, size):
            _add(m21, voice, beat + start, cells, stem, hidden)
        _beam(m21, [e for e in voice.notesAndRests if e.offset >= beat])
        beat += size
    return voice


def _cells(inner, size: Fraction) -> list[tuple[Fraction, list]]:
    """Parts of one beat that share a grid: (start, [(offset, length, strokes or None)])."""
    if size != 1:
        return [(Fraction(0), _plain(inner, size))]
    grid = next(g for g in (1, 2, 4, 3, 6, 8) if all((o * g).denominator == 1 for o in inner))
    if grid in (1, 2, 3, 4):
        return [(Fraction(0), _fill(inner, Fraction(1), Fraction(1, grid)))]
    cells = []
    half = Fraction(1, 2)
    for start in (Fraction(0), half):
        part = {o - start: inner[o] for o in inner if start <= o < start + half}
        unit = next(half / g for g in (1, 2, 3, 4)
                    if all((o / half * g).denominator == 1 for o in part))
        cells.append((start, _fill(part, half, unit)))
    return cells


def _fill(part, length: Fraction, unit: Fraction) -> list:
    """Rests up to the first onset; every note lasts to the next one."""
    onsets = sorted(part)
    first = onsets[0] if onsets else length
    cells = []
    place = Fraction(0)
    for size in (length, length / 2, length / 4, unit):
        while place + size <= first and (size.denominator % 3 == 0) == (unit.denominator % 3 == 0):
            cells.append((place, size, None))
            place += size
    for onset, stop in zip(onsets, [*onsets[1:], length], strict=False):
        cells.append((onset, stop - onset, part[onset]))
    return cells


def _plain(part, length: Fraction) -> list:
    """The same for a beat of three eighths: what a note does not last is rests."""
    onsets = sorted(part)
    cells = []
    for onset, stop in zip([Fraction(0), *onsets], [*onsets, length], strict=False):
        strokes, place = part.get(onset), onset
        for size in (Fraction(k, 8) for k in (12, 8, 6, 4, 3, 2, 1)):
            while place + size <= stop and (strokes is not None or size in _RESTS):
                cells.append((place, size, strokes))
                place, strokes = place + size, None
    return cells


#: Rests in a beat of three eighths.
_RESTS = {Fraction(3, 2), Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(1, 8)}


def _add(m21, voice, start, cells, stem: str, hidden: bool) -> None:
    triplet = [cell for cell in cells if _DURATIONS[cell[1]][2]]
    for cell in cells:
        offset, length, strokes = cell
        kind, dots, base = _DURATIONS[length]
        duration = m21.duration.Duration(type=kind, dots=dots)
        if base:
            tuplet = m21.duration.Tuplet(3, 2, base)
            tuplet.bracket = True
            tuplet.placement = "below" if stem == "down" else "above"
            if cell is triplet[0]:
                tuplet.type = "start"
            elif cell is triplet[-1]:
                tuplet.type = "stop"
            duration.appendTuplet(tuplet)
        if strokes is None:
            element = m21.note.Rest(duration=duration)
            element.style.hideObjectOnPrint = hidden and not base
        else:
            element = _chord(m21, strokes, duration, stem)
            for stroke in strokes:
                for grace in _graces(m21, stroke, stem):
                    voice.insert(start + offset, grace)
        voice.insert(start + offset, element)


def _chord(m21, strokes: list[Stroke], duration, stem: str):
    notes = []
    for stroke in sorted(strokes, key=lambda s: m21.pitch.Pitch(_position(s)[0]).ps):
        place, head = _position(stroke)
        note = m21.note.Unpitched(displayName=place, duration=duration)
        note.notehead = head
        note.noteheadParenthesis = stroke.ghost
        notes.append(note)
    if len(notes) > 1:
        element = m21.percussion.PercussionChord(notes)
        element.duration = duration
    else:
        element = notes[0]
    element.stemDirection = stem
    if any(stroke.accent for stroke in strokes):
        _mark(element, m21.articulations.Accent())
    if any(class_note(stroke.piece) == _OPEN for stroke in strokes):
        _mark(element, m21.articulations.OpenString())
    if any(stroke.closing for stroke in strokes):
        _mark(element, m21.articulations.Stopped())
    return element


def _mark(element, articulation) -> None:
    articulation.placement = "above"
    element.articulations.append(articulation)


def _graces(m21, stroke: Stroke, stem: str) -> list:
    """A slashed eighth before a flam, two beamed sixteenths before a drag."""
    kind = "16th" if stroke.graces > 1 else "eighth"
    notes = [_chord(m21, [Stroke(stroke.piece)], m21.duration.Duration(type=kind),
                    stem).getGrace() for _ in range(stroke.graces)]
    for k, grace in enumerate(notes):
        grace.duration.slash = len(notes) == 1
        if len(notes) > 1:
            grace.beams.fill(2, "start" if k == 0 else "stop")
    return notes


def _position(stroke: Stroke) -> tuple[str, str]:
    return POSITIONS[class_note(stroke.piece)]


def _beam(m21, elements: list) -> None:
    """Beams over the notes of one beat."""
    run: list = []
    for element in [*elements, None]:
        if element is not None and element.duration.isGrace:
            continue
        if element is not None and not element.isRest and element.duration.type in _FLAGS:
            run.append(element)
            continue
        if len(run) > 1:
            flags = [_FLAGS[e.duration.type] for e in run]
            for k, element_k in enumerate(run):
                for level in range(1, flags[k] + 1):
                    before = k > 0 and flags[k - 1] >= level
                    after = k + 1 < len(run) and flags[k + 1] >= level
                    if before or after:
                        kind = ("continue" if after else "stop") if before else "start"
                        element_k.beams.append(kind)
                    else:
                        element_k.beams.append("partial", "right" if k == 0 else "left")
        run = []


def _name_instruments(root: ET.Element, keys: set[int]) -> None:
    """Give the part an instrument for each piece and every note its own."""
    header, part = root.find("part-list/score-part"), root.find("part")
    header.set("id", "P1")
    part.set("id", "P1")
    header.find("part-name").set("print-object", "no")
    for old in header.findall("part-abbreviation"):
        header.remove(old)
    for tag in ("score-instrument", "midi-device", "midi-instrument"):
        for old in header.findall(tag):
            header.remove(old)
    keys = sorted(keys)
    for key in keys:
        element = ET.SubElement(header, "score-instrument", id=f"P1-I{key}")
        ET.SubElement(element, "instrument-name").text = _NAMES[key]
    for key in keys:
        element = ET.SubElement(header, "midi-instrument", id=f"P1-I{key}")
        ET.SubElement(element, "midi-channel").text = "10"
        ET.SubElement(element, "midi-program").text = "1"
        ET.SubElement(element, "midi-unpitched").text = str(key + 1)
    by_place = {POSITIONS[key][0]: key for key in keys if key != 46}
    opened = False
    for note in part.iter("note"):
        for old in note.findall("instrument"):
            note.remove(old)
        pitch = note.find("unpitched")
        if pitch is None:
            continue
        if note.find("chord") is None:
            opened = note.find("notations/technical/open-string") is not None
        place = pitch.findtext("display-step") + pitch.findtext("display-octave")
        key = 46 if place == "G5" and opened else by_place[place]
        children = list(note)
        after = next(k for k, child in enumerate(children)
                     if child.tag in ("voice", "type", "footnote", "level"))
        note.insert(after, ET.Element("instrument", id=f"P1-I{key}"))
