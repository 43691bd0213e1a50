"use strict";

// Shows what the program sends, and asks it for what is chosen here. The program's word is what is shown: a change by another
// viewer is seen as well as one's own.

const byId = (id) => document.getElementById(id);
const VIEWS = ["camera", "seen", "painted", "features"];
// how long what was chosen here is shown, until the program has had time to say the same, in milliseconds
const OWN_FOR = 700;
// numbers that change faster cannot be read, in milliseconds
const WORDS_EVERY = 250;
const AGAIN_AFTER = 1000;
// a box of fewer pixels was a click
const LEAST_BOX = 4;

let socket = null;
let again = null;
let source = 0;
let newest = null;
let size = [4, 3];
let changedAt = -Infinity;
let wordsAt = -Infinity;
let shownBoxes = "";

function connect() {
  clearTimeout(again);
  if (socket || document.hidden) return;
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live?source=${source}`);
  socket = mine;
  mine.binaryType = "arraybuffer";
  mine.onmessage = async (event) => {
    try {
      await show(event.data, mine);
    } finally {
      // the next one may come
      if (mine.readyState === WebSocket.OPEN) mine.send("seen");
    }
  };
  mine.onclose = () => {
    if (socket !== mine) return;
    socket = null;
    if (document.hidden) return;
    state("bad", "no answer: the program has ended, or has as many viewers as it takes");
    again = setTimeout(connect, AGAIN_AFTER);
  };
}

function disconnect() {
  const old = socket;
  socket = null;
  if (old) old.close();
}

async function show(message, from) {
  const words = new DataView(message).getUint32(0, true);
  const said = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, words)));
  let at = 4 + words;
  const pictures = said.lengths.map((length) => {
    const picture = length ? new Blob([new Uint8Array(message, at, length)], { type: "image/jpeg" }) : null;
    at += length;
    return picture;
  });
  const bitmaps = await Promise.all(pictures.map((picture) => picture && createImageBitmap(picture)));
  if (socket !== from) return;
  if (said.frame) size = said.frame.size;
  bitmaps.forEach((bitmap, place) => bitmap && draw(byId(VIEWS[place]), bitmap));
  newest = said;
  sayControls();
  const now = performance.now();
  if (now - wordsAt > WORDS_EVERY || !said.frame) {
    wordsAt = now;
    sayNumbers();
  }
}

function draw(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  // all pictures have the camera's shape: the model sees it squeezed into a square
  canvas.style.aspectRatio = `${size[0]} / ${size[1]}`;
}

function state(kind, words) {
  const place = byId("state");
  if (place.textContent !== words) place.textContent = words;
  place.className = `state ${kind}`;
}

const text = (id, words) => {
  const place = byId(id);
  if (place.textContent !== words) place.textContent = words;
};
const ms = (value) => (value < 9.95 ? value.toFixed(1) : value.toFixed(0));

function sayNumbers() {
  const s = newest;
  if (s.silent_s === null) state("warn", "no frame yet");
  else if (s.silent_s > 2) state("warn", `no frame for ${s.silent_s.toFixed(0)} s`);
  else state("good", "live");
  text("rate", s.frames_per_s.toFixed(1));
  text("latency", `${ms(s.latency_ms)} ms`);
  text("stages", `${ms(s.read_ms)} + ${ms(s.choose_ms)} + ${ms(s.compute_ms)} ms`);
  const share = s.captured ? (100 * s.dropped) / s.captured : 0;
  text("dropped", `${s.captured}, ${s.dropped} (${share.toFixed(share < 10 ? 1 : 0)} %)`);
  byId("row-temperature").hidden = s.temperature_c === null;
  if (s.temperature_c !== null) text("temperature", `${s.temperature_c.toFixed(0)} °C`);
  text("viewers", `${s.viewers}`);
  text("model", `${s.model}, ${s.device}`);
  byId("cannot-paint").hidden = !s.cannot_paint;
  text("cannot-paint", s.cannot_paint || "");
  if (s.frame) {
    text("size", `${s.frame.size[0]} × ${s.frame.size[1]}`);
    text("seen-count", `${s.frame.visible} of ${s.patches}`);
  }
}

function sayControls() {
  const s = newest;
  const choice = byId("source");
  if (choice.length !== s.sources.length) {
    choice.replaceChildren(...s.sources.map((name, place) => new Option(name, place)));
    byId("choose-source").hidden = s.sources.length < 2;
  }
  choice.value = String(s.source);
  sayBoxes();
  if (performance.now() - changedAt < OWN_FOR) return;
  const kind = s.visible === "all" ? "all" : s.visible.startsWith("motion:") ? "motion" : "random";
  document.querySelector(`input[name="kind"][value="${kind}"]`).checked = true;
  const slider = byId("budget");
  slider.max = s.patches;
  slider.value = s.budget;
  sayBudget();
}

function sayBudget() {
  const slider = byId("budget");
  slider.disabled = kind() === "all";
  text("budget-said", `${slider.disabled ? slider.max : slider.value} of ${slider.max} patches`);
}

const kind = () => document.querySelector('input[name="kind"]:checked')?.value;

function sayBoxes() {
  const now = JSON.stringify([newest.fixed, newest.never, size]);
  if (now === shownBoxes) return;
  shownBoxes = now;
  const fixed = newest.fixed.map((box) => boxOf(box.split(",").map(Number), "fixed"));
  const own = newest.never.map((box, place) => {
    const shown = boxOf(box.split(",").map(Number), "");
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove box ${place + 1}`);
    remove.addEventListener("click", () => setBoxes(newest.never.filter((other) => other !== box)));
    shown.append(remove);
    return shown;
  });
  byId("boxes").replaceChildren(...fixed, ...own);
  byId("clear").disabled = own.length === 0;
}

function boxOf(box, kind) {
  const shown = document.createElement("div");
  shown.className = `box ${kind}`;
  place(shown, box);
  return shown;
}

function place(shown, [x, y, width, height]) {
  shown.style.left = `${(100 * x) / size[0]}%`;
  shown.style.top = `${(100 * y) / size[1]}%`;
  shown.style.width = `${(100 * width) / size[0]}%`;
  shown.style.height = `${(100 * height) / size[1]}%`;
}

async function change(what) {
  try {
    const answer = await fetch("/settings", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(what),
    });
    text("refused", answer.ok ? "" : (await answer.text()).trim());
    if (!answer.ok) changedAt = -Infinity;
  } catch {
    text("refused", "it could not be changed: the program does not answer");
  }
}

const setBoxes = (never) => change({ source, never });

// one request at a time, the last of what a moving slider says
let asking = false;
let wanted = null;
async function setBudget() {
  changedAt = performance.now();
  sayBudget();
  const count = byId("budget").value;
  wanted = { all: "all", random: count, motion: `motion:${count}` }[kind()];
  if (asking) return;
  asking = true;
  while (wanted !== null) {
    const visible = wanted;
    wanted = null;
    changedAt = performance.now();
    await change({ visible });
  }
  asking = false;
}

byId("budget").addEventListener("input", setBudget);
byId("kinds").addEventListener("change", setBudget);
byId("clear").addEventListener("click", () => setBoxes([]));
byId("source").addEventListener("change", (event) => {
  source = Number(event.target.value);
  disconnect();
  connect();
});

// A mouse draws at once; a finger scrolls, unless it was said that it is to draw.
const boxes = byId("boxes");
let drawing = null;

function setDrawing(on) {
  byId("draw").setAttribute("aria-pressed", String(on));
  byId("pane-camera").classList.toggle("drawing", on);
}

byId("draw").addEventListener("click", () => {
  const on = byId("draw").getAttribute("aria-pressed") !== "true";
  setDrawing(on);
  if (on) byId("pane-camera").scrollIntoView({ block: "nearest" });
});

function pointOf(event) {
  const frame = boxes.getBoundingClientRect();
  const along = (at, from, length, pixels) => Math.round(Math.min(1, Math.max(0, (at - from) / length)) * pixels);
  return [along(event.clientX, frame.left, frame.width, size[0]), along(event.clientY, frame.top, frame.height, size[1])];
}

function drawn(event) {
  const [[x0, y0], [x1, y1]] = [drawing.from, pointOf(event)];
  return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)];
}

boxes.addEventListener("pointerdown", (event) => {
  const may = event.pointerType === "mouse" ? event.button === 0 : boxes.parentElement.parentElement.classList.contains("drawing");
  if (!may || !newest || event.target.closest("button")) return;
  event.preventDefault();
  boxes.setPointerCapture(event.pointerId);
  drawing = { from: pointOf(event), shown: boxOf([0, 0, 0, 0], "new") };
  boxes.parentElement.append(drawing.shown);
});
boxes.addEventListener("pointermove", (event) => drawing && place(drawing.shown, drawn(event)));
const end = (event) => {
  if (!drawing) return;
  const box = drawn(event);
  drawing.shown.remove();
  drawing = null;
  if (event.type !== "pointerup" || box[2] < LEAST_BOX || box[3] < LEAST_BOX) return;
  setDrawing(false);
  setBoxes([...newest.never, box.join(",")]);
};
boxes.addEventListener("pointerup", end);
boxes.addEventListener("pointercancel", end);

// a page that nobody sees costs the board nothing
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
connect();
