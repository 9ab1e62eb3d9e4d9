// Figures that answer to the hand. All data are of this file; nothing is fetched.
(() => {
  const section = document.getElementById("closer");
  const data = JSON.parse(document.getElementById("closer-data").textContent);
  section.hidden = document.getElementById("to-closer").hidden = false;
  const make = (tag, text) => { const e = document.createElement(tag); if (text) e.textContent = text; return e; };
  const ink = () => getComputedStyle(document.body).color;
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const config = () => ({
    background: null, font: "system-ui, sans-serif",
    axis: { labelColor: ink(), titleColor: ink(), gridOpacity: 0.25, domainColor: ink(), tickColor: ink(), labelLimit: 160, titleLimit: 320 },
    legend: { labelColor: ink(), titleColor: ink(), labelLimit: 280, orient: "bottom", symbolOpacity: 1 },
    header: { labelColor: ink(), titleColor: ink(), labelLimit: 200 },
    title: { color: ink() }, text: { color: ink() }, view: { stroke: null },
  });
  const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8b8b8b", "#7f6fd0"];
  const shapes = ["circle", "diamond", "triangle-up", "square", "cross", "triangle-down", "triangle-right", "triangle-left"];
  const glyphs = "●◆▲■✚▼▶◀";
  const placeOf = (id) => document.getElementById(id);
  const width = (id, most) => Math.max(200, Math.min(most, placeOf(id).clientWidth - 80));

  // -- legends: buttons that switch what they name off and on; what is on is a signal of the drawing
  const chosen = new Map();
  const on = (id, legend) => {
    const key = id + " " + legend.signal;
    if (!chosen.has(key)) chosen.set(key, new Set(legend.on || legend.names));
    return chosen.get(key);
  };
  const showLegend = (id, legend, changed) => {
    const box = make("div"), shown = on(id, legend);
    box.className = "legend"; box.setAttribute("role", "group"); box.setAttribute("aria-label", legend.title);
    box.append(make("span", legend.title));
    const buttons = legend.names.map((name, at) => {
      const button = make("button"), mark = make("i", legend.glyphs ? legend.glyphs[at % legend.glyphs.length] : "");
      button.type = "button"; button.dataset.name = name; mark.setAttribute("aria-hidden", "true");
      if (legend.colours) mark.style.background = legend.colours[at % legend.colours.length];
      if (legend.colours || legend.glyphs) button.append(mark);
      button.append(name);
      button.addEventListener("click", () => { if (!shown.delete(name)) shown.add(name); update(); });
      box.append(button);
      return button;
    });
    const update = () => {
      buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(shown.has(legend.names[at]))));
      changed([...shown]);
    };
    if (legend.names.length > 3) {
      const every = make("button", "all or none"); every.type = "button"; every.className = "every";
      every.addEventListener("click", () => {
        const whole = shown.size === legend.names.length;
        shown.clear();
        if (!whole) legend.names.forEach((name) => shown.add(name));
        update();
      });
      box.append(every);
    }
    update();
    return box;
  };
  // the heading of a facet: a name that is wider than it a line a setting, or its end would not be seen
  const inLines = (room) => ({ labelLimit: room, labelExpr: `length(datum.label) > ${Math.floor(room / 6)} ? split(datum.label, ' · ') : datum.label` });
  const draw = async (id, spec, { clicked, legends = [] } = {}) => {
    const place = placeOf(id);
    if (!place) return null;
    const params = [...(spec.params || []), ...legends.map((each) => ({ name: each.signal, value: [...on(id, each)] }))];
    // specifications are read as trees, not made into functions: the page's policy lets nothing evaluate text
    const found = await vegaEmbed(place.querySelector(".plot"), { ...spec, params, config: config() },
      { ast: true, actions: false, renderer: "svg", tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" } });
    const view = found.view;
    if (clicked) view.addEventListener("click", (event, item) => { if (item && item.datum) clicked(item.datum, view); });
    const boxes = legends.map((each) => showLegend(id, each, (names) => { view.signal(each.signal, names).runAsync(); }));
    place.querySelector(".legends").replaceChildren(...boxes);
    // what a choice leaves out of the drawing is no entry of a legend
    legends.forEach((each, at) => {
      if (!each.chosenBy) return;
      const listed = (name, value) => boxes[at].querySelectorAll("[data-name]").forEach((button) => { button.hidden = !button.dataset.name.includes(value); });
      view.addSignalListener(each.chosenBy, listed);
      listed(each.chosenBy, view.signal(each.chosenBy));
    });
    place.dataset.drawn = "yes";
    return view;
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
    const box = document.getElementById("closer-image"), close = make("button", "×");
    close.type = "button"; close.className = "close"; close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => box.classList.remove("chosen"));
    box.replaceChildren(close, make("h3", points.units[unit]));
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
    box.append(table); box.classList.add("chosen");
  };
  const clicked = (datum) => { if (datum.unit !== undefined) rowOf(datum.unit); };
  const tooltip = (fields) => fields.map(([field, title, format]) => ({ field, title, ...(format ? { format, type: "quantitative" } : { type: "nominal" }) }));
  const armColour = { field: "arm", type: "nominal", scale: { domain: points ? points.arms : [], range: colours }, legend: null };
  const colourOf = (arm) => colours[points.arms.indexOf(arm) % colours.length];
  const others = points ? points.arms.filter((_, at) => at !== points.base) : [];
  const isOn = (signal, field) => ({ filter: `indexof(${signal}, datum.${field}) >= 0` });
  const replicateOf = () => ({ name: "replicate", value: points.replicates[0], bind: { input: "select", options: points.replicates, name: "replicate " } });
  const ofReplicate = { filter: "datum.replicate === replicate" };

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
  const roc = () => draw("closer-roc", {
    width: width("closer-roc", 560), height: width("closer-roc", 560) * 0.8, data: { values: rocRows() },
    params: [replicateOf()],
    transform: [ofReplicate, isOn("arms", "arm")],
    layer: [
      { mark: { type: "line", interpolate: "step-after", strokeWidth: 1.6 }, encoding: { order: { field: "at" }, detail: { field: "replicate" } } },
      { mark: { type: "circle", size: 44, opacity: 0.9 },
        encoding: { tooltip: tooltip([["arm", "arm"], ["replicate", "replicate"], ["image", points.scored + " " + points.unit], ["label", "true class"], ["p", "probability", ".3f"]]) } },
    ],
    encoding: {
      x: { field: "x", type: "quantitative", title: "1 − specificity", scale: { domain: [0, 1] } },
      y: { field: "y", type: "quantitative", title: "sensitivity", scale: { domain: [0, 1] } },
      color: armColour,
    },
  }, { clicked, legends: [{ signal: "arms", title: "arms", names: points.arms, colours }] });

  const scatter = () => {
    const rows = [];
    for (const [unit, arms] of byUnit) {
      const base = arms.get(points.base);
      if (base) for (const [arm, found] of arms) if (arm !== points.base) rows.push({
        unit, image: points.units[unit], label: points.classes[points.labels[unit]], patient: points.patients[unit],
        arm: points.arms[arm], x: base.sum / base.count, y: found.sum / found.count, right: found.right + " of " + found.count, before: base.right + " of " + base.count });
    }
    if (!rows.length) { placeOf("closer-scatter").hidden = true; return null; }
    const ofBase = points.arms[points.base] + ": probability of " + points.of;
    const first = points.best !== points.base ? points.arms[points.best] : others[0];
    return draw("closer-scatter", {
      width: width("closer-scatter", 560), height: width("closer-scatter", 560) * 0.8, data: { values: rows },
      transform: [isOn("arms", "arm"), isOn("classes", "label")],
      layer: [
        { data: { values: [{ x: 0, y: 0 }, { x: 1, y: 1 }] }, mark: { type: "line", strokeDash: [4, 4], color: "#888" }, encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } } },
        { mark: { type: "point", filled: true, size: 60, opacity: 0.75 },
          encoding: {
            x: { field: "x", type: "quantitative", title: ofBase.length > 40 ? [points.arms[points.base] + ":", "probability of " + points.of] : ofBase, scale: { domain: [0, 1] } },
            y: { field: "y", type: "quantitative", title: "the arm's probability of " + points.of, scale: { domain: [0, 1] } },
            color: armColour,
            shape: { field: "label", type: "nominal", scale: { domain: points.classes, range: shapes }, legend: null },
            tooltip: tooltip([["image", points.scored + " " + points.unit], ["label", "true class"], ["arm", "arm"], ["right", "right with it"], ["before", "right with the base"], ["x", "mean with the base", ".3f"], ["y", "mean with the arm", ".3f"]]),
          } },
      ],
    }, { clicked, legends: [
      { signal: "arms", title: "arms", names: others, colours: others.map(colourOf), on: [first] },
      { signal: "classes", title: "true class", names: points.classes, glyphs },
    ] });
  };

  // -- flow: each image of a replicate where it goes from the base to an arm
  const fates = ["became right", "became wrong", "stayed wrong", "stayed right"];
  const fateColours = ["#009E73", "#D55E00", "#E69F00", "#8fa3b8"];
  const flow = () => {
    const wasRight = new Map(), parts = new Map();
    for (const [arm, replicate, unit, p, right] of points.rows) if (arm === points.base) wasRight.set(replicate + "/" + unit, right);
    for (const [arm, replicate, unit, p, right, sent] of points.rows) {
      const was = wasRight.get(replicate + "/" + unit);
      if (arm === points.base || was === undefined) continue;
      const key = arm + "/" + replicate;
      if (!parts.has(key)) parts.set(key, []);
      const fate = right ? (was ? 3 : 0) : (was ? 1 : 2);
      parts.get(key).push({ arm: points.arms[arm], replicate: points.replicates[replicate], unit, p, fate: fates[fate], order: fate, sent: sent ? "yes" : "no",
        image: points.units[unit], label: points.classes[points.labels[unit]] });
    }
    const most = Math.max(0, ...[...parts.values()].map((part) => part.length));
    if (!most) { placeOf("closer-flow").hidden = true; return null; }
    const room = width("closer-flow", 640);
    const side = Math.max(4, Math.min(14, Math.floor(Math.sqrt(room * 70 / most))));
    const high = Math.ceil(most / Math.floor(room / side));
    const rows = [];
    for (const part of parts.values()) {
      part.sort((a, b) => a.order - b.order || (a.sent < b.sent ? 1 : a.sent > b.sent ? -1 : 0) || a.p - b.p);
      const outlined = part.some((row) => row.sent === "no"); // where all are sent it says nothing
      part.forEach((row, at) => rows.push({ ...row, outlined: outlined && row.sent === "yes", x: Math.floor(at / high) * side, y: (at % high) * side, x2: Math.floor(at / high) * side + side - 1, y2: (at % high) * side + side - 1 }));
    }
    const met = fates.filter((fate) => rows.some((row) => row.fate === fate));
    const sends = points.sends;
    const scale = (end) => ({ domain: [0, end], range: [0, end], nice: false, zero: false });
    return draw("closer-flow", {
      data: { values: rows }, params: [replicateOf()],
      transform: [ofReplicate, isOn("arms", "arm"), isOn("fates", "fate")],
      facet: { field: "arm", type: "nominal", sort: others, title: null, header: { labelAnchor: "start", labelOrient: "top", labelPadding: 4, ...inLines(room) } }, columns: 1, spacing: 12,
      spec: {
        width: room, height: high * side, mark: { type: "rect", strokeWidth: sends ? 1.5 : 0 },
        encoding: {
          x: { field: "x", type: "quantitative", axis: null, scale: scale(room) }, x2: { field: "x2" },
          y: { field: "y", type: "quantitative", axis: null, scale: scale(high * side) }, y2: { field: "y2" },
          color: { field: "fate", type: "nominal", scale: { domain: fates, range: fateColours }, legend: null },
          ...(sends ? { stroke: { condition: { test: "datum.outlined", value: ink() }, value: null } } : {}),
          tooltip: tooltip([["image", points.scored + " " + points.unit], ["label", "true class"], ["fate", "from the base to the arm"], ...(sends ? [["sent", "sent to the second network"]] : []), ["arm", "arm"], ["replicate", "replicate"], ["p", "probability of " + points.of, ".3f"]]),
        },
      },
    }, { clicked, legends: [
      { signal: "arms", title: "arms", names: others },
      { signal: "fates", title: points.unit + "s", names: met, colours: met.map((fate) => fateColours[fates.indexOf(fate)]) },
    ] });
  };

  const { kinds = [], trainings = [], arms: learned = [] } = data.curves || {};
  const curves = () => draw("closer-curves", {
    data: { values: data.curves.rows.map(([arm, training, epoch, kind, value]) => ({ arm: learned[arm], training: trainings[training], epoch, quantity: kinds[kind], value })) },
    params: [{ name: "quantity", value: kinds.some((kind) => kind.includes("loss")) ? "loss" : "accuracy", bind: { input: "radio", options: ["loss", "accuracy"].filter((each) => kinds.some((kind) => kind.includes(each))), name: "show " } }],
    transform: [{ filter: "indexof(datum.quantity, quantity) >= 0" }, isOn("arms", "arm"), isOn("kinds", "quantity")],
    facet: { field: "arm", type: "nominal", sort: learned, title: null, header: inLines(190) },
    columns: Math.max(1, Math.floor(section.clientWidth / 270)), resolve: { axis: { x: "independent" } },
    spec: {
      width: 190, height: 130, mark: { type: "line", point: { size: 14 }, strokeWidth: 1.1, opacity: 0.75 },
      encoding: {
        x: { field: "epoch", type: "quantitative", title: "epoch", axis: { tickMinStep: 1, format: "d" } },
        y: { field: "value", type: "quantitative", title: null, scale: { zero: false } },
        color: { field: "quantity", type: "nominal", scale: { domain: kinds, range: colours }, legend: null },
        detail: { field: "training", type: "nominal" },
        tooltip: tooltip([["arm", "arm"], ["training", "training"], ["epoch", "epoch"], ["quantity", "quantity"], ["value", "value", ".4f"]]),
      },
    },
  }, { legends: [
    { signal: "arms", title: "arms", names: learned },
    { signal: "kinds", title: "lines", names: kinds, colours, chosenBy: "quantity" },
  ] });

  // -- parallel axes: a click on a value switches the arms that have it off and on
  const MOST_NAMED = 12;
  const offValues = new Set();
  const axes = () => {
    const found = data.axes, lines = [], values = new Map();
    for (const [arm, value, verdict, places] of found.lines) places.forEach((y, at) => lines.push({ arm, value, verdict, axis: found.names[at], y }));
    const last = found.names[found.names.length - 1];
    const key = (axis, y) => axis + " " + y;
    const ticks = found.ticks.map(([axis, y, text]) => ({ axis, y, text, key: key(axis, y), value: axis !== last }));
    for (const [arm, , , places] of found.lines) values.set(arm, places.slice(0, -1).map((y, at) => key(found.names[at], y)));
    const passing = () => found.lines.map(([arm]) => arm).filter((arm) => !values.get(arm).some((each) => offValues.has(each)));
    const switched = (datum, view) => {
      if (!datum.key || !datum.value) return;
      if (!offValues.delete(datum.key)) offValues.add(datum.key);
      view.signal("off", [...offValues]).signal("passing", passing()).runAsync();
    };
    const arms = found.lines.map(([arm]) => arm);
    const step = width("closer-axes", 820) / found.names.length; // between two axes; what is cut is told at its mark
    const isOff = { condition: { test: "indexof(off, datum.key) >= 0", value: 0.3 }, value: 1 };
    return draw("closer-axes", {
      width: width("closer-axes", 820), height: 300,
      params: [{ name: "off", value: [...offValues] }, { name: "passing", value: passing() }, ...(arms.length > MOST_NAMED ? [{ name: "words", value: "", bind: { input: "search", name: "show arms with ", placeholder: "words" } }, { name: "arms", value: arms }] : [])],
      layer: [
        { data: { values: ticks },
          mark: { type: "rule", opacity: 0.5, color: "#888" }, encoding: { x: { field: "axis", sort: found.names, type: "nominal" } } },
        { data: { values: lines }, params: [{ name: "near", select: { type: "point", fields: ["arm"], on: "pointerover[datum && datum.arm]", nearest: false, clear: "pointerout" } }],
          transform: [isOn("arms", "arm"), isOn("passing", "arm"), ...(arms.length > MOST_NAMED ? [{ filter: "!words || indexof(lower(datum.arm), lower(words)) >= 0" }] : [])],
          mark: { type: "line", point: { size: 30 } },
          encoding: {
            y: { field: "y", type: "quantitative", axis: null, scale: { domain: [-0.03, 1.03], nice: false } }, detail: { field: "arm" },
            color: { field: "value", type: "quantitative", title: data.metric, scale: { scheme: { name: "viridis", extent: [0.2, 0.95] }, domain: [Math.min(...found.lines.map((each) => each[1])), Math.max(...found.lines.map((each) => each[1]))] }, legend: { type: "gradient", orient: "bottom", gradientLength: 200 } },
            opacity: { condition: { param: "near", value: 0.9, empty: true }, value: 0.08 },
            strokeWidth: { condition: { param: "near", value: 3, empty: false }, value: 1.4 },
            tooltip: tooltip([["arm", "arm"], ["value", data.metric, ".4f"], ["verdict", "verdict"]]),
          } },
        { data: { values: ticks.filter((each) => each.value) },
          mark: { type: "point", size: 150, strokeWidth: 1.5, filled: true, fill: paper(), stroke: ink() },
          encoding: { y: { field: "y", type: "quantitative" }, opacity: isOff, tooltip: { field: "text", title: "value" } } },
        { data: { values: ticks },
          mark: { type: "text", align: "left", dx: 9, dy: -9, fontSize: 11, limit: step - 12 },
          encoding: { y: { field: "y", type: "quantitative" }, text: { field: "text" }, color: { value: ink() }, opacity: isOff } },
      ],
      encoding: { x: { field: "axis", type: "nominal", sort: found.names, axis: { title: null, labelAngle: 0, labelLimit: step - 6, orient: "top", domain: false, ticks: false, labelPadding: 18 } } },
    }, { clicked: switched, legends: arms.length > MOST_NAMED ? [] : [{ signal: "arms", title: "arms", names: arms }] });
  };

  const all = async () => {
    if (points) { if (points.roc) await roc(); await scatter(); await flow(); }
    if (data.curves) await curves();
    if (data.axes) await axes();
    section.dataset.drawn = "yes";
  };
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
})();
