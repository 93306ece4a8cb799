// Roadshows: each change is made without leaving the page, by button, key or drag; what takes a moment is put in when it is there.
import { keep, release, tell, typing } from "./forms.js";

function say(text, good = false) {
  document.getElementById("notice").classList.toggle("good", good);
  tell(text);
}

let waiting = null; // what asks the server to solve, to be given up

async function fetched(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { accept: "text/html", ...options.headers } });
  return { answer, page: new DOMParser().parseFromString(await answer.text(), "text/html") };
}

// One after the other: a list of many would else ask for all at once.
async function fill() {
  for (const tile of document.querySelectorAll("[data-live]:not([data-filled])")) {
    tile.dataset.filled = "";
    tile.setAttribute("aria-busy", "true");
    try {
      const { page } = await fetched(tile.dataset.live, { headers: { "x-part": "1" } });
      const part = page.querySelector(tile.dataset.part);
      if (part && tile.isConnected) tile.replaceChildren(...part.childNodes);
    } catch { /* the link that stands there leads to the same */ }
    tile.removeAttribute("aria-busy");
  }
  mark();
}

function rows() { return [...document.querySelectorAll("#stage > li")]; }

// Whom a conflict is about is marked in the running order too, in words for those who do not see it.
function mark() {
  const touched = new Set([...document.querySelectorAll(".conflicts [data-touches]")].flatMap((one) => one.dataset.touches.split(" ")));
  for (const row of rows()) {
    const there = row.querySelector(".touched");
    if (touched.has(row.dataset.id) && !there) {
      const chip = document.createElement("span");
      chip.className = "chip touched"; chip.textContent = "▲ 有冲突";
      row.querySelector(".line1")?.append(" ", chip);
    } else if (!touched.has(row.dataset.id)) there?.remove();
  }
}

function focusOn(id, selector) {
  const row = rows().find((one) => one.dataset.id === id);
  (selector && row?.querySelector(selector) || row)?.focus();
}

function put(page, answer) {
  const fresh = page.getElementById("live");
  if (!fresh) { location.assign(answer.url); return false; }
  document.getElementById("live").replaceWith(fresh);
  const facts = page.querySelectorAll("#main > .facts-line");
  document.querySelectorAll("#main > .facts-line").forEach((one, n) => facts[n] && one.replaceWith(facts[n]));
  document.querySelectorAll("#live form[data-keep]").forEach(keep);
  fill();
  return true;
}

async function change(form, data, back) {
  waiting?.abort();
  const mine = waiting = new AbortController();
  const stage = document.getElementById("stage");
  stage?.setAttribute("aria-busy", "true");
  say("正在重算……可以接着看本页；按 Esc 不再等待。");
  try {
    const { answer, page } = await fetched(form.action, { method: "POST", body: new URLSearchParams(data), signal: mine.signal });
    if (answer.status === 401 || answer.url.includes("/sign-in")) { say("登录已过期。请在新窗口登录后，回到这里再提交一次。"); return; }
    const said = page.querySelector(".flash")?.textContent.replace(/^\s*[✓！]\s*/, "").trim() ?? "";
    if (!put(page, answer)) return;
    say(said, answer.ok);
    if (answer.ok) back?.(); else document.querySelector("#live [role=alert]")?.scrollIntoView({ block: "center" });
  } catch (error) {
    say(error.name === "AbortError" ? "已不再等待；服务器可能还会办完，刷新可以看到。" : "没有连上服务器，不知道有没有办成。请刷新看一看再改。");
  } finally {
    if (waiting === mine) waiting = null;
    release(form);
    document.getElementById("stage")?.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("change" in form.dataset) || event.defaultPrevented) return;
  event.preventDefault();
  const data = new FormData(form, event.submitter);
  const id = form.closest("#stage > li")?.dataset.id ?? null;
  const pressed = event.submitter?.value;
  change(form, data, () => { if (id) focusOn(id, pressed === "up" || pressed === "down" ? `button[value=${pressed}]:not([disabled])` : undefined); });
});

function press(row, value) {
  const button = row?.querySelector(`.tools form button[value=${value}]`);
  if (button && !button.disabled) { const form = button.form; change(form, dataOf(form, { do: value }), () => focusOn(row.dataset.id)); }
}

function dataOf(form, more) {
  const data = new FormData(form);
  for (const [name, value] of Object.entries(more)) data.set(name, value);
  return data;
}

const current = () => document.activeElement?.closest("#stage > li");

function step(by) {
  const all = rows(), at = all.indexOf(current());
  (all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))])?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && waiting) { waiting.abort(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (typing(event.target)) { if (event.key === "Escape") event.target.blur(); return; }
  if (!rows().length) return;
  const row = current();
  if (event.key.startsWith("Arrow") && !row && event.target !== document.body) return;
  const act = {
    ArrowDown: () => event.shiftKey ? press(row, "down") : step(1), ArrowUp: () => event.shiftKey ? press(row, "up") : step(-1),
    j: () => step(1), k: () => step(-1), J: () => press(row, "down"), K: () => press(row, "up"),
    l: () => press(row, row?.dataset.locked === "1" ? "unlock" : "lock"),
    s: () => { const more = row?.querySelector("details"); if (more) { more.open = true; more.querySelector("input[name=into]").focus(); } },
    x: () => { const button = row?.querySelector("button[value=drop]"); if (button && confirm(`去掉“${row.querySelector(".open").textContent.trim()}”，由候补顶上？`)) change(button.form, dataOf(button.form, { do: "drop" }), () => rows()[0]?.focus()); },
    a: () => document.querySelector("#add input[name=id]")?.focus(),
    c: () => document.getElementById("s-conf")?.scrollIntoView({ block: "center" }),
  }[event.key];
  if (act) { act(); event.preventDefault(); }
});

// Drag: a row to another place, an alternate or somebody left out onto the row that it takes the place of.
let dragged = null;
document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.("#stage > li, [data-spare]");
  if (dragged) { event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", dragged.dataset.id ?? dragged.dataset.spare); dragged.classList.add("dragged"); }
});
document.addEventListener("dragover", (event) => {
  const row = dragged && event.target.closest?.("#stage > li");
  document.querySelectorAll(".over").forEach((one) => one !== row && one.classList.remove("over"));
  if (row && row !== dragged) { event.preventDefault(); row.classList.add("over"); }
});
document.addEventListener("dragend", () => { dragged?.classList.remove("dragged"); document.querySelectorAll(".over").forEach((one) => one.classList.remove("over")); dragged = null; });
document.addEventListener("drop", (event) => {
  const row = dragged && event.target.closest?.("#stage > li");
  if (!row || row === dragged) return;
  event.preventDefault();
  if (dragged.dataset.spare) {
    const form = row.querySelector(".tools details form");
    change(form, dataOf(form, { do: "swap", into: dragged.dataset.spare }), () => focusOn(dragged?.dataset.spare));
  } else {
    const form = dragged.querySelector(".tools form"), id = dragged.dataset.id;
    change(form, dataOf(form, { do: "to", place: rows().indexOf(row) + 1 }), () => focusOn(id));
  }
});

fill();
const first = document.querySelector("form[data-auto]");
if (first) {
  history.replaceState(null, "", location.pathname);
  change(first, dataOf(first, { do: "solve" }));
}
