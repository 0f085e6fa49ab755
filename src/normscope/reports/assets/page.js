"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const element = (id) => document.getElementById(id);

  element("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  const make = (name, attributes, parent, text) => {
    const svg = ["svg", "g", "rect", "path", "text", "line", "circle", "title", "defs", "pattern"].includes(name);
    const made = svg
      ? document.createElementNS("http://www.w3.org/2000/svg", name)
      : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  const short = (x) => String(Number(x.toPrecision(3)));
  const fixed = (x) => (x === null || x === undefined ? "unknown" : rounding.fixed(x, 4));
  const { percent } = rounding;
  const signed = (x) => {
    const text = fixed(x);
    return Number(text) > 0 ? `+${text}` : text.replace("-", "−");
  };
  const known = data.cells && data.cells.length > 0 && data.cells[0].verdict !== undefined;

  const choices = (where, name, options, onChange) => {
    options.forEach(([value, label], k) => {
      const wrap = make("label", {}, where);
      const input = make("input", { type: "radio", name, value }, wrap);
      input.checked = k === 0;
      input.addEventListener("change", () => onChange(value));
      wrap.append(" " + label);
    });
  };

  /* The map. */
  const box = { left: 86, top: 8, width: 548, height: 400 };
  const map = element("map");
  const cells = (data.cells || []).filter((cell) => cell.grid);
  const [across, upward] = data.axes || [];
  const mapped = element("map") && data.axes.length === 2;
  const columns = mapped ? across.values.length : 1;
  const rows = mapped ? upward.values.length : 1;
  const size = { x: box.width / columns, y: box.height / rows };
  let view = "accuracy";
  const survival = element("survival");
  /* The images' own units: offset (m - mean) / s and factor s / std. */
  let own = false;
  const convertible = mapped && across.name === "mean" && upward.name === "std" && cells[0] && cells[0].distance !== undefined;
  let focused = 0;
  const picked = [];

  /* Okabe and Ito's colours, which colour-blind readers tell apart. */
  const verdicts = { better: "#0072b2", equivalent: "#009e73", open: "#b5bcc4", worse: "#d55e00" };
  /* As many failures as the answer does not tolerate. */
  const fails = (cell) => cell.failed_low > 0.05;
  const measured = data.measured || (cells || []).some((cell) => cell.accuracy !== null);
  const unmeasured = (cell) => (cell.failures < cell.trainings ? "not measured" : "none learned");
  const verdict = (cell) => (cell.accuracy === null ? unmeasured(cell) : fails(cell) ? "fails" : cell.is_reference ? "reference" : data.words[cell.verdict]);
  /* ColorBrewer's OrRd, as in the figure. */
  const reds = ["fff7ec", "fee8c8", "fdd49e", "fdbb84", "fc8d59", "ef6548", "d7301f", "b30000", "7f0000"];
  const channels = (hex) => [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
  const red = (share) => {
    const at = Math.min(share * 8, 7.999), k = Math.floor(at), [a, b] = [channels(reds[k]), channels(reds[k + 1])];
    return `#${a.map((v, c) => Math.round(v + (b[c] - v) * (at - k)).toString(16).padStart(2, "0")).join("")}`;
  };
  const ink = (fill) => {
    if (fill[0] !== "#") return "var(--front)";
    const [r, g, b] = channels(fill.slice(1));
    return 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "#fff" : "#000";
  };

  const place = (k) => ({
    x: box.left + Math.floor(k / rows) * size.x,
    y: box.top + box.height - ((k % rows) + 1) * size.y,
  });
  const colour = (value, low, high) => {
    const t = high > low ? (value - low) / (high - low) : 0.5;
    return data.colours[Math.max(0, Math.min(63, Math.round(t * 63)))];
  };
  const extent = (values) => [Math.min(...values), Math.max(...values)];
  /* A corner that fails must not hide all other differences: colours end near the bulk. */
  const bulk = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    const reach = 1.5 * (at(0.85) - at(0.15));
    return [Math.max(sorted[0], at(0.15) - reach), Math.min(sorted[sorted.length - 1], at(0.85) + reach)];
  };
  const ends = (values, [low, high]) => {
    const [least, most] = extent(values);
    return { low, high, under: least < low, over: most > high };
  };

  const inGrid = (values, value, log) => {
    const at = log ? Math.log : (x) => x;
    for (let k = 0; k + 1 < values.length; k++) {
      if (value >= values[k] && value <= values[k + 1])
        return k + (at(value) - at(values[k])) / (at(values[k + 1]) - at(values[k]));
    }
    return value === values[0] ? 0 : null;
  };
  const spotAt = (point) => {
    if (!point) return null;
    const i = inGrid(across.values, point[0], across.log);
    const j = inGrid(upward.values, point[1], upward.log);
    if (i === null || j === null) return null;
    return { cx: box.left + (i + 0.5) * size.x, cy: box.top + box.height - (j + 0.5) * size.y, r: 10 };
  };
  const spot = (svg, point, label, kind) => {
    const at = spotAt(point);
    if (!at) return;
    make("circle", { ...at, class: "spot back" }, svg);
    make("title", {}, make("circle", { ...at, class: `spot ${kind}` }, svg), label);
  };
  const frameBest = (svg) => {
    if (!data.best) return;
    const i = across.values.indexOf(data.best[0]), j = upward.values.indexOf(data.best[1]);
    if (i < 0 || j < 0) return;
    const { x, y } = place(i * rows + j);
    make("rect", { class: "best", x: x + 1, y: y + 1, width: size.x - 3, height: size.y - 3 }, svg);
  };

  const smoothLayer = (values) => {
    const [low, high] = bulk(values.flat());
    const n = values.length;
    const inner = { x: box.left + size.x / 2, y: box.top + size.y / 2, w: box.width - size.x, h: box.height - size.y };
    const step = { x: inner.w / (n - 1), y: inner.h / (n - 1) };
    make("rect", { x: box.left, y: box.top, width: box.width, height: box.height, fill: "var(--back)" }, map);
    values.forEach((line, i) => line.forEach((value, j) => {
      make("rect", {
        x: inner.x + (i - 0.5) * step.x, y: inner.y + inner.h - (j + 0.5) * step.y,
        width: step.x + 0.5, height: step.y + 0.5, fill: colour(value, low, high),
      }, map);
    }));
    if (view === "smooth") {
      for (const contour of data.smooth.contours) for (const line of contour.lines) {
        const d = line.map(([x, y], k) => `${k ? "L" : "M"}${inner.x + x * inner.w},${inner.y + inner.h - y * inner.h}`).join("");
        make("path", { d, class: "halo" }, map);
        make("title", {}, make("path", { d, class: "contour" }, map), fixed(contour.level));
      }
    }
    return ends(values.flat(), [low, high]);
  };

  /* The axis's name left of its numbers, which are larger in a narrow window. */
  const nameUpward = (svg, usual, y, text) => {
    const numbers = [...svg.querySelectorAll(".tick[text-anchor=end]")].map((tick) => tick.getBBox());
    const x = Math.min(usual, ...numbers.filter((number) => number.width).map((number) => number.x - 9));
    const name = make("text", { x, y, transform: `rotate(-90 ${x} ${y})`, "text-anchor": "middle" }, svg, text);
    const { width, height } = svg.viewBox.baseVal;
    const left = Math.floor(Math.min(0, x - Number.parseFloat(getComputedStyle(name).fontSize)));
    svg.setAttribute("viewBox", `${left} 0 ${width - left} ${height}`);
  };
  const start = (svg, name) => {
    svg.replaceChildren();
    svg.setAttribute("viewBox", "0 0 640 474");
    const pattern = make("pattern", { id: `hatch-${name}`, width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, make("defs", {}, svg));
    make("rect", { width: 9, height: 9, class: "none" }, pattern);
    make("rect", { width: 2, height: 9, class: "stripe" }, pattern);
  };
  const drawCells = (svg, fill, label, write) => {
    const grid = make("g", { role: "row" }, svg);
    const fills = cells.map(fill);
    cells.forEach((cell, k) => {
      const { x, y } = place(k);
      const rect = make("rect", {
        x, y, width: size.x - 1, height: size.y - 1, role: "gridcell", tabindex: k === focused ? 0 : -1,
        fill: fills[k], "aria-label": `${cell.name}, ${label(cell)}`, "data-cell": k,
      }, grid);
      rect.addEventListener("pointerenter", () => show(k));
      rect.addEventListener("focus", () => { focused = k; show(k); });
      rect.addEventListener("click", () => { focused = k; pick(k); });
      rect.addEventListener("keydown", (event) => move(event, k, svg));
    });
    if (svg === map) frameBest(svg);
    spot(svg, data.none, "no normalization", "zero");
    spot(svg, data.reference, data.reference_name, "");
    const spots = [spotAt(data.none), spotAt(data.reference)].filter((at) => at);
    cells.forEach((cell, k) => {
      const text = write(cell);
      if (cells.length > 64 || columns > 8 || !text) return;
      const { x, y } = place(k);
      const [middle, base] = [x + size.x / 2, y + size.y / 2 + 5];
      const covered = spots.some((at) => Math.abs(at.cx - middle) < 34 && Math.abs(at.cy - base + 5) < 20);
      const down = covered ? Math.min(26, size.y / 2 - 8) : 0;
      const written = make("text", { class: "number", x: middle, y: base + down, "text-anchor": "middle" }, svg, text);
      written.style.fill = ink(fills[k]);
      written.style.stroke = fills[k][0] === "#" ? fills[k] : "var(--back)";
    });
  };
  const drawAxes = (svg) => {
    const values = own ? across.values.map((_, i) => cells[i * rows].distance) : across.values;
    values.forEach((value, i) => {
      if (columns > 7 && i % Math.ceil(columns / 7)) return;
      make("text", { x: box.left + (i + 0.5) * size.x, y: box.top + box.height + 24, "text-anchor": "middle", class: "tick" }, svg, short(value));
    });
    const factors = own ? upward.values.map((_, j) => cells[j].factor) : upward.values;
    factors.forEach((value, j) => {
      if (rows > 10 && j % Math.ceil(rows / 10)) return;
      make("text", { x: box.left - 8, y: box.top + box.height - (j + 0.5) * size.y + 4, "text-anchor": "end", class: "tick" }, svg, short(value));
    });
    make("text", { x: box.left + box.width / 2, y: box.top + box.height + 56, "text-anchor": "middle" }, svg, own ? "(data's mean − mean) / data's std" : across.name);
    nameUpward(svg, 18, box.top + box.height / 2, own ? "data's std / std" : upward.name);
    make("rect", { class: "focus", width: size.x - 1, height: size.y - 1, visibility: "hidden" }, svg);
  };
  const drawSurvival = () => {
    if (!survival) return;
    start(survival, "failed");
    const part = (c) => (c.trainings ? `${c.failures}/${c.trainings}` : "");
    drawCells(survival, (c) => (c.trainings ? red(c.failures / c.trainings) : "url(#hatch-failed)"),
      (c) => (c.trainings ? `${c.failures} of ${c.trainings} runs failed` : "no run"), part);
    drawAxes(survival);
    const legend = element("survival-legend");
    legend.replaceChildren();
    const ramp = make("span", {}, legend, "none failed");
    make("span", { class: "ramp" }, ramp).style.background = `linear-gradient(90deg,${reds.map((c) => `#${c}`).join(",")})`;
    ramp.append("all failed");
  };
  const drawMap = () => {
    start(map, "accuracy");
    if (view === "chance") {
      drawCells(map, (c) => red(c.smooth), (c) => `fails with a chance of ${percent(c.smooth)} %`, (c) => (c.smooth < 0.005 ? "" : rounding.fixed(c.smooth, 2)));
      drawAxes(map);
      drawLegend(null);
      return;
    }
    const field = { accuracy: (c) => c.accuracy, noise: (c) => c.se, bound: (c) => c.loss_bound }[view];
    const has = (value) => value !== null && value !== undefined;
    let range = null;
    if (field) {
      const values = cells.map(field).filter(has);
      range = values.length ? ends(values, (view === "accuracy" && data.limits) || bulk(values)) : null;
    } else if (view !== "verdict") range = smoothLayer(view === "smooth" ? data.smooth.accuracy : data.smooth.half);
    const fill = (cell) => {
      if (view === "verdict") return cell.accuracy === null ? "url(#hatch-accuracy)" : verdicts[cell.verdict];
      if (!field) return "transparent";
      return has(field(cell)) ? colour(field(cell), range.low, range.high) : "url(#hatch-accuracy)";
    };
    const write = (cell) => (!field || !has(field(cell)) ? "" : view === "noise" ? field(cell).toPrecision(2) : rounding.fixed(field(cell), 3));
    drawCells(map, fill, (c) => (has(c.accuracy) ? `accuracy ${fixed(c.accuracy)}` : unmeasured(c)), write);
    drawAxes(map);
    drawLegend(range);
  };

  const drawLegend = (range) => {
    const legend = element("legend");
    legend.replaceChildren();
    if (range) drawRamp(legend, range);
    else if (view === "verdict") for (const [word, tone] of Object.entries(verdicts)) {
      const item = make("span", {}, legend);
      make("span", { class: "swatch" }, item).style.background = tone;
      item.append(` ${data.words[word]}`);
    }
    if (data.best) make("span", { class: "key best" }, legend, "highest accuracy");
    if (spotAt(data.reference)) make("span", { class: "key spot" }, legend, data.reference_name);
    if (spotAt(data.none)) make("span", { class: "key zero" }, legend, "no normalization");
    const words = new Set(cells.filter((cell) => cell.accuracy === null).map(unmeasured));
    if (view !== "chance" && words.size) make("span", { class: "key none" }, legend, [...words].join(", "));
  };
  const drawRamp = (legend, { low, high, under, over }) => {
    const ramp = make("span", {}, legend, (under ? "≤ " : "") + fixed(low));
    const strip = make("span", { class: "ramp" }, ramp);
    strip.style.background = `linear-gradient(90deg,${data.colours.join(",")})`;
    ramp.append((over ? "≥ " : "") + fixed(high));
  };

  const show = (k) => {
    const { x, y } = place(k);
    for (const ring of document.querySelectorAll("svg .focus")) {
      ring.setAttribute("x", x); ring.setAttribute("y", y); ring.setAttribute("visibility", "visible");
    }
    describe(cells[k]);
  };
  const describe = (cell) => {
    const detail = element("detail");
    detail.replaceChildren();
    const table = make("table", {}, detail);
    const row = (name, value) => {
      const line = make("tr", {}, table);
      make("th", { scope: "row" }, line, name);
      make("td", {}, line, value);
    };
    row("mean/std", cell.name);
    if (convertible) row("the network sees", `mean ${short(cell.offset)}, std ${short(cell.contrast)}`);
    if (cell.trainings) {
      const sure = cell.failed_low === null ? "" : ` (95 %: ${percent(cell.failed_low)} to ${percent(cell.failed_high)} %)`;
      row("failed", `${cell.failures} of ${cell.trainings} runs${sure}`);
    }
    if (cell.accuracy === null) { if (measured) row("accuracy", unmeasured(cell)); }
    else row("accuracy", cell.se === null || cell.se === undefined || data.exact ? fixed(cell.accuracy) : `${fixed(cell.accuracy)} ± ${fixed(cell.se)}`);
    if (cell.seeds.length && !data.exact) row("by seed", cell.seeds.map(fixed).join(", "));
    if (known && cell.difference !== null) row("difference from the reference", `${signed(cell.difference)} (${signed(cell.low)} to ${signed(cell.high)})`);
    if (known && cell.loss_bound !== null && cell.loss_bound !== undefined) row("loses at most", fixed(cell.loss_bound));
    if (known && measured) row("verdict", verdict(cell));
  };
  const pick = (k) => {
    const at = picked.indexOf(k);
    if (at >= 0) picked.splice(at, 1);
    else picked.push(k);
    if (picked.length > 5) picked.shift();
    show(k);
    drawCurves();
  };
  const move = (event, k, svg) => {
    const step = { ArrowRight: rows, ArrowLeft: -rows, ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") pick(k);
    else if (step === undefined) return;
    else {
      const next = k + step;
      const crosses = Math.abs(step) === 1 && Math.floor(next / rows) !== Math.floor(k / rows);
      if (next >= 0 && next < cells.length && !crosses) {
        const all = svg.querySelectorAll("[role=gridcell]");
        all[k].setAttribute("tabindex", -1);
        all[next].setAttribute("tabindex", 0);
        all[next].focus();
      }
    }
    event.preventDefault();
  };

  /* Training curves. */
  const lines = ["var(--accent)", "var(--mark)", "#2a9d6f", "#b8860b", "#8e6bbf"];
  const dashes = ["", "6 3", "2 3", "8 3 2 3", "12 4"];
  let measure = "accuracy";
  /* Round numbers around an interval. */
  const nice = (low, high) => {
    const rough = (high - low || Math.abs(high) || 1) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((k) => k * power >= rough * 0.999);
    const first = Math.floor(low / step + 1e-9), last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
    return Array.from({ length: last - first + 1 }, (_, k) => (first + k) * step);
  };
  const drawCurves = () => {
    const svg = element("curves");
    if (!svg) return;
    svg.replaceChildren();
    svg.setAttribute("viewBox", "0 0 400 240");
    const shown = picked.map((k, n) => [n, cells[k].name, data.curves[cells[k].name] || []]);
    const values = shown.flatMap(([, , runs]) => runs.flatMap((run) => run[measure])).filter((v) => v !== null);
    const key = element("picked");
    key.textContent = values.length ? "" : "No epoch has this number.";
    if (!values.length) return;
    for (const [n, name] of shown) {
      const item = make("span", { class: "picked" }, key);
      const line = make("line", { x1: 0, x2: 28, y1: 5, y2: 5, "stroke-width": 2.5, "stroke-dasharray": dashes[n] }, make("svg", { viewBox: "0 0 28 10" }, item));
      line.style.stroke = lines[n];
      item.append(` ${name}`);
    }
    const marks = nice(...extent(values));
    const [low, high] = [marks[0], marks[marks.length - 1]];
    const px = (e) => 52 + (data.epochs > 1 ? (e / (data.epochs - 1)) * 330 : 165);
    const py = (v) => 12 + (high > low ? (1 - (v - low) / (high - low)) * 180 : 90);
    for (const value of marks) {
      make("line", { class: "axis", x1: 52, x2: 382, y1: py(value), y2: py(value) }, svg);
      make("text", { class: "tick", x: 46, y: py(value) + 4, "text-anchor": "end" }, svg, short(value));
    }
    make("text", { class: "tick", x: 52, y: 212, "text-anchor": "middle" }, svg, "1");
    if (data.epochs > 1) make("text", { class: "tick", x: 382, y: 212, "text-anchor": "middle" }, svg, data.epochs);
    make("text", { x: 217, y: 232, "text-anchor": "middle" }, svg, "epoch");
    for (const [n, name, runs] of shown) for (const run of runs) {
      const points = run[measure].map((v, e) => [e, v]).filter(([, v]) => v !== null);
      const d = points.map(([e, v], k) => `${k ? "L" : "M"}${px(e)},${py(v)}`).join("");
      const line = make("path", { d, fill: "none", "stroke-width": 1.6, "stroke-dasharray": dashes[n] }, svg);
      line.style.stroke = lines[n];
      make("title", {}, line, `${name}, seed ${run.seed}`);
      if (points.length === 1) {
        const dot = make("circle", { cx: px(points[0][0]), cy: py(points[0][1]), r: 3.5 }, svg);
        dot.style.fill = lines[n];
      }
    }
  };

  /* The trials of a search: any two numbers of theirs, one over the other. */
  const frame = { left: 74, top: 10, width: 550, height: 340 };
  /* Trials that fail end the scale early; the best never do. */
  const scores = (data.trials || []).map((t) => t.score);
  const lowest = data.trials && Math.min(bulk(scores)[0], Math.max(...scores) - 1e-3);
  const highest = data.trials && Math.max(...scores);
  const ranges = data.trials && [
    ...data.ranges,
    { name: "trial", key: "number", low: 0, high: Math.max(1, ...data.trials.map((t) => t.number)), whole: true },
    { name: `${data.chosen_on} accuracy`, key: "score", low: lowest, high: highest },
  ];
  const chosen = data.trials && { x: 0, y: data.ranges.length > 1 ? 1 : ranges.length - 1 };
  const share = ({ low, high, log }, value) => {
    const at = log ? Math.log : (x) => x;
    /* What lies beyond the bulk stays on the frame's edge. */
    return Math.max(0, Math.min(1, (at(value) - at(low)) / (at(high) - at(low))));
  };
  const ticks = ({ low, high, log, whole }) => {
    const values = [0, 0.25, 0.5, 0.75, 1].map((part) =>
      log ? Math.exp(Math.log(low) + (Math.log(high) - Math.log(low)) * part) : low + (high - low) * part);
    if (whole) return [...new Set(values.map(Math.round))].map((v) => [v, String(v)]);
    const digits = Math.max(0, 1 - Math.floor(Math.log10((high - low) / 4)));
    return values.map((v) => [v, log || digits > 8 ? short(v) : String(Number(rounding.fixed(v, digits)))]);
  };
  const showTrial = (trial) => {
    const known = [...data.ranges.map((r) => `${r.name} ${short(trial[r.name])}`), `${data.chosen_on} ${fixed(trial.score)}`];
    if (data.chosen_on !== "test") known.push(`test ${fixed(trial.accuracy)}`);
    element("trial").textContent = `trial ${trial.number}: ${known.join(", ")}`;
  };
  /* One of the dots is a tab stop, and the arrow keys lead from it to the next along an axis. */
  const best = data.trials && data.trials.reduce((a, b) => (b.score > a.score ? b : a));
  let reached = best;
  const nextTrial = (key) => {
    const { x, y } = chosen;
    const [axis, by] = { ArrowRight: [x, 1], ArrowLeft: [x, -1], ArrowUp: [y, 1], ArrowDown: [y, -1] }[key] || [];
    if (by === undefined) return null;
    const name = ranges[axis].key;
    const rising = [...data.trials].sort((a, b) => a[name] - b[name] || a.number - b.number);
    return rising[rising.indexOf(reached) + by] || reached;
  };
  const drawTrials = () => {
    const svg = element("trials");
    svg.replaceChildren();
    svg.setAttribute("viewBox", "0 0 640 410");
    const x = ranges[chosen.x], y = ranges[chosen.y];
    const px = (value) => frame.left + share(x, value) * frame.width;
    const py = (value) => frame.top + (1 - share(y, value)) * frame.height;
    for (const [value, label] of ticks(x)) {
      make("line", { class: "axis", x1: px(value), x2: px(value), y1: frame.top, y2: frame.top + frame.height }, svg);
      make("text", { class: "tick", x: px(value), y: frame.top + frame.height + 22, "text-anchor": "middle" }, svg, label);
    }
    for (const [value, label] of ticks(y)) {
      make("line", { class: "axis", x1: frame.left, x2: frame.left + frame.width, y1: py(value), y2: py(value) }, svg);
      make("text", { class: "tick", x: frame.left - 8, y: Math.min(py(value) + 4, frame.top + frame.height - 3), "text-anchor": "end" }, svg, label);
    }
    make("text", { x: frame.left + frame.width / 2, y: 406, "text-anchor": "middle" }, svg, x.name + (x.log ? " (log)" : ""));
    nameUpward(svg, 14, frame.top + frame.height / 2, y.name + (y.log ? " (log)" : ""));
    /* The best are drawn last, on top. */
    const rising = [...data.trials].sort((a, b) => a.score - b.score || b.number - a.number);
    const dots = new Map();
    for (const trial of rising) {
      const dot = make("circle", {
        class: trial === best ? "dot best" : "dot", cx: px(trial[x.key]), cy: py(trial[y.key]), r: trial === best ? 8 : 5.5,
        fill: colour(trial.score, lowest, highest), tabindex: trial === reached ? 0 : -1, role: "img",
        "aria-label": `trial ${trial.number}, accuracy ${fixed(trial.score)}`,
      }, svg);
      dots.set(trial, dot);
      dot.addEventListener("pointerenter", () => showTrial(trial));
      dot.addEventListener("focus", () => {
        dots.get(reached).setAttribute("tabindex", -1);
        dot.setAttribute("tabindex", 0);
        reached = trial;
        showTrial(trial);
      });
      dot.addEventListener("keydown", (event) => {
        const next = nextTrial(event.key);
        if (!next) return;
        event.preventDefault();
        dots.get(next).focus();
      });
    }
    let marked = 0;
    for (const [name, values] of Object.entries(data.references)) {
      const [a, b] = [values[x.key], values[y.key]];
      if (a === undefined || b === undefined || a < x.low || a > x.high || b < y.low || b > y.high) continue;
      marked += 1;
      make("rect", { class: "known", x: px(a) - 6, y: py(b) - 6, width: 12, height: 12 }, svg);
      make("text", { x: px(a) + 10, y: py(b) + 4, "pointer-events": "none" }, svg, name);
    }
    const legend = element("trial-legend");
    legend.replaceChildren();
    drawRamp(legend, ends(scores, [lowest, highest]));
    make("span", {}, legend, "◯ best trial");
    if (marked) make("span", {}, legend, "□ known values");
  };
  if (data.trials) {
    for (const [axis, label] of [["x", "across "], ["y", "upward "]]) {
      const select = make("select", {}, make("label", {}, element("axes"), label));
      ranges.forEach((range, k) => { make("option", { value: k }, select, range.name).selected = k === chosen[axis]; });
      select.addEventListener("change", () => { chosen[axis] = Number(select.value); drawTrials(); });
    }
    drawTrials();
    showTrial(best);
  }

  /* The table. */
  const rowsOfTable = data.cells || data.compared || data.trials;
  const fields = data.trials
    ? [
      ["number", "trial"], ...data.parameters.map((name) => [name, name]),
      ...(data.chosen_on === "test" ? [] : [["score", `${data.chosen_on} accuracy`]]), ["accuracy", "test accuracy"],
    ]
    : data.compared
    ? [...(data.several ? [["study", "study"]] : []), ["name", "mean/std"], ["value", "gain"], ["low", "from"], ["high", "to"], ["verdict", "verdict"]]
    : [["name", "mean/std"], ["mean", "mean"], ["std", "std"], ...(measured ? [["accuracy", "accuracy"]] : [])];
  /* What a narrow window leaves out: it is in the name, or in the cell's own details. */
  const extra = known ? ["mean", "std", "se", "difference", "low", "high"] : [];
  if (known && !data.exact) fields.push(["failures", "failed"]);
  if (known && measured) fields.push(...(data.exact ? [] : [["se", "± se"]]), ["difference", "difference"], ["low", "from"], ["high", "to"], ["loss_bound", "loses at most"], ["verdict", "verdict"]);
  let order = [data.compared ? "value" : data.trials && data.chosen_on !== "test" ? "score" : !data.cells || measured ? "accuracy" : "failures", -1];
  const text = (cell, key) => {
    const value = cell[key];
    if (known && key === "verdict") return verdict(cell);
    if (known && key === "failures") return cell.trainings ? `${value} of ${cell.trainings}` : "";
    if (value === null || value === undefined) return "";
    if (Array.isArray(value)) return value.map(short).join(", ");
    if (typeof value !== "number") return value;
    if (key === "number") return String(value);
    if (key === "mean" || key === "std" || (data.parameters || []).includes(key)) return short(value);
    return ["difference", "value", "low", "high"].includes(key) ? signed(value) : fixed(value);
  };
  const drawTable = () => {
    const table = element("cells");
    const wanted = element("filter").value.trim().toLowerCase();
    const [key, direction] = order;
    const kept = rowsOfTable
      .filter((cell) => fields.some(([f]) => String(text(cell, f)).toLowerCase().includes(wanted)))
      .sort((a, b) => {
        const [x, y] = [a[key] ?? null, b[key] ?? null];
        if (x === null || y === null) return (x === null) - (y === null);
        return direction * (x < y ? -1 : x > y ? 1 : 0);
      });
    const body = table.tBodies[0];
    body.replaceChildren();
    for (const cell of kept) {
      const line = make("tr", {}, body);
      for (const [f] of fields) make("td", extra.includes(f) ? { class: "extra" } : {}, line, text(cell, f));
    }
    element("count").textContent = `${kept.length} of ${rowsOfTable.length}`;
    for (const head of table.tHead.rows[0].cells) {
      const mine = head.dataset.key === key;
      head.setAttribute("aria-sort", mine ? (direction > 0 ? "ascending" : "descending") : "none");
      head.firstChild.textContent = head.dataset.label + (mine ? (direction > 0 ? " ↑" : " ↓") : "");
    }
  };

  if (mapped) {
    const views = data.measured ? [["accuracy", "accuracy"]] : [["chance", "chance of failing"]];
    view = views[0][0];
    if (known && data.measured) views.push(["verdict", "better or worse"], ["bound", "largest possible loss"]);
    if (known && data.measured && !data.exact) views.push(["noise", "standard error"]);
    if (data.smooth && rows >= 7 && columns >= 7) views.push(["smooth", "smooth, with contours"], ["half", "uncertainty of the smooth map"]);
    if (views.length > 1) choices(element("views"), "view", views, (value) => { view = value; drawMap(); });
    if (convertible) {
      const button = element("units");
      button.hidden = false;
      button.addEventListener("click", () => {
        own = !own;
        button.setAttribute("aria-pressed", String(own));
        drawSurvival();
        drawMap();
      });
    }
    if (element("measures")) choices(element("measures"), "measure", [["accuracy", `${data.curves_on} accuracy`], ["loss", "training loss"]], (value) => { measure = value; drawCurves(); });
    const at = (cell) => cell.accuracy ?? -1;
    const top = cells.reduce((best, cell, k) => (at(cell) > at(cells[best]) ? k : best), 0);
    const worst = cells.reduce((low, cell, k) => (at(cell) < at(cells[low]) ? k : low), 0);
    picked.push(top);
    if (worst !== top) picked.push(worst);
    drawSurvival();
    drawMap();
    drawCurves();
    describe(cells[top]);
  }
  if (element("cells")) {
    const head = make("tr", {}, make("thead", {}, element("cells")));
    make("tbody", {}, element("cells"));
    for (const [key, label] of fields) {
      const cell = make("th", { scope: "col", "data-key": key, "data-label": label, class: extra.includes(key) ? "extra" : "" }, head);
      make("button", { type: "button" }, cell, label).addEventListener("click", () => {
        order = [key, order[0] === key ? -order[1] : 1];
        drawTable();
      });
    }
    element("filter").addEventListener("input", drawTable);
    drawTable();
  }
})();
