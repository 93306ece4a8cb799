// 匹配: filters that answer at once, the list by keyboard, the breakdown beside it.
import { forget, keep, release, tell, typing } from "./forms.js";

const list = document.getElementById("ranked");
const panel = document.getElementById("panel");
const rows = () => [...(list?.children ?? [])];
const shown = () => rows().filter((row) => !row.hidden);
let current = null;
let wanted = null; // the address asked for last: an earlier answer that comes late is dropped

const narrow = document.getElementById("narrow");
const words = document.getElementById("words");
const least = document.getElementById("least");

const texts = new Map(); // a row's words, read once: a list of 200 is filtered at every key
function textOf(row) {
  if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
  return texts.get(row);
}

function fits(row, asked) {
  const text = textOf(row);
  const { field, district, min_trl: trl, ip_status: ip } = narrow.elements;
  return asked.every((word) => text.includes(word))
    && Number(row.dataset.level) >= Number(least.value)
    && (!field?.value || row.dataset.field.split("|").includes(field.value))
    && (!district?.value || row.dataset.district === district.value)
    && (!trl?.value || Number(row.dataset.trl || 0) >= Number(trl.value))
    && (!ip?.value || row.dataset.ip === ip.value);
}

const total = document.getElementById("shown")?.innerHTML;
function filter() {
  if (!list) return;
  const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows()) row.hidden = !fits(row, asked);
  const left = shown().length;
  const said = document.getElementById("shown");
  if (left === rows().length) said.innerHTML = total;
  else said.textContent = `显示本页 ${rows().length} 项中的 ${left} 项。`;
  document.getElementById("none").hidden = left > 0;
  if (current?.hidden) mark(null);
}
words?.addEventListener("input", filter);
narrow?.addEventListener("change", (event) => { if (event.target.name !== "top") filter(); else narrow.requestSubmit(); });
words?.addEventListener("keydown", (event) => {
  if (event.isComposing) return; // the key is the input method's: it puts down a word
  if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); move(0, true); }
});

function mark(row, focus = false) {
  current?.classList.remove("current");
  current = row;
  if (!row) return;
  row.classList.add("current");
  if (focus) row.querySelector(".open").focus();
  row.scrollIntoView({ block: "nearest" });
}

function move(step, focus = true) {
  const all = shown();
  if (!all.length) return;
  const at = all.indexOf(current);
  mark(all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))], focus);
}

async function page(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { accept: "text/html", ...options.headers } });
  return { answer, page: new DOMParser().parseFromString(await answer.text(), "text/html") };
}

function put(found, focus) {
  const pair = found.getElementById("pair");
  panel.replaceChildren(...(pair ? [pair] : found.getElementById("main").childNodes));
  panel.scrollTop = 0;
  panel.querySelectorAll("form[data-keep]").forEach(keep);
  if (focus) panel.querySelector("#pair-title, h1")?.focus();
}

async function open(row, { focus = false, then } = {}) {
  mark(row);
  const address = row.querySelector(".open").href;
  wanted = address;
  panel.setAttribute("aria-busy", "true");
  try {
    const { answer, page: found } = await page(address);
    if (wanted !== address) return;
    if (answer.redirected && answer.url.includes("/sign-in")) { location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`); return; }
    put(found, focus);
    history.replaceState(null, "", `#open-${row.id}`); // no element has this name: nothing jumps
    then?.();
  } catch {
    tell("没有连上服务器，依据没有打开。请检查网络后再试。");
  } finally {
    if (wanted === address) panel.removeAttribute("aria-busy");
  }
}

function grade(number) {
  const box = panel.querySelector(`form.judge input[name=level][value="${number}"]`);
  if (!box) return;
  box.checked = true;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  panel.querySelector("form.judge input[name=reason]").focus();
}

list?.addEventListener("click", (event) => {
  const row = event.target.closest("[data-row]");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest("a.open");
  if (event.target.closest("input, a:not(.open)")) { mark(row); return; }
  // Where there is no room beside the list the breakdown would stand far below it: it is a page of its own there.
  if (!matchMedia("(min-width: 68rem)").matches) { if (!link) location.assign(row.querySelector(".open").href); return; }
  if (link) event.preventDefault();
  open(row, { focus: Boolean(link) && event.detail === 0 });
});
list?.addEventListener("focusin", (event) => { const row = event.target.closest("[data-row]"); if (row && row !== current) mark(row); });

// A form in the panel is done without leaving the list: its row is fetched anew.
panel?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("panel" in form.dataset) || event.defaultPrevented) return;
  event.preventDefault();
  const row = current;
  try {
    const { answer, page: found } = await page(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)) });
    if (answer.status === 401) { release(form); tell("登录已过期。请在新窗口登录后，回到这里再提交一次；填的内容还在。"); return; }
    const said = found.querySelector(".flash, [role=alert]")?.textContent.trim() ?? "";
    if (!answer.ok) { release(form); tell(said || "没有办成，请稍后再试。"); return; }
    forget(form);
    tell("");
    put(found, true);
    if (said) { const told = document.createElement("p"); told.className = "flash done"; told.setAttribute("role", "status"); told.textContent = said; panel.prepend(told); }
    if (row) {
      const { page: again } = await page(location.pathname + location.search);
      const fresh = [...(again.getElementById("ranked")?.children ?? [])].find((one) => one.dataset.id === row.dataset.id);
      if (fresh) { texts.delete(row); const body = row.querySelector(".body"); body.replaceWith(fresh.querySelector(".body")); row.classList.toggle("away", fresh.classList.contains("away")); }
    }
  } catch {
    release(form);
    tell("没有连上服务器，还没有提交。填的内容留在本页，连上后再提交。");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (typing(event.target)) event.target.blur();
    current?.querySelector(".open").focus();
    return;
  }
  if (typing(event.target)) return;
  const inPanel = panel.contains(event.target);
  const act = {
    ArrowDown: () => !inPanel && move(1), ArrowUp: () => !inPanel && move(-1), j: () => move(1), k: () => move(-1),
    "/": () => words.focus(),
    x: () => { const box = current?.querySelector("input[type=checkbox]"); if (box) { box.checked = !box.checked; } },
    c: () => document.getElementById("picked").requestSubmit(),
  }[event.key];
  if (act) { if (act() !== false) event.preventDefault(); return; }
  if (/^[1-4]$/.test(event.key)) {
    event.preventDefault();
    const number = event.key;
    if (!current) move(0, false);
    if (current && panel.querySelector("#pair")?.dataset.found === current.dataset.id) grade(number);
    else if (current) open(current, { then: () => grade(number) });
  }
});

document.getElementById("picked")?.addEventListener("submit", (event) => {
  const count = list.querySelectorAll("input:checked").length;
  const exports = event.submitter?.hasAttribute("formaction");
  if (exports ? count < 1 : count < 2 || count > 4) {
    event.preventDefault();
    tell(exports ? "还没有选中任何一项：先勾选几项（键盘按 x）。" : `并排比较要选 2 到 4 项，现在选了 ${count} 项。`);
  } else tell("");
});

const from = location.hash.startsWith("#open-") ? document.getElementById(location.hash.slice(6)) : null;
if (from) open(from);
