"use strict";

// Tables: a click on a heading sorts by it, again reverses; missing values stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.sort;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const numbers = [Number(x), Number(y)];
        const order = numbers.some(Number.isNaN) ? x.localeCompare(y) : numbers[0] - numbers[1];
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// Response browser: texts come from the JSON beside it and are set as text, never as markup.
function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

for (const browser of document.querySelectorAll(".browser")) {
  const data = JSON.parse(browser.querySelector("script").textContent);
  const select = browser.querySelector("select");
  const state = { shift: data.shifts[0], beta: data.betas.includes("1") ? "1" : data.betas[0] };
  data.prompts.forEach((prompt, position) => {
    const option = element("option", `${position + 1}. ${prompt.text.replace(/\s+/g, " ").slice(0, 110)}`);
    option.value = prompt.id;
    select.append(option);
  });

  const number = (value) => value.toFixed(2).replace("-", "\u2212");

  function card(name, colours, entry) {
    const made = element("article", undefined, "response");
    for (const [look, colour] of Object.entries(colours)) made.style.setProperty(`--${look}`, colour);
    const head = element("header");
    head.append(element("b", name));
    if (entry) {
      head.append(element("span", `reward ${number(entry.reward)}`, "chip"));
      if (entry.kl !== null) head.append(element("span", `KL ${number(entry.kl)}`, "chip"));
      head.append(element("span", `${entry.tokens} tokens${entry.cut ? ", cut" : ""}`, "chip"));
    }
    made.append(head, element("p", entry ? entry.text : "missing", entry ? "" : "missing"));
    return made;
  }

  function show() {
    const prompt = data.prompts.find((candidate) => candidate.id === select.value);
    browser.querySelector(".prompt").textContent = prompt.text;
    browser.querySelector(".responses").replaceChildren(
      card("Reference", {}, data.reference[prompt.id]),
      ...data.methods.map(({ label, name, light, dark }) =>
        card(name, { light, dark }, data.responses[[prompt.id, state.shift, state.beta, label].join("|")])),
    );
    for (const choices of browser.querySelectorAll(".choices")) {
      for (const button of choices.children) {
        button.setAttribute("aria-pressed", String(button.textContent === state[choices.dataset.name]));
      }
    }
  }

  for (const choices of browser.querySelectorAll(".choices")) {
    const name = choices.dataset.name;
    for (const value of data[`${name}s`]) {
      const button = element("button", value);
      button.type = "button";
      button.addEventListener("click", () => { state[name] = value; show(); });
      choices.append(button);
    }
  }
  select.addEventListener("change", show);
  show();
}
