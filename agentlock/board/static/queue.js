// The queue as a graph: an arrow leads from whoever waits to whom it waits for.

import { empty, h, keep, s } from "./dom.js";
import { one, rows } from "./state.js";
import { age, avatar, hue, initials, left } from "./words.js";
import { matches, stateText } from "./now.js";

const HEIGHT = 56;
const GAP_Y = 22;
const MOST_ARROWS = 60;

export function queueView(root, { find, open }) {
  if (!root.firstElementChild) {
    root.append(
      h("section", { class: "panel", "aria-label": "Who waits for whom" }, h("h2", {}, "Who waits for whom"), h("div", { class: "graph", tabindex: 0, role: "region", "aria-label": "Graph, scrolls" })),
      h("section", { class: "panel" }, h("h2", {}, "In their order"),
        h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Places, scrolls" },
          h("table", {}, h("thead", {}, h("tr", {}, ["place", "agent", "wants", "behind", "since", "gives up in"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {})))));
  }
  const waits = rows("waits").filter((row) => matches(find, row.agent, ...row.patterns, ...row.behind.map((each) => each.agent)));
  drawGraph(root.querySelector(".graph"), waits.slice(0, MOST_ARROWS), open);
  keep(root.querySelector("tbody"), waits.slice(0, 300), (row) => row.id, (row) =>
    h("tr", {},
      h("td", {}, String(row.place || "?")),
      h("td", {}, h("span", { class: "inline" }, avatar(row.agent), row.agent)),
      h("td", {}, row.patterns.map((text) => h("code", {}, text, " ")), row.exclusive ? null : h("span", { class: "tag" }, "shared"), row.reason ? h("p", { class: "said" }, `“${row.reason}”`) : null),
      h("td", {}, row.behind.map((each) => h("div", {}, `${each.agent} `, h("code", {}, each.pattern), each.wait ? " (also waits)" : ""))),
      h("td", {}, age(row.created)),
      h("td", {}, left(row.expires))));
}

function graphOf(waits) {
  const edges = new Map();
  for (const wait of waits) {
    for (const each of wait.behind) {
      const id = `${wait.agent} ${each.agent}`;
      if (wait.agent !== each.agent && !edges.has(id)) edges.set(id, { from: wait.agent, to: each.agent, pattern: each.pattern, since: wait.created });
    }
  }
  // Whoever is behind a place is also behind what that place waits for: the longer way says it all.
  for (const [id, edge] of [...edges]) {
    const between = [...edges.values()].some((first) => first.from === edge.from && first.to !== edge.to && edges.has(`${first.to} ${edge.to}`));
    if (between) edges.delete(id);
  }
  const targets = new Map();
  for (const edge of edges.values()) {
    if (!targets.has(edge.from)) targets.set(edge.from, []);
    targets.get(edge.from).push(edge.to);
  }
  const depth = new Map();
  const deep = (name, path) => {
    if (depth.has(name)) return depth.get(name);
    if (path.has(name)) return 0;
    path.add(name);
    const found = Math.max(-1, ...(targets.get(name) ?? []).map((next) => deep(next, path))) + 1;
    path.delete(name);
    depth.set(name, found);
    return found;
  };
  for (const edge of edges.values()) deep(edge.from, new Set());
  for (const edge of edges.values()) if (!depth.has(edge.to)) depth.set(edge.to, 0);
  return { edges: [...edges.values()], depth };
}

function drawGraph(root, waits, open) {
  const { edges, depth } = graphOf(waits);
  const stuck = new Set(rows("attention").filter((row) => row.level === "stuck").map((row) => `${row.agent} ${row.holder}`));
  const isNarrow = root.clientWidth < 600;
  const [wide, gap] = isNarrow ? [150, 72] : [190, 130];
  const item = { isNarrow, edges, depth: [...depth], stuck: [...stuck], states: [...depth.keys()].map((name) => one("agents", name)?.state) };
  keep(root, [item], () => "graph", () => {
    if (!edges.length) return empty("Nobody waits for anybody.");
    const layers = Math.max(...depth.values()) + 1;
    const columns = Array.from({ length: layers }, () => []);
    for (const [name, at] of depth) columns[layers - 1 - at].push(name);
    const rank = new Map();
    for (const column of [...columns].reverse()) {
      const weight = (name) => {
        const next = edges.filter((edge) => edge.from === name).map((edge) => rank.get(edge.to) ?? 0);
        return next.length ? next.reduce((a, b) => a + b, 0) / next.length : 0;
      };
      column.sort((a, b) => weight(a) - weight(b));
      column.forEach((name, at) => rank.set(name, at));
    }
    const tallest = Math.max(...columns.map((column) => column.length));
    const height = tallest * (HEIGHT + GAP_Y) + GAP_Y;
    const width = layers * wide + (layers - 1) * gap + 2 * GAP_Y;
    const place = new Map();
    columns.forEach((column, x) => column.forEach((name, y) => {
      const free = height - column.length * (HEIGHT + GAP_Y);
      place.set(name, { x: GAP_Y + x * (wide + gap), y: free / 2 + y * (HEIGHT + GAP_Y) + GAP_Y / 2 });
    }));
    const words = edges.map((edge) => `${edge.from} waits for ${edge.pattern}, held by ${edge.to}`).slice(0, 20).join("; ");
    return s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": words },
      s("defs", {}, ["arrow", "arrow-stuck"].map((id) => s("marker", { id, viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto", class: id }, s("path", { d: "M0 0 8 4 0 8z" })))),
      edges.map((edge) => arrow(edge, place, wide, stuck.has(`${edge.from} ${edge.to}`))),
      [...place].map(([name, at]) => node(name, at, wide, open)));
  });
}

function arrow(edge, place, wide, isStuck) {
  const from = place.get(edge.from);
  const to = place.get(edge.to);
  const [x1, y1, x2, y2] = [from.x + wide, from.y + HEIGHT / 2, to.x - 2, to.y + HEIGHT / 2];
  const bend = Math.max(40, (x2 - x1) / 2);
  const most = wide < 190 ? 9 : 18;
  const text = edge.pattern.length > most ? `…${edge.pattern.slice(1 - most)}` : edge.pattern;
  return s("g", { class: isStuck ? "edge stuck" : "edge" },
    s("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, "marker-end": `url(#${isStuck ? "arrow-stuck" : "arrow"})` }),
    s("text", { x: x1 + 12, y: y1 + (y2 > y1 + 4 ? -6 : y2 < y1 - 4 ? 16 : -6) }, text, s("title", {}, edge.pattern)));
}

function node(name, at, wide, open) {
  const state = one("agents", name)?.state ?? "unknown";
  const most = wide < 190 ? 12 : 16;
  const shown = name.length > most ? `${name.slice(0, most - 1)}…` : name;
  return s("g", { class: `node ${state}`, transform: `translate(${at.x} ${at.y})`, onclick: () => open("agent", name) },
    s("rect", { width: wide, height: HEIGHT, rx: 12 }),
    s("circle", { cx: 30, cy: HEIGHT / 2, r: 16, style: { fill: `hsl(${hue(name)} 55% 29%)` } }),
    s("text", { x: 30, y: HEIGHT / 2 + 4, class: "initials" }, initials(name)),
    s("text", { x: 56, y: 25, class: "label" }, shown, s("title", {}, name)),
    s("text", { x: 56, y: 42, class: "sub" }, stateText(state)));
}
