// Figures that answer to the hand. All data are of this file; nothing is fetched.
(() => {
  const section = document.getElementById("closer");
  const data = JSON.parse(document.getElementById("closer-data").textContent);
  section.hidden = false;
  const make = (tag, text) => { const e = document.createElement(tag); if (text) e.textContent = text; return e; };
  const ink = () => getComputedStyle(document.body).color;
  const config = () => ({
    background: null, font: "system-ui, sans-serif",
    axis: { labelColor: ink(), titleColor: ink(), gridOpacity: 0.25, domainColor: ink(), tickColor: ink(), labelLimit: 160 },
    legend: { labelColor: ink(), titleColor: ink(), labelLimit: 280, orient: "bottom", columns: innerWidth < 700 ? 1 : 2, symbolOpacity: 1 },
    header: { labelColor: ink(), titleColor: ink(), labelLimit: 200 },
    title: { color: ink() }, text: { color: ink() }, view: { stroke: null },
  });
  const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8b8b8b", "#7f6fd0"];
  const width = (most) => Math.max(200, Math.min(most, section.clientWidth - 90));
  const draw = async (id, spec, clicked) => {
    const place = document.getElementById(id);
    if (!place) return;
    const found = await vegaEmbed(place.querySelector(".plot"), { ...spec, config: config() },
      { actions: false, renderer: "svg", tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" } });
    if (clicked) found.view.addEventListener("click", (event, item) => { if (item && item.datum) clicked(item.datum); });
    place.dataset.drawn = "yes";
  };

  // -- predictions: one row a test of an image
  const points = data.points;
  const byUnit = new Map();
  if (points) for (const [arm, replicate, unit, p, right] of points.rows) {
    if (!byUnit.has(unit)) byUnit.set(unit, new Map());
    const arms = byUnit.get(unit);
    if (!arms.has(arm)) arms.set(arm, { sum: 0, right: 0, count: 0 });
    const found = arms.get(arm); found.sum += p; found.right += right; found.count += 1;
  }
  const rowOf = (unit) => {
    const box = document.getElementById("closer-image");
    box.replaceChildren(make("h3", points.units[unit]));
    const picture = data.pictures[points.units[unit]];
    if (picture) {
      const image = make("img"); image.src = "data:image/jpeg;base64," + picture;
      image.alt = points.units[unit]; box.append(image);
    } else box.append(make("p", "No small picture of this one is kept."));
    const patient = points.patients[unit];
    box.append(make("p", points.classes[points.labels[unit]] + (patient ? ", " + patient : "")));
    const table = make("table"); table.className = "plain";
    const head = table.createTHead().insertRow();
    for (const word of ["arm", "probability of " + points.of, "right in"]) head.append(make("th", word));
    const body = table.createTBody();
    for (const [arm, found] of byUnit.get(unit)) {
      const row = body.insertRow();
      for (const text of [points.arms[arm], (found.sum / found.count).toFixed(3), found.right + " of " + found.count]) row.insertCell().textContent = text;
    }
    box.append(table); box.hidden = false;
  };
  const clicked = (datum) => { if (datum.unit !== undefined) rowOf(datum.unit); };
  const tooltip = (fields) => fields.map(([field, title, format]) => ({ field, title, ...(format ? { format, type: "quantitative" } : { type: "nominal" }) }));
  const armParam = { name: "arms", select: { type: "point", fields: ["arm"], toggle: "true" }, bind: "legend" };
  const faded = { condition: { param: "arms", value: 0.9, empty: true }, value: 0.06 };

  const rocRows = () => {
    const parts = new Map();
    for (const [arm, replicate, unit, p] of points.rows) {
      const key = arm + "/" + replicate;
      if (!parts.has(key)) parts.set(key, []);
      parts.get(key).push([p, unit, arm, replicate]);
    }
    const rows = [];
    for (const part of parts.values()) {
      part.sort((a, b) => b[0] - a[0]);
      const positive = part.filter(each => points.labels[each[1]] === 1).length, negative = part.length - positive;
      if (!positive || !negative) continue;
      let tp = 0, fp = 0;
      part.forEach(([p, unit, arm, replicate], at) => {
        if (points.labels[unit] === 1) tp += 1; else fp += 1;
        rows.push({ x: fp / negative, y: tp / positive, p, unit, at, image: points.units[unit], label: points.classes[points.labels[unit]], arm: points.arms[arm], replicate: points.replicates[replicate] });
      });
    }
    return rows;
  };
  const wanted = { arm: { field: "arm", type: "nominal", sort: points ? points.arms : null, scale: { domain: points ? points.arms : [], range: colours }, title: "arm" } };
  const look = tooltip([["arm", "arm"], ["replicate", "replicate"], ["image", "test case"], ["label", "true class"], ["p", "probability", ".3f"]]);

  const roc = () => draw("closer-roc", {
    width: width(520), height: width(520) * 0.8, data: { values: rocRows() },
    params: [{ name: "replicate", value: points.replicates[0], bind: { input: "select", options: points.replicates, name: "replicate " } }],
    transform: [{ filter: "datum.replicate === replicate" }],
    layer: [
      { mark: { type: "line", interpolate: "step-after", strokeWidth: 1.6 }, encoding: { order: { field: "at" }, detail: { field: "replicate" } } },
      { params: [armParam], mark: { type: "circle", size: 44 }, encoding: { tooltip: look } },
    ],
    encoding: {
      x: { field: "x", type: "quantitative", title: "1 − specificity", scale: { domain: [0, 1] } },
      y: { field: "y", type: "quantitative", title: "sensitivity", scale: { domain: [0, 1] } },
      color: wanted.arm, opacity: faded,
    },
  }, clicked);

  const scatter = () => {
    const rows = [];
    for (const [unit, arms] of byUnit) {
      const base = arms.get(points.base);
      if (base) for (const [arm, found] of arms) if (arm !== points.base) rows.push({
        unit, image: points.units[unit], label: points.classes[points.labels[unit]], patient: points.patients[unit],
        arm: points.arms[arm], x: base.sum / base.count, y: found.sum / found.count, right: found.right + " of " + found.count, before: base.right + " of " + base.count });
    }
    const others = points.arms.filter((_, at) => at !== points.base);
    if (!rows.length) { document.getElementById("closer-scatter").hidden = true; return; }
    return draw("closer-scatter", {
      width: width(520), height: width(520) * 0.8, data: { values: rows },
      params: [{ name: "against", value: others[0], bind: { input: "select", options: others, name: "arm " } }],
      transform: [{ filter: "datum.arm === against" }],
      layer: [
        { data: { values: [{ x: 0, y: 0 }, { x: 1, y: 1 }] }, mark: { type: "line", strokeDash: [4, 4], color: "#888" }, encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } } },
        { params: [{ name: "classes", select: { type: "point", fields: ["label"], toggle: "true" }, bind: "legend" }],
          mark: { type: "circle", size: 60 },
          encoding: {
            x: { field: "x", type: "quantitative", title: points.arms[points.base] + ": probability of " + points.of, scale: { domain: [0, 1] } },
            y: { field: "y", type: "quantitative", title: "the arm's probability of " + points.of, scale: { domain: [0, 1] } },
            color: { field: "label", type: "nominal", scale: { domain: points.classes, range: colours }, title: "true class" },
            opacity: { condition: { param: "classes", value: 0.75, empty: true }, value: 0.05 },
            tooltip: tooltip([["image", "test case"], ["label", "true class"], ["arm", "arm"], ["right", "right with it"], ["before", "right with the base"], ["x", "mean with the base", ".3f"], ["y", "mean with the arm", ".3f"]]),
          } },
      ],
    }, clicked);
  };

  const curves = () => draw("closer-curves", {
    data: { values: data.curves.rows.map(([arm, training, epoch, quantity, value]) => ({ arm, training, epoch, quantity, value })) },
    params: [{ name: "quantity", value: "loss", bind: { input: "radio", options: ["loss", "accuracy"], name: "show " } }],
    transform: [{ filter: "indexof(datum.quantity, quantity) >= 0" }],
    facet: { field: "arm", type: "nominal", sort: data.curves.arms, title: null }, columns: Math.max(1, Math.floor(section.clientWidth / 270)),
    spec: {
      width: 190, height: 130, mark: { type: "line", point: { size: 14 }, strokeWidth: 1.1, opacity: 0.75 },
      params: [{ name: "kinds", select: { type: "point", fields: ["quantity"], toggle: "true" }, bind: "legend" }],
      encoding: {
        x: { field: "epoch", type: "quantitative", title: "epoch", axis: { tickMinStep: 1, format: "d" } },
        y: { field: "value", type: "quantitative", title: null, scale: { zero: false } },
        color: { field: "quantity", type: "nominal", title: null, scale: { domain: ["train loss", "validation loss", "validation accuracy"], range: colours } },
        detail: { field: "training", type: "nominal" },
        opacity: { condition: { param: "kinds", value: 0.8, empty: true }, value: 0.05 },
        tooltip: tooltip([["arm", "arm"], ["training", "training"], ["epoch", "epoch"], ["quantity", "quantity"], ["value", "value", ".4f"]]),
      },
    },
  });

  const axes = () => {
    const found = data.axes, lines = [];
    for (const [arm, value, verdict, places] of found.lines) places.forEach((y, at) => lines.push({ arm, value, verdict, axis: found.names[at], y }));
    return draw("closer-axes", {
      width: width(760), height: 300,
      layer: [
        { data: { values: found.ticks.map(([axis, y, text]) => ({ axis, y, text })) },
          mark: { type: "rule", opacity: 0.5, color: "#888" }, encoding: { x: { field: "axis", sort: found.names, type: "nominal" } } },
        { data: { values: lines }, params: [{ name: "near", select: { type: "point", fields: ["arm"], on: "pointerover", nearest: false, clear: "pointerout" } }],
          mark: { type: "line", point: { size: 30 } },
          encoding: {
            y: { field: "y", type: "quantitative", axis: null, scale: { domain: [-0.03, 1.03], nice: false } }, detail: { field: "arm" },
            color: { field: "value", type: "quantitative", title: data.metric, scale: { scheme: "viridis" }, legend: { type: "gradient", orient: "bottom", gradientLength: 200 } },
            opacity: { condition: { param: "near", value: 0.9, empty: true }, value: 0.08 },
            strokeWidth: { condition: { param: "near", value: 3, empty: false }, value: 1.4 },
            tooltip: tooltip([["arm", "arm"], ["value", data.metric, ".4f"], ["verdict", "verdict"]]),
          } },
        { data: { values: found.ticks.map(([axis, y, text]) => ({ axis, y, text })) },
          mark: { type: "text", align: "left", dx: 6, fontSize: 11 }, encoding: { y: { field: "y", type: "quantitative" }, text: { field: "text" }, color: { value: ink() } } },
      ],
      encoding: { x: { field: "axis", type: "nominal", sort: found.names, axis: { title: null, labelAngle: 0, orient: "top", domain: false, ticks: false, labelPadding: 8 } } },
    });
  };

  const all = async () => {
    if (points) { if (points.roc) await roc(); await scatter(); }
    if (data.curves) await curves();
    if (data.axes) await axes();
    section.dataset.drawn = "yes";
  };
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
})();
