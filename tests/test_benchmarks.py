"""Benchmarks on made-up material with stub systems."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from adt import Activations, Beats
from adt.data.groove import Performance
from adt.data.kits import Kit, Sample, read_kit
from adt.data.mdb import read_mdb
from adt.data.render import to_stems
from adt.errors import ConfigError, DataError
from adt.frames import SAMPLE_RATE
from adt.synth import write_kit
from adt.transcription import Hit, Transcription
from adt.vocabulary import ARTICULATIONS, PIECE_TO_STEM, PIECES, STEMS
from benchmarks import all as everything
from benchmarks import (
    attribution,
    baselines,
    beats,
    calibration,
    clips,
    confusion,
    fidelity,
    instruments,
    pictures,
    quantize,
    recordings,
    report,
    separation,
    speed,
    tables,
    transcription,
)
from benchmarks.memory import peak_memory
from benchmarks.velocity import VelocityScores

LABELS = [(0.5, "kick"), (0.5, "hihat_closed"), (1.0, "side_stick"), (1.0, "tambourine"),
          (1.5, "kick"), (2.0, "crash")]


@pytest.fixture
def mdb(tmp_path):
    """Two short tracks in the layout of MDB Drums, the second without drums alone."""
    folder = tmp_path / "mdb"
    folder.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.01, (3 * SAMPLE_RATE, 2))
    for name, kinds in (("First", ("drums", "mix")), ("Second", ("mix",))):
        for kind in kinds:
            soundfile.write(folder / f"{name}.{kind}.flac", noise, SAMPLE_RATE)
        (folder / f"{name}.txt").write_text(
            "".join(f"{t:.6f}\t{label}\n" for t, label in LABELS))
        (folder / f"{name}.beats").write_text("0.5\t1\n1.0\t2\n")
    return folder


def good(audio, sr=None):
    return Transcription([Hit(0.51, "kick", 90), Hit(0.5, "hihat_closed", 40),
                          Hit(1.0, "snare", 80), Hit(1.53, "kick", 100),
                          Hit(2.0, "ride", 100)], 3.0)


def poor(audio, sr=None):
    return Transcription([Hit(0.5, "kick", 90), Hit(2.5, "tom_mid", 90)], 3.0)


def test_recordings(mdb):
    result = transcription.score_recordings(read_mdb(mdb), {True: good, False: poor})
    five = transcription._pick(result, material="songs", demix=True, n_classes=5, window=0.05)
    assert five["SUM"]["f_measure"] == 1 and five["SUM"]["interval"] == [1, 1]
    assert five["classes"]["TT"]["f_measure"] is None  # no toms on either side
    nine = transcription._pick(result, material="songs", demix=True, n_classes=9, window=0.05)
    assert (nine["SUM"]["tp"], nine["SUM"]["fp"], nine["SUM"]["fn"]) == (8, 2, 2)  # ride, crash
    close = transcription._pick(result, material="songs", demix=True, n_classes=5, window=0.02)
    assert close["SUM"]["tp"] == 8
    alone = transcription._pick(result, material="drums", demix=True, n_classes=5, window=0.05)
    assert list(alone["tracks"]) == ["First"] and alone["SUM"]["interval"] is None
    gain = next(g for g in result["gain"] if g["material"] == "songs" and g["n_classes"] == 5)
    assert gain["difference"] == pytest.approx(1 - 2 / 7) and gain["interval"][0] > 0
    pooled = transcription.recordings_table(result)
    assert "1.000 [1.000, 1.000]" in pooled and "| songs | difference |" in pooled
    assert "| Second | – | – | 1.000 | .286 |" in transcription.tracks_table(result)
    json.dumps(report._plain(result), allow_nan=False)


def test_transcription_command(mdb, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(transcription, "systems", lambda demix, device: {True: good})
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- table:transcription -->\nold\n<!-- /table -->\nb\n"
                      "<!-- table:transcription-tracks -->\n<!-- /table -->\n")
    out = tmp_path / "out.json"
    code = report.run(transcription.main, [
        "--data", str(mdb), "--out", str(out), "--table", str(tmp_path / "table.md"),
        "--readme", str(readme)])
    assert code == 0 and "transcription" in capsys.readouterr().out
    result = json.loads(out.read_text(encoding="utf-8"))
    assert {"date", "versions", "machine", "weights"} <= set(result["environment"])
    text = readme.read_text(encoding="utf-8")
    assert "old" not in text and text.startswith("a\n<!-- table:transcription -->\n| input |")
    assert "\nb\n" in text and "| First |" in text
    assert (tmp_path / "table.md").read_text(encoding="utf-8").count("| First |") == 1


@pytest.mark.parametrize("argv, message", [
    ([], "give --data DIR"),
    (["--kits", "x"], "both --kits DIR and --groove DIR"),
    (["--data", "x", "--clips", "0"], "above zero"),
    (["--data", "nowhere"], "nowhere"),
])
def test_transcription_command_bad_options(argv, message, capsys):
    assert report.run(transcription.main, argv) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


# -- renders -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kit_folder(tmp_path_factory):
    return write_kit(tmp_path_factory.mktemp("kit") / "synthetic", seed=1)


@pytest.fixture(scope="module")
def kit(kit_folder):
    return read_kit(kit_folder)


@pytest.fixture
def material(kit_folder, tmp_path):
    """``kits`` to train and to be held out, ``groove`` with one performance, ``band``."""
    for family in ("avl", "synthetic"):
        shutil.copytree(kit_folder, tmp_path / "kits" / family)
        file = tmp_path / "kits" / family / "kit.json"
        kit = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**kit, "family": family}))
    midi = mido.MidiFile(ticks_per_beat=480)  # two seconds of sixteenths
    midi.add_track().extend(
        mido.Message("note_on", note=(36, 42, 38, 42)[k % 4], velocity=100, time=120 * (k > 0))
        for k in range(16))
    (tmp_path / "groove").mkdir()
    midi.save(tmp_path / "groove" / "1.mid")
    (tmp_path / "groove" / "info.csv").write_text(
        "drummer,id,style,bpm,beat_type,time_signature,midi_filename,split\n"
        "a,one,rock,120,beat,4-4,1.mid,test\n")
    (tmp_path / "band").mkdir()
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    soundfile.write(tmp_path / "band" / "tone.wav", tone, SAMPLE_RATE)
    return tmp_path


def performance(name, drummer="a", style="rock", duration=2.0, seed=0):
    rng = np.random.default_rng(seed)
    times = np.arange(0.1, duration, 0.2)
    return Performance(times, rng.integers(0, len(PIECES), len(times)),
                       rng.integers(20, 128, len(times)), name=name, drummer=drummer,
                       style=style)


def test_renders_with_an_oracle(kit):
    chosen = [clips.Clip(f"p{i}@k{i % 2}", performance(f"p{i}", seed=i), kit) for i in range(3)]
    truth = iter([p for c in chosen for p in (c.performance, c.performance)])

    def oracle(audio, sr):
        assert sr == SAMPLE_RATE and audio.ndim == 2
        p = next(truth)
        return Transcription([Hit(t, PIECES[a], v) for t, a, v in zip(
            p.times, p.articulations, p.velocities)], 2.0)

    result = transcription.score_renders(chosen, {True: oracle, False: oracle})
    nine = transcription._pick(result, demix=True, n_classes=9, window=0.02)
    assert nine["SUM"]["f_measure"] == 1
    velocity = result["velocity"][0]
    assert velocity["f_measure"] == 1 and velocity["ghost_recall"]["all"]["recall"] == 1
    assert all(c["r"] is None or c["r"] == pytest.approx(1)
               for c in velocity["correlation"].values())
    assert [k["clips"] for k in result["kits"]] == [2, 1, 2, 1]
    matrix = np.array(result["confusion"][0]["matrix"])
    assert matrix.sum() == matrix.trace() == sum(len(c.performance) for c in chosen)
    for table in (transcription.renders_table, transcription.pieces_table,
                  transcription.kits_table):
        text = table(result)
        assert len({line.count("|") for line in text.splitlines()}) == 1
    assert "difference" in transcription.renders_table(result)


def make_kit(name, family):
    return Kit(name, family, "", "", "", {"kick": [[Sample(name, 127, 0.0, 0)]]}, {})


def test_choose_clips_spreads_and_repeats():
    kits = [make_kit("a1", "a"), make_kit("a2", "a"), make_kit("b", "b"), make_kit("c", "c")]
    performances = [performance(f"{d}{i}", d, style, duration=2.0 + i, seed=i)
                    for d in "xyz" for i, style in enumerate(("rock/x", "funk", "jazz", "funk"))]
    chosen = clips.choose_clips(performances, kits, 8, seconds=3.0, seed=3)
    again = clips.choose_clips(performances, kits, 8, seconds=3.0, seed=3)
    assert [c.name for c in chosen] == [c.name for c in again]
    assert all((a.performance.times == b.performance.times).all()
               for a, b in zip(chosen, again))
    assert {c.kit.family for c in chosen[:3]} == {"a", "b", "c"}
    assert {c.kit.name for c in chosen} == {"a1", "a2", "b", "c"}
    assert {c.performance.drummer for c in chosen[:3]} == set("xyz")
    assert len({c.performance.style.split("/")[0] for c in chosen[:4]}) >= 2
    assert len({(c.performance.drummer, c.kit.family) for c in chosen[:6]}) == 6
    assert len({c.performance.name for c in chosen}) == 8
    assert all(c.performance.duration < 3.0 for c in chosen)
    assert len(clips.choose_clips(performances, kits, 99, seconds=3.0)) == len(performances)


def test_choose_clips_takes_short_ones_last():
    performances = [performance("rock 12 s", duration=12.0), performance("rock 11 s", duration=11),
                    performance("jazz 5 s", style="jazz", duration=5.0)]
    chosen = clips.choose_clips(performances, [make_kit("a", "a")], 3, seconds=60.0)
    assert [c.performance.name for c in chosen] == ["rock 12 s", "rock 11 s", "jazz 5 s"]


def test_confusion_matches_own_piece_first():
    reference = {"ride": np.array([0.0, 1.0, 2.0]), "crash": np.array([1.0])}
    estimate = {"ride": np.array([0.01]), "crash": np.array([1.0, 1.02]),
                "kick": np.array([5.0])}
    matrix = confusion.confusion(reference, estimate)
    ride, crash, kick = (PIECES.index(p) for p in ("ride", "crash", "kick"))
    assert matrix[ride, ride] == 1 and matrix[crash, crash] == 1 and matrix[ride, crash] == 1
    assert matrix[ride, confusion.MISSED] == 1 and matrix[confusion.INVENTED, kick] == 1
    assert matrix.sum() == 5
    assert "| ride |" in confusion.table(matrix)


def test_velocity_scores_by_hand():
    scores = VelocityScores()
    kick, snare = PIECES.index("kick"), PIECES.index("snare")
    times = np.arange(6) * 0.5
    pieces = np.array([kick, kick, kick, snare, snare, snare])
    velocities = np.array([40, 80, 120, 20, 30, 100])
    # kicks half as loud (a linear rescaling), one ghost missed, one much too loud
    scores.update(times, pieces, velocities, Transcription(
        [Hit(0.0, "kick", 20), Hit(0.5, "kick", 40), Hit(1.0, "kick", 60),
         Hit(2.0, "snare", 15), Hit(2.5, "snare", 50), Hit(4.0, "snare", 9)], 5.0))
    result = scores()
    assert result["correlation"]["kick"] == {"r": pytest.approx(1), "matched": 3}
    assert result["correlation"]["snare"]["r"] is None
    assert result["ghost_recall"]["snare"] == {"recall": 0.5, "annotated": 2}
    assert result["f_measure"] == pytest.approx(2 * 5 / 12)
    scores.reset()
    scores.update(np.zeros(0), np.zeros(0, int), np.zeros(0), Transcription([], 1.0))
    assert scores()["f_measure"] is None


# -- separation --------------------------------------------------------------------------


def test_measures_by_hand():
    rng = np.random.default_rng(0)
    signal, noise = rng.normal(size=(2, 2, 4000))
    noise *= 0.1 * np.linalg.norm(signal) / np.linalg.norm(noise)
    assert fidelity.sdr(signal, signal + noise) == pytest.approx(20)
    assert fidelity.sdr(signal, 0 * signal) == pytest.approx(0)
    assert fidelity.sdr(0 * signal, signal) == -120
    assert fidelity.sdr(signal, signal) == pytest.approx(120)
    assert fidelity.si_sdr(signal, 3 * signal) == pytest.approx(120)
    assert fidelity.si_sdr(signal, 0 * signal) == fidelity.si_sdr(signal, 0 * noise) == -120
    assert fidelity.si_sdr(np.eye(2), np.eye(2)[::-1]) == -120  # nothing of the reference
    # against the usual formula
    estimate = 0.5 * signal + noise
    scaled = (signal * estimate).sum() / (signal ** 2).sum() * signal
    assert fidelity.si_sdr(signal, estimate) == pytest.approx(
        10 * np.log10((scaled ** 2).sum() / ((scaled - estimate) ** 2).sum()))
    assert fidelity.leakage(0.1 * signal, signal) == pytest.approx(-20)
    assert fidelity.leakage(0 * signal, signal) == -120


def test_separation_of_renders(kit):
    full = performance("p", duration=1.5)
    drums_only = full.select(np.isin(full.articulations, [0, 1]))  # kick and snare
    chosen = [clips.Clip("full", full, kit), clips.Clip("two", drums_only, kit)]

    def equal_parts(mixture, sr):
        assert sr == SAMPLE_RATE and mixture.dtype == np.float32
        return {stem: mixture / len(STEMS) for stem in STEMS}

    result = separation.score(chosen, equal_parts, seconds=1.2, with_hpss=False)
    mean = result["mean"]
    assert set(mean) == {"mixture", "adt", "irm_bands", "irm"}
    assert mean["mixture"]["kick"]["nsdr"] == 0 and mean["mixture"]["kick"]["clips"] == 2
    assert mean["adt"]["toms"]["silent_clips"] == 1
    assert mean["adt"]["toms"]["leakage"] == pytest.approx(20 * np.log10(0.2), abs=0.01)
    assert mean["irm"]["mean"]["sdr"] > mean["irm_bands"]["mean"]["sdr"] > (
        mean["adt"]["mean"]["sdr"])
    text = separation.table(result)
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert "| adt, the bank alone | leakage |" in text and "| mixture | nSDR |" not in text
    kept = result["attacks"]
    assert kept["mixture"]["kick"]["hits"] > 0 and not result["band"]
    # a fifth of the mixture is 14 dB too soft
    assert kept["adt"]["kick"]["level"] < kept["irm"]["kick"]["level"]
    assert "gap to the oracle" in text and "image error" in separation.details(result)


def test_attacks_by_hand():
    rng = np.random.default_rng(0)
    times = [0.2, 0.5, 0.52, 0.8]  # the third is a flam's second
    audio = np.zeros((2, SAMPLE_RATE))
    for time in times:
        at = round(time * SAMPLE_RATE)
        audio[:, at: at + 2000] += rng.normal(size=2000) * np.exp(-np.arange(2000) / 300)
    assert fidelity.attacks(audio, audio, times) == {
        "hits": 3, "level": 3, "time": 3, "both": 3}
    assert fidelity.attacks(audio, 0.5 * audio, times) == {
        "hits": 3, "level": 0, "time": 3, "both": 0}
    late = np.roll(audio, round(0.008 * SAMPLE_RATE), axis=1)
    assert fidelity.attacks(audio, late, times)["time"] == 0
    late = np.roll(audio, round(0.003 * SAMPLE_RATE), axis=1)
    assert fidelity.attacks(audio, late, times)["both"] == 3
    assert fidelity.attacks(audio, 0 * audio, times)["both"] == 0


def stairs(*levels):
    """Both channels at these levels for 50, 10, 10, ... ms, the last 100 ms more."""
    samples = SAMPLE_RATE // 100
    steps = [levels[0]] * 4 + [*levels] + [levels[-1]] * 10
    return np.repeat(np.tile(np.array(steps, float), (2, 1)), samples, axis=1)


@pytest.mark.parametrize("true, own, expected", [
    ((0, 1), (0, 0.75), (1, 1, 1)),  # 2.5 dB too soft
    ((0, 1), (0, 0.66), (1, 0, 1)),  # 3.6 dB
    ((0, 1), (0, 1.45), (1, 0, 1)),
    ((1, 1.5), (1, 1.5), (0, 0, 0)),  # rises by 3.5 dB only
    ((1, 2.1), (1, 2.1), (1, 1, 1)),  # 6.4 dB
    ((0, 0.6, 1), (0, 1, 1), (1, 1, 1)),  # −4.4 dB is onset enough
    ((0, 0.4, 1), (0, 1, 1), (1, 1, 0)),  # −8 dB is not
])
def test_attacks_at_their_limits(true, own, expected):
    counts = fidelity.attacks(stairs(*true), stairs(*own), [0.05])
    assert tuple(counts[name] for name in ("hits", "level", "time")) == expected
    assert counts["both"] == min(expected)


def test_attack_at_the_beginning():
    audio = stairs(0, 1)[:, 5 * SAMPLE_RATE // 100:]
    assert fidelity.attacks(audio, audio, [0.0])["both"] == 1
    late = np.pad(audio, ((0, 0), (round(0.007 * SAMPLE_RATE), 0)))
    assert fidelity.attacks(late, late, [0.007])["both"] == 1


def test_band_by_hand():
    drums, band = np.random.default_rng(0).normal(size=(2, 2, 8000))
    whole = {"kick": drums, "snare": 0 * drums}
    tenth = {"kick": 0.9 * drums, "snare": 0 * drums}
    assert fidelity.score_band(whole, whole, drums + band)["drums_left"] < -100
    scores = fidelity.score_band(whole, tenth, drums + band)
    assert scores["drums_left"] == pytest.approx(-20)
    assert scores["residual"] == pytest.approx(20, abs=0.3)
    assert scores["residual_si_sdr"] == pytest.approx(20, abs=0.3)
    band *= np.linalg.norm(drums) / np.linalg.norm(band)  # 0 dB
    softer = {"kick": 0.5 * drums + 0.5 * band, "snare": 0 * drums}
    scores = fidelity.score_band(whole, softer, drums + band)
    assert scores["residual"] == pytest.approx(
        fidelity.sdr(drums, softer["kick"]) - fidelity.sdr(drums, drums + band))
    assert scores["residual"] == pytest.approx(3, abs=0.2)
    assert scores["residual_si_sdr"] == pytest.approx(0, abs=0.2)  # as much drums as band in it


def test_nmf_tells_low_from_high(kit):
    nmf = baselines.Templates([kit], components=4)
    audio = kit.layers["kick"][-1][0].audio
    mixture = np.repeat(audio[:1], 2, axis=0)
    parts = nmf(mixture, SAMPLE_RATE)
    assert set(parts) == set(STEMS) and parts["kick"].shape == mixture.shape
    assert fidelity.sdr(mixture, parts["kick"]) > fidelity.sdr(mixture, parts["hihat"]) + 3


def test_nmf_leaves_accompaniment_to_free_components(kit):
    strokes = performance("p", duration=1.0)
    pieces, _ = clips.Clip("clip", strokes, kit).render()
    references = to_stems(pieces)
    drums = np.sum(list(references.values()), axis=0)
    tones = np.sin(2 * np.pi * np.outer([220, 277, 330], np.arange(drums.shape[1])) / SAMPLE_RATE)
    band = np.repeat(tones.sum(axis=0)[None], 2, axis=0)
    mixture = drums + band * np.linalg.norm(drums) / np.linalg.norm(band)
    for free, least, most in ((0, -0.1, 0.1), (4, 6, 40)):
        nmf = baselines.Templates([kit], components=4, free=free)
        estimates = nmf(mixture, SAMPLE_RATE)
        assert list(estimates) == list(STEMS)
        assert least < fidelity.score_band(references, estimates, mixture)["residual"] < most


def test_hpss_keeps_strokes_and_not_tones():
    clicks = np.zeros((2, SAMPLE_RATE))
    clicks[:, 10_000::10_000] = 1
    tone = np.tile(np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE), (2, 1))
    mixture = clicks + 0.02 * tone
    parts = baselines.hpss(mixture)
    assert list(parts) == list(STEMS)
    assert fidelity.sdr(clicks, parts["kick"]) > fidelity.sdr(clicks, mixture) + 6


def test_ideal_masks_of_separate_stems_are_exact():
    """Stems that never sound together come back whole."""
    rng = np.random.default_rng(0)
    first, second = np.zeros((2, 2, 30_000))
    first[:, :10_000] = rng.normal(size=(2, 10_000))
    second[:, 15_000:] = rng.normal(size=(2, 15_000))
    for bands in (False, True):
        parts = baselines.ideal_ratio_masks({"a": first, "b": second}, first + second, bands)
        assert fidelity.sdr(first, parts["a"]) > 60
        assert parts["b"].shape == second.shape


def test_accompaniment_is_as_loud_as_the_drums(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "band.wav", 0.1 * rng.normal(size=4000), SAMPLE_RATE)
    mixture = rng.normal(size=(2, 10_000))
    band = separation._accompaniment(tmp_path / "band.wav", mixture)
    assert band.shape == mixture.shape
    assert (band ** 2).sum() == pytest.approx((mixture ** 2).sum(), rel=1e-4)


def test_songs_are_drums_and_accompaniment(kit, material):
    chosen = [clips.Clip("clip", performance("p", duration=1.0), kit)]
    heard = []

    def listening(mixture, sr):
        heard.append(mixture)
        return {stem: 0 * mixture for stem in STEMS}

    for band in ((), (material / "band" / "tone.wav",)):
        result = separation.score(chosen, listening, seconds=1.0, accompaniment=band,
                                  with_hpss=False)
        assert set(result["band"]) == ({"mixture", "adt", "irm_bands", "irm"} if band else set())
    drums, song = heard
    energy = (drums.astype(float) ** 2).sum()
    assert ((song - drums).astype(float) ** 2).sum() == pytest.approx(energy, rel=1e-3)
    silent = result["band"]["adt"]
    assert silent["residual"] == pytest.approx(0, abs=0.01)
    assert silent["drums_left"] == pytest.approx(0, abs=0.01)
    assert result["band"]["irm"]["residual"] > 10


def test_separation_command(untrained, material, capsys):
    out, readme = material / "out.json", material / "README.md"
    readme.write_text("<!-- table:separation-songs -->\n<!-- /table -->\n")
    assert report.run(separation.main, [
        "--kits", str(material / "kits"), "--groove", str(material / "groove"),
        "--accompaniment", str(material / "band"), "--clips", "1", "--seconds", "1",
        "--out", str(out), "--readme", str(readme)]) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["options"] == {"clips": 1, "seconds": 1.0, "seed": 0,
                                 "wiener": separation.WIENER, "accompaniment": True}
    assert set(result["mean"]) == set(result["band"]) == set(separation.TITLES)
    assert [list(c) for c in result["clips"].values()] == len(separation.TITLES) * [["one@synth-1"]]
    assert result["band"]["nmf"]["residual"] > 5  # it has a place for the band
    text = readme.read_text(encoding="utf-8")
    assert text.count("\n| NMF, trained templates |") == 3 + 2 + 1
    assert "| SI-SDR of the residual | drums left in it, dB |" in text
    assert "**separation-songs**" in capsys.readouterr().out


def test_separation_by_kit():
    def clip(**nsdr):  # the stems that play
        return {s: {"sdr": 0.0, "si_sdr": 0.0, "nsdr": nsdr[s]} if s in nsdr
                else {"leakage": -50.0} for s in STEMS}

    own = {"a": clip(kick=20.0, snare=10.0), "b": clip(kick=22.0), "c": clip(snare=15.0),
           "d": clip(hihat=12.0)}
    oracle = {"a": clip(kick=24.0, snare=16.0), "b": clip(kick=24.0), "c": clip(snare=18.0),
              "d": clip(hihat=40.0)}
    kits = {"a": {"name": "oak", "kind": "acoustic"}, "b": {"name": "oak", "kind": "acoustic"},
            "c": {"name": "ash", "kind": "acoustic"}, "d": {"name": "8", "kind": "electronic"}}
    assert separation.kits_table(
        {"kits": kits, "clips": {"adt": own, "irm": oracle}}) == """\
| gap to the oracle, dB | system | clips | kick | snare | toms | hihat | cymbals | mean | nSDR | \
oracle's |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
| ash | adt, the bank alone | 1 | – | 3.0 | – | – | – | 3.0 | 15.0 | 18.0 |
| oak | adt, the bank alone | 2 | 3.0 | 6.0 | – | – | – | 4.5 | 15.5 | 20.0 |
| 8 | adt, the bank alone | 1 | – | – | – | 28.0 | – | 28.0 | 12.0 | 40.0 |
| all acoustic kits | adt, the bank alone | 3 | 3.0 | 4.5 | – | – | – | 3.8 | 16.8 | 20.5 |"""
    informed = separation.kits_table({"kits": kits, "clips": {
        "adt": own, "adt_informed": oracle, "irm": oracle}}).splitlines()
    assert informed[5].startswith("| oak | adt, informed by the hits it hears | 2 | 0.0 | 0.0 |")


def made_up_separation():
    def all_stems(sdr):
        return {s: {"sdr": sdr, "si_sdr": sdr - 1, "nsdr": sdr + 9.5, "leakage": -40.0}
                for s in (*STEMS, "mean")}

    adt = all_stems(1.5)
    adt["toms"] = dict.fromkeys(adt["toms"])
    kept = {"kick": {"hits": 8, "level": 6, "time": 4, "both": 2},
            "snare": {"hits": 2, "level": 2, "time": 1, "both": 1}}
    return {"mean": {"mixture": all_stems(-9.0), "adt": adt, "irm": all_stems(12.0)},
            "attacks": {"mixture": kept, "adt": kept},
            "image": {"mixture": {"kick": 1.0, "snare": 2.0}, "adt": {"kick": 0.25, "snare": 0.5}},
            "band": {system: {"residual": 8.25, "residual_si_sdr": 7.5, "drums_left": -15.0}
                     for system in ("mixture", "hpss", "nmf", "adt")}}


def test_separation_tables_to_the_letter():
    assert separation.table(made_up_separation()) == """\
| system | dB | kick | snare | toms | hihat | cymbals | mean |
|---|---|--:|--:|--:|--:|--:|--:|
| mixture | SDR | −9.0 | −9.0 | −9.0 | −9.0 | −9.0 | −9.0 |
| mixture | SI-SDR | −10.0 | −10.0 | −10.0 | −10.0 | −10.0 | −10.0 |
| adt, the bank alone | SDR | 1.5 | 1.5 | – | 1.5 | 1.5 | 1.5 |
| adt, the bank alone | SI-SDR | 0.5 | 0.5 | – | 0.5 | 0.5 | 0.5 |
| adt, the bank alone | nSDR | 11.0 | 11.0 | – | 11.0 | 11.0 | 11.0 |
| adt, the bank alone | leakage | −40.0 | −40.0 | – | −40.0 | −40.0 | −40.0 |
| adt, the bank alone | gap to the oracle | 10.5 | 10.5 | – | 10.5 | 10.5 | 10.5 |
| oracle: ideal ratio mask, bins | SDR | 12.0 | 12.0 | 12.0 | 12.0 | 12.0 | 12.0 |
| oracle: ideal ratio mask, bins | SI-SDR | 11.0 | 11.0 | 11.0 | 11.0 | 11.0 | 11.0 |
| oracle: ideal ratio mask, bins | nSDR | 21.5 | 21.5 | 21.5 | 21.5 | 21.5 | 21.5 |"""
    assert separation.details(made_up_separation()) == """\
| system |  | kick | snare | toms | hihat | cymbals | all |
|---|---|--:|--:|--:|--:|--:|--:|
| mixture | attacks kept, % | 25.0 | 50.0 | – | – | – | 30.0 |
| mixture | image error, dB | 1.0 | 2.0 | – | – | – | 1.5 |
| adt, the bank alone | attacks kept, % | 25.0 | 50.0 | – | – | – | 30.0 |
| adt, the bank alone | their level, % | 75.0 | 100.0 | – | – | – | 80.0 |
| adt, the bank alone | their time, % | 50.0 | 50.0 | – | – | – | 50.0 |
| adt, the bank alone | image error, dB | 0.2 | 0.5 | – | – | – | 0.4 |

| system | SDR of the residual, and SDR gain of all drums | SI-SDR of the residual | \
drums left in it, dB |
|---|--:|--:|--:|
| NMF, trained templates | 8.2 | 7.5 | −15.0 |
| adt, the bank alone | 8.2 | 7.5 | −15.0 |"""


# -- attribution ---------------------------------------------------------------------------


def test_strokes_in_their_stems(mdb, tmp_path):
    track = read_mdb(mdb)[0]
    stems = [PIECE_TO_STEM[PIECES[p]] for p in track.pieces]
    audio = {stem: np.zeros((2, 4 * SAMPLE_RATE), np.float32) for stem in STEMS}
    for time, stem in zip(track.times, stems):
        at = round(time * SAMPLE_RATE)
        audio[stem][:, at: at + 100] += 0.5
    right = attribution.attribute(audio, SAMPLE_RATE, track)
    for place, (share, n) in zip(STEMS, right):
        near = [np.abs(track.times - t) <= 0.08 for t, s in zip(track.times, stems) if s == place]
        alone = {float(track.times[n][0]) for n in near
                 if {stems[i] for i in np.flatnonzero(n)} == {place}}
        assert n == len(alone) and share == pytest.approx(n)
    assert right[-1] == pytest.approx([0.0, len(set(track.times.tolist()))])
    spread = {stem: sum(audio.values()) / 5 for stem in STEMS}
    even = attribution.attribute(spread, SAMPLE_RATE, track)
    np.testing.assert_allclose(even[:-1, 0], 0.2 * even[:-1, 1], atol=1e-6)
    nothing = attribution.attribute({s: 0 * a for s, a in audio.items()}, SAMPLE_RATE, track)
    assert not nothing.any()


def test_attribution_command(untrained, mdb, tmp_path, capsys):
    readme, out = tmp_path / "README.md", tmp_path / "out.json"
    readme.write_text("<!-- table:attribution -->\n<!-- /table -->\n")
    assert report.run(attribution.main, ["--data", str(mdb), "--readme", str(readme),
                                         "--out", str(out)]) == 0
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 2 + 4 + 1
    assert lines[3].startswith("| drums alone | adt, the bank alone |")
    assert lines[3].endswith("| – |")
    assert lines[6].startswith("| songs | adt, informed by the hits it hears | ")
    figures = json.loads(out.read_text(encoding="utf-8"))["systems"]
    assert list(figures["songs, adt, the bank alone"]["tracks"]) == ["First", "Second"]
    assert report.run(attribution.main, ["--data", "nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err


# -- instruments ---------------------------------------------------------------------------


def test_beats_lack_what_they_are_said_to():
    played = {name: instruments.beat(name) for name in instruments.BEATS}
    for beat in played.values():
        assert (np.diff(beat.times) >= 0).all() and beat.times[-1] < instruments.SECONDS
        assert not {"tom_high", "tom_mid", "tom_floor", "crash"} & {
            PIECES[p] for p in beat.pieces}
    stems = {name: {PIECE_TO_STEM[PIECES[p]] for p in beat.pieces}
             for name, beat in played.items()}
    assert stems == {"kick and snare": {"kick", "snare"}, "rock": {"kick", "snare", "hihat"},
                     "swing": {"cymbals", "snare", "hihat"}}
    kicks = played["rock"].times[played["rock"].pieces == PIECES.index("kick")]
    assert np.diff(kicks) == pytest.approx(2 * 60 / instruments.TEMPO)


def test_every_program_has_its_own_part():
    parts = [[(n.pitch, n.start) for n in instruments.part(program).instruments[0].notes]
             for program in (0, 32, 56, 0)]
    assert parts[0] == parts[3] and parts[0] != parts[1]
    pitches = [[pitch for pitch, _ in part] for part in parts]
    assert max(pitches[1]) < 50 < min(pitches[2])
    starts = [start for _, start in parts[0]]
    assert len(set(starts)) < len(starts)  # chords
    assert len({start for _, start in parts[2]}) == len(parts[2])


def test_what_was_not_played_is_counted():
    played = performance("p", duration=4.0)
    heard = [Hit(float(t), PIECES[p], 90, 0.9) for t, p in zip(played.times, played.pieces)]
    assert not instruments.invented(played, heard).any()
    more = [Hit(0.31, "tom_floor", 90, 0.9), Hit(0.71, "ride", 90, 0.9)]
    assert instruments.invented(played, [*heard, *more]).sum() == 2
    assert instruments.invented(played, heard[1:]).sum() == 0  # missed is not invented


def test_instruments_are_as_loud_as_asked():
    rng = np.random.default_rng(0)
    drums, band = 0.01 * rng.standard_normal((2, 2, 1000)).astype(np.float32)
    louder = instruments.mixed(drums, 5 * band, 6.0) - drums
    assert 20 * np.log10(np.std(louder) / np.std(drums)) == pytest.approx(6.0, abs=0.2)
    assert instruments.mixed(drums, 0 * band, 3.0) is drums
    assert np.abs(instruments.mixed(90 * drums, band, 3.0)).max() <= 1


def test_instruments_command(untrained, kit, tmp_path, monkeypatch, capsys):
    from adt.data import songs
    font, readme, out = tmp_path / "f.sf2", tmp_path / "README.md", tmp_path / "out.json"
    font.write_bytes(b"")
    readme.write_text("<!-- table:instruments -->\n<!-- /table -->\n")
    rendered = []
    monkeypatch.setattr(songs, "fluidsynth", lambda midi, *_: rendered.append(
        midi.instruments[0].program) or np.full((1000, 2), 0.1, np.float32))
    acoustic = replace(kit, kind="acoustic")
    monkeypatch.setattr(instruments, "read_kits", lambda *_: [kit, acoustic])
    command = ["--kits", "k", "--soundfont", str(font), "--programs", "3", "35",
               "--readme", str(readme), "--out", str(out)]
    assert report.run(instruments.main, command) == 0, capsys.readouterr().err
    assert rendered == [3, 35]
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines[1:-1]] == [
        "| instrument", "|---|--:|--:|--:|--:|--:|--:|--:|", "| without it", "| piano", "| bass",
        "| **all instruments**"]
    figures = json.loads(out.read_text(encoding="utf-8"))["systems"]
    assert list(figures) == ["demixing", "no demixing"]
    assert figures["demixing"]["piano"] == figures["demixing"]["programs"]["3"]
    assert report.run(instruments.main, ["--kits", "k", "--soundfont", "nowhere.sf2"]) == 1
    assert "nowhere.sf2: no such sound font" in capsys.readouterr().err


# -- tables ------------------------------------------------------------------------------


def test_table_markers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:a -->\nx\n<!-- /table -->\ny\n<!-- table:b -->\n<!-- /table -->")
    tables.insert_tables(readme, {"a": r"| \1 |"})
    assert readme.read_text(encoding="utf-8").startswith(
        "<!-- table:a -->\n| \\1 |\n<!-- /table -->\ny\n<!-- table:b -->\n<!-- /table -->")
    before = readme.read_text(encoding="utf-8")
    with pytest.raises(DataError, match="table:c"):
        tables.insert_tables(readme, {"a": "new", "c": "z"})
    assert readme.read_text(encoding="utf-8") == before
    with pytest.raises(DataError, match="no such file"):
        tables.insert_tables(tmp_path / "none.md", {})


@pytest.mark.parametrize("module", [tables, separation])
def test_examples(module):
    import doctest
    assert doctest.testmod(module).failed == 0


def test_json_has_no_nan(tmp_path):
    report.write_json(tmp_path / "a.json", {0.05: [np.float32(0.5), float("nan"), np.arange(2)]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"0.05": [0.5, None, [0, 1]]}


def test_figures_are_kept_though_the_terminal_lacks_a_sign(tmp_path):
    """As of a pipe on Windows."""
    code = f"""
from benchmarks import report
def main(argv):
    args = report.parser("x", "x").parse_args(["--out", {str(tmp_path / 'a.json')!r}])
    report.deliver(args, {{}}, {{"a": "\u2212 1"}})
raise SystemExit(report.run(main))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1],
                          env={**os.environ, "PYTHONIOENCODING": "cp1252"}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"? 1" in done.stdout and (tmp_path / "a.json").is_file()


def test_all_articulations_can_be_scored():
    item = transcription.Item("a", np.zeros((1, 1)), np.arange(len(ARTICULATIONS)),
                              np.arange(len(ARTICULATIONS)))
    result = transcription.score([item], {True: lambda audio: Transcription([], 1.0)}, "drums")
    assert transcription._pick(result, n_classes=9, window=0.05)["SUM"]["fn"] == 14


# -- speed -------------------------------------------------------------------------------


def test_made_up_song(tmp_path):
    path = speed.make_song(tmp_path / "song.wav", 1.5)
    audio, rate = soundfile.read(path)
    assert audio.shape == (round(1.5 * SAMPLE_RATE), 2) and rate == SAMPLE_RATE
    assert 0.5 < np.abs(audio).max() < 1


def test_median_time():
    calls = []
    seconds, last = speed.median_time(lambda: calls.append(0) or len(calls), 3)
    assert last == len(calls) == 4 and seconds >= 0


@pytest.fixture
def untrained(untrained_models, monkeypatch):
    """Weights of small untrained networks in place of the package's own."""
    from adt import weights
    monkeypatch.setattr(weights, "FOLDER", untrained_models)


def test_speed_command(untrained, tmp_path, capsys):
    out = tmp_path / "speed.json"
    assert report.run(speed.main, ["--seconds", "1", "--runs", "1", "--no-fresh",
                                   "--out", str(out)]) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["seconds"] == pytest.approx(1.0)
    assert set(result["stages"]) == set(speed.STAGES)
    assert all(s["times_real_time"] == pytest.approx(1 / s["seconds"])
               for s in result["stages"].values())
    assert set(result["environment"]["weights"]) == {
        "bank", "detectors", "detectors_mixture", "decoder", "velocity", "beats", "bars"}
    printed = capsys.readouterr().out
    assert "| peak picking |" in printed and "A song of 1 s on" in printed


def test_stages_are_timed_on_what_a_transcription_reads(untrained, tmp_path, monkeypatch):
    from adt import inference, network
    from adt.audio import stream
    from adt.features import audio_to_bands
    from adt.inference import Bands

    monkeypatch.setattr(network, "CHUNK", 64)
    monkeypatch.setattr(network, "_SHORT_CHUNK", 64)
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, (2 * SAMPLE_RATE, 2)),
                    SAMPLE_RATE)
    transcriber = inference.Transcriber()
    frames = {"bank": 0, "detectors": 0}
    front = [*transcriber.network.nets, transcriber.network][0].front[0]
    for name, model in (("bank", transcriber.bank), ("detectors", front)):
        model.register_forward_pre_hook(lambda _, args, name=name: frames.update(
            {name: frames[name] + args[0].shape[-2]}))
    transcriber.bands_to_activations(Bands(audio_to_bands(stream(path)), 2.0))
    once = dict(frames)
    speed.stage_times(path, transcriber, runs=1)  # one not timed, one timed, one for the decoder
    assert frames == {name: 4 * count for name, count in once.items()}
    assert min(once.values()) > 2 * 201


@pytest.mark.skipif(peak_memory() is None, reason="the system does not tell")
def test_speed_measures_loading_and_memory(untrained, tmp_path, monkeypatch):
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE), SAMPLE_RATE)
    monkeypatch.setattr(speed, "in_fresh_process",
                        lambda name, path, *more: speed._alone(name, str(path), *more))
    result = speed.measure(path, runs=1, threads=1)
    assert result["seconds"] == 1 and result["threads"] == 1
    for name, stage in result["stages"].items():
        more = {"load_seconds", "peak_mib"} if name in speed.WHOLE else set()
        assert set(stage) == {"seconds", "times_real_time"} | more
        assert all(stage[key] > 0 for key in stage)
    assert speed.table(result).count(" MiB |") == len(speed.WHOLE)


def test_speed_passes_options_on(monkeypatch, capsys):
    stages = {name: {"seconds": 1.0, "times_real_time": 1.0} for name in speed.STAGES}
    given = {}
    for name, result in (
            ("measure", {"seconds": 1.0, "threads": 3, "stages": stages}),
            ("cold_start", {"clip_seconds": 1.0, "starts": dict.fromkeys(speed.STARTS, 1.0)}),
            ("over_lengths", {"own_mib": {"interpreter": None}, "lengths": []})):
        monkeypatch.setattr(speed, name, lambda *args, name=name, result=result: (
            given.update({name: args}) or result))
    assert report.run(speed.main, ["song.wav", "--device", "meta", "--threads", "3", "--runs", "2",
                                   "--seed", "5", "--lengths", "7"]) == 0
    assert given["measure"][1:] == ("meta", 2, True, 3)
    assert given["cold_start"] == (speed.CLIP, "meta", 2, 3, 5)
    assert given["over_lengths"] == ([7.0], "meta", 3, 5)


def test_speed_table_to_the_letter():
    stages = {name: {"seconds": 4.0, "times_real_time": 30.0} for name in speed.STAGES}
    stages["separate"] = {"seconds": 60.0, "times_real_time": 2.0, "load_seconds": 0.75,
                          "peak_mib": 333.3}
    assert speed.table({"seconds": 120.0, "stages": stages}) == """\
| stage | real time | per minute of audio | loading | peak memory |
|---|--:|--:|--:|--:|
| *one plain STFT* | 30 × | 2.00 s |  |  |
| decode and resample | 30 × | 2.00 s |  |  |
| STFT and bands | 30 × | 2.00 s |  |  |
| bank (five U-Nets) | 30 × | 2.00 s |  |  |
| detectors | 30 × | 2.00 s |  |  |
| decoder | 30 × | 2.00 s |  |  |
| peak picking | 30 × | 2.00 s |  |  |
| **transcribe**, demixing | 30 × | 2.00 s |  |  |
| **transcribe**, no demixing | 30 × | 2.00 s |  |  |
| **separate** into five wav files | 2 × | 30.00 s | 0.8 s | 333 MiB |
| **separate** into five flac files | 30 × | 2.00 s |  |  |
| **separate --no-informed** into five flac files | 30 × | 2.00 s |  |  |"""


def test_lengths_table_to_the_letter():
    once = {"seconds": 3.0, "load_seconds": 1.0, "peak_mib": 300.0}
    result = {"own_mib": {"interpreter": 10.0, "torch": 200.0},
              "lengths": [{"length": 90.0, "transcribe": once,
                           "separate_flac": {**once, "seconds": 6.0, "peak_mib": None}}]}
    assert speed.lengths_table(result) == """\
| song of | transcribe | per minute | memory | separate (flac) | per minute | memory |
|---|--:|--:|--:|--:|--:|--:|
| 1.5 min | 3.0 s | 2.00 s | 290 MiB | 6.0 s | 4.00 s | – |

Memory above the 10 MiB of a bare interpreter; with torch imported it has 200 MiB."""


@pytest.mark.skipif(peak_memory() is None, reason="the system does not tell")
def test_speed_of_fresh_processes(monkeypatch):
    seen = []
    monkeypatch.setattr(speed, "in_fresh_process", lambda name, song, *_: seen.append(
        soundfile.info(song).duration) or {"seconds": 0.5, "load_seconds": 0.1, "peak_mib": 300})
    result = speed.over_lengths([1.0, 2.0])
    assert seen == [1.0, 1.0, 2.0, 2.0]
    own = result["own_mib"]
    assert 1 < own["interpreter"] < own["torch"] < 2000
    printed = speed.lengths_table({**result, "own_mib": {"interpreter": 10.0, "torch": 200.0}})
    assert "| 2 s | 0.5 s | 15.00 s | 290 MiB | 0.5 s | 15.00 s | 290 MiB |" in printed
    assert speed._span(7200) == "2 h"


def test_cold_start(monkeypatch):
    commands, threads = [], []

    def run(argv, env, **_):
        commands.append(argv[1:])
        threads.append(env["OMP_NUM_THREADS"])

    monkeypatch.setattr(speed, "make_song", lambda path, *_: path)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(speed.subprocess, "run", run)
    result = speed.cold_start(0.5, "cuda:1", runs=1, threads=3)
    assert list(result["starts"]) == list(speed.STARTS)
    assert ["-m", "adt", "--help"] in commands and len(commands) == 2 * len(speed.STARTS)
    clip = next(c for c in commands if "transcribe" in c)
    assert clip[3].endswith("song.wav") and "{" not in "".join(clip)
    for command in commands:
        assert (command[-2:] == ["--device", "cuda:1"]) == ("song.wav" in str(command))
    assert set(threads) == {"3"}
    speed.cold_start(0.5, runs=1)
    assert set(threads[len(commands) // 2:]) == {"7"} and commands[-1][-1] == "cpu"
    assert "| `adt transcribe`, 0 s of audio |" in speed.start_table(result)


@pytest.mark.parametrize("argv, message", [
    (["--runs", "0"], "above zero"),
    (["--lengths", "10", "0"], "above zero"),
    (["nowhere.wav"], "nowhere.wav"),
])
def test_speed_bad_options(untrained, argv, message, capsys):
    assert report.run(speed.main, argv) == 1
    assert message in capsys.readouterr().err


def test_separation_and_recordings_with_real_models(untrained, kit, mdb):
    from separation import Separator
    chosen = [clips.Clip("clip", performance("p", duration=1.0), kit)]
    result = separation.score(chosen, Separator(), seconds=1.0, with_hpss=False)
    assert np.isfinite(result["mean"]["adt"]["mean"]["sdr"])
    both = transcription.systems(None, "cpu")
    assert list(both) == [True, False]
    assert list(transcription.systems(False, "cpu")) == [False]
    scores = transcription.score_recordings(read_mdb(mdb), both)
    assert {s["material"] for s in scores["scores"]} == {"drums", "songs"}


def test_all_passes_options_on(monkeypatch, tmp_path):
    calls = []
    for module in (transcription, beats, attribution, calibration, quantize, separation,
                   instruments, speed):
        monkeypatch.setattr(module, "main", lambda argv, m=module.__name__: calls.append(
            (m.split(".")[1], argv)))
    everything.main(["--data", "d", "--kits", "k", "--groove", "g", "--accompaniment", "a",
                     "--results", str(tmp_path / "r"), "--readme", "README.md",
                     "--soundfont", "f"])
    assert [c[0] for c in calls] == ["transcription", "beats", "attribution", "calibration",
                                     "transcription", "quantize", "separation", "separation",
                                     "instruments", "speed"]
    assert all("--out" in c[1] for c in calls)
    places = {c[0]: c[1][c[1].index("--readme") + 1] for c in calls}
    assert places == {**dict.fromkeys(places, "README.md"), "calibration": "docs/researcher.md",
                      "quantize": "docs/producer.md"}
    assert (tmp_path / "r").is_dir()
    with pytest.raises(ConfigError, match="--kits"):
        everything.main(["--data", "d", "--soundfont", "f", "--results", str(tmp_path / "r")])


def test_tables_have_their_places():
    """A benchmark of an hour must not end in a file without a place for its table."""
    root = Path(__file__).parent.parent
    for path, names in {"README.md": ["transcription", "beats", "attribution", "renders",
                                      "separation", "instruments", "speed"],
                        "docs/researcher.md": ["calibration"],
                        "docs/producer.md": ["quantize"]}.items():
        tables.check(root / path, names)
    with pytest.raises(DataError, match="table:calibration"):
        tables.check(root / "README.md", ["calibration"])
    with pytest.raises(DataError, match="table:quantize"):
        quantize.main(["--groove", "g", "--readme", str(root / "README.md")])


def test_pictures(untrained, kit, tmp_path):
    from PIL import Image

    from adt.inference import Transcriber
    song = tmp_path / "song.wav"
    soundfile.write(song, 0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE),
                    SAMPLE_RATE)
    clip = clips.Clip("clip", performance("p", duration=2.0), kit)
    pictures.stems_picture(clip, song, tmp_path / "new" / "stems.png",
                           Transcriber(beats=False), 0.5, 1.0)
    pictures.confusion_picture(np.eye(len(PIECES) + 1) * 7, tmp_path / "new" / "confusion.png")
    for name in ("stems", "confusion"):
        with Image.open(tmp_path / "new" / f"{name}.png") as image:
            assert image.size[0] > 400 and len(image.getcolors(256)) > 10
    with pytest.raises(ConfigError, match=r"song.wav: nothing from 4 s on, it has 2.0 s"):
        pictures.stems_picture(clip, song, tmp_path / "late.png", Transcriber(beats=False), 4, 1)
    assert not (tmp_path / "late.png").exists()


def test_picture_of_confusions_with_demixing(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"renders": {"confusion": [
        {"demix": False, "matrix": [[1]]}, {"demix": True, "matrix": [[2]]}]}}))
    assert pictures.read_confusions(path).tolist() == [[2]]
    for text, message in (('{"renders": {"confusion": [{"demix": false}]}}', "without --no-demix"),
                          ('{"recordings": 0}', "'renders'"), ("[]", "TypeError"),
                          ("junk", "JSONDecodeError")):
        path.write_text(text)
        with pytest.raises(DataError, match=f"figures.json: .*{message}"):
            pictures.read_confusions(path)
    with pytest.raises(DataError, match="none.json: .*No such file"):
        pictures.read_confusions(tmp_path / "none.json")


@pytest.mark.parametrize("argv, message", [
    (["--clip", "500"], "there are 1 renders"),
    (["--clip", "-1"], "below zero"),
    (["--seconds", "0"], "above it"),
    (["--figures", "nowhere.json"], "nowhere.json"),
    (["--images", os.devnull], "cannot be made"),
])
def test_pictures_bad_options(material, argv, message, capsys):
    assert report.run(pictures.main, [
        "--kits", str(material / "kits"), "--groove", str(material / "groove"), "--song", "x.wav",
        "--images", str(material / "images"), *argv]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


# -- beats, calibration, quantising ------------------------------------------------------


def test_beats_of_what_is_there(untrained, mdb, monkeypatch, capsys):
    (mdb / "First.drums.flac").unlink()
    (mdb / "Second.txt").write_text("")
    pulse = np.arange(0, 20, 0.5)
    for name in ("First", "Second"):
        (mdb / f"{name}.beats").write_text("".join(
            f"{t}\t{1 + k % 4}\n" for k, t in enumerate(pulse)))
    monkeypatch.setattr(beats, "madmom_beats", lambda: None)
    monkeypatch.setattr(beats, "librosa_beats",
                        lambda path: Beats(pulse, np.full(len(pulse), 2)))
    with pytest.warns(UserWarning, match="empty"):
        assert report.run(beats.main, ["--data", str(mdb), "--out", str(mdb / "out.json")]) == 0
    figures = json.loads((mdb / "out.json").read_text(encoding="utf-8"))["figures"]
    assert list(figures) == ["songs, adt", "songs, adt, no demixing", "songs, librosa",
                             "annotated strokes, adt"]
    assert list(figures["songs, adt"]["tracks"]) == ["First", "Second"]
    assert "| songs | librosa | 1.000 | 1.000 | 1.000 | – |" in capsys.readouterr().out
    assert beats.score(Beats(pulse, 1 + np.arange(40) % 4), Beats(pulse, 1 + np.arange(40) % 4)) \
        == [1, 1, 1, 1]


@pytest.mark.parametrize("module", [transcription, beats, calibration])
def test_strokes_before_the_start_are_told(mdb, module, capsys):
    (mdb / "First.txt").write_text("-0.01\tKD\n1.0\tSD\n")
    assert report.run(module.main, ["--data", str(mdb)]) == 1
    assert "First.txt: line 1 is not 'seconds<TAB>label' with seconds from 0" \
        in capsys.readouterr().err


def test_beats_that_are_none_are_told(mdb, capsys):
    (mdb / "First.beats").write_text("1.0\t1\n0.5\t2\n")
    assert report.run(beats.main, ["--data", str(mdb)]) == 1
    assert "First.beats: line 2 is not" in capsys.readouterr().err


def test_annotated_strokes(mdb):
    (mdb / "Second.txt").write_text("")
    first, second = (recordings.annotated(t) for t in read_mdb(mdb))
    assert [h.piece for h in first] == ["hihat_closed", "kick", "snare", "kick", "crash"]
    assert first.duration == 3 and len(second) == 0 and second.duration == 1


def test_calibration_finds_what_is_missed_at_first(untrained):
    """Kicks just below the threshold, in 20 s of which the first ten are corrected."""
    from adt import Transcriber

    onset = np.zeros((2000, len(PIECES)), np.float32)
    onset[50::50, PIECES.index("kick")] = 0.45
    song = Activations(onset, onset, 0 * onset, 20.0)
    truth = Transcription([Hit(0.5 * k, "kick") for k in range(1, 40)], 20.0)
    transcriber = Transcriber()
    result = calibration.measure(
        {"song": (song, truth), "short": (song, truth), "late": (song, Transcription(
            [Hit(15.0, "kick")], 20.0))}, transcriber, seconds=10.0)
    assert list(result["tracks"]) == ["song", "short"]
    assert (result["before"]["f_measure"], result["after"]["f_measure"]) == (0, 1)
    assert result["thresholds"]["song"]["kick"] < 0.45 < result["thresholds"]["song"]["snare"]
    assert calibration.table([{"kind": "mix", **result}]).endswith(
        "\n| songs | 10 s | 2 | .000 | 1.000 | 1.000 [1.000, 1.000] |")
    with pytest.raises(ConfigError, match="fewer with --seconds"):
        calibration.measure({"song": (song, truth)}, transcriber, seconds=15.0)


def test_calibration_command(untrained, mdb, monkeypatch, capsys):
    shutil.move(mdb / "First.mix.flac", mdb / "First.mix.wav")  # whatever type it is of
    monkeypatch.setattr(calibration, "REST", 1.0)
    assert report.run(calibration.main, ["--data", str(mdb), "--seconds", "1",
                                         "--out", str(mdb / "out.json")]) == 0
    result = json.loads((mdb / "out.json").read_text(encoding="utf-8"))
    assert [(r["kind"], list(r["tracks"])) for r in result["results"]] == [
        ("mix", ["First", "Second"]), ("drums", ["First"])] and result["environment"]["weights"]
    assert "| songs | 1 s | 2 |" in capsys.readouterr().out


@pytest.mark.parametrize("argv, message", [
    (["--kind", "drums", "--seconds", "9"], "fewer with --seconds"),
    (["--seconds", "0"], "above zero"),
    (["--activations", "nowhere"], "nowhere/First.mix.npz"),
    (["--data", "nowhere"], "nowhere: no annotated tracks"),
])
def test_calibration_bad_options(untrained, mdb, argv, message, capsys):
    assert report.run(calibration.main, ["--data", str(mdb), *argv]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_calibration_without_such_audio(untrained, mdb, capsys):
    (mdb / "First.drums.flac").unlink()
    assert report.run(calibration.main, ["--data", str(mdb), "--kind", "drums"]) == 1
    assert "no track has NAME.drums" in capsys.readouterr().err


def test_quantize_command(material, capsys):
    out = material / "out.json"
    assert report.run(quantize.main, ["--groove", str(material / "groove"), "--least", "16",
                                      "--out", str(out)]) == 0
    feels = json.loads(out.read_text(encoding="utf-8"))["feels"]
    assert feels["straight eighths"] == {"notes": 8, "auto": 1, "sixteenths": 1, "known": 1}
    assert feels["triplets"]["sixteenths"] < 1
    assert "| straight sixteenths | 16 | 1.000 | 1.000 | 1.000 |" in capsys.readouterr().out
    nothing = quantize.measure([], quantize.FEELS["triplets"])
    assert quantize.table({"triplets": nothing}).endswith("\n| triplets | 0 | – | – | – |")


@pytest.mark.parametrize("argv, message", [
    (["--groove", "nowhere"], "no info.csv"),
    (["--split", "foo"], "no split 'foo'"),
    (["--least", "100000"], "fewer with --least"),
    (["--least", "0"], "above zero"),
])
def test_quantize_bad_options(material, argv, message, capsys):
    assert report.run(quantize.main, ["--groove", str(material / "groove"), *argv]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


# -- shared options ----------------------------------------------------------------------


@pytest.mark.parametrize("module, needed", [
    (everything, f"--results {os.devnull}"), (speed, "no.wav"), (transcription, "--data no"),
    (beats, "--data no"), (calibration, "--data no"), (quantize, "--groove no"),
    (separation, "--kits no --groove no"), (pictures, "--kits no --groove no --song no"),
])
@pytest.mark.parametrize("option, message", [
    (("--out", "nowhere/x.json"), "nowhere/x.json: folder nowhere does not exist"),
    (("--table", "."), ".: is a folder"),
    (("--readme", "nowhere.md"), "nowhere.md: no such file"),
    (("--seed", "-1"), "--seed -1"),
    (("--device", "nothing"), "device 'nothing' is not usable"),
])
def test_shared_options_are_checked_first(module, needed, option, message, capsys):
    assert report.run(module.main, [*needed.split(), *option]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
