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
  const kept = read(key);
  let restored = false;
  for (const one of kept ? fields(form) : []) {
    const value = kept[`${one.name}=${one.type === "radio" || one.type === "checkbox" ? one.value : ""}`];
    if (value === undefined) continue;
    if (one.type === "radio" || one.type === "checkbox") { if (one.checked !== value) { one.checked = value; restored = true; } }
    else if (one.value !== value) { one.value = value; restored = true; }
  }
  if (restored) {
    const said = document.createElement("p");
    said.className = "hint";
    said.append("已恢复上次没有提交的内容。 ");
    const drop = document.createElement("button");
    drop.type = "button"; drop.className = "plain"; drop.textContent = "不要了";
    drop.addEventListener("click", () => { localStorage.removeItem(key); form.reset(); said.remove(); });
    said.append(drop);
    form.prepend(said);
  }
  form.addEventListener("input", () => {
    const now = {};
    for (const one of fields(form)) {
      if (one.type === "radio" || one.type === "checkbox") { if (one.checked !== one.defaultChecked) now[`${one.name}=${one.value}`] = one.checked; }
      else if (one.value !== one.defaultValue) now[`${one.name}=`] = one.value;
    }
    try { Object.keys(now).length ? localStorage.setItem(key, JSON.stringify(now)) : localStorage.removeItem(key); } catch { /* full or forbidden: then nothing is kept */ }
  });
  form.addEventListener("submit", () => sessionStorage.setItem("sent", key));
}

export function forget(form) {
  if ("keep" in form.dataset) localStorage.removeItem(place(form));
}

// What was sent last is done: the page that says so is the one after it.
if (flash && sessionStorage.getItem("sent")) { localStorage.removeItem(sessionStorage.getItem("sent")); sessionStorage.removeItem("sent"); }
document.querySelectorAll("form[data-keep]").forEach(keep);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  const sure = event.submitter?.dataset.sure;
  if (sure && !confirm(sure)) { event.preventDefault(); return; }
  if (!navigator.onLine && location.hostname !== "localhost" && location.hostname !== "127.0.0.1") {
    event.preventDefault();
    tell("网络断开了，还没有提交。填的内容留在本页，连上后再提交。");
    return;
  }
  if (form.dataset.sending) { event.preventDefault(); return; }
  form.dataset.sending = "yes";
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
