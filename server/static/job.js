"use strict";

// Keeps the page of a job up to date, and lets the user stop the job.

const FINAL = ["successful", "failed", "dismissed"];
const FIRST_MS = 1000;
const LONGEST_MS = 5000;

const panel = document.querySelector("[data-status]");
const address = window.location.pathname;

function show(job) {
  const badge = panel.querySelector(".badge");
  badge.textContent = job.status;
  badge.className = `badge ${job.status}`;
  panel.querySelector("progress").value = job.progress;
  panel.querySelector("[data-percent]").textContent = `${job.progress} %`;
  panel.querySelector("[data-message]").textContent = job.message;
}

async function follow(wait) {
  let next = Math.min(wait * 1.2, LONGEST_MS);
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const job = await answer.json();
      if (FINAL.includes(job.status)) {
        window.location.reload();
        return;
      }
      show(job);
    }
  } catch {
    next = LONGEST_MS; // The server is not there just now; it may be again.
  }
  window.setTimeout(follow, next, next);
}

async function dismiss(event) {
  const button = event.currentTarget;
  if (!window.confirm(button.dataset.question)) {
    return;
  }
  button.disabled = true;
  const answer = await fetch(address, { method: "DELETE", headers: { Accept: "application/json" } });
  if (answer.ok) {
    window.location.reload();
  } else {
    button.disabled = false;
    panel.querySelector("[data-message]").textContent = (await answer.json()).detail;
  }
}

if (!FINAL.includes(panel.dataset.status)) {
  window.setTimeout(follow, FIRST_MS, FIRST_MS);
}
document.querySelector("[data-question]")?.addEventListener("click", dismiss);
