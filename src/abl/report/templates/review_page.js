(() => {
  const table = JSON.parse(document.getElementById("table").textContent);
  const cards = [...document.querySelectorAll(".card")];
  const byId = (id) => document.getElementById(id);
  const [KEEP, RELABEL] = table.decisions;
  const FIELDS = ["decision", "new_label", "cause", "comment"];
  const answers = Object.create(null);  // images may be called __proto__
  let keeps = true, changed = false, current = 0;

  const shown = () => cards.filter((card) => !card.hidden);
  const answerOf = (card) => (answers[table.rows[card.dataset.at][0]] ??= {});

  function mark(card) {
    const decision = answerOf(card).decision;
    if (decision) card.dataset.decided = decision; else delete card.dataset.decided;
  }

  // a page of 500 forms opens slowly: each is made when it is about to be seen
  function formed(card) {
    if (card.querySelector(".answer")) return;
    const form = byId("form").content.firstElementChild.cloneNode(true);
    for (const option of form.querySelectorAll(".new-label option")) {
      if (option.value === card.dataset.class) option.remove();
    }
    card.append(form);
  }

  function fill(card) {
    const answer = answerOf(card);
    formed(card);
    for (const radio of card.querySelectorAll("input[type=radio]")) radio.checked = radio.value === answer.decision;
    card.querySelector(".new-label").value = answer.new_label || "";
    card.querySelector(".cause").value = answer.cause || "";
    card.querySelector(".comment").value = answer.comment || "";
    mark(card);
  }

  function save() {
    changed = true;
    keeps = ImagePage.keep(table.key, { reader: byId("reader").value, answers });
    tell();
  }

  function restore() {
    const kept = ImagePage.kept(table.key);
    keeps = kept !== null;
    byId("reader").value = typeof kept?.reader === "string" ? kept.reader : "";
    for (const [image, answer] of Object.entries(kept?.answers || {})) {
      answers[image] = ImagePage.textFields(answer, FIELDS);
    }
  }

  function tell() {
    const decided = cards.filter((card) => card.dataset.decided).length;
    byId("progress").textContent = `${decided} of ${cards.length} decided, ${shown().length} shown`;
    byId("kept").textContent = keeps
      ? (changed ? "Kept in this browser." : "")
      : "This browser keeps nothing of this page: download before you close it.";
    byId("nothing").hidden = shown().length > 0;
  }

  function decide(card, decision, label) {
    const answer = answerOf(card);
    answer.decision = decision;
    if (decision === RELABEL) {
      const others = table.classes.filter((name) => name !== card.dataset.class);
      answer.new_label = label || answer.new_label || (others.length === 1 ? others[0] : "");
    } else {
      answer.new_label = "";
    }
    fill(card);
    save();
  }

  function filter() {
    const flagged = byId("only-flagged")?.checked, undecided = byId("only-undecided").checked;
    const name = byId("of-class").value;
    for (const card of cards) {
      card.hidden = Boolean((flagged && !card.dataset.flagged) || (undecided && card.dataset.decided) ||
        (name && card.dataset.class !== name));
    }
    tell();
  }

  function go(card) {
    if (!card) return;
    cards[current].classList.remove("current");
    cards[current].tabIndex = -1;
    current = cards.indexOf(card);
    card.classList.add("current");
    card.tabIndex = 0;
    if (!card.querySelector(".answer")) fill(card);
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const some = shown();
    const at = some.indexOf(cards[current]);
    if (at >= 0 && document.activeElement.closest(".card") === cards[current]) {
      return go(some[Math.min(some.length - 1, Math.max(0, at + by))]);
    }
    // the current one is filtered away, or nothing was chosen yet
    go(cards[current].hidden ? some.find((card) => cards.indexOf(card) > current) || some.at(-1) : cards[current]);
  }

  function enlarge(card) {
    byId("large-pictures").replaceChildren(...[...card.querySelectorAll(".pictures img")].map((image) => {
      const large = new Image();
      large.src = image.src;
      large.alt = image.alt;
      return large;
    }));
    byId("large").showModal();
  }

  function csv() {
    const reader = byId("reader").value.trim();
    const rows = table.rows.map((cells) => {
      const answer = answers[cells[0]] || {};
      const filled = { ...answer, reader: answer.decision ? reader : "" };
      return ImagePage.csvLine(cells.map((cell, at) => table.answers.includes(table.columns[at])
        ? (filled[table.columns[at]] || "").trim() : cell));
    });
    return ImagePage.csvLine(table.columns) + rows.join("");
  }

  function download() {
    const reader = ImagePage.fileWord(byId("reader").value);
    ImagePage.download(reader ? `review_${reader}.csv` : "review.csv", csv());
    changed = false;
    tell();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("large").open) return;
    const target = event.target;
    if (target.matches("select, summary, input:not([type=radio]):not([type=checkbox])")) return;
    const card = cards[current], key = event.key;
    const arrows = !target.matches("input[type=radio]");  // which arrows move among themselves
    if (key === "j" || (key === "ArrowDown" && arrows)) step(1);
    else if (key === "k" || (key === "ArrowUp" && arrows)) step(-1);
    else if (card.hidden || !card.contains(document.activeElement)) return;
    else if (key === "0") decide(card, "");
    else if (/^[1-9]$/.test(key) && table.decisions[key - 1]) decide(card, table.decisions[key - 1]);
    else if (Object.hasOwn(table.keys, key)) {
      if (table.keys[key] === card.dataset.class) decide(card, KEEP);
      else decide(card, RELABEL, table.keys[key]);
    } else if ((key === "Enter" || key === " ") && target === card) enlarge(card);
    else return;
    event.preventDefault();
  });

  byId("cards").addEventListener("focusin", (event) => {
    const card = event.target.closest(".card");
    if (card && card !== cards[current]) {
      cards[current].classList.remove("current");
      cards[current].tabIndex = -1;
      current = cards.indexOf(card);
      card.classList.add("current");
      card.tabIndex = 0;
    }
  });
  byId("cards").addEventListener("click", (event) => {
    const zoom = event.target.closest(".zoom");
    if (zoom) enlarge(zoom.closest(".card"));
  });
  function answered(event) {
    const card = event.target.closest(".card"), answer = answerOf(card);
    if (event.target.type === "radio") return decide(card, event.target.value);
    if (event.target.matches(".new-label")) {
      return event.target.value ? decide(card, RELABEL, event.target.value) : decide(card, answer.decision || "");
    }
    answer[event.target.className] = event.target.value;  // cause, comment
    save();
  }
  // not every browser tells of a choice by both
  for (const kind of ["input", "change"]) byId("cards").addEventListener(kind, answered);
  byId("cards").addEventListener("submit", (event) => event.preventDefault());
  byId("reader").addEventListener("input", save);
  for (const id of ["only-flagged", "only-undecided", "of-class"]) byId(id)?.addEventListener("change", filter);
  byId("download").addEventListener("click", download);
  window.addEventListener("beforeunload", (event) => { if (changed && !keeps) event.preventDefault(); });

  restore();
  for (const card of cards) if (table.rows[card.dataset.at][0] in answers) mark(card);
  if (cards.length) { cards[0].tabIndex = 0; cards[0].classList.add("current"); }
  filter();
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      fill(target);
    }
  }, { rootMargin: "1500px" });
  for (const card of cards) near.observe(card);
})();
