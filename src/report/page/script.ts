/** What the page does beyond what a page does by itself: names under the pointer, and a field that filters a table. */
export const SCRIPT = `"use strict";
function showMap(map) {
  const data = JSON.parse(document.getElementById("map-" + map.dataset.map).textContent);
  const svg = map.querySelector("svg");
  const cursor = map.querySelector(".cursor");
  const tip = map.querySelector(".tip");
  const rows = Math.ceil(data.firstUs.length / data.columns);
  function describe(cell) {
    const start = cell * data.cellBytes;
    const us = data.firstUs[cell];
    const names = data.cellNames[cell].map((number) => data.names[number]);
    const more = data.nameCounts[cell] - names.length;
    const lines = ["bytes " + start + " to " + (start + data.cellBytes - 1)];
    lines.push(us < 0 ? "never read" : "first read at " + (us / 1e6).toFixed(3) + " s, " + data.readBytes[cell] + " bytes read");
    return lines.concat(names, more > 0 ? ["and " + more + " more"] : []).join("\\n");
  }
  function point(event) {
    const box = svg.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * data.columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    const cell = row * data.columns + column;
    if (column < 0 || column >= data.columns || row < 0 || !(cell < data.firstUs.length)) return hide();
    cursor.setAttribute("x", column);
    cursor.setAttribute("y", row);
    cursor.setAttribute("visibility", "visible");
    tip.textContent = describe(cell);
    tip.hidden = false;
    const left = event.clientX - box.left + 14;
    tip.style.left = Math.max(0, Math.min(left, box.width - tip.offsetWidth)) + "px";
    tip.style.top = event.clientY - box.top + 18 + "px";
  }
  function hide() {
    tip.hidden = true;
    cursor.setAttribute("visibility", "hidden");
  }
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
}
function addFilter(place) {
  const label = document.createElement("label");
  const field = document.createElement("input");
  field.type = "search";
  label.className = "filter";
  label.append("Only names with ", field);
  place.prepend(label);
  const rows = Array.from(place.querySelectorAll("tbody tr"));
  field.addEventListener("input", () => {
    for (const row of rows) row.hidden = !row.firstChild.textContent.includes(field.value);
  });
}
for (const map of document.querySelectorAll("[data-map]")) showMap(map);
for (const place of document.querySelectorAll("[data-filter]")) addFilter(place);
`;
