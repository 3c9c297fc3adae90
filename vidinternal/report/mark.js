"use strict";
// Boxes drawn on the pictures of a page, and saved as the hints file that `--hints` reads.
(() => {
  const by = (id) => document.getElementById(id);
  const stage = by("stage"), pad = by("pad"), list = by("marks"), save = by("mark-save");
  if (!stage || !pad) return;
  const facts = JSON.parse(by("facts").textContent);
  const [width, height] = facts.source;
  const fields = ["x", "y", "w", "h"].map((k) => by(`mark-${k}`));
  const name = by("mark-name"), kind = by("mark-kind"), drawer = by("mark-draw");
  const limits = ["from", "to"].map((k) => by(`mark-${k}`));
  let marks = [], from = null;

  const box = () => fields.map((f) => Math.round(Number(f.value)));
  const fits = ([x, y, w, h]) => w > 0 && h > 0 && x >= 0 && y >= 0 && x + w <= width && y + h <= height;
  const range = () => {
    const found = {};
    limits.forEach((f, k) => { if (f.value !== "") found[["from", "to"][k]] = Math.round(Number(f.value)); });
    return found;
  };

  // ---- drawing
  const at = (event) => {
    const place = pad.getBoundingClientRect();
    const inside = (v) => Math.max(0, Math.min(1, v));
    return [inside((event.clientX - place.left) / place.width) * width, inside((event.clientY - place.top) / place.height) * height];
  };
  const outline = () => {
    const [x, y, w, h] = box(), drawn = by("outline");
    drawn.hidden = !fits([x, y, w, h]);
    Object.assign(drawn.style, { left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`, width: `${(100 * w) / width}%`, height: `${(100 * h) / height}%` });
    by("mark-add").disabled = drawn.hidden || !name.checkValidity();
  };
  const draws = (on) => {
    pad.hidden = !on;
    drawer.setAttribute("aria-pressed", String(on));
  };
  drawer.addEventListener("click", () => draws(pad.hidden));
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    from = at(event);
    event.stopPropagation();
    event.preventDefault();
  });
  pad.addEventListener("pointermove", (event) => {
    event.stopPropagation();
    if (!from) return;
    const to = at(event);
    const low = [0, 1].map((k) => Math.floor(Math.min(from[k], to[k])));
    const high = [0, 1].map((k) => Math.ceil(Math.max(from[k], to[k])));
    [low[0], low[1], high[0] - low[0], high[1] - low[1]].forEach((v, k) => { fields[k].value = v; });
    outline();
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, (event) => { from = null; event.stopPropagation(); });
  for (const field of [...fields, name]) field.addEventListener("input", outline);

  // ---- the file
  const file = () => {
    const objects = new Map(), exclude = [];
    for (const mark of marks) {
      if (mark.kind === "exclude") { exclude.push({ region: mark.box, ...mark.range }); continue; }
      if (!objects.has(mark.name)) objects.set(mark.name, { name: mark.name, hints: [] });
      const one = objects.get(mark.name);
      one.hints.push({ frame: mark.frame, box: mark.box });
      if (Object.keys(mark.range).length) one.spans = [...(one.spans || []), mark.range];
    }
    return { version: 1, objects: [...objects.values()], ...(exclude.length ? { exclude } : {}) };
  };
  const tell = () => {
    list.replaceChildren(...marks.map((mark, k) => {
      const line = document.createElement("li"), gone = document.createElement("button");
      const during = Object.entries(mark.range).map(([word, frame]) => ` ${word} frame ${frame}`).join("");
      line.textContent = `${mark.kind === "exclude" ? "leave alone" : `${mark.name}, frame ${mark.frame}`}: ${mark.box.join(", ")}${during} `;
      gone.type = "button"; gone.className = "button"; gone.textContent = "Take back";
      gone.addEventListener("click", () => { marks = marks.filter((_, other) => other !== k); tell(); });
      line.append(gone);
      return line;
    }));
    save.hidden = !marks.some((mark) => mark.kind === "box");
    save.href = `data:application/json,${encodeURIComponent(`${JSON.stringify(file(), null, 1)}\n`)}`;
  };
  by("mark-add").addEventListener("click", () => {
    marks.push({ kind: kind.value, name: name.value, frame: Number(stage.dataset.frame), box: box(), range: range() });
    tell();
  });
  outline();
  tell();
})();
