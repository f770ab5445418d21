"""The offline page: what it carries, and how it behaves in a browser."""

import base64
import gzip
import io
import json
import re
import shutil

import av
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from adt import formats
from adt.beats import Beats
from adt.cli.report import command
from adt.errors import ConfigError, OutputError
from adt.report import (
    MARK,
    START,
    encode_track,
    pictures,
    render_report,
    spectrogram,
    waveform,
    write_report,
)
from adt.report import page as page_module
from adt.report.page import stems_fit
from adt.transcription import Hit, Transcription
from adt.vocabulary import STEMS

RATE = 44_100
TIMES = (0.5, 1.25, 2.0, 2.75)
SECONDS = 3.5


def clicks(times=TIMES, seconds=SECONDS):
    time = np.arange(int(seconds * RATE)) / RATE
    audio = np.zeros(len(time), np.float32)
    for t in times:
        audio += 0.5 * np.exp(-0.5 * ((time - t) / 0.0004) ** 2).astype(np.float32)
    return audio


@pytest.fixture
def hits():
    return Transcription(
        [Hit(t, p, v, c) for t, p, v, c in zip(
            TIMES, ("kick", "snare", "kick", "crash"), (100, 40, 127, 1), (0.9, 0.4, 1.0, 0.6))],
        SECONDS, source="/somewhere/beat.wav")


@pytest.fixture
def stems():
    silent = np.zeros(int(SECONDS * RATE), np.float32)
    return {s: silent for s in STEMS} | {"kick": clicks(TIMES[::2]), "snare": clicks(TIMES[1::2])}


def carried(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])


def decoded(mp3):
    with av.open(io.BytesIO(mp3)) as file:
        stream = file.streams.audio[0]
        return np.concatenate(
            [f.to_ndarray()[0] for f in file.decode(stream)]), stream.rate


def test_the_page_is_as_long_as_the_audio(hits):
    early = Transcription(hits.hits[:2], hits[1].time, source="a\udce9\x02b")
    page = render_report(early, clicks(), RATE, sound=False, notation=False)
    data = carried(page)
    assert data["duration"] == pytest.approx(SECONDS, abs=1e-3)
    assert data["title"] == "a?b" and page.encode()


@pytest.mark.parametrize("bit_rate", [16_000, 24_000, 32_000, 48_000, 80_000])
def test_track_is_aligned_by_its_pulse(bit_rate):
    audio = clicks()
    audio[int(2.9 * RATE):] = 0.0
    mp3 = encode_track(audio, RATE, bit_rate)
    samples, rate = decoded(mp3)
    assert len(mp3) * 8 / (SECONDS + START) <= bit_rate * 1.15
    pulse = np.argmax(np.abs(samples[: int(0.75 * START * rate)])) / rate
    for time in TIMES:
        near = int((pulse - MARK + START + time - 0.05) * rate)
        found = near + np.argmax(np.abs(samples[near: near + int(0.1 * rate)]))
        assert abs(found / rate - pulse + MARK - START - time) < 0.001


def test_outline_keeps_extremes():
    outline = waveform(np.array([0, 0.5, -0.25, 0, 0.1, 0], np.float32), 2)
    assert outline.tolist() == [[-64, 127], [0, 25]]
    assert waveform(np.zeros(0, np.float32), 5).tolist() == [[0, 0]]


def test_spectrogram_is_a_picture_with_low_bands_at_the_bottom():
    tone = np.sin(2 * np.pi * 60 * np.arange(RATE) / RATE).astype(np.float32)
    with av.open(io.BytesIO(spectrogram(tone)), format="png_pipe") as file:
        image = next(file.decode(video=0)).to_ndarray()
    assert image.shape[1] == 101
    assert image[-len(image) // 4:].mean() > image[: len(image) // 2].mean() + 20


def test_long_songs_are_taken_in_parts(hits, tmp_path, monkeypatch):
    """Spectra of a whole song, or all its channels, do not fit into the memory."""
    import soundfile
    lengths, whole = [], pictures.audio_to_bands

    def noted(blocks):
        blocks = list(blocks)
        lengths.extend(b.shape[1] for b in blocks)
        return whole(blocks)

    monkeypatch.setattr(pictures, "audio_to_bands", noted)
    monkeypatch.setattr(page_module.audio_io, "load", None)
    both = np.stack([clicks(seconds=25), clicks(TIMES[1:], 25)])
    soundfile.write(tmp_path / "song.wav", both.T, RATE, "FLOAT")
    options = {"transcription": hits, "stems": False, "notation": False, "title": "a"}
    page = write_report(tmp_path / "song.wav", tmp_path / "a.html", **options).read_bytes()
    assert sum(lengths) == 25 * RATE and max(lengths) <= 10 * RATE
    assert page == write_report(both, tmp_path / "b.html", RATE, **options).read_bytes()
    monkeypatch.setattr(pictures, "audio_to_bands", lambda blocks: whole(
        [np.concatenate(list(blocks), axis=1)]))
    assert page == write_report(both, tmp_path / "b.html", RATE, **options).read_bytes()


def test_page_carries_everything(hits, stems):
    audio = sum(stems.values()) + 0.01
    page = render_report(hits, audio, RATE, stems)
    data = carried(page)
    assert data["title"] == "beat"
    assert [(t, data["pieces"][p], v, c) for t, p, v, c in data["hits"]] == [
        (h.time, h.piece, h.velocity, h.confidence) for h in hits]
    assert [t["name"] for t in data["tracks"]] == [*STEMS, "rest"]
    samples, rate = decoded(base64.b64decode(data["tracks"][0]["mp3"]))
    assert len(samples) / rate > SECONDS + START
    files = {d["suffix"]: gzip.decompress(base64.b64decode(d["gz"])) for d in data["downloads"]}
    assert {".mid", ".csv", ".txt"} <= set(files)
    assert files[".mid"].startswith(b"MThd")
    assert files[".csv"].decode().splitlines()[1] == "0.500000,kick,100,0.9000"
    assert page == render_report(hits, audio, RATE, stems)


def test_page_asks_nothing_of_a_network(hits):
    page = render_report(hits, clicks(), RATE)
    shell = re.sub(r'id="data">.*?</script>', "", page, flags=re.S)
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!data:|URL\.)\w""", shell)
    assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|@import|url\(", shell)
    assert "default-src 'none'" in page


def test_titles_are_escaped(hits):
    title = "</script><script>alert(1)</script> <!--DATA--> & \"Ü\""
    page = render_report(hits, title=title)
    assert carried(page)["title"] == title
    assert "<script>alert" not in page
    assert page.count("<script") == 2
    assert re.fullmatch(r"[\w .()-]+", carried(page)["file"])


def test_missing_parts_do_not_fail(hits, monkeypatch):
    monkeypatch.setitem(formats.WRITERS, ".jams", ("adt.formats.nowhere", "write"))
    def missing(*args, **options):
        raise OutputError("no library")

    monkeypatch.setattr(page_module, "to_musicxml", missing)
    data = carried(render_report(hits))
    assert data["outline"] is data["spectrogram"] is None
    assert data["tracks"] == data["score"] == []
    assert "no score, or not all of it: no library" in data["notes"][0]
    assert ".jams" not in {d["suffix"] for d in data["downloads"]}
    assert carried(render_report(Transcription([], 0.0), clicks(), RATE))["hits"] == []


def test_bars_are_those_of_the_score():
    """A hit before the first beat is in the bar that the first beat goes on with."""
    beats = Beats(0.5 + np.arange(7) / 2, [2, 3, 4, 1, 2, 3, 4])
    song = Transcription([Hit(0.01, "kick"), Hit(0.5, "snare"), Hit(2.0, "kick")], 3.6,
                         beats=beats)
    found = carried(render_report(song, notation=False))["beats"]
    assert found[:2] == [[0.0, 1], [0.5, 2]] and found[-1] == [3.5, 4]
    late = Transcription([Hit(0.5, "snare")], 3.6, beats=beats)
    assert carried(render_report(late, notation=False))["beats"][0] == [0.5, 2]


def test_the_title_is_on_the_score(hits):
    pytest.importorskip("music21")
    hits.beats = Beats(np.arange(8) / 2, np.arange(8) % 4 + 1)
    data = carried(render_report(hits, title="My own title"))
    files = {d["suffix"]: gzip.decompress(base64.b64decode(d["gz"])) for d in data["downloads"]}
    assert b"My own title" in files[".musicxml"]
    assert b"My own title" in gzip.decompress(base64.b64decode(data["score"][0]))
    assert ".pdf" in files
    assert ".pdf" not in {d["suffix"] for d in carried(render_report(
        hits, notation=False))["downloads"]}


def test_long_songs_lose_stems_then_sound(hits, stems):
    assert stems_fit(240) and not stems_fit(1200)
    audio = clicks()
    page = render_report(hits, audio, RATE, stems, max_size=100_000, notation=False)
    data = carried(page)
    assert [t["name"] for t in data["tracks"]] == ["song"]
    assert any("stems" in note for note in data["notes"])
    data = carried(render_report(hits, audio, RATE, stems, max_size=20_000))
    assert data["tracks"] == [] and any("sound" in note for note in data["notes"])


def test_size_stays_under_the_limit():
    rng = np.random.default_rng(0)
    seconds = 60
    audio = (0.1 * rng.standard_normal(seconds * RATE)).astype(np.float32)
    song = Transcription([Hit(k / 8, "snare", 90) for k in range(seconds * 8)], seconds)
    page = render_report(song, audio, RATE, {"snare": audio / 2, "kick": audio / 4},
                         max_size=1_000_000, notation=False)
    assert len(page) < 1_000_000
    assert len(carried(page)["tracks"]) == 3


def test_stem_of_another_length_is_refused(hits):
    with pytest.raises(ValueError, match="snare"):
        render_report(hits, clicks(), RATE, {"snare": clicks(seconds=2)})


def test_channels_that_cancel_are_seen_and_heard(hits, tmp_path):
    mono = clicks().reshape(1, -1)
    audio = np.concatenate([0.5 * mono, -0.5 * mono])
    kick = np.concatenate([0.4 * mono, -0.4 * mono])
    page = carried(render_report(hits, audio, RATE, {"kick": kick}, notation=False))
    alone = carried(render_report(hits, 0.5 * mono, RATE, {"kick": 0.4 * mono}, notation=False))
    for key in ("outline", "spectrogram", "tracks"):
        assert page[key] == alone[key]
    path = tmp_path / "song.wav"
    soundfile.write(path, audio.T, RATE, subtype="FLOAT")
    write_report(path, tmp_path / "page.html", transcription=hits, stems=False, notation=False)
    heard = carried((tmp_path / "page.html").read_text(encoding="utf-8"))["tracks"][0]
    samples, _ = decoded(base64.b64decode(heard["mp3"]))
    assert np.abs(samples).max() > 0.2


def test_write_is_atomic(hits, tmp_path, monkeypatch):
    out = tmp_path / "page.html"
    shares = []
    write_report(clicks(), out, RATE, transcription=hits, stems=False, title="a",
                 progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    before = out.read_text(encoding="utf-8")
    assert [t["name"] for t in carried(before)["tracks"]] == ["song"]
    monkeypatch.setattr(page_module, "_fill", lambda *a: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError):
        write_report(clicks(), out, RATE, transcription=hits, stems=False, sound=False)
    assert out.read_text(encoding="utf-8") == before and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(OutputError, match="does not exist"):
        monkeypatch.undo()
        write_report(clicks(), tmp_path / "no" / "page.html", RATE, transcription=hits,
                     stems=False, sound=False)


def test_a_page_says_that_it_has_no_midi(hits):
    slow = Beats([0.0, 30.0, 60.0], [1, 2, 1])  # slower than a file can hold
    for song, words in (hits, False), (hits.reduce(3), False), (hits.replace(beats=slow), True):
        assert ("no MIDI file" in render_report(song, notation=False)) == words


def test_command(hits, tmp_path):
    import soundfile
    for name in ("one", "two"):
        soundfile.write(tmp_path / f"{name}.wav", clicks(), RATE)
    options = ["--no-stems", "--no-audio", "--no-notation", "--no-demix"]
    run = CliRunner().invoke(command, [str(tmp_path), "-o", str(tmp_path / "out"), *options],
                             standalone_mode=False)
    assert run.return_value == 0, run
    for name in ("one", "two"):
        data = carried((tmp_path / "out" / f"{name}.html").read_text(encoding="utf-8"))
        assert data["title"] == name and data["tracks"] == [] and data["outline"]
    unread = str(tmp_path / "one.wav")
    run = CliRunner().invoke(command, [unread, "-o", str(tmp_path / "three.html"), "--no-beats",
                                       "--no-audio", "--no-demix"], standalone_mode=False)
    assert run.return_value == 0, run
    assert "There is no score" not in (tmp_path / "three.html").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="--no-audio"):
        CliRunner().invoke(command, [unread, "--stems", "--no-audio"], standalone_mode=False,
                           catch_exceptions=False)
    with pytest.raises(ConfigError, match="one file"):
        CliRunner().invoke(command, [str(tmp_path), "-o", "x.html"], standalone_mode=False,
                           catch_exceptions=False)
    with pytest.raises(ConfigError, match=".html"):
        CliRunner().invoke(command, [str(tmp_path / "one.wav"), "-o", "x.pdf"],
                           standalone_mode=False, catch_exceptions=False)


FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")


@pytest.fixture
def browser():
    """Debian's Chromium, driven by Playwright (pip install playwright)."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    api = pytest.importorskip("playwright.sync_api")
    if chromium is None:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


def until(tab, condition):
    """Wait for an expression (the page's policy forbids Playwright's own way)."""
    for _ in range(200):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(50)
    pytest.fail(f"never came true: {condition}")


def test_in_browser(browser, hits, stems, tmp_path):
    out = tmp_path / "page.html"
    out.write_text(render_report(hits, sum(stems.values()), RATE, stems), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    said = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.append(request.url) if request.url.startswith("http")
           else None)
    tab.goto(out.as_uri())
    tab.wait_for_selector("#play:enabled")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390

    # Where each click lies in what the browser decoded, and in the track of the hits.
    peaks = tab.evaluate("""([key, times]) => {
      const t = adtReport.tracks.find(t => t.key === key), rate = t.buffer.sampleRate;
      const x = t.buffer.getChannelData(0);
      return times.map(time => {
        const low = Math.round((t.lead + time - 0.03) * rate);
        let best = low;
        for (let n = low; n < low + 0.06 * rate; n++)
          if (Math.abs(x[n]) > Math.abs(x[best])) best = n;
        return best / rate - t.lead;
      });
    }""", ["kick", TIMES[::2]])
    assert np.allclose(peaks, TIMES[::2], atol=0.002)
    starts = tab.evaluate("""times => {
      const t = adtReport.tracks.find(t => t.key === "hits"), x = t.buffer.getChannelData(0);
      return times.map(time => {
        let n = Math.round((time - 0.1) * t.buffer.sampleRate);
        while (x[n] === 0) n++;
        return n / t.buffer.sampleRate;
      });
    }""", TIMES[:1])
    assert np.allclose(starts, TIMES[:1], atol=0.001)

    tab.click("#play")
    until(tab, "adtReport.position() > 0.3")
    assert tab.evaluate("adtReport.playing")
    tab.keyboard.press("Space")
    assert not tab.evaluate("adtReport.playing")
    stopped = tab.evaluate("adtReport.position()")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("adtReport.position()") == pytest.approx(stopped + 1)
    tab.evaluate("adtReport.seek(2)")
    assert tab.evaluate("adtReport.position()") == 2
    tab.evaluate("adtReport.seek(0)")
    tab.click("#play")  # gains move while it plays

    gain = "adtReport.tracks.find(t => t.key === '{}').gain.gain.value"
    assert tab.evaluate(gain.format("snare")) > 0.9
    tab.click("[data-mute=snare]")
    until(tab, gain.format("snare") + " < 0.01")
    assert tab.evaluate(gain.format("kick")) > 0.9
    tab.click("[data-solo=hits]")
    tab.click("[data-mute=hits]")
    until(tab, gain.format("kick") + " < 0.01")
    until(tab, gain.format("hits") + " > 0.4")

    with tab.expect_download() as download:
        tab.click("[data-suffix='.csv']")
    assert download.value.suggested_filename == "beat.csv"
    assert "0.500000,kick,100" in open(download.value.path()).read()
    assert said == []
