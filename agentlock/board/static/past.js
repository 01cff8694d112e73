// Who held what, when: a row for each agent, a bar for each lease, a cross for each refusal.

import { empty, h, keep, s } from "./dom.js";
import { ask, now, rows } from "./state.js";
import { clock, counted, hue, span } from "./words.js";
import { matches } from "./now.js";

const RANGES = [["15m", 900], ["1h", 3600], ["6h", 21600], ["24h", 86400], ["7d", 604800]];
const LANE = 14;
const SIDE = 130;
const MOST_ROWS = 60;
let seconds = 3600;
let told = null;
let asked = -1;

export function pastView(root, { find, open }) {
  if (!root.firstElementChild) {
    root.append(h("section", { class: "panel", "aria-label": "Leases in time" },
      h("div", { class: "panel-head" }, h("h2", {}, "Who held what, when"),
        h("div", { class: "choices", role: "group", "aria-label": "How far back" }, RANGES.map(([name, length]) =>
          h("button", { type: "button", "aria-pressed": String(length === seconds), onclick: (event) => {
            seconds = length;
            asked = -1;
            for (const button of event.currentTarget.parentElement.children) button.setAttribute("aria-pressed", String(button === event.currentTarget));
            pastView(root, { find, open });
          } }, name)))),
      h("p", { class: "muted legend" }, h("span", { class: "key lease-key" }), "lease ", h("span", { class: "key shared-key" }), "shared ", h("span", { class: "key cross" }, "✕"), "refused ", h("span", { class: "key dot" }, "●"), "handed over ", h("span", { class: "key force" }, "▲"), "ended by force"),
      h("div", { class: "chart scroll", tabindex: 0, role: "region", "aria-label": "Leases in time, scrolls" }),
      h("details", {}, h("summary", {}, "Refusals as a table"), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Refusals, scrolls" }, h("table", {}, h("thead", {}, h("tr", {}, ["when", "who", "what", "why"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}))))));
    new ResizeObserver(() => told && drawPast(root, told, find, open)).observe(root);
  }
  const newest = Math.max(0, ...rows("events").map((row) => row.id));
  if (newest !== asked) {
    asked = newest;
    ask("/past", { seconds }).then((answer) => {
      told = answer;
      drawPast(root, answer, find, open);
    }).catch((error) => root.querySelector(".chart")?.replaceChildren(empty(error.message)));
  } else if (told) drawPast(root, told, find, open);
}

function drawPast(root, answer, find, open) {
  const chart = root.querySelector(".chart");
  if (!chart) return;
  const end = answer.now;
  const start = end - seconds * 1e6;
  const leases = answer.leases.filter((row) => matches(find, row.agent, row.pattern, row.reason));
  const marks = answer.marks.filter((row) => row.at >= start && matches(find, row.agent, row.pattern, row.detail));
  const agents = lanes(leases, marks, start, end).slice(0, MOST_ROWS);
  const width = Math.max(520, chart.clientWidth - 4);
  const x = (moment) => SIDE + ((Math.min(Math.max(moment, start), end) - start) / (end - start)) * (width - SIDE - 10);
  const height = 26 + agents.reduce((sum, row) => sum + row.lanes.length * LANE + 10, 0);
  if (!agents.length) return chart.replaceChildren(empty("Nobody held anything in this time."));
  let y = 26;
  const parts = [];
  const ticks = 6;
  for (let at = 0; at <= ticks; at++) {
    const moment = start + ((end - start) * at) / ticks;
    parts.push(s("line", { x1: x(moment), x2: x(moment), y1: 20, y2: height, class: "grid" }),
      s("text", { x: x(moment), y: 13, class: "tick", "text-anchor": at === 0 ? "start" : at === ticks ? "end" : "middle" }, at === ticks ? "now" : clock(moment, seconds > 43200).replace(/:\d\d$/, "")));
  }
  for (const row of agents) {
    parts.push(s("text", { x: 4, y: y + 11, class: "label", onclick: () => open("agent", row.name) }, row.name.length > 17 ? `${row.name.slice(0, 16)}…` : row.name, s("title", {}, row.name)));
    row.lanes.forEach((lane, at) => lane.forEach((lease) => {
      const from = x(lease.created);
      const to = x(Math.min(lease.released ?? lease.expires, end));
      parts.push(s("rect", { x: from, y: y + at * LANE, width: Math.max(2, to - from), height: LANE - 4, rx: 3, class: `held${lease.exclusive ? "" : " shared"}`, style: { "--hue": hue(row.name) }, onclick: () => open("lease", lease.id) },
        s("title", {}, `${row.name}: ${lease.pattern}, ${clock(lease.created)} for ${span((lease.released ?? Math.min(lease.expires, end)) - lease.created)}`)));
      if (to - from > 60) parts.push(s("text", { x: from + 5, y: y + at * LANE + 8.5, class: "in" }, lease.pattern.slice(0, Math.floor((to - from - 8) / 5.4))));
    }));
    for (const mark of row.marks) {
      const shape = { refused: "✕", "handed-over": "●", "force-released": "▲", skipped: "▲" }[mark.kind];
      parts.push(s("text", { x: x(mark.at), y: y + 10, class: `mark ${mark.kind}`, "text-anchor": "middle" }, shape,
        s("title", {}, `${clock(mark.at)} ${mark.kind}: ${mark.agent} ${mark.pattern ?? ""} ${mark.detail}`)));
    }
    y += row.lanes.length * LANE + 10;
  }
  const refused = marks.filter((row) => row.kind === "refused");
  const wasEmpty = !chart.querySelector("svg");
  chart.replaceChildren(s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${counted(leases.length, "lease")} of ${counted(agents.length, "agent")}, ${counted(refused.length, "refusal")}` }, parts));
  if (wasEmpty) chart.scrollLeft = chart.scrollWidth; // to now, where not all of it fits
  keep(root.querySelector("tbody"), refused.slice(-100).reverse(), (row) => row.id, (row) =>
    h("tr", {}, h("td", {}, clock(row.at, true)), h("td", {}, row.agent || "nobody named"), h("td", {}, h("code", {}, row.pattern ?? "")), h("td", {}, row.detail)));
}

// Each agent's leases in as few lanes as hold them without overlap.
function lanes(leases, marks, start, end) {
  const found = new Map();
  const of = (name) => found.get(name) ?? found.set(name, { name, lanes: [[]], marks: [] }).get(name);
  for (const lease of [...leases].sort((a, b) => a.created - b.created)) {
    if (lease.created > end || (lease.released ?? lease.expires) < start) continue;
    const row = of(lease.agent);
    const lane = row.lanes.find((each) => !each.length || endOf(each.at(-1)) <= lease.created);
    if (lane) lane.push(lease);
    else if (row.lanes.length < 8) row.lanes.push([lease]);
  }
  for (const mark of marks) if (mark.agent) of(mark.agent).marks.push(mark);
  return [...found.values()];
}

function endOf(lease) {
  return lease.released ?? lease.expires;
}

export { now };
