// What takes a moment to work out is put into the page when it is there; what is still being worked on is looked at again.
async function load(tile) {
  tile.setAttribute("aria-busy", "true");
  let again = false;
  try {
    const page = await (await fetch(tile.dataset.load, { headers: { accept: "text/html", "x-part": "1" } })).text();
    const part = new DOMParser().parseFromString(page, "text/html").querySelector(tile.dataset.part);
    again = part !== null && "again" in part.dataset;
    if (part) tile.replaceChildren(...part.childNodes);
  } catch { /* the link that stands there leads to the same */ }
  tile.removeAttribute("aria-busy");
  if (again) setTimeout(() => load(tile), 2000);
}
for (const tile of document.querySelectorAll("[data-load]")) await load(tile);
