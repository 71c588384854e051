"use strict";

// Makes the page of the OpenAPI document interactive: sends requests and shows their answers.

const LARGEST = 8 * 1024 * 1024; // bytes of an answer that are read
const LONGEST = 200000; // characters of it that are shown

// Ids in the addresses that answers name, and the fields that are filled with them.
const NAMED = [
  [/\/jobs\/([0-9a-f-]{36})/, "jobID"],
  [/\/uploads\/([0-9a-f-]{36})/, "uploadID"],
];

const key = document.getElementById("key");

function given(form, place) {
  return [...form.elements].filter((field) => field.dataset.in === place && field.value !== "");
}

function bodyOf(form) {
  const [text] = given(form, "body");
  if (text) {
    return { media: text.dataset.media, content: text.value, words: ["--data-raw", text.value] };
  }
  const [media] = given(form, "media");
  const file = given(form, "file")[0]?.files[0];
  if (!media) {
    return {};
  }
  const name = file?.name ?? "FILE";
  const { field } = media.selectedOptions[0].dataset;
  if (!field) {
    return { media: media.value, content: file, words: ["-T", name] };
  }
  const content = new FormData();
  if (file) {
    content.append(field, file);
  }
  // The browser names the media type itself: it makes the boundary.
  return { content, words: ["-F", `${field}=@${name}`] };
}

function requestOf(form) {
  const pairs = (place) => given(form, place).map((field) => [field.name, field.value]);
  const ids = new Map(pairs("path"));
  const path = form.dataset.path.replace(/\{(\w+)\}/g, (whole, name) =>
    ids.has(name) ? encodeURIComponent(ids.get(name)) : whole,
  );
  const query = String(new URLSearchParams(pairs("query")));
  const body = bodyOf(form);
  const headers = pairs("header");
  if (body.media) {
    headers.push(["Content-Type", body.media]);
  }
  const address = `${window.location.origin}${form.dataset.address}${path}`;
  return { method: form.dataset.method, url: query ? `${address}?${query}` : address, headers, body };
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function curl({ method, url, headers, body }) {
  const lines = [`curl -i ${method === "GET" ? "" : `-X ${method} `}${quoted(url)}`];
  if (key?.value) {
    lines.push('-H "X-API-Key: $API_KEY"');
  }
  lines.push(...headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`));
  if (body.words) {
    lines.push(body.words.map(quoted).join(" "));
  }
  return lines.join(" \\\n  ");
}

function refresh(form) {
  form.querySelector("[data-curl]").textContent = curl(requestOf(form));
}

// Lays JSON out without parsing it, so that every value stands as it was sent.  Where it was cut
// within a text there is no closing quote; to look for one from each quote in it would take for ever.
function laidOut(text) {
  let depth = 0;
  const newLine = (change) => {
    depth = Math.max(0, depth + change);
    return `\n${"  ".repeat(depth)}`;
  };
  return text.replace(/"(?:[^"\\]|\\.)*"?|\{\s*\}|\[\s*\]|[{}[\],:]|\s+/g, (token) => {
    switch (token) {
      case "{":
      case "[":
        return token + newLine(1);
      case "}":
      case "]":
        return newLine(-1) + token;
      case ",":
        return token + newLine(0);
      case ":":
        return ": ";
      default:
        return token.trim();
    }
  });
}

// The body, or nothing where it is too large to be held in a page.
async function read(answer) {
  const pieces = [];
  let size = 0;
  const reader = answer.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    pieces.push(value);
    size += value.length;
    if (size > LARGEST) {
      await reader.cancel();
      return null;
    }
  }
  return new Blob(pieces, { type: answer.headers.get("Content-Type") ?? "" });
}

function show(element, ...content) {
  element.replaceChildren(...content);
  element.hidden = false;
}

function linkTo(address, text) {
  const link = document.createElement("a");
  link.href = address;
  link.textContent = text;
  return link;
}

// The address of a picture as the policy of our pages takes it.
function inline(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

async function showBody(part, blob) {
  const note = part.querySelector("[data-note]");
  if (blob === null) {
    show(note, `The body is larger than ${LARGEST / 1024 / 1024} MiB and is not shown here; the command fetches it.`);
  } else if (blob.size === 0) {
    show(note, "There is no body.");
  } else if (/^image\/(png|jpeg)/.test(blob.type)) {
    const picture = new Image();
    picture.alt = "The picture in the answer";
    picture.src = await inline(blob);
    show(part.querySelector("[data-picture]"), picture);
  } else if (/^(text|multipart)\/|[/+]json/.test(blob.type)) {
    const text = await blob.text();
    const shown = text.slice(0, LONGEST);
    show(part.querySelector("[data-body]"), /[/+]json/.test(blob.type) ? laidOut(shown) : shown);
    if (shown.length < text.length) {
      show(note, `These are the first ${LONGEST} of ${text.length} characters.`);
    }
  } else {
    const link = linkTo(URL.createObjectURL(blob), "Save the body as a file");
    link.download = "answer";
    show(note, link);
  }
}

async function showAnswer(form, answer, blob, took) {
  const badge = document.createElement("span");
  badge.className = `badge ${answer.status < 400 ? "successful" : "failed"}`;
  badge.textContent = `${answer.status} ${answer.statusText}`.trim();
  const size = blob === null ? "" : `, ${blob.size} bytes`;
  form.querySelector("[data-told]").replaceChildren(badge, ` ${Math.round(took)} ms${size}`);

  const part = document.getElementById("answer").content.cloneNode(true);
  part.querySelector("[data-headers]").textContent = [...answer.headers]
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
  const next = answer.headers.get("Location");
  if (next) {
    show(part.querySelector("[data-next]"), "Location: ", linkTo(new URL(next, answer.url), next));
  }
  await showBody(part, blob);
  form.querySelector(".answer").replaceChildren(part);
}

// Fills the ids of what was just made into the fields that nobody has filled.
function remember(headers) {
  const told = `${headers.get("Location")} ${headers.get("Link")}`;
  for (const [pattern, name] of NAMED) {
    const id = pattern.exec(told)?.[1];
    for (const field of id ? document.querySelectorAll(`input[name="${name}"]`) : []) {
      if (["", field.dataset.filled].includes(field.value)) {
        field.value = id;
        field.dataset.filled = id;
        refresh(field.form);
      }
    }
  }
}

async function send(event) {
  event.preventDefault();
  const form = event.currentTarget;
  if (form.dataset.question && !window.confirm(form.dataset.question)) {
    return;
  }
  const told = form.querySelector("[data-told]");
  const button = event.submitter ?? form.querySelector("[type=submit]");
  const { method, url, headers, body } = requestOf(form);
  const held = key?.value ? [["X-API-Key", key.value]] : [];
  for (const link of form.querySelectorAll("a[download]")) {
    URL.revokeObjectURL(link.href);
  }
  form.querySelector(".answer").replaceChildren();
  told.textContent = "Sending …";
  button.disabled = true;
  try {
    const started = performance.now();
    const answer = await fetch(url, { method, headers: [...headers, ...held], body: body.content, cache: "no-store" });
    const blob = await read(answer);
    await showAnswer(form, answer, blob, performance.now() - started);
    remember(answer.headers);
  } catch (error) {
    told.textContent = `There is no answer: ${error.message}`;
  }
  button.disabled = false;
  button.focus();
}

function open(hash) {
  const target = document.getElementById(hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

function follow(event) {
  const link = event.target.closest('a[href^="#"]');
  if (link) {
    open(link.hash);
  }
}

// A file that is sent as it is has its name in the query.
function nameFile(form) {
  const [file] = given(form, "file");
  const name = form.querySelector('[name="name"]');
  if (file && name?.value === "") {
    name.value = file.files[0].name;
  }
}

function equip(form) {
  refresh(form);
  form.addEventListener("submit", send);
  form.addEventListener("input", (event) => {
    if (event.target.type === "file") {
      nameFile(form);
    }
    refresh(form);
  });
  // The fields have their first values when the event is over.
  form.addEventListener("reset", () => window.setTimeout(refresh, 0, form));
  const copy = form.querySelector("[data-copy]");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", () => navigator.clipboard.writeText(curl(requestOf(form))));
}

document.documentElement.classList.add("with-script");
const forms = document.querySelectorAll("form[data-method]");
forms.forEach(equip);
key?.addEventListener("input", () => forms.forEach(refresh));
document.addEventListener("click", follow);
open(window.location.hash);
