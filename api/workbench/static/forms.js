// Every page: a form is sent once, what was typed is kept until it has been done, keys for everybody.
const user = document.body.dataset.user ?? "";
const notice = document.getElementById("notice");
const flash = document.querySelector("[data-flash=done]");

export function tell(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

function place(form) {
  return `draft:${user}:${form.dataset.keep || location.pathname}`;
}

function fields(form) {
  return [...form.elements].filter(
    (one) => one.name && !one.name.startsWith("_") && !["hidden", "password", "file", "submit"].includes(one.type) && !("volatile" in one.dataset),
  );
}

function read(key) {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
}

export function keep(form) {
  if (!user || !("keep" in form.dataset)) return;
  const key = place(form);
  let kept = read(key);
  // An edit takes what it began from along: what others changed since is told when it is sent, not written over.
  const seen = form.classList.contains("fields") ? form.elements.seen : undefined;
  const fresh = seen?.value;
  let restored = false;
  for (const one of kept ? fields(form) : []) {
    const value = kept[`${one.name}=${one.type === "radio" || one.type === "checkbox" ? one.value : ""}`];
    if (value === undefined) continue;
    if (one.type === "radio" || one.type === "checkbox") { if (one.checked !== value) { one.checked = value; restored = true; } }
    else if (one.value !== value) { one.value = value; restored = true; }
  }
  if (restored) {
    if (seen && kept._seen) seen.value = kept._seen;
    const said = document.createElement("p");
    said.className = "hint";
    said.append("已恢复上次没有提交的内容。 ");
    const drop = document.createElement("button");
    drop.type = "button"; drop.className = "plain"; drop.textContent = "不要了";
    drop.addEventListener("click", () => { localStorage.removeItem(key); kept = null; form.reset(); if (seen) seen.value = fresh; said.remove(); });
    said.append(drop);
    form.prepend(said);
  }
  form.addEventListener("input", () => {
    const now = {};
    for (const one of fields(form)) {
      if (one.type === "radio" || one.type === "checkbox") { if (one.checked !== one.defaultChecked) now[`${one.name}=${one.value}`] = one.checked; }
      // A page that shows a refused form again has for its own what was typed: that is still nowhere else.
      else if (one.value !== one.defaultValue || one.value === kept?.[`${one.name}=`]) now[`${one.name}=`] = one.value;
    }
    const any = Object.keys(now).length > 0;
    if (seen) now._seen = seen.value;
    try { any ? localStorage.setItem(key, JSON.stringify(now)) : localStorage.removeItem(key); } catch { /* full or forbidden: then nothing is kept */ }
  });
  form.addEventListener("submit", () => { sessionStorage.setItem("sent", key); sessionStorage.setItem("sent-to", form.action); });
}

export function forget(form) {
  if ("keep" in form.dataset) localStorage.removeItem(place(form));
}

// What was sent last is done: the page that says so is the one after it.
if (flash && sessionStorage.getItem("sent")) { localStorage.removeItem(sessionStorage.getItem("sent")); sessionStorage.removeItem("sent"); }
document.querySelectorAll("form[data-keep]").forEach(keep);

// Where nobody answers the browser would put a page of its own in the place of ours: so that is asked first.
async function ask(form, submitter) {
  try { await fetch("/healthz", { cache: "no-store" }); } catch {
    release(form);
    tell("没有连上服务器，还没有提交。填的内容留在本页，连上后再提交。");
    return;
  }
  tell("");
  form.dataset.sending = "answered";
  form.requestSubmit(submitter);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  const answered = form.dataset.sending === "answered";
  const sure = event.submitter?.dataset.sure;
  if (!answered && sure && !confirm(sure)) { event.preventDefault(); return; }
  if (!answered && form.dataset.sending) { event.preventDefault(); return; }
  form.dataset.sending = "yes";
  if (!answered && user && !event.defaultPrevented) { event.preventDefault(); ask(form, event.submitter); return; }
  // Another form's success is not that of the one before; signing in again is on the way to it.
  if (!form.action.endsWith("/sign-in") && form.action !== sessionStorage.getItem("sent-to")) sessionStorage.removeItem("sent");
  if ("leaves" in form.dataset) for (const key of Object.keys(localStorage)) if (key.startsWith(`draft:${user}:`)) localStorage.removeItem(key);
  // After the form's data have been taken: a button that is off sends no name.
  setTimeout(() => form.querySelectorAll("button").forEach((one) => { one.disabled = true; }));
  setTimeout(() => release(form), 8000);
});

export function release(form) {
  delete form.dataset.sending;
  form.querySelectorAll("button").forEach((one) => { one.disabled = false; });
}

// The browser's back button shows a page as it was left: its buttons must work again.
addEventListener("pageshow", (event) => { if (event.persisted) document.querySelectorAll("form").forEach(release); });
addEventListener("offline", () => tell("网络断开了。填的内容留在本页，连上后再提交。"));
addEventListener("online", () => tell(""));

export function typing(target) {
  return target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !typing(event.target)) document.getElementById("keys")?.showModal();
});
