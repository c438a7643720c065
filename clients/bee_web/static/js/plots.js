// Interactive charts over one time axis: a panel for each quantity, a line for each GPU. Values under the pointer,
// lines switched on and off, a time zoomed into; the same in all panels. Drawn by uPlot.

const HEIGHT = 170;
const LINE_COUNT = 8;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    ink: of("--ink"), soft: of("--soft"), line: of("--line"), throttle: of("--throttle"), fault: of("--fault"),
    series: Array.from({ length: LINE_COUNT }, (_, at) => of(`--series-${at}`)),
  };
}

// At least so far goes each scale, so that what hardly moves looks like it. A clock that is held back differs by
// a few hundred MHz, which a scale from zero would not show.
const LEAST = { "°C": [30, 90], "%": [0, 100], W: [0, 100], MHz: [1000, 2000] };

function range(unit, low, high) {
  const [least, most] = LEAST[unit] ?? [0, 1];
  const above = high === null || high === undefined ? most : Math.max(most, high);
  const below = low === null || low === undefined ? least : Math.min(least, low);
  return [below, above + (above > most ? (above - below) * 0.06 : 0)];
}

function widthOf(canvas) {
  return Math.max(200, canvas.clientWidth);
}

export function elapsed(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  let rest = whole;
  const words = [];
  for (const [size, name] of parts) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || (size === 1 && !words.length)) words.push(`${count}${name}`);
  }
  return words.slice(0, 2).join(" ");
}

// lines: [{name, quantities: {key: [[seconds, value|null], …]}, spans: [{begin_seconds, end_seconds, label, kind}]}]
// quantities: [{key, name, unit}]; time(seconds) → words.
export class Plots {
  constructor(place, { quantities, time, clockAxis = false }) {
    this.place = place;
    this.quantities = quantities;
    this.time = time;
    this.clockAxis = clockAxis;
    this.lines = [];
    this.off = new Set();
    this.zoom = null;
    this.plots = [];
    this.applying = false;
    new ResizeObserver(() => this.resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
  }

  show(lines) {
    const same = this.plots.length && lines.map((one) => one.name).join() === this.lines.map((one) => one.name).join();
    this.lines = lines;
    if (!same) {
      this.build();
      return;
    }
    for (const { plot, quantity } of this.plots) {
      const data = this.data(quantity);
      plot.setData(data, this.zoom === null);
      if (this.zoom) plot.setScale("x", this.zoom);
    }
  }

  data(quantity) {
    const tables = this.lines.map((line) => {
      const points = line.quantities[quantity.key] ?? [];
      return [points.map((one) => one[0]), points.map((one) => one[1])];
    });
    return tables.length ? uPlot.join(tables) : [[]];
  }

  build() {
    for (const { plot } of this.plots) plot.destroy();
    this.plots = [];
    this.place.replaceChildren();
    if (!this.lines.length) return;
    this.colours = colours();
    this.place.append(this.keys());
    for (const quantity of this.quantities) {
      if (!this.lines.some((line) => (line.quantities[quantity.key] ?? []).some((one) => one[1] !== null))) continue;
      const section = document.createElement("section");
      section.className = "plot";
      const title = document.createElement("h3");
      title.textContent = `${quantity.name}, ${quantity.unit}`;
      const canvas = document.createElement("div");
      canvas.className = "canvas";
      section.append(title, canvas);
      this.place.append(section);
      const plot = new uPlot(this.options(quantity, widthOf(canvas)), this.data(quantity), canvas);
      this.plots.push({ quantity, canvas, plot });
    }
    this.place.append(this.spanList());
    if (this.zoom) this.zoomTo(this.zoom);
  }

  options(quantity, width) {
    const { ink, soft, line, series } = this.colours;
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
    return {
      width,
      height: HEIGHT,
      cursor: { sync: { key: this.place.id || "plots", setSeries: false }, drag: { x: true, y: false } },
      legend: { live: true },
      scales: { x: { time: false }, y: { range: (_, low, high) => range(quantity.unit, low, high) } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((one) => this.time(one)), space: 90 },
        { ...axis, size: 52 },
      ],
      series: [
        { label: "Time", value: (_, value) => (value === null || value === undefined ? "–" : this.time(value)) },
        ...this.lines.map((one, at) => ({
          label: one.name,
          stroke: series[at % LINE_COUNT],
          width: 1.5,
          dash: at >= LINE_COUNT ? [6, 3] : undefined,
          points: { show: false },
          show: !this.off.has(one.name),
          value: (_, value) => (value === null || value === undefined ? "–" : `${Math.round(value * 10) / 10} ${quantity.unit}`),
        })),
      ],
      hooks: {
        drawClear: [(plot) => this.drawSpans(plot)],
        setScale: [(plot, key) => this.zoomed(plot, key)],
      },
    };
  }

  drawSpans(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const line of this.lines) {
      if (this.off.has(line.name)) continue;
      for (const span of line.spans ?? []) {
        const left = Math.max(bbox.left, plot.valToPos(span.begin_seconds, "x", true));
        const right = Math.min(bbox.left + bbox.width, plot.valToPos(span.end_seconds, "x", true));
        if (right < bbox.left || left > bbox.left + bbox.width) continue;
        ctx.fillStyle = span.kind === "fault" ? this.colours.fault : this.colours.throttle;
        ctx.globalAlpha = 0.16;
        ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
        ctx.globalAlpha = 0.9;
        ctx.fillRect(left, bbox.top, Math.max(2, right - left), 4 * devicePixelRatio);
      }
    }
    ctx.restore();
  }

  zoomed(plot, key) {
    if (key !== "x" || this.applying || !plot.data[0].length) return;
    const { min, max } = plot.scales.x;
    if (min === null || max === null) return;
    const times = plot.data[0];
    this.zoom = min > times[0] || max < times[times.length - 1] ? { min, max } : null;
    this.applying = true;
    for (const one of this.plots) if (one.plot !== plot) one.plot.setScale("x", { min, max });
    this.applying = false;
  }

  zoomTo(range) {
    this.applying = true;
    for (const { plot } of this.plots) {
      const times = plot.data[0];
      plot.setScale("x", range ?? { min: times[0], max: times[times.length - 1] });
    }
    this.applying = false;
    this.zoom = range;
  }

  // With the keyboard: the middle half of what is seen, or all of it.
  closer() {
    const { min, max } = this.plots[0].plot.scales.x;
    this.zoomTo({ min: min + (max - min) / 4, max: max - (max - min) / 4 });
  }

  move(share) {
    if (!this.zoom) return;
    const { min, max } = this.zoom;
    const times = this.plots[0].plot.data[0];
    const by = Math.max(times[0] - min, Math.min(times[times.length - 1] - max, (max - min) * share));
    this.zoomTo({ min: min + by, max: max + by });
  }

  keys() {
    const keys = document.createElement("div");
    keys.className = "plot-keys";
    keys.setAttribute("role", "group");
    keys.setAttribute("aria-label", "Lines and zoom");
    if (this.lines.length > 1) this.lines.forEach((line, at) => keys.append(this.key(line, at)));
    const buttons = [
      ["Zoom in", () => this.closer()],
      ["◂ Earlier", () => this.move(-0.5)],
      ["Later ▸", () => this.move(0.5)],
      ["All", () => this.zoomTo(null)],
    ];
    for (const [words, act] of buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.addEventListener("click", act);
      keys.append(button);
    }
    return keys;
  }

  key(line, at) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(!this.off.has(line.name)));
    const dash = document.createElement("span");
    dash.className = `dash dash-${at % LINE_COUNT}`;
    button.append(dash, line.name);
    button.addEventListener("click", () => {
      const on = this.off.has(line.name);
      if (on) this.off.delete(line.name);
      else this.off.add(line.name);
      button.setAttribute("aria-pressed", String(on));
      for (const { plot } of this.plots) plot.setSeries(at + 1, { show: on });
    });
    return button;
  }

  spanList() {
    const all = this.lines.flatMap((line) => (line.spans ?? []).map((span) => ({ ...span, line: line.name })));
    const made = document.createElement("p");
    made.className = "soft";
    if (!all.length) return made;
    const counted = new Map();
    for (const span of all) {
      const name = `${span.line}: ${span.label}`;
      const known = counted.get(name) ?? { count: 0, seconds: 0 };
      counted.set(name, { count: known.count + 1, seconds: known.seconds + span.end_seconds - span.begin_seconds });
    }
    made.textContent = `Held back (shaded): ${[...counted]
      .map(([name, { count, seconds }]) => `${name} ${count}×, ${elapsed(seconds)} in all`)
      .join("; ")}`;
    return made;
  }

  resize() {
    for (const { canvas, plot } of this.plots) {
      const width = widthOf(canvas);
      if (plot.width !== width) plot.setSize({ width, height: HEIGHT });
    }
  }
}
