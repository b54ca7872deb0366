// The graphs of the page of `resnet serve`: from the text of /metrics to lines. Used by serve_page.js.
"use strict";

const SPAN = 120;  // seconds that graphs show
const WINDOW = 10;  // seconds that a quantile is made of
let samples = [];  // {time, ...} in seconds, the oldest first

// Prometheus' text as {name: [{labels, value}]}.
function parseMetrics(text) {
  const families = {};
  for (const line of text.split("\n")) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const labels = {};
    for (const [, key, value] of (match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
    (families[match[1]] ??= []).push({labels, value: Number(match[3])});
  }
  return families;
}

function sampleOf(families) {
  const sum = (name) => (families[name] ?? []).reduce((all, {value}) => all + value, 0);
  const buckets = new Map();
  for (const {labels, value} of families.resnet_request_seconds_bucket ?? []) {
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return {
    time: performance.now() / 1000, buckets: [...buckets].sort((a, b) => a[0] - b[0]),
    requests: sum("nv_inference_request_success") + sum("nv_inference_request_failure"),
    refused: sum("resnet_refused_total"), queue: sum("nv_inference_pending_request_count"),
    queueLimit: sum("resnet_queue_limit"), busy: sum("resnet_workers_busy"), workers: sum("resnet_workers"),
    memory: sum("process_resident_memory_bytes"),
  };
}

// Of the requests between two samples, in seconds; as Prometheus' histogram_quantile() estimates it.
function quantile(share, before, after) {
  const counts = after.buckets.map(([bound, count], i) => [bound, count - (before.buckets[i]?.[1] ?? 0)]);
  const all = counts.at(-1)?.[1] ?? 0;
  if (!(all > 0)) return null;
  const rank = share * all;
  const i = counts.findIndex(([, count]) => count >= rank);
  const [low, below] = i > 0 ? counts[i - 1] : [0, 0];
  const [high, count] = counts[i];
  return high === Infinity ? low : low + (high - low) * (rank - below) / (count - below);
}

const milliseconds = (seconds) => {
  const value = 1000 * seconds;
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
};
const short = (value) => value < 10 ? String(Math.round(10 * value) / 10) : value.toFixed(0);
const megabytes = (bytes) => (bytes / 1e6).toFixed(0);

// Change a second between a sample and the one before it; nothing across a gap.
const rate = (key) => (now, before) => before && (now[key] - before[key]) / (now.time - before.time);
const slow = (share) => (now, before, i) => {
  let first = i;
  while (first > 0 && samples[first].joined && now.time - samples[first].time < WINDOW) --first;
  return quantile(share, samples[first], now);
};

// What the graphs show: the lines' values from samples; the text of a value; the least that the scale reaches to.
const GRAPHS = [
  {title: "Requests a second", unit: "/s", lines: [rate("requests")], text: short, least: 1},
  {title: "Refused a second", unit: "/s", lines: [rate("refused")], text: short, least: 1},
  {title: "Time of a request: 50 %, 99 % (dashed)", unit: "ms", lines: [slow(0.5), slow(0.99)], text: milliseconds,
   least: 0.001},
  {title: "Waiting in the queue", lines: [(now) => now.queue], text: short, least: 1,
   of: (now) => `of ${now.queueLimit}`},
  {title: "Workers at work", lines: [(now) => now.busy], text: short, least: 1, of: (now) => `of ${now.workers}`},
  {title: "Memory", unit: "MB", lines: [(now) => now.memory], text: megabytes, least: 1e6},
];

const SVG = "http://www.w3.org/2000/svg";
function make(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function makeGraphs() {
  for (const graph of GRAPHS) {
    const card = document.createElement("div"), title = document.createElement("h3");
    const top = document.createElement("div");
    card.className = "graph";
    title.textContent = graph.title;
    graph.now = document.createElement("p");
    graph.top = document.createElement("span");
    top.className = "top";
    top.append(graph.top);
    const svg = make("svg", {viewBox: "0 0 120 40", preserveAspectRatio: "none", "aria-hidden": "true"});
    svg.append(make("line", {x1: 0, x2: 120, y1: 40, y2: 40}), make("line", {x1: 0, x2: 120, y1: 0, y2: 0}));
    graph.paths = graph.lines.map((_, i) => make("path", {class: "ab"[i]}));
    svg.append(...graph.paths);
    card.append(title, graph.now, top, svg);
    $("graphs").append(card);
  }
}

// The next of 1, 2, 5, 10, 20, ...
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value * 0.999999);
}

function drawGraph(graph) {
  const end = performance.now() / 1000;
  const rows = graph.lines.map((line) => samples.map((now, i) => {
    const before = samples[i - 1];
    return now.silent ? null : line(now, now.joined ? before : null, i);
  }));
  const largest = Math.max(graph.least, ...rows.flat().filter((value) => value !== null && value !== undefined));
  const top = roundUp(largest);
  rows.forEach((values, which) => {
    let path = "", drawing = false;
    values.forEach((value, i) => {
      const there = value !== null && value !== undefined;
      if (there) {
        const x = 120 * (1 - (end - samples[i].time) / SPAN), y = 40 * (1 - value / top);
        path += `${drawing ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`;
        if (!drawing) path += "h0.01";  // a dot where nothing follows
      }
      drawing = there;
    });
    graph.paths[which].setAttribute("d", path);
  });
  const last = rows.map((values) => values.at(-1)).map((value) => (value ?? null) === null ? "–" : graph.text(value));
  const now = samples.at(-1);
  const unit = document.createElement("small");
  unit.textContent = ` ${graph.of && now && !now.silent ? graph.of(now) : graph.unit ?? ""}`;
  graph.now.replaceChildren(last.join(" · "), unit);
  graph.top.textContent = `${graph.text(top)} ${graph.unit ?? ""}`;
}

function drawGraphs() {
  const begin = performance.now() / 1000 - SPAN - WINDOW;
  samples = samples.filter((sample) => sample.time > begin);
  GRAPHS.forEach(drawGraph);
}
