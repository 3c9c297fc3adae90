"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const facts = JSON.parse(by("facts").textContent);
  const stage = by("stage"), divider = by("divider"), place = by("place"), where = by("where"), readout = by("readout");
  if (!stage) return;
  const shown = facts.frames;
  const [width, height] = facts.size;
  const canvases = ["before", "after", "over"].map(by);
  const [before, after, over] = canvases.map((c) => { c.width = width; c.height = height; return c.getContext("2d"); });

  // ---- pictures: unpacked when asked for, the latest kept
  const packed = new Map(), unpacked = new Map(), KEEP = 64;
  const record = (n) => {
    if (!packed.has(n)) packed.set(n, JSON.parse(by(`frame-${shown[n]}`).textContent));
    return packed.get(n);
  };
  const forget = () => {
    while (unpacked.size > KEEP * 2) {
      const oldest = unpacked.keys().next().value;
      unpacked.delete(oldest);
      packed.delete(Number(oldest.split(":")[0]));
    }
  };
  const picture = (n, letter) => {
    const name = `${n}:${letter}`;
    if (!unpacked.has(name)) {
      const data = record(n)[letter];
      const image = data ? new Image() : null;
      if (image) image.src = data;
      unpacked.set(name, image ? image.decode().then(() => image) : Promise.resolve(null));
      forget();
    }
    return unpacked.get(name);
  };
  const samples = async (n, letter) => {
    const image = await picture(n, letter);
    if (!image) return null;
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  };

  // ---- colours
  const mix = (a, b, t) => a.map((v, k) => Math.round(v + (b[k] - v) * t));
  const MADE = { past: [[158, 203, 255], [10, 72, 178]], future: [[150, 240, 205], [3, 108, 78]], plain: [100, 130, 170],
    unblended: [176, 124, 240], learned: [246, 168, 33], spatial: [229, 83, 122], unknown: [150, 150, 150] };
  const made = (kind, later) => {
    if (kind === 1) {
      if (!later) return MADE.plain;
      const ramp = later < 0 ? MADE.past : MADE.future;
      return mix(ramp[0], ramp[1], Math.min(1, Math.log(Math.abs(later)) / Math.log(Math.max(2, facts.reach))));
    }
    return [null, null, MADE.unblended, MADE.learned, MADE.spatial][kind] || MADE.unknown;
  };
  const HEAT = [[27, 16, 64], [106, 28, 129], [196, 60, 117], [246, 129, 61], [252, 253, 191]];
  const heat = (v) => {
    const at = Math.min(3.999, (v / 255) * 4);
    return mix(HEAT[Math.floor(at)], HEAT[Math.floor(at) + 1], at % 1);
  };
  const laterOf = (data, k) => {
    const coded = data[k + 1] * 256 + data[k + 2];
    return coded ? coded - 32768 : 0;
  };
  const colour = {
    m: (data, k) => [255, 0, 200],
    k: (data, k) => made(data[k], laterOf(data, k)),
    e: (data, k) => heat(data[k]),
  };

  // ---- what is drawn
  let now = 0, wanted = 0, layer = "none", strength = 0.8, share = 0.5, drawing = 0, map = null;
  const laid = async (n) => {
    if (layer === "none") return null;
    if (layer === "r" || layer === "l") {
      const image = await picture(n, layer);
      return image && { image, place: [0, 0, width, height] };
    }
    const inside = await samples(n, "k");
    const data = layer === "e" ? await samples(n, "e") : inside;
    if (!inside || !data) return null;
    const canvas = document.createElement("canvas");
    canvas.width = data.width; canvas.height = data.height;
    const painted = new ImageData(data.width, data.height);
    for (let k = 0; k < data.data.length; k += 4) {
      if (!inside.data[k]) continue;
      const [r, g, b] = colour[layer](data.data, k);
      painted.data.set([r, g, b, 255], k);
    }
    canvas.getContext("2d").putImageData(painted, 0, 0);
    return { image: canvas, place: record(n).p };
  };
  const draw = async (n) => {
    const turn = ++drawing;
    const [was, is, top] = await Promise.all([picture(n, "b"), picture(n, "a"), laid(n)]);
    if (turn !== drawing) return false;
    before.drawImage(was, 0, 0, width, height);
    after.drawImage(is, 0, 0, width, height);
    over.clearRect(0, 0, width, height);
    if (top) {
      over.globalAlpha = layer === "m" ? 0.65 * strength : strength;
      over.imageSmoothingEnabled = layer === "r" || layer === "l";
      over.drawImage(top.image, ...top.place);
    }
    now = n;
    map = null;
    stage.dataset.frame = shown[n];
    return true;
  };
  const clock = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(2).padStart(5, "0")}`;
  const tell = (n) => {
    const index = shown[n], quality = facts.quality[index];
    place.value = n;
    place.setAttribute("aria-valuetext", `frame ${index}`);
    where.textContent = `frame ${index} of ${facts.total} · ${clock(facts.times[index])}`;
    by("expected").textContent = quality == null ? (facts.masked[index] === 0 && !facts.remade ? "nothing filled here" : "") : `expected ${quality.toFixed(1)} dB`;
    const head = by("head");
    if (head) head.style.left = `${((index + 0.5) / facts.total) * 100}%`;
    for (const mark of document.querySelectorAll("[data-worst]")) {
      if (mark.dataset.worst === String(index)) mark.setAttribute("aria-current", "true");
      else mark.removeAttribute("aria-current");
    }
  };
  const go = (n) => {
    wanted = Math.max(0, Math.min(shown.length - 1, n));
    tell(wanted);
    for (const near of [wanted + 1, wanted - 1]) if (shown[near] !== undefined) { picture(near, "b"); picture(near, "a"); }
    return draw(wanted);
  };
  const nearest = (index) => {
    let best = 0;
    shown.forEach((frame, n) => { if (Math.abs(frame - index) < Math.abs(shown[best] - index)) best = n; });
    return best;
  };

  // ---- the divider
  const divide = (to) => {
    share = Math.max(0, Math.min(1, to));
    divider.style.left = `${share * 100}%`;
    by("before").style.clipPath = `inset(0 ${100 - share * 100}% 0 0)`;
    divider.setAttribute("aria-valuenow", Math.round(share * 100));
    divider.setAttribute("aria-valuetext", `${Math.round(share * 100)} % before, ${100 - Math.round(share * 100)} % after`);
    document.querySelector(".tag.left").style.opacity = share > 0.12 ? 1 : 0;
    document.querySelector(".tag.right").style.opacity = share < 0.88 ? 1 : 0;
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    divide((event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    stage.setPointerCapture(event.pointerId);
    stage.dataset.drag = "yes";
    divider.focus({ preventScroll: true });
    follow(event);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => (stage.dataset.drag ? follow(event) : point(event)));
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => delete stage.dataset.drag);
  divider.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.02;
    const to = { ArrowLeft: share - step, ArrowDown: share - step, ArrowRight: share + step, ArrowUp: share + step, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    divide(to);
    event.preventDefault();
    event.stopPropagation();
  });

  // ---- what is under the pointer
  const point = async (event) => {
    if (layer !== "k" && layer !== "e") return;
    const n = now, box = stage.getBoundingClientRect();
    if (!map || map.n !== n || map.layer !== layer) map = { n, layer, k: await samples(n, "k"), e: await samples(n, "e") };
    if (!map.k) return;
    const [left, top] = record(n).p;
    const x = Math.floor(((event.clientX - box.left) / box.width) * width) - left;
    const y = Math.floor(((event.clientY - box.top) / box.height) * height) - top;
    const inside = x >= 0 && y >= 0 && x < map.k.width && y < map.k.height;
    const at = (y * map.k.width + x) * 4;
    readout.textContent = inside && map.k.data[at] ? words(n, map, at) : "";
  };
  const words = (n, data, at) => {
    const kind = data.k.data[at], later = laterOf(data.k.data, at);
    const from = shown[n] + later, away = Math.abs(later);
    const told = ["", later ? `copied from frame ${from}, ${away} frame${away > 1 ? "s" : ""} ${later < 0 ? "earlier" : "later"}` : "copied from other frames",
      "recovered from under a half-transparent overlay", "drawn by the network that learned this clip", "continued from its neighbours in this frame"][kind] || "what it is made of is no longer known";
    const error = data.e ? `; error to expect ${((data.e.data[at] / 255) * facts.error * 255).toFixed(1)} of 255 codes` : "";
    return `this pixel: ${told}${error}`;
  };

  // ---- playing, at the times the file tells
  let playing = false, speed = 1, origin = 0, begun = 0;
  const seconds = (n) => facts.times[shown[n]];
  const start = (n) => { origin = seconds(n); begun = performance.now(); };
  const tick = async (t) => {
    if (!playing) return;
    let at = origin + ((t - begun) / 1000) * speed, n = wanted;
    while (n + 1 < shown.length && seconds(n + 1) <= at) n += 1;
    if (n === wanted && n + 1 < shown.length && seconds(n + 1) - seconds(n) > Math.max(0.5, 3 * facts.step) && at - seconds(n) > facts.step) {
      n += 1; // what is not on the page is skipped
      start(n);
    }
    if (n !== wanted) {
      for (let k = 1; k <= 6; k += 1) if (shown[n + k] !== undefined) { picture(n + k, "b"); picture(n + k, "a"); }
      await go(n);
    }
    if (n === shown.length - 1 && at > seconds(n) + facts.step) {
      if (!by("loop").checked) return play(false);
      await go(0);
      start(0);
    }
    requestAnimationFrame(tick);
  };
  const play = (on) => {
    playing = on;
    by("play").textContent = on ? "Pause" : "Play";
    by("play").setAttribute("aria-pressed", String(on));
    stage.dataset.playing = on ? "yes" : "no";
    if (!on) return;
    if (wanted >= shown.length - 1) go(0);
    start(wanted);
    requestAnimationFrame(tick);
  };
  const step = (by_) => { play(false); return go(wanted + by_); };

  // ---- controls
  place.max = shown.length - 1;
  place.addEventListener("input", () => { play(false); go(Number(place.value)); });
  by("back").addEventListener("click", () => step(-1));
  by("on").addEventListener("click", () => step(1));
  by("play").addEventListener("click", () => play(!playing));
  by("speed").addEventListener("change", (event) => { speed = Number(event.target.value); start(wanted); });
  by("strength").addEventListener("input", (event) => { strength = Number(event.target.value) / 100; draw(wanted); });
  const choose = (name) => {
    layer = name;
    readout.textContent = "";
    for (const key of document.querySelectorAll(".key")) key.hidden = key.dataset.layer !== name;
    by("strengthened").hidden = name === "none";
    stage.dataset.layer = name;
    return draw(wanted);
  };
  const layers = [...document.querySelectorAll("input[name=layer]")];
  for (const input of layers) input.addEventListener("change", () => choose(input.value));
  for (const mark of document.querySelectorAll("[data-worst]")) {
    mark.addEventListener("click", (event) => { event.stopPropagation(); play(false); go(nearest(Number(mark.dataset.worst))); });
  }
  const line = by("timeline");
  if (line) {
    line.addEventListener("click", (event) => {
      const box = line.getBoundingClientRect();
      play(false);
      go(nearest(Math.floor(((event.clientX - box.left) / box.width) * facts.total)));
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tag = event.target.tagName, slides = event.target.getAttribute("role") === "slider";
    if (["TEXTAREA", "SELECT"].includes(tag) || (tag === "INPUT" && event.target.type !== "radio")) return;
    const radio = tag === "INPUT", presses = tag === "BUTTON" || tag === "SUMMARY" || tag === "A";
    if (event.key === " " && !presses && !radio) play(!playing);
    else if (event.key === "ArrowLeft" && !slides && !radio) step(-1);
    else if (event.key === "ArrowRight" && !slides && !radio) step(1);
    else if (event.key === ",") step(-1);
    else if (event.key === ".") step(1);
    else if (/^[0-9]$/.test(event.key) && layers[Number(event.key)]) layers[Number(event.key)].click();
    else return;
    event.preventDefault();
  });
  const copy = by("copy");
  if (copy) {
    copy.addEventListener("click", async () => {
      const range = document.createRange();
      range.selectNodeContents(by("command"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      try {
        await navigator.clipboard.writeText(by("command").textContent);
        copy.textContent = "Copied";
      } catch (refused) {
        copy.textContent = "Selected: copy it now";
      }
    });
  }

  divide(0.5);
  choose("none").then(() => go(nearest(facts.first))).then(() => { stage.dataset.state = "ready"; });
})();
