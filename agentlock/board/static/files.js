// The repository as a tree map: each area is a folder or a file, as large as its number of files,
// in the colour of whoever holds it. The list next to it says the same in words.

import { empty, h, keep } from "./dom.js";
import { ask, one, rows } from "./state.js";
import { avatar, counted, hue } from "./words.js";

const MOST_CELLS = 1500;
const MOST_LISTED = 200;
const LABEL = 17;
const ZOOM = 180;

const tree = { version: 0, paths: [], owner: new Int32Array(0), shared: new Uint8Array(0), names: [], asked: 0, painted: null };
let folder = "";
let cells = [];
let drawing = null;
let animation = null;

export function filesView(root, { find, open }) {
  if (!root.firstElementChild) {
    root.append(
      h("section", { class: "panel map", "aria-label": "The repository by holder" },
        h("div", { class: "crumbs", role: "navigation", "aria-label": "Folder" }),
        h("div", { class: "map-columns" },
          h("div", { class: "canvas" },
            h("canvas", { role: "img" }),
            h("div", { class: "hover", "aria-hidden": "true" })),
          h("div", { class: "listing" }, h("p", { class: "muted", id: "listing-said" }), h("ul", { class: "plain" })))));
    const canvas = root.querySelector("canvas");
    canvas.addEventListener("click", (event) => picked(cellAt(canvas, event), open));
    canvas.addEventListener("mousemove", (event) => hovered(root, canvas, event));
    canvas.addEventListener("mouseleave", () => root.querySelector(".hover").replaceChildren());
    new ResizeObserver(() => paint(root)).observe(root.querySelector(".canvas"));
  }
  const version = one("about", "files")?.version ?? 0;
  if (version && version !== tree.version && version !== tree.asked) {
    tree.asked = version;
    ask("/files").then((answer) => {
      Object.assign(tree, { version: answer.version, paths: answer.paths, painted: null });
      filesView(root, drawing);
    }).catch(() => { tree.asked = 0; });
  }
  drawing = { find, open };
  own();
  paint(root);
  list(root, find, open);
  crumbs(root);
}

// Whose each file is: of several, an exclusive lease before a shared one.
function own() {
  const leases = rows("leases");
  const mark = leases.length + tree.version * 1e6;
  if (tree.painted === mark && tree.leases === leasesMark(leases)) return;
  tree.painted = mark;
  tree.leases = leasesMark(leases);
  const size = tree.paths.length;
  tree.owner = new Int32Array(size);
  tree.shared = new Uint8Array(size);
  const numbers = new Map();
  tree.names = [null];
  for (const row of leases) {
    if (!numbers.has(row.agent)) {
      numbers.set(row.agent, tree.names.length);
      tree.names.push(row.agent);
    }
    const number = numbers.get(row.agent);
    for (const [start, end] of row.spans ?? []) {
      for (let at = start; at < Math.min(end, size); at++) {
        if (tree.owner[at] && !row.exclusive) continue;
        tree.owner[at] = number;
        tree.shared[at] = row.exclusive ? 0 : 1;
      }
    }
  }
}

function leasesMark(leases) {
  let sum = 0;
  for (const row of leases) sum = (sum + row.id * 31 + (row.spans?.length ?? 0)) % 2147483647;
  return sum;
}

function range(prefix) {
  const { paths } = tree;
  if (!prefix) return [0, paths.length];
  let low = 0;
  let high = paths.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before(paths[middle], prefix)) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < paths.length && paths[end].startsWith(prefix)) end++;
  return [low, end];
}

// Paths are sorted by their bytes; by code points that is the same order.
function before(a, b) {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [left, right] = [a.codePointAt(at), b.codePointAt(at)];
    if (left !== right) return left < right;
  }
  return a.length < b.length;
}

const childrenOf = new Map();

function children(prefix) {
  const known = childrenOf.get(prefix);
  if (known && known.version === tree.version) return known.found;
  const [start, end] = range(prefix);
  const found = [];
  for (let at = start; at < end;) {
    const path = tree.paths[at];
    const slash = path.indexOf("/", prefix.length);
    if (slash < 0) {
      found.push({ name: path.slice(prefix.length), path, start: at, end: at + 1, isFolder: false });
      at += 1;
      continue;
    }
    const below = path.slice(0, slash + 1);
    let next = at + 1;
    let step = 1;
    while (next < end && tree.paths[next].startsWith(below)) {
      next += step;
      step *= 2;
    }
    while (next > at + 1 && (next > end || !tree.paths[next - 1].startsWith(below))) next -= 1;
    found.push({ name: path.slice(prefix.length, slash), path: below, start: at, end: next, isFolder: true });
    at = next;
  }
  found.sort((a, b) => b.end - b.start - (a.end - a.start));
  childrenOf.set(prefix, { version: tree.version, found });
  return found;
}

// Who holds most of these files, and how many of them are held at all.
function holding(start, end) {
  const counts = new Map();
  let held = 0;
  let shared = 0;
  for (let at = start; at < end; at++) {
    const number = tree.owner[at];
    if (!number) continue;
    held += 1;
    shared += tree.shared[at];
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]).map(([number, count]) => ({ name: tree.names[number], count }));
  return { held, shared, by: sorted };
}

function paint(root) {
  const canvas = root.querySelector("canvas");
  const box = root.querySelector(".canvas");
  if (!canvas || !box.clientWidth) return;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [box.clientWidth, box.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const paintWith = {
    context, dark: document.documentElement.dataset.theme === "dark",
    free: style.getPropertyValue("--free"), line: style.getPropertyValue("--surface"),
    ink: style.getPropertyValue("--ink"), muted: style.getPropertyValue("--muted"), folder: style.getPropertyValue("--folder"),
  };
  cells = [];
  layout(children(folder), { x: 0, y: 0, w: width, h: height }, 0, cells);
  const draw = (share) => {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (animation?.from) {
      const { x, y, w, h: tall } = animation.from;
      const mix = (a, b) => a + (b - a) * share;
      context.translate(mix(x, 0), mix(y, 0));
      context.scale(mix(w / width, 1), mix(tall / height, 1));
    }
    for (const cell of cells) drawCell(cell, paintWith);
  };
  if (animation) {
    const { started } = animation;
    const step = () => {
      const share = Math.min(1, (performance.now() - started) / ZOOM);
      draw(1 - (1 - share) ** 3);
      if (share < 1) requestAnimationFrame(step);
      else animation = null;
    };
    step();
  } else draw(1);
  const { held, by } = holding(...range(folder));
  canvas.setAttribute("aria-label", `${folder || "The whole repository"}: ${counted(range(folder)[1] - range(folder)[0], "file")}, ${held.toLocaleString()} held${by.length ? ` by ${by.slice(0, 5).map((each) => `${each.name} (${each.count.toLocaleString()})`).join(", ")}` : ""}. The list that follows says the same.`);
}

// Squarified: areas in rows whose cells come close to squares (Bruls, Huizing, van Wijk, 2000).
function layout(items, box, depth, into) {
  let found = items;
  if (items.length > MOST_CELLS) {
    const many = Math.ceil(items.length / MOST_CELLS);
    found = [];
    for (let at = 0; at < items.length; at += many) {
      const group = items.slice(at, at + many);
      found.push(group.length === 1 ? group[0] : { group, name: counted(group.length, "entry", "entries"), path: group[0].path, start: group[0].start, end: group[0].end, size: group.reduce((sum, each) => sum + each.end - each.start, 0), isFolder: false });
    }
  }
  const total = found.reduce((sum, each) => sum + sizeOf(each), 0);
  if (!total || box.w < 2 || box.h < 2) return;
  const scale = (box.w * box.h) / total;
  let { x, y, w, h: tall } = box;
  for (let at = 0; at < found.length;) {
    const side = Math.min(w, tall);
    let row = [];
    let area = 0;
    let worst = Infinity;
    while (at < found.length) {
      const next = sizeOf(found[at]) * scale;
      const sum = area + next;
      const first = row.length ? sizeOf(row[0]) * scale : next;
      const ratio = Math.max((side * side * first) / (sum * sum), (sum * sum) / (side * side * next));
      if (row.length && ratio > worst) break;
      row.push(found[at]);
      area = sum;
      worst = ratio;
      at += 1;
    }
    const thick = area / side;
    let along = 0;
    for (const item of row) {
      const long = (sizeOf(item) * scale) / thick;
      const place = w >= tall ? { x, y: y + along, w: thick, h: long } : { x: x + along, y, w: long, h: thick };
      along += long;
      cell(item, place, depth, into);
    }
    if (w >= tall) { x += thick; w -= thick; } else { y += thick; tall -= thick; }
  }
}

function sizeOf(item) {
  return item.size ?? item.end - item.start;
}

function cell(item, place, depth, into) {
  const opens = item.isFolder && depth < 5 && place.w > 46 && place.h > 40 && into.length < 6000;
  into.push({ item, place, depth, opens, holding: item.group ? groupHolding(item.group) : holding(item.start, item.end) });
  if (opens) layout(children(item.path), { x: place.x + 3, y: place.y + LABEL, w: place.w - 6, h: place.h - LABEL - 3 }, depth + 1, into);
}

function groupHolding(group) {
  const parts = group.map((each) => holding(each.start, each.end));
  const by = new Map();
  for (const part of parts) for (const each of part.by) by.set(each.name, (by.get(each.name) ?? 0) + each.count);
  return { held: parts.reduce((sum, part) => sum + part.held, 0), shared: parts.reduce((sum, part) => sum + part.shared, 0), by: [...by].map(([name, count]) => ({ name, count })).sort((a, b) => b.count - a.count) };
}

function drawCell({ item, place, opens, holding: found }, { context, dark, free, line, ink, muted, folder: tone }) {
  const { x, y, w, h: tall } = place;
  const owner = found.by[0]?.name;
  const size = sizeOf(item);
  const share = found.held / size;
  const gap = w > 4 && tall > 4 ? 0.5 : 0;
  context.fillStyle = opens ? tone : free;
  context.fillRect(x + gap, y + gap, w - 2 * gap, tall - 2 * gap);
  if (owner && !opens) {
    const isWhole = share === 1 || size === 1;
    context.fillStyle = `hsl(${hue(owner)} ${dark ? "42% 38%" : "58% 74%"}${found.shared === found.held ? " / 0.45" : ""})`;
    const covered = isWhole ? tall : Math.max(3, tall * share);
    context.fillRect(x + gap, y + tall - covered + gap, w - 2 * gap, covered - 2 * gap);
  }
  if (opens && owner) {
    context.fillStyle = `hsl(${hue(owner)} ${dark ? "48% 55%" : "58% 52%"})`;
    context.fillRect(x + 1, y + 1, (w - 2) * share, 3);
  }
  if (opens) {
    context.strokeStyle = line;
    context.strokeRect(x + 0.5, y + 0.5, w - 1, tall - 1);
  }
  if (w < 34 || tall < 15) return;
  context.save();
  context.beginPath();
  context.rect(x + 3, y, w - 6, tall);
  context.clip();
  context.fillStyle = ink;
  context.font = `${opens ? "600 " : ""}11px system-ui, sans-serif`;
  context.fillText(fitted(context, opens || item.isFolder ? `${item.name}/` : item.name, w - 10), x + 5, y + 13);
  if (!opens && owner && tall > 30) {
    context.fillStyle = ink;
    context.font = "10px system-ui, sans-serif";
    context.fillText(fitted(context, owner, w - 10), x + 5, y + 26);
  } else if (opens && w > 120) {
    context.fillStyle = muted;
    context.font = "10px system-ui, sans-serif";
    const text = size.toLocaleString();
    context.fillText(text, x + w - 8 - context.measureText(text).width, y + 13);
  }
  context.restore();
}

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length - 1;
  while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length)}…`;
}

function cellAt(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  let found = null;
  for (const each of cells) {
    const { place } = each;
    if (x >= place.x && x < place.x + place.w && y >= place.y && y < place.y + place.h) found = each;
  }
  return found;
}

function hovered(root, canvas, event) {
  const hover = root.querySelector(".hover");
  const found = cellAt(canvas, event);
  canvas.style.cursor = found ? "pointer" : "default";
  if (!found) return hover.replaceChildren();
  const box = canvas.getBoundingClientRect();
  hover.replaceChildren(h("strong", {}, found.item.path), h("span", {}, holdingText(found.holding, sizeOf(found.item))));
  const x = event.clientX - box.left;
  hover.style.left = `${Math.max(0, Math.min(x + 12, box.width - hover.offsetWidth - 8))}px`;
  hover.style.top = `${Math.min(event.clientY - box.top + 14, box.height - hover.offsetHeight - 4)}px`;
}

function holdingText(found, size) {
  if (!found.held) return size === 1 ? "free" : `${counted(size, "file")}, free`;
  const who = found.by.slice(0, 3).map((each) => (size === 1 ? each.name : `${each.name} ${each.count.toLocaleString()}`)).join(", ");
  return size === 1 ? `held by ${who}${found.shared ? ", shared" : ""}` : `${counted(size, "file")}, held: ${who}`;
}

function picked(found, open) {
  if (!found) return;
  if (found.item.isFolder) enter(found.item.path, found.place);
  else open("file", found.item.path);
}

function enter(path, from = null) {
  folder = path;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  animation = from && !still ? { from, started: performance.now() } : null;
  const root = document.getElementById("view");
  paint(root);
  crumbs(root);
  list(root, drawing.find, drawing.open);
}

function crumbs(root) {
  const names = folder.split("/").filter(Boolean);
  const steps = [{ name: one("about", "project")?.folder ?? "repository", path: "" }, ...names.map((name, at) => ({ name, path: `${names.slice(0, at + 1).join("/")}/` }))];
  keep(root.querySelector(".crumbs"), steps, (step) => step.path, (step) =>
    h("button", { type: "button", class: "crumb", "aria-current": step.path === folder ? "page" : null, onclick: () => enter(step.path) }, step.name));
}

function list(root, find, open) {
  const searched = find ? searchPaths(find) : children(folder);
  const shown = searched.map((item) => ({ item, found: holding(item.start, item.end) }));
  shown.sort((a, b) => (b.found.held > 0) - (a.found.held > 0) || sizeOf(b.item) - sizeOf(a.item));
  root.querySelector("#listing-said").textContent = tree.paths.length
    ? find ? `${counted(searched.length, "file")} with “${find}”` : `${counted(range(folder)[1] - range(folder)[0], "file")} here`
    : one("about", "files") ? "reading the list of files…" : "No files are known here.";
  const entries = shown.slice(0, MOST_LISTED).map(({ item, found }) => ({ path: item.path, name: find ? item.path : item.name, isFolder: item.isFolder, size: sizeOf(item), held: found.held, by: found.by.slice(0, 2).map((each) => each.name), text: holdingText(found, sizeOf(item)) }));
  keep(root.querySelector(".listing ul"), entries, (entry) => entry.path, (entry) =>
    h("li", {}, h("button", { type: "button", class: "row entry", onclick: () => (entry.isFolder ? enter(entry.path) : open("file", entry.path)) },
      h("span", { class: "text" }, entry.isFolder ? `${entry.name}/` : entry.name, h("small", {}, entry.text)),
      entry.by.map((name) => avatar(name)))));
}

function searchPaths(find) {
  const wanted = find.toLowerCase();
  const found = [];
  for (let at = 0; at < tree.paths.length && found.length < MOST_LISTED; at++) {
    if (tree.paths[at].toLowerCase().includes(wanted)) found.push({ name: tree.paths[at], path: tree.paths[at], start: at, end: at + 1, isFolder: false });
  }
  return found;
}

export { empty };
