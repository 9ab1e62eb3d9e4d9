(() => {
  const table = JSON.parse(document.getElementById("table").textContent);
  const byId = (id) => document.getElementById(id);
  const FIELDS = ["answer", "confidence", "comment"];
  const images = table.images, rated = table.columns.includes("rating");
  let answers = {}, at = 0, keeps = true, changed = false, reading = false;

  const reader = () => byId("reader").value.trim();
  // readers who share a browser do not see each other's answers
  const key = () => `${table.key}:${reader()}`;
  const answerOf = (image) => (answers[image.code] ??= {});
  const isWhole = (image) => Boolean(answers[image.code]?.answer && answers[image.code]?.confidence);
  const whole = () => images.filter(isWhole).length;
  const buttons = (name) => [...document.getElementsByName(name)];

  function load() {
    const kept = ImagePage.kept(key());
    keeps = kept !== null;
    answers = {};
    for (const image of images) answers[image.code] = ImagePage.textFields(kept?.answers?.[image.code], FIELDS);
    return kept || {};
  }

  function save() {
    changed = true;
    keeps = ImagePage.keep(key(), { experience: byId("experience").value, answers });
    tell();
  }

  function tell() {
    const count = whole();
    byId("progress").textContent = `${count} of ${images.length} answered`;
    byId("kept").textContent = keeps
      ? (changed ? "Kept in this browser." : "")
      : "This browser keeps nothing of this page: download before you close it.";
    const answer = answerOf(images[at]);
    let said = "";
    if (answer.answer && !answer.confidence) said = "How sure are you? 1 to 5";
    else if (answer.confidence && !answer.answer) said = "Which class?";
    else if (count === images.length) said = "All images are answered: download the answers.";
    byId("said").textContent = said;
  }

  function show(to) {
    at = Math.min(images.length - 1, Math.max(0, to));
    const image = images[at], answer = answerOf(image), pictures = image.pictures;
    byId("shown").replaceChildren(...pictures.map(({ source, width, height }, nth) => {
      const picture = Object.assign(new Image(width, height), { src: source });
      picture.alt = `image ${at + 1}${pictures.length > 1 ? `, ${nth + 1} of ${pictures.length}` : ""}`;
      return picture;
    }));
    byId("shown").classList.remove("large");
    byId("shown").classList.toggle("pair", pictures.length > 1);
    byId("aid").textContent = image.aid ? `Network: ${image.aid}` : "";
    byId("aid").hidden = !image.aid;
    byId("place").textContent = `Image ${at + 1} of ${images.length}`;
    for (const name of ["answer", "confidence"]) {
      for (const button of buttons(name)) button.checked = button.value === answer[name];
    }
    byId("comment").value = answer.comment || "";
    byId("place").focus({ preventScroll: true });
    tell();
  }

  function give(name, value) {
    answerOf(images[at])[name] = value;
    for (const button of buttons(name)) button.checked = button.value === value;
    save();
  }

  // the next without a whole answer, from the one that is shown; the same if there is none
  function nextOpen() {
    for (let step = 1; step <= images.length; step += 1) {
      const to = (at + step) % images.length;
      if (!isWhole(images[to])) return to;
    }
    return at;
  }

  function begin() {
    const kept = load();
    if (!byId("experience").value && typeof kept.experience === "string") byId("experience").value = kept.experience;
    changed = false;
    reading = true;
    byId("start").hidden = true;
    byId("reading").hidden = false;
    byId("name").textContent = reader();
    const first = images.findIndex((image) => !isWhole(image));
    show(first < 0 ? 0 : first);
  }

  function leave() {
    if (changed && !keeps) {
      byId("said").textContent = "Download the answers first: this browser does not keep them.";
      return;
    }
    reading = false;
    byId("reading").hidden = true;
    byId("start").hidden = false;
    byId("reader").value = byId("experience").value = "";
    byId("before").textContent = "";
    byId("reader").focus();
  }

  function greet() {
    const count = reader() && ImagePage.kept(key())?.answers ? (load(), whole()) : 0;
    byId("before").textContent = count ? `${count} of ${images.length} answers of ${reader()} are kept in this browser.` : "";
  }

  // 1: certainly the first class, twice the number of confidences: certainly the second
  function rating(answer) {
    const sure = Number(answer.confidence);
    if (!rated || !answer.answer || !sure) return "";
    return String(answer.answer === table.classes[1] ? table.confidences + sure : table.confidences + 1 - sure);
  }

  function csv() {
    const rows = images.map((image) => {
      const answer = answerOf(image);
      const cells = {
        image: image.code, reader: reader(), experience: byId("experience").value.trim(), treatment: table.treatment,
        session: table.session,
        answer: answer.answer || "", confidence: answer.confidence || "", rating: rating(answer),
        comment: (answer.comment || "").trim(), sweep: table.sweep,
      };
      return ImagePage.csvLine(table.columns.map((name) => cells[name]));
    });
    return ImagePage.csvLine(table.columns) + rows.join("");
  }

  function download() {
    const words = [reader() || "reader", table.treatment, table.session].filter(Boolean).map(ImagePage.fileWord);
    ImagePage.download(`answers_${words.join("_")}.csv`, csv());
    changed = false;
    tell();
  }

  document.addEventListener("keydown", (event) => {
    if (!reading || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target, pressed = event.key;
    if (target === byId("comment")) {
      if (pressed !== "Escape" && pressed !== "Enter") return;
      byId("place").focus();
    } else if (target.matches("button") && (pressed === "Enter" || pressed === " ")) return;
    else if (pressed === "Enter" || pressed === "j" || pressed === "ArrowRight") show(at + 1);
    else if (pressed === "k" || pressed === "ArrowLeft") show(at - 1);
    else if (Object.hasOwn(table.keys, pressed)) give("answer", table.keys[pressed]);
    else if (pressed === "n") show(nextOpen());
    else if (pressed === "z") byId("shown").classList.toggle("large");
    else if (pressed === "/") byId("comment").focus();
    else if (pressed === "0") { give("answer", ""); give("confidence", ""); }
    else if (/^[1-9]$/.test(pressed) && Number(pressed) <= table.confidences) give("confidence", pressed);
    else return;
    event.preventDefault();
  });

  byId("who").addEventListener("submit", (event) => {
    event.preventDefault();
    if (reader()) begin();
  });
  byId("reader").addEventListener("input", greet);
  byId("answer").addEventListener("submit", (event) => { event.preventDefault(); show(at + 1); });
  byId("answer").addEventListener("change", ({ target }) => { if (target.type === "radio") give(target.name, target.value); });
  byId("comment").addEventListener("input", ({ target }) => { answerOf(images[at]).comment = target.value; save(); });
  byId("back").addEventListener("click", () => show(at - 1));
  byId("download").addEventListener("click", download);
  byId("leave").addEventListener("click", leave);
  window.addEventListener("beforeunload", (event) => { if (reading && changed && !keeps) event.preventDefault(); });
  byId("reader").focus();
})();
