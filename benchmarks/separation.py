"""Separation of renders of held-out performances and kits, beside ideal masks.

Scores (`benchmarks.fidelity`) are averaged over the clips in which the stem plays, that is where
its energy is above −60 dB of the mixture's; in the others the leakage counts, the estimate's
energy in dB of the mixture's.

Beside the bank stand the mixture itself and what `benchmarks.baselines` has: the percussive part
of harmonic–percussive separation, non-negative matrix factorisation with trained templates and,
with accompaniment, free components for the rest, and two oracles. The gap is the nSDR of the
oracle on bins minus the bank's; it is told by kit as well, for stems of drum machines, which
repeat to the sample, have an oracle of another height. The bank stands there four times: by
itself, informed by the hits that `adt.Transcriber` hears in the mixture, with masks alone
(`separation.informed`) and with what repeats taken out (`separation.repeats`), and by the true
hits. Renders repeat to the sample on acoustic kits as well, as programmed drums do; what drummers
play does not, and for them masks alone count.

SDR says little about strokes, so two more measures stand in a table of their own:

* Attacks kept: the share of strokes whose attack, in their own stem, has its peak level
  within 3 dB and its onset within 5 ms of the truth's; see `fidelity.attacks`.
* Image error: how far the level difference between left and right is from the truth's, dB.

With accompaniment, the sum of all stems is scored as the drums, and what it leaves of the
mixture as the band: `fidelity.score_band`.
"""

from __future__ import annotations

import argparse
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from adt.errors import AudioError, ConfigError
from adt.frames import SAMPLE_RATE
from adt.transcription import Hit, Transcription
from adt.vocabulary import PIECE_TO_STEM, PIECES, STEMS
from separation import WIENER

from . import clips, report, tables
from .baselines import Templates, hpss, ideal_ratio_masks
from .fidelity import Estimates, attacks, energy, image_error, score_band, score_clip

METRICS = ("sdr", "si_sdr", "nsdr")
TITLES = OrderedDict(mixture="mixture", hpss="HPSS, percussive part",
                     nmf="NMF, trained templates", adt="adt, the bank alone",
                     adt_masks="adt, informed, masks alone",
                     adt_informed="adt, informed by the hits it hears",
                     adt_true_hits="adt, informed by the true hits",
                     irm_bands="oracle: ideal ratio mask, bands",
                     irm="oracle: ideal ratio mask, bins")

#: Of `TITLES`, what the package separates with.
OWN = ("adt", "adt_masks", "adt_informed", "adt_true_hits")

FREE = 16  #: components of NMF for accompaniment


def score(chosen: Sequence[clips.Clip], separate: Callable[..., Estimates], *,
          seconds: float | None = None, accompaniment: Sequence[Path] = (),
          with_hpss: bool = True, nmf: Callable[..., Estimates] | None = None,
          transcribe: Callable[..., Transcription] | None = None,
          masks: Callable[..., Estimates] | None = None) -> dict:
    """Render, separate and score clips.

    Parameters
    ----------
    chosen : sequence of Clip
    separate : callable
        Called with (mixture, sample rate), gives stem → ndarray (channels, samples).
    seconds : float, optional
        Longest clip; what still rings then is cut off.
    accompaniment : sequence of Path
        Recordings without drums, mixed in at the level of the drums (0 dB), in turn.
    with_hpss : bool
    nmf : callable, optional
        Called as `separate` is; see `Templates`.
    transcribe : callable, optional
        Called as `separate` is; with it, `separate` is called with ``hits`` as well, those that
        come of it and the true ones.
    masks : callable, optional
        Called as `separate` is, with ``hits``; what separates by masks alone.

    Returns
    -------
    dict
        ``kits``: clip → ``name`` and ``kind`` of its kit;
        ``attacks``: system → stem → sums of the counts of `attacks`; ``image``: system →
        stem → mean `image_error`; ``band``: system → means of `score_band`, with accompaniment;
        ``clips``: system → clip → scores of `score_clip`; ``mean``: system → stem → mean
        ``sdr``, ``si_sdr``, ``nsdr`` and ``clips`` it plays in, ``leakage`` and
        ``silent_clips`` it does not; the stem ``mean`` is the mean over stems.
    """
    from adt.data.render import to_stems
    every: dict[str, dict[str, dict]] = {}
    kept: dict[str, dict[str, dict]] = {}
    image: dict[str, dict[str, list]] = {}
    band: dict[str, list[dict]] = {}
    kits: dict[str, dict[str, str]] = {}
    for number, (clip, pieces, played) in enumerate(clips.rendered(chosen, "separation")):
        if not pieces:
            continue
        stop = round(seconds * SAMPLE_RATE) if seconds else None
        references = {stem: audio[:, :stop] for stem, audio in to_stems(pieces).items()}
        mixture = np.sum(list(references.values()), axis=0)
        if energy(mixture) == 0:
            continue
        if accompaniment:
            mixture = mixture + _accompaniment(
                accompaniment[number % len(accompaniment)], mixture)
        mixture = mixture.astype(np.float32)
        estimates = {
            "mixture": {stem: mixture for stem in STEMS},
            "adt": separate(mixture, SAMPLE_RATE),
            "irm_bands": ideal_ratio_masks(references, mixture, bands=True),
            "irm": ideal_ratio_masks(references, mixture)}
        if with_hpss:
            estimates["hpss"] = hpss(mixture)
        if nmf is not None:
            estimates["nmf"] = nmf(mixture, SAMPLE_RATE)
        if transcribe is not None:
            hits = transcribe(mixture, SAMPLE_RATE)
            estimates["adt_informed"] = separate(mixture, SAMPLE_RATE, hits=hits)
            if masks is not None:
                estimates["adt_masks"] = masks(mixture, SAMPLE_RATE, hits=hits)
            estimates["adt_true_hits"] = separate(mixture, SAMPLE_RATE, hits=[
                Hit(float(time), PIECES[piece], int(velocity)) for time, piece, velocity
                in zip(played.times, played.pieces, played.velocities, strict=True)])
        strokes = np.array([PIECE_TO_STEM[PIECES[p]] for p in played.pieces])
        kits[clip.name] = {"name": clip.kit.name, "kind": clip.kit.kind}
        for system, estimate in estimates.items():
            every.setdefault(system, {})[clip.name] = score_clip(references, estimate, mixture)
            if accompaniment:
                band.setdefault(system, []).append(score_band(references, estimate, mixture))
            for stem, scores in every[system][clip.name].items():
                if "sdr" not in scores:
                    continue
                counts = attacks(references[stem], estimate[stem],
                                 played.times[strokes == stem])
                total = kept.setdefault(system, {}).setdefault(stem, dict.fromkeys(counts, 0))
                for name, count in counts.items():
                    total[name] += count
                image.setdefault(system, {}).setdefault(stem, []).append(
                    image_error(references[stem], estimate[stem]))
    return {"kits": kits, "clips": every, "mean": {system: _mean(c) for system, c in every.items()},
            "attacks": kept,
            "image": {system: {stem: float(np.mean(v)) for stem, v in of.items()}
                      for system, of in image.items()},
            "band": {system: {m: float(np.mean([s[m] for s in scores])) for m in scores[0]}
                     for system, scores in band.items()}}


def _mean(of_clips: Mapping[str, Mapping]) -> dict:
    result: dict[str, dict] = {}
    for stem in STEMS:
        playing = [c[stem] for c in of_clips.values() if "sdr" in c[stem]]
        silent = [c[stem]["leakage"] for c in of_clips.values() if "leakage" in c[stem]]
        result[stem] = {
            **{m: float(np.mean([p[m] for p in playing])) if playing else None
               for m in METRICS},
            "clips": len(playing),
            "leakage": float(np.mean(silent)) if silent else None,
            "silent_clips": len(silent)}
    overall = {}
    for metric in (*METRICS, "leakage"):
        values = [result[s][metric] for s in STEMS if result[s][metric] is not None]
        overall[metric] = float(np.mean(values)) if values else None
    result["mean"] = overall
    return result


def _accompaniment(path: Path, mixture: np.ndarray) -> np.ndarray:
    """A recording as long and as loud as the mixture; repeated if it is shorter."""
    from adt.audio import load
    audio, _ = load(path, SAMPLE_RATE)
    if audio.shape[0] != mixture.shape[0]:
        audio = np.repeat(audio.mean(axis=0, keepdims=True), mixture.shape[0], axis=0)
    audio = np.tile(audio, -(-mixture.shape[1] // audio.shape[1]))[:, :mixture.shape[1]]
    if not energy(audio):
        raise AudioError(f"{path}: its first {mixture.shape[1] / SAMPLE_RATE:.0f} s are silent; "
                         "take it away, or give another folder with --accompaniment")
    return audio * np.sqrt(energy(mixture) / max(energy(audio), 1e-12))


def table(result: Mapping) -> str:
    """Mean scores, three rows for each system; leakage and the gap of ours."""
    labels = {"sdr": "SDR", "si_sdr": "SI-SDR", "nsdr": "nSDR"}
    rows = []
    for system, title in TITLES.items():
        if system not in result["mean"]:
            continue
        mean = result["mean"][system]
        for metric in METRICS:
            if system != "mixture" or metric != "nsdr":  # which is zero
                rows.append([title, labels[metric],
                             *(tables.decibel(mean[s][metric]) for s in (*STEMS, "mean"))])
        if system in OWN:
            rows.append([title, "leakage", *(tables.decibel(mean[s]["leakage"])
                                             for s in (*STEMS, "mean"))])
            rows.append([title, "gap to the oracle", *_gaps(mean, result["mean"]["irm"])])
    return tables.markdown(["system", "dB", *STEMS, "mean"], rows, left=2)


def _gaps(own: Mapping, oracle: Mapping) -> list[str]:
    """nSDR of an oracle over that of the bank, of each stem and of all."""
    return [tables.decibel(None if own[s]["nsdr"] is None
                           else oracle[s]["nsdr"] - own[s]["nsdr"]) for s in (*STEMS, "mean")]


def kits_table(result: Mapping) -> str:
    """nSDR of ours and its gap to the oracle by stem, for each kit and kind of kit."""
    kits, systems = result["kits"], result["clips"]
    groups: dict[str, list[str]] = {}
    for clip in sorted(kits, key=lambda c: (kits[c]["kind"], kits[c]["name"])):
        groups.setdefault(kits[clip]["name"], []).append(clip)
    for kind in sorted({kit["kind"] for kit in kits.values()}):
        of = [clip for clip in kits if kits[clip]["kind"] == kind]
        if len({kits[clip]["name"] for clip in of}) > 1:
            groups[f"all {kind} kits"] = of
    rows = []
    for name, of in groups.items():
        means = {system: _mean({clip: systems[system][clip] for clip in of})
                 for system in (*OWN, "irm") if system in systems}
        oracle = means.pop("irm")
        for system, own in means.items():
            rows.append([name, TITLES[system], str(len(of)), *_gaps(own, oracle),
                         *(tables.decibel(mean["mean"]["nsdr"]) for mean in (own, oracle))])
    return tables.markdown(["gap to the oracle, dB", "system", "clips", *STEMS, "mean", "nSDR",
                            "oracle's"], rows, left=2)


def details(result: Mapping) -> str:
    """Attacks kept and image error by stem and, with accompaniment, the band."""
    rows = []
    for system, title in TITLES.items():
        counts = result["attacks"].get(system)
        if not counts:
            continue
        whole = {m: sum(c[m] for c in counts.values()) for m in ("hits", "level", "time", "both")}
        for name, label in (("both", "attacks kept"), ("level", "their level"),
                            ("time", "their time")):
            if name == "both" or system in OWN:
                shares = [100 * c[name] / c["hits"] if c and c["hits"] else None
                          for c in (*(counts.get(s) for s in STEMS), whole)]
                rows.append([title, f"{label}, %", *(tables.decibel(s) for s in shares)])
        errors = result["image"][system]
        rows.append([title, "image error, dB", *(tables.decibel(errors.get(s)) for s in STEMS),
                     tables.decibel(float(np.mean(list(errors.values()))))])
    text = tables.markdown(["system", "", *STEMS, "all"], rows, left=2)
    if result["band"]:
        text += "\n\n" + tables.markdown(
            ["system", "SDR of the residual, and SDR gain of all drums",
             "SI-SDR of the residual", "drums left in it, dB"],
            [[title, *(tables.decibel(result["band"][system][m])
                       for m in ("residual", "residual_si_sdr", "drums_left"))]
             for system, title in TITLES.items()
             if system in result["band"] and system not in ("mixture", "hpss")])
    return text


def arguments() -> argparse.ArgumentParser:
    """Parser of the command line."""
    parser = report.parser("benchmarks.separation", __doc__)
    parser.add_argument("--kits", type=Path, metavar="DIR", required=True, help="sampled kits")
    parser.add_argument("--groove", type=Path, metavar="DIR", required=True,
                        help="Groove MIDI Dataset")
    parser.add_argument("--accompaniment", type=Path, metavar="DIR",
                        help="recordings without drums, mixed in at 0 dB")
    parser.add_argument("--clips", type=int, default=15, metavar="N", help="number of renders")
    parser.add_argument("--seconds", type=float, default=20.0, help="longest render")
    parser.add_argument("--wiener", type=float, metavar="ALPHA", default=WIENER,
                        help="exponent of the Wiener step of the bank (default: %(default)s)")
    parser.add_argument("--hpss", action=argparse.BooleanOptionalAction, default=True,
                        help="include the harmonic-percussive baseline (librosa)")
    parser.add_argument("--nmf", action=argparse.BooleanOptionalAction, default=True,
                        help="include NMF with templates of the training kits (scikit-learn)")
    parser.add_argument("--informed", action=argparse.BooleanOptionalAction, default=True,
                        help="include the bank informed by hits, its own and the true ones")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    args = arguments().parse_args(argv)
    if args.clips < 1 or not args.seconds > 0:
        raise ConfigError("--clips and --seconds must be above zero")
    chosen = clips.held_out(args.groove, args.kits, args.clips, args.seconds, args.seed)
    songs: list[Path] = []
    if args.accompaniment is not None:
        from adt.audio import find_audio
        songs = find_audio([args.accompaniment])
    from separation import Separator
    bank = Separator(device=args.device, wiener=args.wiener)
    transcribe = nmf = masks = None
    if args.informed:
        from adt import Transcriber
        masks = Separator(device=args.device, wiener=args.wiener, samples=False)
        transcribe = Transcriber(device=args.device, beats=False)
    if args.nmf:
        from adt.data.kits import read_kits
        nmf = Templates(read_kits(args.kits, "train"), free=FREE if songs else 0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="librosa")
        scores = score(chosen, bank, seconds=args.seconds, accompaniment=songs,
                       with_hpss=args.hpss, nmf=nmf, transcribe=transcribe, masks=masks)
    result = {"benchmark": "separation", "environment": report.environment(args.device),
              "options": {"clips": args.clips, "seconds": args.seconds, "seed": args.seed,
                          "wiener": args.wiener, "accompaniment": bool(songs)}, **scores}
    report.deliver(args, result,
                   {"separation-songs" if songs else "separation":
                    f"{table(result)}\n\n{kits_table(result)}\n\n{details(result)}"})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
