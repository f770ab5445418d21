"""Transcriptions as MIDI, on the notes of any drum plug-in (`adt.note_maps`)."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np

from ..beats import Beats
from ..beats.beats import LONGEST_BAR
from ..beats.tempo import tempo_map
from ..errors import DataError
from ..note_maps import GENERAL_MIDI, NoteMap, presets
from ..note_maps import note_map as find_note_map
from ..transcription import NOTE_LENGTH, Hit
from ..vocabulary import PIECES, class_names

TICKS_PER_BEAT = 960  #: at 120 beats per minute a tick is 0.52 ms
_COARSEST = 96  # ticks a quarter note that the times of a long file are rounded to
_TOLD = "drum note map: "  # begins the text event that tells one
_SAFE = 0.9  # share of the ticks that pretty_midi reads which are written at most


def to_midi(song, *, note_map: NoteMap | Path | str | None = None, split_tracks: bool = False):
    """`pretty_midi.PrettyMIDI`; parameters and errors as in `Transcription.to_midi`."""
    import pretty_midi

    notes = find_note_map(note_map)
    if song.beats is not None and len(song.beats) > 1:
        tempi = tempo_map(song.beats)
        midi = tempi.to_midi(_ticks(tempi.quarters(song.duration)))
    else:
        midi = pretty_midi.PrettyMIDI(resolution=_ticks(2 * song.duration), initial_tempo=120)
    names = class_names(song.classes) if split_tracks else ("Drums",)
    tracks = {name: pretty_midi.Instrument(program=0, is_drum=True, name=name) for name in names}
    following: dict[int, float] = {}
    for hit in reversed(song.hits):
        note = notes.note(hit.piece)
        # A note ends before the next one of its key begins, so that no reader
        # takes the end of one for the end of the other.
        length = min(NOTE_LENGTH, max(following.get(note, math.inf) - hit.time, 0.001))
        tracks[hit.piece if split_tracks else "Drums"].notes.append(pretty_midi.Note(
            velocity=hit.velocity, pitch=note, start=hit.time, end=hit.time + length))
        following[note] = hit.time
    for track in tracks.values():
        track.notes.reverse()
    midi.instruments += [t for t in tracks.values() if t.notes or not split_tracks]
    return midi


def _ticks(quarters: float) -> int:
    """Ticks a quarter note of a MIDI file of so many: as fine as can be read again."""
    from pretty_midi.pretty_midi import MAX_TICK

    ticks = TICKS_PER_BEAT
    while ticks * quarters > _SAFE * MAX_TICK and ticks % 2 == 0:
        ticks //= 2
    return ticks


def write(song, path: Path, *, note_map: NoteMap | Path | str | None = None,
          split_tracks: bool = False) -> None:
    """Write `Transcription.to_midi`; a note map other than General MIDI is told in the file."""
    import mido

    song.to_midi(note_map=note_map, split_tracks=split_tracks).write(str(path))
    written = find_note_map(note_map)
    if written.write != GENERAL_MIDI.write:
        file = mido.MidiFile(str(path))
        file.tracks[0].insert(0, mido.MetaMessage("text", text=_tell(written), time=0))
        file.save(str(path))


def _tell(written: NoteMap) -> str:
    """A note map as a line of text, in letters that MIDI files can hold."""
    notes = " ".join(f"{piece}={written.write[piece]}" for piece in PIECES)
    return f"{_TOLD}{written.name}: {notes}".encode("ascii", "replace").decode("ascii")


def _told(midi) -> NoteMap | None:
    """The note map that a file tells, if it does."""
    for text in (event.text for event in midi.text_events if event.text.startswith(_TOLD)):
        name, _, notes = text.removeprefix(_TOLD).rpartition(": ")
        try:
            write = {piece: int(note) for piece, note in (x.split("=") for x in notes.split())}
        except ValueError:
            continue
        if set(write) == set(PIECES):
            return next((preset for preset in map(find_note_map, presets())  # understand more notes
                         if preset.write == write), NoteMap(name, write))
    return None


def told(path: Path) -> bool:
    """Whether a MIDI file tells the notes of its pieces."""
    return _told(load(path)) is not None


def read(path: Path, *, note_map: NoteMap | Path | str | None = None,
         ) -> tuple[list[Hit], float, Beats | None]:
    """Hits of the drum tracks and beats.

    Without a map it is the one that the file tells (`write`), or General MIDI. There are warnings
    where another map is given than the file tells, of notes that the map does not have, which are
    left out, and of a file whose only track is not on channel 10, which is taken for drums if the
    map has half of its notes.
    """
    midi = load(path)
    own = _told(midi)
    given = find_note_map(note_map) if note_map is not None else own or GENERAL_MIDI
    if own is not None and own.write != given.write:
        warnings.warn(f"{path}: says that its notes are those of {own.name}, and is read with "
                      f"{given.name}, which was asked for", stacklevel=2)
    pieces = given.to_piece
    drums = [i for i in midi.instruments if i.is_drum]
    played = [i for i in midi.instruments if i.notes]
    if not drums and played:
        notes = [note.pitch in pieces for i in played for note in i.notes]
        if len(played) > 1 or sum(notes) < len(notes) / 2:
            raise DataError(f"{path}: no drum track; put the drums on channel 10")
        drums = played
        warnings.warn(f"{path}: nothing is on channel 10; its one track is read as drums",
                      stacklevel=2)
    _tell_unknown(path, [note.pitch for i in drums for note in i.notes], given)
    hits = [Hit(note.start, pieces[note.pitch], note.velocity)
            for i in drums for note in i.notes if note.pitch in pieces]
    end = max((note.end for i in drums for note in i.notes), default=0.0)
    return hits, end, beats(midi, end, path)


def _tell_unknown(path: Path, notes: list[int], given: NoteMap) -> None:
    """Warn of notes that the map does not have, and name a preset that has them all."""
    unknown = sorted(set(notes) - set(given.to_piece))
    if not unknown:
        return
    count = sum(note in unknown for note in notes)
    fitting = [name for name in presets() if set(notes) <= set(find_note_map(name).to_piece)]
    remedy = f"note map {' or '.join(fitting)} has them all" if fitting else \
        "give the note map they were written with"
    if unknown != sorted(set(notes)):
        remedy += ", and may read others as other pieces"
    warnings.warn(f"{path}: {count} of {len(notes)} notes are left out, {given.name} does not "
                  f"have {', '.join(map(str, unknown))}; {remedy}", stacklevel=3)


def load(path: Path | str):
    """`pretty_midi.PrettyMIDI` of a file that may come from any program.

    Tempi and time signatures may be in any track, and notes of drums may end at once or never.
    A file of more ticks than pretty_midi reads (hours) is read at half its resolution, or less.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    import mido
    import pretty_midi

    try:
        file = mido.MidiFile(str(path))
        if file.ticks_per_beat <= 0:
            raise DataError(f"{path}: its times are in frames (SMPTE); export it with ticks per "
                            "quarter note")
        _coarsen(file, pretty_midi.pretty_midi.MAX_TICK - 3)  # notes may end a tick later
        _tidy(file)
        return pretty_midi.PrettyMIDI(mido_object=file)
    except DataError:
        raise
    except Exception as error:  # damaged files fail in mido in many ways
        raise DataError(f"{path}: not a readable MIDI file ({error!r})") from error


def _coarsen(file, most: int) -> None:
    """Halve the resolution until the last tick is `most` at most, in place.

    Files that would have to be coarser than `_COARSEST` stay too long: they are damaged.
    """
    last = max((sum(m.time for m in track) for track in file.tracks), default=0)
    resolution, share = file.ticks_per_beat, 1
    while last // share > most and resolution % 4 == 0 and resolution >= 2 * _COARSEST:
        resolution, share = resolution // 2, share * 2
    if share == 1 or last // share > most:
        return
    file.ticks_per_beat = resolution
    for track in file.tracks:
        now = before = 0
        for message in track:
            now += message.time
            tick = (now + share // 2) // share
            message.time, before = tick - before, tick


def _tidy(file) -> None:
    """Move what all tracks share to the first, and end every note of the drums, in place.

    Tracks of a file of type 2 share nothing. Without notes on channel 10 those of all channels end.
    """
    import mido

    used = {m.channel for track in file.tracks for m in track if m.type == "note_on"}
    channels = {9} if 9 in used else used
    shared, tracks = [], []
    for track in file.tracks:
        now, events = 0, []
        for message in track:
            now += message.time
            common = file.type != 2 and message.type in (
                "set_tempo", "time_signature", "key_signature")
            (shared if common else events).append((now, message))
        tracks.append(_with_ends(events, channels))
    shared.sort(key=lambda event: event[0])
    for number, (track, events) in enumerate(zip(file.tracks, tracks)):
        if number == 0:
            events = sorted([*shared, *events], key=lambda event: event[0])
        now = 0
        messages = []
        for tick, message in events:
            if message.type != "end_of_track":
                message.time = tick - now
                messages.append(message)
                now = tick
        last = max([now, *(tick for tick, _ in events)])
        track[:] = [*messages, mido.MetaMessage("end_of_track", time=last - now)]


def _with_ends(events: list, channels: set[int]) -> list:
    """Events of a track in which every note of some channels ends, a tick after it or later."""
    import mido

    kept, playing = [], {}  # channel and note → tick at which it began

    def end(key: tuple[int, int], tick: int) -> None:
        start = playing.pop(key)
        off = mido.Message("note_off", channel=key[0], note=key[1])
        kept.append((max(tick, start + 1), off))

    for tick, message in events:
        if message.type not in ("note_on", "note_off") or message.channel not in channels:
            kept.append((tick, message))
            continue
        key = message.channel, message.note
        struck = message.type == "note_on" and message.velocity > 0
        if struck and playing.get(key) == tick:
            kept.append((tick, message))  # two at once end together
            continue
        if key in playing:
            end(key, tick)
        if struck:
            kept.append((tick, message))
            playing[key] = tick
    last = events[-1][0] if events else 0
    for key in list(playing):
        end(key, last)
    return sorted(kept, key=lambda event: event[0])


def beats(midi, end: float, path: Path | str = "MIDI") -> Beats | None:
    """Beats of a `pretty_midi.PrettyMIDI`, from its tempi and time signatures.

    They are quarters, or three eighths if bars are in 6/8, 9/8 or 12/8 and every other one but a
    pickup is of three eighths too, or
    eighths if bars other than a pickup are no whole number of quarters (7/8). None where that
    does not do either (7/16), with a warning; and where nobody set a tempo: 120 beats per
    minute and one 4/4 throughout is what programs write by default. A pickup that is no whole
    number of beats has none.
    """
    _, tempi = midi.get_tempo_changes()
    changes = midi.time_signature_changes
    plain = [(c.numerator, c.denominator) for c in changes] in ([], [(4, 4)])
    if plain and (np.rint(6e7 / tempi) == 500_000).all():
        return None
    last = midi.time_to_tick(end)
    eighths = [c.numerator if c.denominator == 8 else 0 for c in changes]
    threes = [n > 0 and n % 3 == 0 for n in eighths]
    compound = any(n in (6, 9, 12) for n in eighths) and threes[-1] and all(
        three for n, three in list(zip(eighths, threes))[threes.index(True):] if n)
    bars = [(midi.time_to_tick(s.time), s.numerator * 4 / s.denominator) for s in changes]
    if not bars or bars[0][0] > 0:
        bars.insert(0, (0, 4.0))
    stops = [tick for tick, _ in bars[1:]] + [last + 4 * midi.resolution]
    first = int(len(bars) > 2 and bars[0][1] < 0.25)  # a lead before the pickup
    quarters = 1.5 if compound else 1  # a beat
    odd = [length for number, ((start, length), stop) in enumerate(zip(bars, stops))
           if length % quarters and not (number <= first and number + 1 < len(bars)
                                         and stop - start <= length * midi.resolution)]
    if odd:
        quarters, compound = 0.5, False
        longest = max(length for _, length in bars)
        if (any(length % quarters for length in odd) or midi.resolution % 2
                or longest > LONGEST_BAR * quarters):
            warnings.warn(f"{path}: is read without beats, for not all bars are of quarters, "
                          "three eighths or eighths", stacklevel=3)
            return None
    size = round(midi.resolution * quarters)  # ticks a beat
    signatures = [(tick, length / quarters) for tick, length in bars]
    found: dict[int, int] = {}
    for number, ((start, count), stop) in enumerate(zip(signatures, stops)):
        if count == int(count):
            skipped = 0
            if (number == first and number + 1 < len(signatures)
                    and stop - start == count * size):  # a pickup: the end of a bar
                skipped = max(0, int(signatures[number + 1][1] - count))
            ticks = range(start, min(stop, last + 1), size)
            found.update((t, (i % int(count)) + skipped + 1) for i, t in enumerate(ticks))
    if len(found) < 2:
        return None
    ticks = sorted(found)
    whole = int(signatures[-1][1]) if signatures[-1][1] % 1 == 0 else 0
    return Beats([midi.tick_to_time(t) for t in ticks], [found[t] for t in ticks], compound, whole)

