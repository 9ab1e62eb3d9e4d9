// Words typed into the box leave the arms that have all of them.
(() => {
  const box = document.querySelector(".many-filter");
  if (!box) return;
  const rows = [...document.querySelectorAll(".many-groups tbody tr")].map(row =>
    [row, row.textContent.toLowerCase()]);
  const folded = [...document.querySelectorAll(".many-groups details")];
  box.hidden = false;
  box.querySelector("input").addEventListener("input", event => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every(word => text.includes(word));
      count += !row.hidden;
    }
    for (const part of folded) {
      const hit = [...part.querySelectorAll("tbody tr")].some(row => !row.hidden);
      part.hidden = !hit;
      part.open = words.length > 0 && hit;
    }
    box.querySelector("output").textContent = words.length ? `${count} arms` : "";
  });
})();
