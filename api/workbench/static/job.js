// Something that is being worked on (#job): looks again until it is done.
async function look() {
  let page;
  try {
    page = new DOMParser().parseFromString(await (await fetch(location.href, { headers: { accept: "text/html", "x-part": "1" } })).text(), "text/html");
  } catch { return; }
  const now = page.getElementById("job");
  if (!now) { location.reload(); return; }
  const here = document.getElementById("job");
  if (now.dataset.state === here.dataset.state && ["queued", "running"].includes(now.dataset.state)) {
    here.querySelector("[data-progress], progress")?.replaceWith(now.querySelector("[data-progress], progress"));
    return;
  }
  here.replaceWith(now);
  if (!["queued", "running"].includes(now.dataset.state)) { clearInterval(timer); document.title = page.title; }
}
const timer = setInterval(look, 700);
