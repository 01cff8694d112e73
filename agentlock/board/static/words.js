// Times, colours and short forms: how values are written on the board.

import { h } from "./dom.js";

const MINUTE = 60e6;
const HUES = [222, 28, 152, 330, 190, 48, 268, 100, 4, 210, 300, 172];

export function span(microseconds) {
  const seconds = Math.max(0, Math.round(microseconds / 1e6));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172800) {
    const minutes = Math.floor((seconds % 3600) / 60);
    return `${Math.floor(seconds / 3600)}h${minutes ? `${minutes}m` : ""}`;
  }
  return `${Math.floor(seconds / 86400)}d`;
}

export function clock(microseconds, withDay = false) {
  const moment = new Date(microseconds / 1000);
  const time = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return withDay ? `${moment.toLocaleDateString([], { month: "short", day: "numeric" })} ${time}` : time;
}

// The age or the time left of something, which `tick` keeps true.
export function age(moment, before = "", after = "") {
  return h("time", { "data-since": moment, "data-before": before, "data-after": after });
}

export function left(moment, before = "", after = "") {
  return h("time", { "data-until": moment, "data-before": before, "data-after": after });
}

export function tick(root, now) {
  for (const one of root.querySelectorAll("time[data-since], time[data-until]")) {
    const { since, until, before, after } = one.dataset;
    const text = `${before}${span(since ? now - since : until - now)}${after}`;
    if (one.textContent !== text) one.textContent = text;
  }
  for (const bar of root.querySelectorAll("[data-from][data-to]")) {
    const { from, to } = bar.dataset;
    const share = Math.min(1, Math.max(0, (to - now) / (to - from)));
    bar.style.setProperty("--share", share.toFixed(3));
    bar.classList.toggle("soon", to - now < 10 * MINUTE);
  }
}

function hashed(name) {
  let code = 2166136261;
  for (const letter of name) code = Math.imul(code ^ letter.codePointAt(0), 16777619);
  return code >>> 0;
}

export function hue(name) {
  return HUES[hashed(name) % HUES.length];
}

export function colour(name, dark) {
  return `hsl(${hue(name)} ${dark ? "58% 58%" : "62% 46%"})`;
}

export function initials(name) {
  const capitals = name.replace(/[^A-Z]/g, "");
  const parts = name.split(/[^A-Za-z0-9]+/).filter(Boolean);
  if (capitals.length > 1) return capitals.slice(0, 2);
  return (parts.length > 1 ? parts[0][0] + parts[1][0] : name.slice(0, 2)).toUpperCase();
}

export function avatar(name) {
  return h("span", { class: "avatar", "aria-hidden": "true", style: { "--hue": hue(name) } }, initials(name));
}

export function last(path) {
  return path.split("/").filter(Boolean).pop() ?? "";
}

export function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}
