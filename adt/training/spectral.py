"""Training clips: a performance on random kits, in a random recording, as band powers.

`ClipMaker` draws endless clips of (mixture, stems, labels). Everything comes from one
seed, so clip number n is the same on every run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np

from ..data.groove import Performance
from ..data.kits import Kit
from ..data.random_kits import SYNTHETIC
from ..data.stemgmd import Clip as StemClip
from ..data.voices import CHOKE_DECAY, voices
from ..errors import DataError
from ..features import N_BANDS, audio_to_bands, band_centres, reference_level, to_decibel
from ..frames import FRAME_RATE, HOP, SAMPLE_RATE
from ..vocabulary import (
    ARTICULATION_INDEX,
    ARTICULATIONS,
    PIECE_OF_ARTICULATION,
    STEM_OF_PIECE,
    STEMS,
)
from . import augment
from .lines import instrument_line
from .oneshots import LEAD, POSITIONS, OneShots, warp_matrix
from .targets import labels

_STEM_OF = np.array(STEM_OF_PIECE)[list(PIECE_OF_ARTICULATION)]  # of an articulation
#: A stroke is heard if in this many bands it adds this share of the power there.
_BANDS, _AUDIBLE = 4, 0.12
_FAINT_DB = -68.0  #: bands below this, relative to the clip's level, are as good as silent
#: which stem is missing where one is (`randomise.absent`): most often the hi-hat
_ABSENT = (0.05, 0.1, 0.1, 0.5, 0.25)
#: tilt in dB an octave: cymbals duller than sampled ones, kicks with more click and room
_TILT = {"hihat": (-7.0, 2.0), "cymbals": (-7.0, 2.0), "kick": (-2.0, 6.0)}
#: drums that make the snare's wires rattle
_RATTLING = frozenset(ARTICULATION_INDEX[a]
                      for a in ("kick", "tom_high", "tom_mid", "tom_floor"))


@dataclass
class Clip:
    """One training example; frames × bands, powers in dB around the clip's level.

    Attributes
    ----------
    mixture : ndarray, shape (frames, bands)
        dB, see `adt.features.to_decibel`.
    shares : ndarray, shape (5, frames, bands)
        Share of each stem in the mixture's power, 0..1.
    onset : ndarray, shape (frames, 9)
        Soft onset targets.
    velocity, offset : ndarray, shape (frames, 9)
        Velocity (0..1) and offset in frames of the nearest onset.
    weight : ndarray, shape (frames, 9)
        `adt.training.targets.INAUDIBLE_WEIGHT` around hits that nobody could hear, else 1.
    """

    mixture: np.ndarray
    shares: np.ndarray
    onset: np.ndarray
    velocity: np.ndarray
    offset: np.ndarray
    weight: np.ndarray


def _coloured(power: np.ndarray, sound: dict) -> np.ndarray:
    """Band powers of an articulation in the pitch and colour of `ClipMaker._articulation`."""
    if sound["warp"] is not None:
        power = power @ sound["warp"]
    return power * sound["colour"]


def _stretched(shot: np.ndarray, factor: float) -> np.ndarray:
    """A one-shot that decays `factor` times as long; its attack stays as it is."""
    kept = LEAD + 3
    if len(shot) <= kept:
        return shot
    places = np.arange(kept, kept + int((len(shot) - kept) * factor))
    return shot[np.concatenate([np.arange(kept), kept + ((places - kept) / factor).astype(int)])]


def _without(performance: Performance, stem: int) -> Performance:
    """A performance of which a stem's strokes are left out."""
    return performance.select(_STEM_OF[performance.articulations] != stem)


class ClipMaker:
    """Draws training clips.

    Parameters
    ----------
    performances : sequence of Performance
    kits : sequence of Kit
    shots : OneShots
        Of the same kits.
    accompaniment : sequence of ndarray
        From `load_accompaniment`.
    settings : dict
        Section ``randomise`` of a training config.
    recorded : sequence of StemGMD clips, optional
        From `adt.data.stemgmd.read_stemgmd`; read a window at a time.
    songs : sequence of (ndarray, Performance), optional
        Bands and the drums that belong to them, from `load_songs`.
    percussion : sequence, optional
        From `load_percussion`.
    instruments : sequence, optional
        From `load_instruments`.

    Raises
    ------
    DataError
        If no kit plays four stems, or none one of the five.
    """

    def __init__(self, performances: Sequence[Performance], kits: Sequence[Kit], shots: OneShots,
                 accompaniment: Sequence[np.ndarray], settings: dict,
                 recorded: Sequence[StemClip] = (),
                 songs: Sequence[tuple[np.ndarray, Performance]] = (),
                 percussion: Sequence[tuple[float, list[list[np.ndarray]]]] = (),
                 instruments: Sequence[tuple[bool, list[list[np.ndarray]]]] = ()):
        self.recorded, self.songs, self.percussion = list(recorded), list(songs), list(percussion)
        self.instruments = list(instruments)
        self.performances, self.kits, self.shots = list(performances), list(kits), shots
        self.accompaniment, self.settings = list(accompaniment), settings
        self.by_stem = {s: [k for k in kits if s in k.stems()] for s in STEMS}
        self.full = [k for k in kits if len(k.stems()) >= 4]
        lacking = [s for s, able in self.by_stem.items() if not able]
        if lacking or not self.full:
            raise DataError(f"data.kits: none of {', '.join(k.name for k in kits)} plays "
                            f"{' or '.join(lacking) or 'four stems or more'}; add a kit that does")
        lengths = np.array([max(4.0, p.duration) for p in self.performances])
        self.chances = lengths / lengths.sum()

    @property
    def frames(self) -> int:
        """Of a clip."""
        return round(self.settings["clip_seconds"] * FRAME_RATE)

    # -- what is played ---------------------------------------------------------

    def _performance(self, rng) -> Performance:
        from ..data.patterns import generate, vary

        seconds = self.frames / FRAME_RATE
        if rng.random() < self.settings["pattern"]:
            return generate(rng, seconds)
        whole = self.performances[rng.choice(len(self.performances), p=self.chances)]
        start = rng.uniform(-1.0, max(0.0, whole.duration - seconds * 0.8))
        piece = whole.excerpt(start, start + seconds * 1.4)
        if rng.random() < self.settings["vary"]:
            piece = vary(piece, rng)
        return piece.excerpt(0.0, seconds)

    def _kit(self, rng) -> dict[str, Kit]:
        def choose(kits):
            chances = np.array([
                (0.25 if k.kind == "electronic" else 1.0)
                / np.sqrt(sum(o.family == k.family for o in kits)) for k in kits])
            random = np.array([k.kind == SYNTHETIC for k in kits])
            if random.any() and not random.all():  # as often as is asked for
                share = self.settings["synthetic"]
                chances[random] *= share / chances[random].sum()
                chances[~random] *= (1 - share) / chances[~random].sum()
            return kits[rng.choice(len(kits), p=chances / chances.sum())]

        base = choose(self.full)
        return {stem: base if stem in base.stems() and rng.random() > self.settings["swap"]
                else choose(self.by_stem[stem]) for stem in STEMS}

    # -- how it sounds ----------------------------------------------------------

    def _articulation(self, rng, index: int, harsh: float, tuning: float = 0.0) -> dict:
        """Random sound of one articulation in this clip; toms are tuned by some semitones."""
        s = self.settings
        stem = STEMS[_STEM_OF[index]]
        low, high = s["level_db"][stem]
        level = harsh * rng.uniform(low, high) if rng.random() < s["level"] else rng.normal(0, 2)
        colour = augment.random_eq(rng, s["eq_db"] * harsh)
        if rng.random() < 0.5:
            low, high = _TILT.get(stem, (-4.0, 4.0))
            colour = colour * augment.tilt(rng.uniform(low, high) * harsh)
        semitones = harsh * rng.normal(0, s["pitch"][stem]) if rng.random() < 0.7 else 0.0
        semitones += tuning if stem == "toms" else 0.0
        sound = {"colour": colour * augment.db(level),
                 "warp": warp_matrix(semitones) if abs(semitones) > 0.1 else None,
                 "damping": rng.uniform(4, 40) if rng.random() < 0.25 else None,
                 "dynamics": rng.uniform(-1, 1) * s["dynamics"] if rng.random() < 0.6 else 0.0,
                 "soft_tilt": rng.uniform(0, 6.0) if rng.random() < 0.5 else 0.0,
                 "stretch": 1.0, "layer": None}
        # drawn only where they are asked for: other clips stay as they were
        if s["stretch"] and rng.random() < s["stretch"]:
            sound["stretch"] = float(np.exp(rng.uniform(-0.5, 0.7)))
        if s["layer"] and rng.random() < s["layer"]:
            sound["layer"] = self._layer(rng, index, harsh)
        return sound

    def _layer(self, rng, index: int, harsh: float) -> dict | None:
        """A second kit's sample under each stroke of an articulation: a drum no kit has."""
        played = ARTICULATIONS[index]
        kits = [kit for kit in self.kits if played in kit.layers and kit.kind != SYNTHETIC]
        if not kits:
            return None
        kit = kits[rng.integers(len(kits))]
        semitones = rng.normal(0, 3.0) * harsh
        return {"kit": kit, "played": played, "turn": int(rng.integers(64)),
                "gain": float(augment.db(rng.uniform(-15, 3))),
                "colour": augment.random_eq(rng, 6.0 * harsh),
                "warp": warp_matrix(semitones)}

    def _any_snare(self, rng):
        """A soft stroke of some kit's snare."""
        kits = self.by_stem["snare"]
        layers = kits[rng.integers(len(kits))].layers
        softest = layers["snare"][0] if "snare" in layers else next(iter(layers.values()))[0]
        return softest[rng.integers(len(softest))]

    def _render(self, played: list, performance: Performance, rng, harsh: float) -> np.ndarray:
        """Band powers of each articulation, shape (articulations, frames, bands)."""
        powers = np.zeros((len(ARTICULATIONS), self.frames + LEAD, N_BANDS), np.float32)
        sounds: dict[int, dict] = {}
        rattle, rattle_gain = None, 0.0
        if rng.random() < self.settings["rattle"]:  # the snare hums with every kick and tom
            layer = self._any_snare(rng)
            rattle = [self.shots.get(layer, p) * augment.high_pass(400, 12)
                      for p in range(POSITIONS)]
            rattle_gain = float(augment.db(rng.uniform(-38, -20)))
        tuning = rng.normal(0, self.settings["tuning"]) if self.settings["tuning"] else 0.0
        choke = HOP / (SAMPLE_RATE * CHOKE_DECAY) * 2  # power decays at twice the rate
        for voice in played:
            a = voice.articulation
            if a not in sounds:
                sounds[a] = self._articulation(rng, a, harsh, tuning)
            sound = sounds[a]
            quarter = round(voice.onset / HOP * POSITIONS)
            # a one-shot begins LEAD frames early, and so do these powers
            start, position = divmod(quarter, POSITIONS)
            if start >= self.frames:
                continue
            velocity = performance.velocities[voice.stroke] / 127.0
            shot = self.shots.get(voice.sample, position)
            if sound["layer"] is not None:
                shot = self._layered(shot, sound["layer"], velocity, position)
            if sound["stretch"] != 1.0:
                shot = _stretched(shot, sound["stretch"])
            shot = shot[: self.frames + LEAD - start]
            gain = voice.gain * velocity ** sound["dynamics"] * rng.lognormal(0, 0.08)
            envelope = np.full(len(shot), gain * gain, np.float32)
            age = np.arange(len(shot)) - LEAD
            if sound["damping"]:
                envelope *= np.exp(-np.maximum(0, age) / sound["damping"])
            if voice.choke is not None:
                since = age - (voice.choke - voice.onset) / HOP
                envelope *= np.exp(-choke * np.maximum(0.0, since))
            shot = shot * envelope[:, None]
            if sound["soft_tilt"]:
                shot *= augment.tilt(-sound["soft_tilt"] * (1.0 - velocity))
            powers[a, start:start + len(shot)] += shot
            if rattle is not None and a in _RATTLING:
                buzz = rattle[position][: self.frames + LEAD - start]
                scale = shot.sum(axis=1).max() / (buzz.sum(axis=1).max() + 1e-9)
                powers[a, start:start + len(buzz)] += buzz * (scale * rattle_gain)
        for a, sound in sounds.items():
            powers[a] = _coloured(powers[a], sound)
        return powers[:, LEAD:]

    def _layered(self, shot: np.ndarray, layer: dict, velocity: float,
                 position: int) -> np.ndarray:
        """A one-shot with another kit's under it, at a level relative to its own."""
        layer["turn"] += 1
        sample, _ = layer["kit"].pick(layer["played"], round(velocity * 127), layer["turn"])
        other = _coloured(self.shots.get(sample, position), layer)
        scale = shot.sum(axis=1).max() / (other.sum(axis=1).max() + 1e-12) * layer["gain"]
        total = np.zeros((max(len(shot), len(other)), N_BANDS), np.float32)
        total[:len(shot)] = shot
        total[:len(other)] += other * np.float32(scale)
        return total

    def _song(self, rng) -> tuple[np.ndarray, Performance]:
        """A window of a song: bands of its band, and its drums, played less evenly."""
        band, performance = self.songs[rng.integers(len(self.songs))]
        start = int(rng.integers(max(1, len(band) - self.frames // 2)))
        part = np.zeros((self.frames, N_BANDS), np.float32)
        window = band[start:start + self.frames].astype(np.float32) ** 2
        part[:len(window)] = window
        seconds = start / FRAME_RATE
        drums = performance.excerpt(seconds, seconds + self.frames / FRAME_RATE)
        times = drums.times + rng.uniform(0, 0.008) * rng.standard_normal(len(drums))
        order = np.argsort(times, kind="stable")
        velocities = 127 * (drums.velocities / 127) ** rng.uniform(0.5, 1.6)
        velocities = velocities * rng.lognormal(0, rng.uniform(0, 0.25), len(drums))
        return part, replace(
            drums, times=np.maximum(times, 0)[order], articulations=drums.articulations[order],
            velocities=np.clip(np.rint(velocities), 1, 127).astype(np.int64)[order])

    def _band(self, rng, own: np.ndarray | None = None) -> np.ndarray:
        """Accompaniment, shape (frames, bands), loud frames at about 0 dB.

        A song's `own` band is its first layer, most often the only one.
        """
        total = np.zeros((self.frames, N_BANDS), np.float32)
        if own is not None:
            total += own * augment.random_eq(rng, 3.0)
        if not self.accompaniment:
            return total
        layers = 1 + (rng.random() < 0.4) + (rng.random() < 0.15)
        for _ in range(layers if own is None else rng.random() < 0.3):
            source = self.accompaniment[rng.integers(len(self.accompaniment))]
            start = rng.integers(max(1, len(source) - self.frames // 2))
            part = source[start:start + self.frames].astype(np.float32) ** 2
            if rng.random() < 0.5:
                part = part @ warp_matrix(rng.uniform(-4, 4))
            part = part * augment.random_eq(rng, 3.0) * augment.db(rng.uniform(-8, 0))
            at = rng.integers(self.frames - len(part) + 1)
            total[at:at + len(part)] += part
        return total

    def _absent(self, performance: Performance, rng) -> Performance:
        """The performance without one of the stems: many songs have no hi-hat at all."""
        return _without(performance, rng.choice(len(STEMS), p=_ABSENT))

    def _instrument(self, rng) -> tuple[bool, list] | None:
        """Most often none, or one of those drawn at random: whether it is a bass, its notes."""
        if self.instruments and rng.random() < self.settings["instrument"]:
            return self.instruments[rng.integers(len(self.instruments))]
        return None

    def _line(self, rng, instrument: tuple[bool, list], performance: Performance, level: float,
              harsh: float) -> np.ndarray:
        """What it plays, shape (frames, bands); `level` as in `_rest`."""
        low, high = self.settings["instrument_db"]
        bass, notes = instrument
        line = instrument_line(rng, notes, self.frames, performance, 1 if bass else 4)
        return line * augment.db(level + rng.uniform(low, max(low, high * harsh)))

    def _sparse(self, performance: Performance, rng) -> Performance:
        """The performance as it is, or nothing of it, or one stem, or one articulation alone."""
        s = self.settings
        # drawn only where it is asked for: other clips stay as they were
        if s["silent"] and rng.random() < s["silent"]:
            return performance.select(np.zeros(len(performance), bool))
        if s["alone"] and len(performance) and rng.random() < s["alone"]:
            kinds = performance.articulations
            if rng.random() < 0.5:
                kinds = _STEM_OF[kinds]
            return performance.select(kinds == rng.choice(np.unique(kinds)))
        return performance

    def _percussion(self, rng, performance: Performance) -> np.ndarray:
        """Hand percussion in time with the drums, shape (frames, bands), about 0 dB."""
        chances = np.array([chance for chance, _ in self.percussion])
        strokes = self.percussion[rng.choice(len(chances), p=chances / chances.sum())][1]
        way = rng.random()
        if way < 0.5 and len(performance):  # with the strokes of one piece
            played = rng.choice(np.unique(performance.articulations))
            times = performance.times[performance.articulations == played] * FRAME_RATE
            accents = np.full(len(times), 1.0)
        else:  # in steady time, or in that of the drums
            step = rng.uniform(9, 50)
            start = rng.uniform(0, step)
            if way < 0.8 and len(performance) > 2:
                start, other = rng.choice(performance.times, 2, replace=False) * FRAME_RATE
                step = np.clip(abs(start - other), 1, None)
                while step > 40:
                    step /= 2
                step = max(step, 9.0)
                start %= step
            times = np.arange(start, self.frames, step)
            accents = np.resize(rng.uniform(0.1, 1.0, size=4), len(times))
        times = times + rng.uniform(0, 1.2) * rng.standard_normal(len(times))
        loud = accents * rng.uniform(0.5, 1.2, len(times))
        total = np.zeros((self.frames + LEAD, N_BANDS), np.float32)
        for time, gain in zip(times, loud):
            start, position = divmod(round(float(time) * POSITIONS), POSITIONS)
            if 0 <= start < self.frames:
                layer = min(len(strokes) - 1, int(gain * len(strokes)))
                shot = strokes[layer][position][: self.frames + LEAD - start]
                total[start:start + len(shot)] += shot * np.float32(gain * gain)
        total = total[LEAD:] * augment.random_eq(rng, 3.0)
        return total @ warp_matrix(rng.uniform(-4, 4)) if rng.random() < 0.7 else total

    # -- the clip ---------------------------------------------------------------

    def _play(self, rng, harsh: float,
              performance: Performance | None = None,
              instrument: tuple[bool, list] | None = None) -> tuple[np.ndarray, Performance]:
        """Band powers of each articulation, and the strokes to be found."""
        if performance is None:
            if self.recorded and rng.random() < self.settings["stemgmd"]:
                return self._recorded(rng, harsh)
            performance = self._performance(rng)
        if rng.random() < self.settings["absent"]:
            performance = self._absent(performance, rng)
        performance = self._sparse(performance, rng)
        if instrument is not None and rng.random() < self.settings["bare"]:
            performance = _without(performance, STEMS.index("kick" if instrument[0] else "toms"))
        played, performance = voices(performance, self._kit(rng), rng)
        return self._render(played, performance, rng, harsh), performance

    def _recorded(self, rng, harsh: float) -> tuple[np.ndarray, Performance]:
        """The same from a window of a StemGMD clip, its pieces coloured at random."""
        clip = self.recorded[rng.integers(len(self.recorded))]
        n_samples = self.frames * HOP
        start = int(rng.integers(max(1, clip.n_samples - n_samples // 2)))
        seconds = start / SAMPLE_RATE
        performance = clip.performance().excerpt(seconds, seconds + self.frames / FRAME_RATE)
        performance = replace(performance, articulations=performance.pieces)
        powers = np.zeros((len(ARTICULATIONS), self.frames, N_BANDS), np.float32)
        for piece, audio in clip.read(start, n_samples).items():
            if audio.any():
                index = ARTICULATION_INDEX[piece]
                sound = self._articulation(rng, index, harsh)
                powers[index] = _coloured(audio_to_bands([audio])[: self.frames], sound)
        return powers, performance

    def __call__(self, rng: np.random.Generator) -> Clip:
        s = self.settings
        harsh = rng.uniform(*s["harsh"])
        own, performance = None, None  # a band of the same song, and what it plays to
        if self.songs and rng.random() < s["song"]:
            own, performance = self._song(rng)
        instrument = self._instrument(rng)
        powers, performance = self._play(rng, harsh, performance, instrument)

        stems = self._in_room(powers, rng)
        level = reference_level(stems.sum(axis=0)) if stems.any() else 0.0
        sources = np.concatenate([stems, self._rest(own, performance, level, harsh, rng)])
        if instrument is not None:
            sources[-1] += self._line(rng, instrument, performance, level, harsh)
        colour = self._recording(sources, harsh, rng)
        total = sources.sum(axis=0)
        mixture = augment.interfere(sources, rng)

        lost = self._lost(rng)
        mixture[:, lost] = 0.0
        powers[..., lost] = 0.0  # nothing of a stroke is heard there

        level = reference_level(mixture)
        heard_level = level + rng.normal(0, s["gain_db"])
        onset_frames = performance.times * FRAME_RATE
        audible = self._audible(powers, colour, sources, performance, level)
        return Clip(to_decibel(mixture, heard_level), stems_share(sources, total),
                    *labels(onset_frames, performance.pieces, performance.velocities, audible,
                            self.frames))

    def _in_room(self, powers: np.ndarray, rng) -> np.ndarray:
        """Stems of the articulations' powers, some of them in a room."""
        stems = np.zeros((len(STEMS), self.frames, N_BANDS), np.float32)
        for a in np.nonzero(powers.any(axis=(1, 2)))[0]:
            stems[_STEM_OF[a]] += powers[a]
        if rng.random() < self.settings["room"]:
            times = rng.uniform(0.15, 1.4) * augment.tilt(rng.uniform(-1.0, 0.0))
            stems = augment.reverberate(stems, np.clip(times, 0.05, 2.0), rng.uniform(-22, -3))
        return stems

    def _rest(self, own, performance: Performance, level: float, harsh: float,
              rng) -> np.ndarray:
        """What is not drums, shape (1, frames, bands); `level` is that of the drums in dB."""
        s = self.settings
        rest = np.zeros((1, self.frames, N_BANDS), np.float32)
        if own is not None or self.accompaniment and rng.random() < s["accompaniment"]:
            low, high = s["accompaniment_db"]
            high = max(low, high * harsh) if high > 0 else high  # mild clips have no loud bands
            rest[0] += self._band(rng, own) * augment.db(level + rng.uniform(low, high))
        if rng.random() < s["shaker"]:
            rest[0] += augment.shaker(rng, self.frames) * augment.db(level + rng.uniform(-35, -8))
        if self.percussion and rng.random() < s["percussion"]:
            rest[0] += self._percussion(rng, performance) * augment.db(
                level + rng.uniform(-30, -3))
        if s["rumble"] and rng.random() < s["rumble"]:
            rest[0] += augment.rumble(rng, self.frames) * augment.db(level + rng.uniform(-30, 3))
        return rest

    def _lost(self, rng) -> np.ndarray:
        """Which bands lossy coding or a low sample rate leaves nothing of."""
        if rng.random() < self.settings["band_limit"]:
            return band_centres() > rng.uniform(7000, 17000)
        return np.zeros(N_BANDS, bool)

    def _recording(self, sources: np.ndarray, harsh: float, rng) -> np.ndarray:
        """Equalise, compress and add noise to all sources, in place; gains of the bands."""
        s = self.settings
        colour = augment.random_eq(rng, rng.uniform(0, 4 * harsh))
        colour = colour * augment.tilt(rng.normal(0, 1.5 * harsh))
        if rng.random() < s["low_pass"] * harsh:
            colour = colour * augment.low_pass(rng.uniform(3500, 15000), rng.uniform(6, 36))
        if rng.random() < 0.15:
            colour = colour * augment.high_pass(rng.uniform(40, 160), rng.uniform(6, 24))
        sources *= colour
        if rng.random() < s["compress"]:
            loudness = 10 * np.log10(sources.sum(axis=(0, 2)) + 1e-9)
            top = np.percentile(loudness, 97)
            gain = augment.compress(loudness, top - rng.uniform(4, 24), rng.uniform(1.5, 8),
                                    rng.uniform(0.3, 4), rng.uniform(5, 40))
            sources *= augment.db(gain)[None, :, None]
        level = reference_level(sources.sum(axis=0))
        noise = level + rng.uniform(-80, -65 + 30 * harsh)
        sources[-1] += augment.noise_floor(rng, self.frames, noise)
        return colour

    def _audible(self, powers, colour, sources, performance, level) -> np.ndarray:
        """Which strokes stand out of everything else in a few bands at least."""
        total = sources.sum(axis=0)
        dry = powers.sum(axis=0) * colour
        heard = np.ones(len(performance), bool)
        for i, (time, a) in enumerate(zip(performance.times, performance.articulations)):
            first = min(self.frames - 1, int(time * FRAME_RATE))
            span = slice(first, first + 4)
            # compression scales all sources alike: compare with what it left of the drums
            scale = total[span].sum() / (dry[span].sum() + sources[-1, span].sum() + 1e-9)
            heard[i] = stands_out(rise(powers[a], first) * colour * min(1.0, scale), total, first,
                                  level)
        return heard


def rise(power: np.ndarray, frame: int) -> np.ndarray:
    """By how much the power of each band rises from before a frame to the next four."""
    rises = power[frame:frame + 4].max(axis=0) - power[max(0, frame - 2)]
    return np.maximum(0.0, rises)


def stands_out(rises: np.ndarray, total: np.ndarray, frame: int, level: float) -> bool:
    """Whether rises of the bands can be heard in the total, whose level in dB is known."""
    around = total[max(0, frame - 2):frame + 4].max(axis=0) + 10 ** ((level + _FAINT_DB) / 10)
    return bool(np.partition(rises / around, -_BANDS)[-_BANDS] > _AUDIBLE)


def stems_share(sources: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Share of each of the five stems in the total power, shape (5, frames, bands)."""
    return sources[: len(STEMS)] / (total + 1e-12)
