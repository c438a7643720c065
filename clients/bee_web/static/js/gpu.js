// The last minutes of one GPU, live.

import "./live.js";
import { Plots } from "./plots.js";

const WINDOW_SECONDS = 600;
const QUANTITIES = [
  { key: "temperature_celsius", name: "temperature", unit: "°C" },
  { key: "utilization_gpu_percent", name: "utilisation", unit: "%" },
  { key: "power_watts", name: "power", unit: "W" },
  { key: "clock_sm_mhz", name: "SM clock", unit: "MHz" },
];
const POWERS = ["power_instant_watts", "power_average_watts", "power_usage_watts"];

const place = document.getElementById("plots");
const state = () => document.getElementById("plot-state");
const points = Object.fromEntries(QUANTITIES.map(({ key }) => [key, []]));
let last = 0;
let drawnAt = 0;

const plots = new Plots(place, {
  quantities: QUANTITIES,
  time: (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false }),
});

function add(seconds, values) {
  if (seconds < last - 5) { // the machine's clock was set back
    for (const { key } of QUANTITIES) points[key].length = 0;
    last = 0;
  }
  if (seconds <= last) return;
  const gap = last && seconds - last > 5;
  for (const { key } of QUANTITIES) {
    const kept = points[key];
    if (gap) kept.push([last + 0.5, null]);
    kept.push([seconds, values[key] ?? null]);
    while (kept.length && kept[0][0] < seconds - WINDOW_SECONDS) kept.shift();
  }
  last = seconds;
}

function show() {
  drawnAt = Date.now();
  if (!last) return;
  plots.show([{ name: place.dataset.gpu, quantities: points, spans: [] }]);
}

async function remember() {
  const since = Math.round((Date.now() / 1000 - WINDOW_SECONDS) * 1e6);
  const fields = ["temperature_celsius", "utilization_gpu_percent", "clock_sm_mhz", ...POWERS];
  const gpu = encodeURIComponent(place.dataset.gpu);
  const reply = await fetch(`/api/v1/gpus/${gpu}/history?since=${since}&fields=${fields.join(",")}`);
  if (!reply.ok) return;
  const history = await reply.json();
  for (const [time, ...row] of history.samples ?? []) {
    const values = Object.fromEntries(history.fields.map((name, at) => [name, row[at]]));
    const power = POWERS.map((name) => values[name]).find((one) => one !== null && one !== undefined);
    add(time / 1e6, { ...values, power_watts: power });
  }
  show();
}

document.addEventListener("bee:gpus", ({ detail }) => {
  const gpu = (detail.gpus ?? []).find((one) => one.gpu === place.dataset.gpu);
  if (detail.unix_seconds === undefined || !gpu) {
    state().textContent = "not live";
    return;
  }
  add(detail.unix_seconds, gpu);
  state().textContent = "live";
  if (!document.hidden) show();
});

setInterval(() => {
  if (drawnAt && Date.now() - drawnAt > 5000 && !document.hidden) state().textContent = "not live: no readings come";
}, 1000);

remember().catch(() => {});
