// One acceptance run: its steps while it is under way, and the telemetry of its GPUs.

import { chip, progress, refresh, tone } from "./live.js";
import { Plots, elapsed } from "./plots.js";

const FOLLOW_MS = 4000;

const place = document.getElementById("plots");
const state = () => document.getElementById("plot-state");
const shown = () => document.getElementById("run");

const END_MS = 1000; // until its records say what the service has said already

let stepsBefore = null;
let told = null; // the run as the service has told of it last

function lacksSteps() {
  return (told?.steps ?? []).length > document.querySelectorAll("#steps > li").length;
}

// A page that was made before the records had it all does not stay so.
function catchUp() {
  const ended = told?.state === "finished";
  if (shown()?.dataset.status !== "RUNNING") return;
  if (told && !ended) showSteps(told);
  if (ended || lacksSteps()) setTimeout(refresh, END_MS);
}

document.addEventListener("bee:refreshed", catchUp);

document.addEventListener("bee:runs", ({ detail }) => {
  told = detail.runs.find((one) => one.run === shown()?.dataset.run) ?? null;
  if (told?.state === "finished") catchUp();
  if (!told || told.state === "finished") return;
  const steps = (told.steps ?? []).map((step) => `${step.name} ${step.status}`).join("\n");
  if (lacksSteps() || (stepsBefore !== null && stepsBefore !== steps)) refresh(); // what a step left is there to be read
  stepsBefore = steps;
  showSteps(told);
});

function showSteps(run) {
  progress(document.getElementById("run-progress"), run.progress);
  const doing = document.getElementById("run-doing");
  if (doing && doing.textContent !== (run.step ?? "")) doing.textContent = run.step ?? "";
  for (const step of run.steps ?? []) {
    const line = document.querySelector(`#steps > [data-step="${CSS.escape(step.name)}"]`);
    if (!line) continue;
    const word = step.status === "running" ? "RUNNING" : step.status;
    const old = line.querySelector(".chip");
    if (old.textContent !== word) old.replaceWith(chip(word));
    else old.className = `chip ${tone(word)}`;
    const share = step.progress === undefined ? "" : ` (${Math.round(step.progress * 100)} %)`;
    line.querySelector(".reason").textContent = step.doing ? ` · ${step.doing}${share}` : "";
  }
}

if (place) follow();

async function follow() {
  const plots = new Plots(place, { quantities: [], time: elapsed });
  for (;;) {
    const whole = await draw(plots).catch(() => false);
    if (whole) return;
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
    while (document.hidden) await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
}

// Whether that was all there will ever be.
async function draw(plots) {
  const reply = await fetch(`/api/v1/runs/${encodeURIComponent(place.dataset.run)}/charts`);
  if (!reply.ok) return reply.status === 404;
  const { charts, whole } = await reply.json();
  if (!charts.length) {
    state().textContent = whole || shown().dataset.status !== "RUNNING" ? "no telemetry was recorded" : "no readings yet";
    return whole || shown().dataset.status !== "RUNNING";
  }
  const quantities = new Map();
  for (const one of charts[0].series) quantities.set(one.name, { key: one.name, name: one.name, unit: one.unit });
  plots.quantities = [...quantities.values()];
  const names = charts.map((chart) => chart.title.split("  ")[0]);
  const differ = new Set(names).size === names.length;
  plots.show(charts.map((chart, at) => ({
    name: differ ? names[at] : chart.title,
    quantities: Object.fromEntries(chart.series.map((one) => [one.name, one.points])),
    spans: chart.spans ?? [],
  })));
  state().textContent = whole ? "drag over a time to zoom in, double-click for all" : "so far";
  return whole;
}
