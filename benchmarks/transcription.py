"""Scores whole tracks with mir_eval: real recordings, and renders of held-out kits.

``--data DIR`` scores the tracks of a folder in the layout of MDB Drums (see
`adt.data.mdb`): drums alone and songs. ``--kits DIR --groove DIR`` scores renders of
Groove's test split on the validation kits, where velocities are known too; labels name
what sounds on a kit that lacks a piece (see `adt.data.voices`). Both with and without demixing, in
3, 5 and 9 classes, at ±50 and ±20 ms. How scores are pooled and absent classes are
treated is said in `adt.scoring`.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adt.data.mdb import read_mdb
from adt.errors import ConfigError
from adt.frames import SAMPLE_RATE
from adt.scoring import WINDOWS, Scores, events
from adt.transcription import Transcription
from adt.vocabulary import (
    PIECE_OF_ARTICULATION,
    PIECES,
    class_names,
)

from . import clips, report, tables
from .confusion import confusion
from .confusion import table as confusion_table
from .velocity import VelocityScores

CLASS_SETS = (3, 5, 9)
MATERIALS = OrderedDict(drums="drums alone", songs="songs")
_MODES = {True: "demixing", False: "no demixing"}


@dataclass(frozen=True)
class Item:
    """Something to transcribe, with its labels."""

    name: str
    audio: Path | np.ndarray
    times: np.ndarray
    pieces: Sequence  #: names, or indices into `ARTICULATIONS`
    sr: int | None = None
    velocities: np.ndarray | None = None


System = Callable[..., Transcription]  #: called with audio (and sr)


def systems(demix: bool | None, device: str) -> dict[bool, System]:
    """Transcribers with and without demixing; one of them if `demix` says which."""
    from adt.inference import Transcriber
    return {mode: Transcriber(demix=mode, device=device)
            for mode in (True, False) if demix in (None, mode)}


def score(items: Iterable[Item], transcribers: Mapping[bool, System], material: str,
          seed: int = 0, also: Callable[[bool, Item, Transcription], None] | None = None) -> dict:
    """Transcribe and score.

    Parameters
    ----------
    items : iterable of Item
    transcribers : mapping of bool to callable
        With demixing or without → transcriber.
    material : str
        Name of the kind of input, copied to the result.
    seed : int
        Of the bootstrap.
    also : callable, optional
        Called with (demix, item, transcription of nine classes) for other scores.

    Returns
    -------
    dict
        ``scores``: a list of records (``material``, ``demix``, ``n_classes``, ``window`` and
        what `adt.scoring.Scores` gives); ``gain``: a list of records of the paired
        difference of pooled F, demixing minus no demixing.
    """
    found = {(mode, n): Scores(n, WINDOWS) for mode in transcribers for n in CLASS_SETS}
    for item in items:
        for mode, transcriber in transcribers.items():
            estimate = (transcriber(item.audio) if item.sr is None
                        else transcriber(item.audio, sr=item.sr))
            for n in CLASS_SETS:
                found[mode, n].update(item.name, events(item.times, item.pieces, n),
                                      estimate.events(n))
            if also is not None:
                also(mode, item, estimate.reduce(9))
    records, gain = [], []
    for (mode, n), scores in found.items():
        for window, values in scores(seed=seed).items():
            records.append({"material": material, "demix": mode, "n_classes": n,
                            "window": window, **values})
    if {True, False} <= set(transcribers):
        for n in CLASS_SETS:
            for window in WINDOWS:
                gain.append({"material": material, "n_classes": n, "window": window,
                             **found[True, n].compare(found[False, n], window, seed=seed)})
    return {"scores": records, "gain": gain}


# -- real recordings ---------------------------------------------------------------------


def track_items(tracks: Sequence, material: str) -> list[Item]:
    """Items of the tracks that have this material (``drums`` or ``songs``)."""
    items = []
    for track in tracks:
        audio = track.drums if material == "drums" else track.mix
        if audio is not None:
            items.append(Item(track.name, audio, track.times, track.articulations))
    return items


def score_recordings(tracks: Sequence, transcribers: Mapping[bool, System],
                     seed: int = 0) -> dict:
    """Score drums alone and songs of annotated recordings; see `score`."""
    from tqdm import tqdm
    result: dict = {"scores": [], "gain": []}
    for material in MATERIALS:
        items = track_items(tracks, material)
        if items:
            bar = tqdm(items, desc=material, unit="track", disable=None)
            part = score(bar, transcribers, material, seed)
            result["scores"] += part["scores"]
            result["gain"] += part["gain"]
    return result


def _pick(result: Mapping, **wanted) -> dict | None:
    return next((r for r in result["scores"]
                 if all(r[key] == value for key, value in wanted.items())), None)


def recordings_table(result: Mapping) -> str:
    """Pooled scores of real recordings, one row for each material and mode."""
    names = class_names(5)
    header = ["input", "", "F, 5 classes, ±50 ms", "P", "R", *names, "F, ±20 ms",
              "F, 3 classes", "F, 9 classes"]
    rows = []
    for material, title in MATERIALS.items():
        for mode, label in _MODES.items():
            five = _pick(result, material=material, demix=mode, n_classes=5, window=0.05)
            if five is None:
                continue
            close = _pick(result, material=material, demix=mode, n_classes=5, window=0.02)
            others = [_pick(result, material=material, demix=mode, n_classes=n, window=0.05)
                      for n in (3, 9)]
            total = five["SUM"]
            rows.append([
                title, label, tables.interval(total["f_measure"], total["interval"]),
                tables.number(total["precision"]), tables.number(total["recall"]),
                *(tables.number(five["classes"][c]["f_measure"], 2) for c in names),
                tables.number(close["SUM"]["f_measure"]),
                *(tables.number(o["SUM"]["f_measure"]) for o in others)])
        for gain in result["gain"]:
            if (gain["material"], gain["n_classes"], gain["window"]) == (material, 5, 0.05):
                text = tables.interval(gain["difference"], gain["interval"])
                rows.append([title, "difference", text, *[""] * (len(header) - 3)])
    return tables.markdown(header, rows, left=2)


def tracks_table(result: Mapping) -> str:
    """Five-class F of each track at ±50 ms."""
    columns, values, names = [], [], []
    for material, title in MATERIALS.items():
        for mode, label in _MODES.items():
            five = _pick(result, material=material, demix=mode, n_classes=5, window=0.05)
            if five is not None:
                columns.append(f"{title}, {label}")
                values.append(five["tracks"])
                names += [n for n in five["tracks"] if n not in names]
    rows = [[name, *(tables.number(v[name]["f_measure"]) if name in v else tables.ABSENT
                     for v in values)] for name in names]
    return tables.markdown(["track", *columns], rows)


# -- renders -----------------------------------------------------------------------------


def score_renders(chosen: Sequence[clips.Clip], transcribers: Mapping[bool, System],
                  seed: int = 0) -> dict:
    """Score renders, their velocities and confusions too; see `score`.

    Returns
    -------
    dict
        Of `score`, and ``velocity`` and ``confusion``: lists of records with ``demix``,
        and ``kits``: records of the pooled nine-class F of each kit at ±50 ms.
    """
    velocity = {mode: VelocityScores() for mode in transcribers}
    matrices = {mode: np.zeros((len(PIECES) + 1,) * 2, dtype=np.int64) for mode in transcribers}
    kits: dict[tuple[bool, str], Scores] = {}
    of_articulation = np.array(PIECE_OF_ARTICULATION)

    def items():
        for clip, pieces, labels in clips.rendered(chosen, "renders"):
            if not len(labels):
                continue
            mixture = np.sum(list(pieces.values()), axis=0)
            yield Item(clip.name, mixture, labels.times, labels.articulations, SAMPLE_RATE,
                       labels.velocities)

    def also(mode: bool, item: Item, estimate: Transcription) -> None:
        reference = events(item.times, item.pieces, 9)
        velocity[mode].update(item.times, of_articulation[item.pieces], item.velocities,
                              estimate)
        matrices[mode] += confusion(reference, estimate.events(9))
        kit = item.name.rsplit("@", 1)[1]
        kits.setdefault((mode, kit), Scores(9)).update(
            item.name, reference, estimate.events(9))

    result = score(items(), transcribers, "renders", seed, also)
    result["velocity"] = [{"demix": mode, **v()} for mode, v in velocity.items()]
    result["confusion"] = [{"demix": mode, "pieces": list(PIECES), "matrix": m.tolist()}
                           for mode, m in matrices.items()]
    result["kits"] = [{"demix": mode, "kit": kit, "clips": len(scores.names),
                       **scores(seed=seed)[0.05]["SUM"]}
                      for (mode, kit), scores in sorted(kits.items())]
    return result


def _by_mode(records: Sequence[Mapping], mode: bool) -> Mapping | None:
    return next((r for r in records if r["demix"] == mode), None)


def confusions(renders: Mapping) -> np.ndarray | None:
    """What was heard as what on renders, with demixing; None if only without was measured."""
    record = _by_mode(renders["confusion"], True)
    return record and np.array(record["matrix"])


def renders_table(result: Mapping) -> str:
    """Pooled scores of renders, one row for each mode."""
    header = ["", "F, 9 classes, ±50 ms", "±20 ms", "F, 5 classes", "F, 3 classes",
              "F with velocity", "ghost notes found", "of the snare"]
    rows = []
    for velocity in result["velocity"]:
        mode = velocity["demix"]
        nine, five, three = (_pick(result, demix=mode, n_classes=n, window=0.05)["SUM"]
                             for n in (9, 5, 3))
        close = _pick(result, demix=mode, n_classes=9, window=0.02)["SUM"]
        rows.append([
            _MODES[mode], tables.interval(nine["f_measure"], nine["interval"]),
            tables.number(close["f_measure"]),
            tables.interval(five["f_measure"], five["interval"]),
            tables.number(three["f_measure"]), tables.number(velocity["f_measure"]),
            *(tables.number(velocity["ghost_recall"][k]["recall"]) for k in ("all", "snare"))])
    for gain in result["gain"]:
        if (gain["n_classes"], gain["window"]) == (9, 0.05):
            text = tables.interval(gain["difference"], gain["interval"])
            rows.append(["difference", text, *[""] * (len(header) - 2)])
    return tables.markdown(header, rows)


def pieces_table(result: Mapping) -> str:
    """F and velocity correlation of each piece on renders."""
    modes = [v["demix"] for v in result["velocity"]]
    header = ["piece", *(f"{what}, {_MODES[m]}" for m in modes
                         for what in ("F ±50 ms", "velocity r"))]
    rows = []
    for piece in PIECES:
        row = [piece]
        for mode in modes:
            nine = _pick(result, demix=mode, n_classes=9, window=0.05)
            r = _by_mode(result["velocity"], mode)["correlation"][piece]["r"]
            row += [tables.number(nine["classes"][piece]["f_measure"], 2), tables.number(r, 2)]
        rows.append(row)
    return tables.markdown(header, rows)


def kits_table(result: Mapping) -> str:
    """Nine-class F of each kit at ±50 ms."""
    modes = [v["demix"] for v in result["velocity"]]
    rows = []
    for kit in sorted({r["kit"] for r in result["kits"]}):
        own = [next(r for r in result["kits"] if (r["kit"], r["demix"]) == (kit, m))
               for m in modes]
        rows.append([kit, str(own[0]["clips"]),
                     *(tables.interval(r["f_measure"], r["interval"]) for r in own)])
    return tables.markdown(["kit", "clips", *(f"F, {_MODES[m]}" for m in modes)], rows)


# -- command -----------------------------------------------------------------------------


def arguments() -> argparse.ArgumentParser:
    """Parser of the command line."""
    parser = report.parser("benchmarks.transcription", __doc__)
    parser.add_argument("--data", type=Path, metavar="DIR",
                        help="annotated recordings in the layout of MDB Drums")
    parser.add_argument("--kits", type=Path, metavar="DIR", help="sampled kits")
    parser.add_argument("--groove", type=Path, metavar="DIR", help="Groove MIDI Dataset")
    parser.add_argument("--clips", type=int, default=40, metavar="N", help="number of renders")
    parser.add_argument("--seconds", type=float, default=60.0, help="longest render")
    parser.add_argument("--demix", action=argparse.BooleanOptionalAction, default=None,
                        help="only with, or only without demixing (default: both)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    args = arguments().parse_args(argv)
    if args.data is None and args.kits is None and args.groove is None:
        raise ConfigError("nothing to score; give --data DIR, or --kits DIR and --groove DIR")
    if (args.kits is None) != (args.groove is None):
        raise ConfigError("renders need both --kits DIR and --groove DIR")
    if args.clips < 1 or not args.seconds > 0:
        raise ConfigError("--clips and --seconds must be above zero")
    result: dict = {"benchmark": "transcription", "environment": report.environment(args.device),
                    "options": {"clips": args.clips, "seconds": args.seconds,
                                "seed": args.seed}}
    named: dict[str, str] = {}
    tracks, chosen = [], []
    if args.data is not None:
        tracks = read_mdb(args.data)
    if args.kits is not None:
        chosen = clips.held_out(args.groove, args.kits, args.clips, args.seconds, args.seed)
    transcribers = systems(args.demix, args.device)
    if tracks:
        result["recordings"] = score_recordings(tracks, transcribers, args.seed)
        named["transcription"] = recordings_table(result["recordings"])
        named["transcription-tracks"] = tracks_table(result["recordings"])
    if chosen:
        result["renders"] = score_renders(chosen, transcribers, args.seed)
        named["renders"] = renders_table(result["renders"])
        named["renders-pieces"] = pieces_table(result["renders"])
        named["renders-kits"] = kits_table(result["renders"])
        matrix = confusions(result["renders"])
        if matrix is not None:
            named["renders-confusion"] = confusion_table(matrix)
    report.deliver(args, result, named)


if __name__ == "__main__":
    raise SystemExit(report.run(main))
