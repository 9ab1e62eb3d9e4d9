"use strict";
// what pages share on which people look at images and answer
const ImagePage = (() => {
  // as `as_text_cell` of text_cells.py
  function guarded(cell) {
    const formula = /^(\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]|')/.test(cell);
    return formula && !/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/.test(cell) ? "'" + cell : cell;
  }
  const quoted = (cell) => /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  const csvLine = (cells) => cells.map((cell) => quoted(guarded(cell))).join(",") + "\r\n";

  // whether the browser keeps what is given
  function keep(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch { return false; }
  }

  // what was kept, {} of nothing; null if the browser keeps nothing, or what lies there is none of ours
  function kept(key) {
    try {
      const found = JSON.parse(localStorage.getItem(key) || "{}");
      return found && typeof found === "object" ? found : null;
    } catch { return null; }
  }

  const textFields = (from, names) => Object.fromEntries(
    names.filter((name) => typeof from?.[name] === "string").map((name) => [name, from[name]]));

  const fileWord = (text) => text.trim().replace(/[^\w-]+/g, "_");

  function download(name, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  return { csvLine, keep, kept, textFields, fileWord, download };
})();
