// Keeps the page up to date: asks for its changing part every few seconds, and changes only what is different.
"use strict";
(() => {
  const page = document.getElementById("page");
  if (!page) return;
  const gone = document.getElementById("gone");
  const spoken = document.getElementById("spoken");
  const pulse = document.getElementById("pulse");
  const every = Number(page.dataset.poll) * 1000;
  const slowest = Math.max(every, 15000);
  let digest = page.dataset.digest;
  let failures = 0;
  let answered = Date.now();
  let timer = 0;
  let leaves = false;

  document.documentElement.classList.add("scripted");

  // Makes `now` like `next` and keeps every node that is the same: what has the focus, typed text, open details.
  function morph(now, next) {
    if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName || now.id !== next.id) {
      now.replaceWith(next);
      return;
    }
    if (now.nodeType !== Node.ELEMENT_NODE) {
      if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
      return;
    }
    if (now.isEqualNode(next)) return;
    if (now.nodeName.toLowerCase() === "svg") {
      now.replaceWith(next);
      return;
    }
    for (const { name } of [...now.attributes]) {
      if (!next.hasAttribute(name) && !(name === "open" && now.nodeName === "DETAILS")) now.removeAttribute(name);
    }
    for (const { name, value } of [...next.attributes]) {
      if (now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
    const old = [...now.childNodes];
    const fresh = [...next.childNodes];
    fresh.forEach((child, place) => (place < old.length ? morph(old[place], child) : now.append(child)));
    old.slice(fresh.length).forEach((child) => child.remove());
  }

  function tell() {
    const main = document.getElementById("main");
    document.title = main.dataset.title;
    if (spoken.dataset.last !== undefined && spoken.dataset.last !== main.dataset.spoken) {
      spoken.textContent = main.dataset.spoken;
      document.getElementById("said")?.remove(); // what the person did has shown its effect
    }
    spoken.dataset.last = main.dataset.spoken;
  }

  function show(html) {
    const focused = document.activeElement;
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    const old = [...page.children];
    const next = [...fresh.children];
    if (old.length !== next.length) page.replaceChildren(...next);
    else old.forEach((child, place) => morph(child, next[place]));
    if (focused !== document.body && !focused.isConnected) document.getElementById("main").focus();
    tell();
  }

  function complain() {
    pulse.hidden = failures > 0;
    const seconds = Math.round((Date.now() - answered) / 1000);
    gone.hidden = failures === 0 || seconds < 2;
    if (gone.hidden) return;
    gone.textContent = `The console does not answer, since ${seconds} s. What you see may be out of date. The release ` +
      "goes on without this page. If the console was stopped, start it again: canary console";
  }

  async function look() {
    clearTimeout(timer);
    try {
      const answer = await fetch(`/live${location.search}`, {
        cache: "no-store",
        headers: { "If-None-Match": `"${digest}"` },
        signal: AbortSignal.timeout(Math.max(10000, every)),
      });
      if (answer.status === 401 || answer.status === 421) {
        location.reload();
        return;
      }
      if (answer.ok) {
        const html = await answer.text();
        if (leaves) return;
        const began = performance.now();
        show(html);
        digest = (answer.headers.get("ETag") || "").replace(/^W\/|"/g, "");
        page.dataset.took = performance.now() - began; // for `make bench-console`
        page.dataset.updates = Number(page.dataset.updates || 0) + 1;
      } else if (answer.status !== 304) {
        throw new Error(`status ${answer.status}`);
      }
      failures = 0;
      answered = Date.now();
    } catch {
      failures += 1;
    }
    complain();
    if (leaves) return;
    const pause = Math.min(slowest, every * 2 ** Math.max(0, failures - 1));
    timer = setTimeout(look, document.hidden ? slowest : pause); // the title of a hidden page still tells the verdict
  }

  document.addEventListener("visibilitychange", () => document.hidden || look());
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  });
  document.addEventListener("submit", ({ submitter }) => {
    leaves = true; // else an update could enable the button again
    clearTimeout(timer);
    setTimeout(() => {
      submitter.disabled = true; // not at once: the form would be sent without it
      submitter.textContent = "Working…";
    });
  });
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());

  const said = document.getElementById("said");
  if (said) {
    said.focus();
    const clean = new URL(location.href);
    clean.searchParams.delete("said");
    history.replaceState(null, "", clean);
  }
  pulse.hidden = false;
  tell();
  setInterval(complain, 1000);
  timer = setTimeout(look, every);
})();
