"""Benchmarks on made-up material with stub systems."""

import json

import numpy as np
import pytest
import soundfile

from adt.data.groove import Performance
from adt.data.kits import Kit, Sample, read_kit
from adt.data.mdb import read_mdb
from adt.errors import DataError
from adt.frames import SAMPLE_RATE
from adt.synth import write_kit
from adt.transcription import Hit, Transcription
from adt.vocabulary import ARTICULATIONS, PIECES, STEMS
from benchmarks import all as everything
from benchmarks import beats, clips, confusion, report, separation, speed, tables, transcription
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
    result = json.loads(out.read_text())
    assert {"date", "versions", "machine", "weights"} <= set(result["environment"])
    text = readme.read_text()
    assert "old" not in text and text.startswith("a\n<!-- table:transcription -->\n| input |")
    assert "\nb\n" in text and "| First |" in text
    assert (tmp_path / "table.md").read_text().count("| First |") == 1


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
def kit(tmp_path_factory):
    return read_kit(write_kit(tmp_path_factory.mktemp("kit") / "synthetic", seed=1))


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
    return Kit(name, family, "", "", "", {"kick": [[Sample(name, 1, 127, 0.0, 0)]]}, {})


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
    assert separation.sdr(signal, signal + noise) == pytest.approx(20)
    assert separation.sdr(signal, 0 * signal) == pytest.approx(0)
    assert separation.sdr(signal, signal) == pytest.approx(120)
    assert separation.si_sdr(signal, 3 * signal) == pytest.approx(120)
    # against the usual formula
    estimate = 0.5 * signal + noise
    scaled = (signal * estimate).sum() / (signal ** 2).sum() * signal
    assert separation.si_sdr(signal, estimate) == pytest.approx(
        10 * np.log10((scaled ** 2).sum() / ((scaled - estimate) ** 2).sum()))
    assert separation.leakage(0.1 * signal, signal) == pytest.approx(-20)
    assert separation.leakage(0 * signal, signal) == -120


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
    assert "| adt | leakage |" in text and "| mixture | nSDR |" not in text
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
    assert separation.attacks(audio, audio, times) == {
        "hits": 3, "level": 3, "time": 3, "both": 3}
    assert separation.attacks(audio, 0.5 * audio, times) == {
        "hits": 3, "level": 0, "time": 3, "both": 0}
    late = np.roll(audio, round(0.008 * SAMPLE_RATE), axis=1)
    assert separation.attacks(audio, late, times)["time"] == 0
    late = np.roll(audio, round(0.003 * SAMPLE_RATE), axis=1)
    assert separation.attacks(audio, late, times)["both"] == 3
    assert separation.attacks(audio, 0 * audio, times)["both"] == 0


def test_band_by_hand():
    drums, band = np.random.default_rng(0).normal(size=(2, 2, 8000))
    whole = {"kick": drums, "snare": 0 * drums}
    tenth = {"kick": 0.9 * drums, "snare": 0 * drums}
    assert separation.score_band(whole, whole, drums + band)["drums_left"] < -100
    scores = separation.score_band(whole, tenth, drums + band)
    assert scores["drums_left"] == pytest.approx(-20)
    assert scores["residual"] == pytest.approx(20, abs=0.3)
    assert scores["drums"] == pytest.approx(20, abs=0.3)


def test_nmf_tells_low_from_high(kit):
    nmf = separation.Templates([kit], components=4)
    audio = kit.layers["kick"][-1][0].audio
    mixture = np.repeat(audio[:1], 2, axis=0)
    parts = nmf(mixture, SAMPLE_RATE)
    assert set(parts) == set(STEMS) and parts["kick"].shape == mixture.shape
    assert separation.sdr(mixture, parts["kick"]) > separation.sdr(mixture, parts["hihat"]) + 3


def test_ideal_masks_of_separate_stems_are_exact():
    """Stems that never sound together come back whole."""
    rng = np.random.default_rng(0)
    first, second = np.zeros((2, 2, 30_000))
    first[:, :10_000] = rng.normal(size=(2, 10_000))
    second[:, 15_000:] = rng.normal(size=(2, 15_000))
    for bands in (False, True):
        parts = separation.ideal_ratio_masks({"a": first, "b": second}, first + second, bands)
        assert separation.sdr(first, parts["a"]) > 60
        assert parts["b"].shape == second.shape


def test_accompaniment_is_as_loud_as_the_drums(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "band.wav", 0.1 * rng.normal(size=4000), SAMPLE_RATE)
    mixture = rng.normal(size=(2, 10_000))
    band = separation._accompaniment(tmp_path / "band.wav", mixture)
    assert band.shape == mixture.shape
    assert (band ** 2).sum() == pytest.approx((mixture ** 2).sum(), rel=1e-4)


# -- tables ------------------------------------------------------------------------------


def test_table_markers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:a -->\nx\n<!-- /table -->\ny\n<!-- table:b -->\n<!-- /table -->")
    tables.insert_tables(readme, {"a": r"| \1 |"})
    assert readme.read_text().startswith(
        "<!-- table:a -->\n| \\1 |\n<!-- /table -->\ny\n<!-- table:b -->\n<!-- /table -->")
    before = readme.read_text()
    with pytest.raises(DataError, match="table:c"):
        tables.insert_tables(readme, {"a": "new", "c": "z"})
    assert readme.read_text() == before
    with pytest.raises(DataError, match="no such file"):
        tables.insert_tables(tmp_path / "none.md", {})


@pytest.mark.parametrize("module", [tables, separation])
def test_examples(module):
    import doctest
    assert doctest.testmod(module).failed == 0


def test_json_has_no_nan(tmp_path):
    report.write_json(tmp_path / "a.json", {0.05: [np.float32(0.5), float("nan"), np.arange(2)]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"0.05": [0.5, None, [0, 1]]}


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
    result = json.loads(out.read_text())
    assert result["seconds"] == pytest.approx(1.0)
    assert set(result["stages"]) == set(speed.STAGES)
    assert all(s["times_real_time"] > 0 for s in result["stages"].values())
    assert set(result["environment"]["weights"]) == {
        "bank", "detectors", "detectors_mixture", "decoder", "velocity", "beats", "bars"}
    printed = capsys.readouterr().out
    assert "| peak picking |" in printed and "A song of 1 s on" in printed


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
    assert "the 10 MiB of a bare interpreter; with torch imported it has 200 MiB" in printed
    assert speed._span(7200) == "2 h"


def test_cold_start(monkeypatch):
    commands = []
    monkeypatch.setattr(speed.subprocess, "run", lambda argv, **_: commands.append(argv[1:]))
    result = speed.cold_start(0.5, runs=1)
    assert list(result["starts"]) == list(speed.STARTS)
    assert ["-m", "adt", "--help"] in commands and len(commands) == 2 * len(speed.STARTS)
    clip = next(c for c in commands if "transcribe" in c)
    assert clip[3].endswith("song.wav") and "{" not in "".join(clip)
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
    for module in (transcription, beats, separation, speed):
        monkeypatch.setattr(module, "main", lambda argv, m=module.__name__: calls.append(
            (m.split(".")[1], argv)))
    everything.main(["--data", "d", "--kits", "k", "--groove", "g", "--accompaniment", "a",
                     "--results", str(tmp_path / "r"), "--readme", "README.md"])
    assert [c[0] for c in calls] == ["transcription", "beats", "transcription", "separation",
                                     "separation", "speed"]
    assert all("--readme" in c[1] and "--out" in c[1] for c in calls)
    assert (tmp_path / "r").is_dir()


def test_pictures(untrained, kit, tmp_path):
    from PIL import Image

    from adt.inference import Transcriber
    from benchmarks import pictures
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
