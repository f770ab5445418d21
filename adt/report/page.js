"use strict";
(() => {
const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const NAMES = { kick: "Kick", snare: "Snare", tom_high: "High tom", tom_mid: "Mid tom",
  tom_floor: "Floor tom", hihat_closed: "Hi-hat", hihat_open: "Open hat", ride: "Ride",
  crash: "Crash", toms: "Toms", hihat: "Hi-hat", cymbals: "Cymbals", rest: "Band", song: "Song",
  hits: "Hits", KD: "Kick", SD: "Snare", TT: "Toms", HH: "Hi-hat", CY: "Cymbals" };
const HUES = { kick: 12, snare: 205, tom_high: 135, tom_mid: 155, tom_floor: 175, hihat_closed: 42,
  hihat_open: 28, ride: 275, crash: 325, KD: 12, SD: 205, TT: 155, HH: 42, CY: 300, toms: 155 };
const name = key => NAMES[key] || key;
const duration = Math.max(data.duration, 0.1);
const hits = data.hits;                    // [time, piece, velocity, confidence], in order
const beats = data.beats;                  // [time, position] or null

// ---- bytes -----------------------------------------------------------------------------
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const unpack = async text => new Response(new Blob([bytes(text)]).stream()
  .pipeThrough(new DecompressionStream("gzip"))).blob();

// ---- time ------------------------------------------------------------------------------
const pad = (x, n) => String(x).padStart(n, "0");
const clock = (s, digits = 1) => {
  const unit = 10 ** digits, all = Math.round(Math.max(0, s) * unit);
  const m = Math.floor(all / unit / 60), rest = all - m * 60 * unit;
  return m + ":" + pad(Math.floor(rest / unit), 2) + (digits ? "." + pad(rest % unit, digits) : "");
};
const firstAfter = (list, t) => {          // index of the first entry later than t
  let low = 0, high = list.length;
  while (low < high) { const k = (low + high) >> 1; list[k][0] > t ? high = k : low = k + 1; }
  return low;
};
const bars = (beats || []).filter(b => b[1] === 1).map(b => b[0]);
const place = t => {                       // "bar 3, beat 2.5"
  if (!bars.length) return "";
  const k = firstAfter(beats, t + 1e-3) - 1;
  if (k < 0) return "before bar 1";
  const next = beats[k + 1] ? beats[k + 1][0] : 2 * beats[k][0] - beats[Math.max(0, k - 1)][0];
  const part = next > beats[k][0] ? Math.min(0.99, Math.max(0, (t - beats[k][0]) / (next - beats[k][0]))) : 0;
  const bar = bars.filter(b => b <= beats[k][0] + 1e-6).length;
  return `bar ${bar}, beat ${(beats[k][1] + part).toFixed(2)}`;
};
const tempo = [];                          // [time, bpm], over four beats
for (let k = 1; beats && k < beats.length; k++) {
  const a = Math.max(0, k - 2), b = Math.min(beats.length - 1, k + 2);
  tempo.push([beats[k][0], 60 * (b - a) / (beats[b][0] - beats[a][0])]);
}

// ---- sound -----------------------------------------------------------------------------
let context = null, master = null, sources = [], playing = false, from = 0, began = 0, speed = 1, frame = 0;
const tracks = data.tracks.map(t => ({ key: t.name, mp3: t.mp3, buffer: null, lead: 0 }));
tracks.push({ key: "hits", buffer: null, lead: 0 });
for (const t of tracks) Object.assign(t, { mute: false, solo: false, volume: t.key === "hits" ? 0.5 : 1, gain: null });
if (tracks.length > 1) tracks[tracks.length - 1].mute = true;

const RATE = 44100;
const voice = key => {                     // a short, telling sound for each piece
  const at = { kick: 0, KD: 0, snare: 1, SD: 1, tom_high: 2, toms: 2, TT: 2, tom_mid: 3, tom_floor: 4,
    hihat_closed: 5, HH: 5, hihat_open: 6, ride: 7, crash: 8, CY: 8 }[key] ?? 1;
  const [pitch, drop, tone, noise, decay] = [[55, 70, 1, 0, .07], [190, 40, .5, .6, .05],
    [220, 60, 1, 0, .09], [160, 50, 1, 0, .1], [105, 40, 1, 0, .12], [0, 0, 0, .6, .018],
    [0, 0, 0, .6, .09], [2300, 0, .3, .3, .09], [0, 0, 0, .8, .22]][at];
  const out = new Float32Array(Math.round(RATE * Math.min(0.6, decay * 6)));
  let phase = 0, seed = 12345 + at, last = 0;
  for (let n = 0; n < out.length; n++) {
    const t = n / RATE, env = Math.exp(-t / decay);
    phase += 2 * Math.PI * (pitch + drop * Math.exp(-t * 60)) / RATE;
    seed = (seed * 1664525 + 1013904223) >>> 0;
    const white = seed / 2147483648 - 1, bright = white - (at >= 5 ? last : 0);
    last = white;
    out[n] = env * (tone * Math.sin(phase + 1) + noise * bright);
  }
  return out;
};
let voices = null;
const loudness = velocity => 0.9 * (velocity / 127) ** 1.5;
const sonify = () => {
  voices = voices || data.pieces.map(voice);
  const buffer = new AudioBuffer({ length: Math.ceil((duration + 1) * RATE), sampleRate: RATE, numberOfChannels: 1 });
  const out = buffer.getChannelData(0);
  for (const [time, piece, velocity] of hits) {
    const at = Math.round(time * RATE), sound = voices[piece], gain = loudness(velocity);
    for (let n = 0; n < sound.length && at + n < out.length; n++) out[at + n] += gain * sound[n];
  }
  return buffer;
};
const pulse = buffer => {                  // where the music begins, seconds into the buffer
  const x = buffer.getChannelData(0), end = Math.min(x.length, Math.round(data.start * 0.75 * buffer.sampleRate));
  let best = 0;
  for (let n = 0; n < end; n++) if (Math.abs(x[n]) > Math.abs(x[best])) best = n;
  return best / buffer.sampleRate + data.start - data.mark;
};
const decode = async () => {
  const decoder = new OfflineAudioContext(1, 1, RATE);
  let failed = 0;
  for (const t of tracks) {
    $("status").textContent = `Loading ${name(t.key).toLowerCase()}…`;
    try {
      if (t.key === "hits") t.buffer = sonify();
      else {
        t.buffer = await decoder.decodeAudioData(bytes(t.mp3).buffer);
        t.lead = pulse(t.buffer);
        t.mp3 = null;
      }
    } catch (problem) { failed++; console.warn(`${t.key}: ${problem}`); }
  }
  $("status").textContent = failed ? `${failed} tracks could not be decoded by this browser.` : "";
  $("play").disabled = false;
};
const levels = () => {
  const solo = tracks.some(t => t.solo);
  for (const t of tracks) {
    t.silent = t.mute || (solo && !t.solo);
    t.row?.classList.toggle("silent", t.silent);
    if (t.gain) t.gain.gain.setTargetAtTime(t.silent ? 0 : t.volume, context.currentTime, 0.008);
  }
};
const ready = () => {
  if (!context) {
    context = new AudioContext({ latencyHint: "interactive" });
    master = context.createDynamicsCompressor();
    master.threshold.value = -3; master.ratio.value = 12; master.knee.value = 2; master.attack.value = 0.002;
    master.connect(context.destination);
    for (const t of tracks) { t.gain = context.createGain(); t.gain.gain.value = 0; t.gain.connect(master); }
    levels();
  }
  return context.resume();
};
const position = () => {
  if (!playing) return from;
  const late = context.outputLatency || context.baseLatency || 0;
  return Math.min(duration, Math.max(from, from + (context.currentTime - late - began) * speed));
};
const silence = () => { for (const s of sources) { s.onended = null; s.stop(); s.disconnect(); } sources = []; };
const start = async () => {
  await ready();
  silence();
  if (from >= duration - 0.02) from = 0;
  began = context.currentTime + 0.05;
  for (const t of tracks) {
    if (!t.buffer || from + t.lead >= t.buffer.duration) continue;
    const s = new AudioBufferSourceNode(context, { buffer: t.buffer, playbackRate: speed });
    s.connect(t.gain);
    s.start(began, t.lead + from);
    sources.push(s);
  }
  playing = true;
  $("play").textContent = "❚❚"; $("play").setAttribute("aria-label", "Pause");
  cancelAnimationFrame(frame); frame = requestAnimationFrame(tick);
};
const pause = () => {
  from = position(); playing = false; silence();
  $("play").textContent = "▶"; $("play").setAttribute("aria-label", "Play");
  show();
};
const toggle = () => { if (!$("play").disabled) playing ? pause() : start(); };
const seek = t => {
  const was = playing;
  if (was) { silence(); playing = false; }
  from = Math.min(duration, Math.max(0, t));
  if (chosen >= 0) { chosen = -1; draw(); }
  reveal(from);
  if (was) start(); else show();
};
const audition = async hit => {
  await ready();
  voices = voices || data.pieces.map(voice);
  const sound = voices[hit[1]], buffer = new AudioBuffer({ length: sound.length, sampleRate: RATE });
  buffer.copyToChannel(sound, 0);
  const s = new AudioBufferSourceNode(context, { buffer });
  const g = new GainNode(context, { gain: loudness(hit[2]) });
  s.connect(g).connect(master); s.start();
};

// ---- view ------------------------------------------------------------------------------
const canvas = $("lanes"), over = $("cursor");
let width = 0, height = 0, ratio = 1, gutter = 92, t0 = 0, span = Math.min(duration, 12), rows = [], chosen = -1;
const dark = () => document.documentElement.dataset.theme === "dark";
const css = key => getComputedStyle(document.documentElement).getPropertyValue(key).trim();
const X = t => gutter + (t - t0) / span * (width - gutter);
const T = x => t0 + (x - gutter) / (width - gutter) * span;
let outline = null, picture = null, tinted = null;
if (data.outline) outline = new Int8Array(bytes(data.outline).buffer);
if (data.spectrogram) {
  picture = new Image();
  picture.onload = () => { tint(); draw(); };
  picture.src = "data:image/png;base64," + data.spectrogram;
}
const tint = () => {
  if (!picture || !picture.complete || !picture.width) return;
  tinted = tinted || document.createElement("canvas");
  tinted.width = picture.width; tinted.height = picture.height;
  const g = tinted.getContext("2d", { willReadFrequently: true });
  g.drawImage(picture, 0, 0);
  const image = g.getImageData(0, 0, picture.width, picture.height), p = image.data;
  const stops = dark() ? [[27, 30, 33], [70, 35, 92], [186, 60, 70], [250, 150, 60], [255, 244, 200]]
    : [[255, 255, 255], [226, 214, 240], [214, 130, 150], [176, 52, 60], [50, 12, 30]];
  for (let n = 0; n < p.length; n += 4) {
    const v = (p[n] / 255) ** 1.35 * 3.999, k = Math.floor(v), f = v - k;
    for (let c = 0; c < 3; c++) p[n + c] = stops[k][c] + f * (stops[k + 1][c] - stops[k][c]);
  }
  g.putImageData(image, 0, 0);
};
const layout = () => {
  width = $("view").clientWidth; ratio = Math.min(window.devicePixelRatio || 1, 3);
  const phone = width < 560; gutter = phone ? 76 : 92;
  rows = []; let y = 0;
  const add = (key, h) => { rows.push({ key, y, h }); y += h; };
  add("ruler", 24);
  if (outline) add("wave", phone ? 54 : 76);
  if (picture) add("spectrum", phone ? 84 : 128);
  data.pieces.forEach((_, k) => add(k, phone ? 26 : 30));
  if (tempo.length) add("tempo", 56);
  height = y;
  for (const c of [canvas, over]) {
    c.width = Math.round(width * ratio); c.height = Math.round(height * ratio);
    c.style.height = height + "px";
    c.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  draw();
};
const colour = (key, alpha) => `hsl(${HUES[key] ?? 205} ${dark() ? "85% 64%" : "72% 42%"} / ${alpha})`;
const half = velocity =>                   // half the width of a hit, pixels
  Math.min(1.5 + 4.5 * velocity / 127, Math.max(1, 60 * width / 1000 / span));
function draw() {
  const g = canvas.getContext("2d"), ink = css("--ink"), soft = css("--soft"), line = css("--line");
  g.clearRect(0, 0, width, height);
  g.font = "12px system-ui, sans-serif"; g.textBaseline = "middle";
  g.save(); g.beginPath(); g.rect(gutter, 0, width - gutter, height); g.clip();
  for (const { key, y, h } of rows) {
    if (key === "wave") {
      const n = outline.length / 2, mid = y + h / 2, size = h / 2 - 3;
      g.fillStyle = soft;
      for (let x = gutter; x < width; x++) {
        let a = Math.floor(T(x) / duration * n), b = Math.max(a + 1, Math.ceil(T(x + 1) / duration * n));
        let low = 0, high = 0;
        for (let k = Math.max(0, a); k < Math.min(n, b); k++) {
          low = Math.min(low, outline[2 * k]); high = Math.max(high, outline[2 * k + 1]);
        }
        if (a < n) g.fillRect(x, mid - high / 127 * size, 1, Math.max(1, (high - low) / 127 * size));
      }
    } else if (key === "spectrum" && tinted) {
      const scale = tinted.width / duration;
      g.drawImage(tinted, t0 * scale, 0, span * scale, tinted.height, gutter, y, width - gutter, h);
    } else if (typeof key === "number" && key % 2 === 0) {
      g.fillStyle = dark() ? "#ffffff08" : "#00000006"; g.fillRect(gutter, y, width - gutter, h);
    }
  }
  const top = rows[0].h;
  // Bars and beats, or seconds
  const step = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300].find(s => s / span * (width - gutter) > 62) || 600;
  if (beats && bars.length) {
    const wide = (width - gutter) / span * (60 / (tempo[0]?.[1] || 120));
    if (wide > 9) for (let k = firstAfter(beats, t0 - 1); k < beats.length && beats[k][0] < t0 + span; k++) {
      g.fillStyle = line; if (beats[k][1] !== 1) g.fillRect(X(beats[k][0]), top, 1, height - top);
    }
    let last = -99;
    bars.forEach((t, k) => {
      const x = X(t);
      if (x < gutter - 60 || x > width) return;
      g.globalAlpha = wide > 4 ? .55 : .25; g.fillStyle = soft; g.fillRect(x, top - 6, 1, height - top + 6);
      g.globalAlpha = 1;
      if (x - last > 34) { g.fillText(k + 1, x + 4, top / 2); last = x; }
    });
  } else for (let k = Math.max(0, Math.floor(t0 / step)); k * step <= t0 + span; k++) {
    const x = X(k * step);
    g.fillStyle = line; g.fillRect(x, top - 6, 1, height - top + 6);
    g.fillStyle = soft; g.fillText(clock(k * step, step < 1 ? 1 : 0), x + 4, top / 2);
  }
  for (let k = firstAfter(hits, t0 - .2); k < hits.length && hits[k][0] < t0 + span + .2; k++) {
    const [time, piece, velocity, confidence] = hits[k], row = rows.find(r => r.key === piece);
    const x = X(time), tall = (row.h - 6) * (.3 + .7 * velocity / 127), w = half(velocity);
    g.fillStyle = colour(data.pieces[piece], .25 + .75 * confidence);
    g.beginPath(); g.roundRect(x, row.y + row.h / 2 - tall / 2, 2 * w, tall, Math.min(w, 3)); g.fill();
    if (k === chosen) { g.strokeStyle = ink; g.lineWidth = 2; g.stroke(); }
  }
  const row = rows.find(r => r.key === "tempo");
  let range = null;
  if (row) {
    const values = tempo.map(p => p[1]), middle = values.slice().sort((a, b) => a - b)[values.length >> 1];
    const reach = Math.max(4, ...values.map(v => Math.min(Math.abs(v - middle), middle / 4)));
    range = [middle - reach, middle + reach];
    g.strokeStyle = css("--accent"); g.lineWidth = 1.75; g.beginPath();
    tempo.forEach(([t, v], k) => {
      const y = row.y + row.h - 8 - (Math.min(range[1], Math.max(range[0], v)) - range[0]) / (2 * reach) * (row.h - 16);
      k ? g.lineTo(X(t), y) : g.moveTo(X(t), y);
    });
    g.stroke();
  }
  g.restore();
  g.fillStyle = css("--card"); g.fillRect(0, 0, gutter, height);
  g.fillStyle = line; g.fillRect(gutter - 1, 0, 1, height);
  for (const { key, y, h } of rows) {
    const text = key === "ruler" ? (bars.length ? "Bar" : "Time") : key === "wave" ? "Waveform" : key === "spectrum" ? "Spectrum"
      : key === "tempo" ? "Tempo" : name(data.pieces[key]);
    if (typeof key === "number") { g.fillStyle = colour(data.pieces[key], 1); g.fillRect(0, y + 4, 4, h - 8); }
    g.fillStyle = typeof key === "number" ? ink : soft;
    g.fillText(text, 10, key === "tempo" ? y + h / 2 - 8 : y + h / 2);
    if (key === "tempo" && range) g.fillText(`${Math.round(range[0])}–${Math.round(range[1])}`, 10, y + h / 2 + 9);
    if (key !== "ruler") { g.fillStyle = line; g.fillRect(0, y, width, 1); }
  }
  const free = duration - span;
  $("scroll").value = free > 0 ? 1000 * t0 / free : 0;
  $("scroll").disabled = free <= 1e-6;
  show();
}
function show() {
  const t = position(), g = over.getContext("2d"), x = X(t);
  g.clearRect(0, 0, width, height);
  if (x >= gutter - 1 && x <= width + 1) {
    g.fillStyle = css("--accent"); g.fillRect(x - 1, 0, 2, height);
    g.beginPath(); g.moveTo(x - 6, 0); g.lineTo(x + 6, 0); g.lineTo(x, 8); g.fill();
  }
  $("time").textContent = clock(t);
}
function tick() {
  if (!playing) return;
  const t = position();
  if (t >= duration) { pause(); from = duration; show(); return; }
  if ($("follow").checked && (t < t0 || t > t0 + span * .92)) move(t - span * .08); else show();
  frame = requestAnimationFrame(tick);
}
const move = t => { t0 = Math.min(Math.max(0, duration - span), Math.max(0, t)); draw(); };
const reveal = t => { if (t < t0 || t > t0 + span) move(t - span * .2); };
const zoom = (factor, at = t0 + span / 2) => {
  const next = Math.min(duration, Math.max(.4, span / factor)), share = (at - t0) / span;
  span = next; move(at - share * span);
};
const pick = k => {
  chosen = k;
  const [time, piece, velocity, confidence] = hits[k];
  $("hit").replaceChildren(Object.assign(document.createElement("b"), { textContent: name(data.pieces[piece]) }),
    ` · ${clock(time, 3)}${bars.length ? " · " + place(time) : ""} · velocity ${velocity} · confidence ${Math.round(confidence * 100)} %`);
  draw(); audition(hits[k]);
};
const under = (x, y) => {                  // the hit at a place, or -1
  const row = rows.find(r => y >= r.y && y < r.y + r.h);
  if (!row || typeof row.key !== "number") return -1;
  let best = -1, least = 9;
  for (let k = firstAfter(hits, T(x - 24)); k < hits.length && X(hits[k][0]) < x + 12; k++) {
    const gap = Math.abs(X(hits[k][0]) + half(hits[k][2]) - x);
    if (hits[k][1] === row.key && gap < least) { least = gap; best = k; }
  }
  return best;
};
const fingers = new Map(); let press = null;
const at = e => { const box = canvas.getBoundingClientRect(); return [e.clientX - box.left, e.clientY - box.top]; };
canvas.addEventListener("pointerdown", e => {
  fingers.set(e.pointerId, at(e)); canvas.setPointerCapture(e.pointerId);
  press = { x: at(e)[0], t0, moved: fingers.size > 1, span };
});
canvas.addEventListener("pointermove", e => {
  if (!fingers.has(e.pointerId)) return;
  const before = [...fingers.values()];
  fingers.set(e.pointerId, at(e));
  const now = [...fingers.values()];
  if (now.length === 2) {
    const gap = p => Math.max(20, Math.abs(p[0][0] - p[1][0]));
    zoom(gap(now) / gap(before), T((now[0][0] + now[1][0]) / 2)); press.moved = true;
  } else if (press && (press.moved || Math.abs(at(e)[0] - press.x) > 5)) {
    press.moved = true; $("follow").checked = false; move(press.t0 - (at(e)[0] - press.x) / (width - gutter) * span);
  }
});
const release = e => {
  fingers.delete(e.pointerId);
  if (e.type === "pointerup" && press && !press.moved && !fingers.size) {
    const [x, y] = at(e), k = under(x, y);
    if (k >= 0) pick(k); else if (x >= gutter) seek(T(x));
  }
  press = fingers.size ? { x: [...fingers.values()][0][0], t0, moved: true } : null;
};
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
canvas.addEventListener("wheel", e => {
  const [x] = at(e);
  if (e.ctrlKey || e.metaKey) { e.preventDefault(); zoom(Math.exp(-e.deltaY / 250), T(x)); }
  else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
    e.preventDefault(); $("follow").checked = false; move(t0 + (e.deltaX || e.deltaY) / (width - gutter) * span);
  }
}, { passive: false });

// ---- controls --------------------------------------------------------------------------
$("play").onclick = toggle;
$("zoomin").onclick = () => zoom(1.6, position() >= t0 && position() <= t0 + span ? position() : undefined);
$("zoomout").onclick = () => zoom(1 / 1.6);
$("fit").onclick = () => { span = duration; move(0); };
$("scroll").oninput = e => { $("follow").checked = false; move(e.target.value / 1000 * (duration - span)); };
$("speed").onchange = e => { const t = position(), was = playing; if (was) pause(); speed = +e.target.value; from = t; if (was) start(); };
const step = (way, many) => {
  const t = position();
  if (!beats) return seek(t + way * many);
  const k = way > 0 ? firstAfter(beats, t + .03) : firstAfter(beats, t - .03) - 1;
  const to = beats[Math.min(beats.length - 1, Math.max(0, k + way * (many - 1)))];
  seek(k < 0 ? 0 : k >= beats.length ? duration : to[0]);
};
document.addEventListener("keydown", e => {
  const tag = e.target.tagName;
  if (e.ctrlKey || e.metaKey || e.altKey || tag === "SELECT") return;
  if (tag === "INPUT" && e.target.type === "range" && /^(Arrow|Home$|End$|Page)/.test(e.key)) return;
  if (e.key === " " && (tag === "BUTTON" || tag === "SUMMARY" || e.target.type === "checkbox") && e.target.id !== "play") return;
  const next = way => { const k = way > 0 ? (chosen < 0 ? firstAfter(hits, position()) : chosen + 1) : (chosen < 0 ? firstAfter(hits, position()) - 1 : chosen - 1);
    if (hits[k]) { reveal(hits[k][0]); pick(k); } };
  const does = { " ": toggle, ArrowLeft: () => step(-1, e.shiftKey ? 4 : 1), ArrowRight: () => step(1, e.shiftKey ? 4 : 1),
    "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), Home: () => seek(0), End: () => seek(duration),
    "[": () => next(-1), "]": () => next(1) }[e.key];
  if (does) { e.preventDefault(); does(); }
});
for (const t of tracks) {
  const row = document.createElement("div"); row.className = "track"; t.row = row;
  const label = Object.assign(document.createElement("span"), { textContent: name(t.key) });
  t.buttons = {};
  const flip = (key, letter, word) => {
    const b = Object.assign(document.createElement("button"), { type: "button", textContent: letter, title: word });
    b.setAttribute("aria-label", `${word} ${name(t.key)}`); b.setAttribute("aria-pressed", t[key]);
    b.dataset[key] = t.key; t.buttons[key] = b;
    b.onclick = () => { t[key] = !t[key]; b.setAttribute("aria-pressed", t[key]); levels(); };
    return b;
  };
  const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 1.5, step: .01, value: t.volume });
  slider.setAttribute("aria-label", `Volume of ${name(t.key)}`);
  slider.oninput = () => { t.volume = +slider.value; levels(); };
  row.append(label, flip("mute", "M", "Mute"), flip("solo", "S", "Solo"), slider);
  $("mixer").append(row);
}
const presets = { "Song": k => k !== "hits", "Song and hits": () => true };
if (tracks.some(t => t.key === "rest")) Object.assign(presets, {
  "Drums": k => k !== "hits" && k !== "rest", "Drums and hits": k => k !== "rest", "No drums": k => k === "rest" });
presets["Hits"] = k => k === "hits";
for (const [label, heard] of Object.entries(tracks.length > 1 ? presets : {})) {
  const b = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  b.onclick = () => {
    for (const t of tracks) {
      t.mute = !heard(t.key); t.solo = false;
      for (const key of ["mute", "solo"]) t.buttons[key].setAttribute("aria-pressed", t[key]);
    }
    levels();
  };
  $("presets").append(b);
}
levels();
const save = (blob, suffix) => {
  const a = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: data.file + suffix });
  a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 10000);
};
const LABELS = { ".mid": "MIDI", ".txt": "MIREX text", ".musicxml": "MusicXML" };
for (const d of data.downloads) {
  const b = Object.assign(document.createElement("button"), { type: "button", textContent: LABELS[d.suffix] || d.suffix.slice(1).toUpperCase() });
  b.dataset.suffix = d.suffix;
  b.onclick = async () => save(new Blob([await unpack(d.gz)], { type: d.type }), d.suffix);
  $("files").append(b);
}
data.notes.forEach(text => $("notes").append(Object.assign(document.createElement("li"), { textContent: text })));
if (data.score.length) {
  $("score-section").hidden = false;
  data.score.forEach(async (page, k) => {
    const image = Object.assign(document.createElement("img"), { alt: `Page ${k + 1} of the drum score` });
    $("score").append(image);
    image.src = URL.createObjectURL(new Blob([await unpack(page)], { type: "image/svg+xml" }));
  });
}
const bpm = tempo.map(p => p[1]).sort((a, b) => a - b)[tempo.length >> 1];
$("facts").textContent = [clock(duration, 0), `${hits.length} hits`, bpm && `${Math.round(bpm)} bpm`, bars.length && `${bars.length} bars`]
  .filter(Boolean).join(" · ");
const paint = theme => { document.documentElement.dataset.theme = theme; tint(); if (width) draw(); };
const system = matchMedia("(prefers-color-scheme: dark)");
paint(system.matches ? "dark" : "light");
system.onchange = () => paint(system.matches ? "dark" : "light");
$("theme").onclick = () => paint(dark() ? "light" : "dark");
if (innerWidth < 640) span = Math.min(duration, 5);
new ResizeObserver(() => { if ($("view").clientWidth !== width) layout(); }).observe($("view"));
layout();
decode();
window.adtReport = { data, tracks, seek, position, get playing() { return playing; }, get context() { return context; } };
})();
