/* One control per form type: make(id, change, label) → {root, target, group, morph(parameter), write(value)}.
   root is put into the field; target is the element that label, description and focus belong to.
   morph takes over what a response changed, write the value; both leave alone what did not change. */

import { arrange, element, icon, setAttribute, setText } from "./elements.js";

export const TRUE = ["true", "1", "t", "T", "TRUE", "True"];

export function asList(text) {
  try {
    const list = JSON.parse(text || "[]");
    return Array.isArray(list) ? list.map((item) => String(item ?? "")) : [];
  } catch {
    return [];
  }
}

/** The options that can be chosen: one whose value is not known cannot. */
function offered(parameter) {
  return (parameter.options ?? []).filter((option) => option.value?.valid);
}

function writeText(input, value) {
  if (input.value === value) return;
  // Whoever has chosen the whole text to write over it writes over the new one too.
  const all = document.activeElement === input && input.value !== "" && input.selectionStart === 0 && input.selectionEnd === input.value.length;
  input.value = value;
  if (all) input.select();
}

function typed(input, change) {
  input.addEventListener("input", () => change(input.value, "typing"));
}

function text(id, change) {
  const input = element("input", { class: "input", id, type: "text", autocomplete: "off", spellcheck: "false" });
  typed(input, change);
  const reveal = element("button", { type: "button", class: "button", "aria-pressed": "false", "aria-label": "Show value" }, icon("eye"));
  let shown = false;
  let masked = false;
  const draw = () => {
    setAttribute(input, "type", masked && !shown ? "password" : "text");
    setAttribute(reveal, "aria-pressed", shown);
  };
  reveal.addEventListener("click", () => { shown = !shown; draw(); });
  const root = element("div", {}, input);
  const morph = ({ styling = {}, type }) => {
    masked = Boolean(styling.mask_input);
    setAttribute(root, "class", masked ? "input-row" : null);
    arrange(root, masked ? [input, reveal] : [input]);
    setAttribute(input, "inputmode", type === "number" ? "decimal" : null);
    setAttribute(input, "placeholder", styling.placeholder);
    setAttribute(input, "readonly", Boolean(styling.disabled));
    draw();
  };
  return { root, target: input, morph, write: (value) => writeText(input, value) };
}

function textarea(id, change) {
  const input = element("textarea", { class: "textarea", id, rows: 4 });
  typed(input, change);
  const morph = ({ styling = {} }) => {
    setAttribute(input, "placeholder", styling.placeholder);
    setAttribute(input, "readonly", Boolean(styling.disabled));
  };
  return { root: input, target: input, morph, write: (value) => writeText(input, value) };
}

function dropdown(id, change) {
  const select = element("select", { class: "select", id });
  const nodes = new Map();
  let options = [];
  let placeholder = "";
  const node = (value, words) => {
    if (!nodes.has(value)) nodes.set(value, element("option", { value }));
    setText(nodes.get(value), words);
    return nodes.get(value);
  };
  const write = (value) => {
    const list = options.map((option) => node(option.value.value, option.description ? `${option.name}: ${option.description}` : option.name));
    if (!options.some((option) => option.value.value === value)) list.unshift(node(value, value ? `${value} (not offered)` : placeholder || "Choose…"));
    arrange(select, list);
    select.value = value;
  };
  select.addEventListener("change", () => change(select.value, "choice"));
  const morph = (parameter) => {
    options = offered(parameter);
    placeholder = parameter.styling?.placeholder ?? "";
    setAttribute(select, "disabled", Boolean(parameter.styling?.disabled));
    write(select.value);
  };
  return { root: select, target: select, morph, write };
}

/** Options that stand beside each other, one input each, kept by their value. */
function choices(id, type, role, read) {
  const root = element("div", { class: "choice-grid", id, role });
  const items = new Map();
  const item = (option, disabled) => {
    const value = option.value.value;
    if (!items.has(value)) {
      const input = element("input", { type, name: `choice-${id}`, value });
      const words = element("span", { class: "choice-text" }, element("span"), element("span", { class: "field-hint" }));
      items.set(value, element("label", { class: "choice" }, input, words));
    }
    const label = items.get(value);
    const [name, hint] = label.querySelectorAll(".choice-text > span");
    setText(name, option.name);
    setText(hint, option.description ?? "");
    setAttribute(hint, "hidden", !option.description);
    setAttribute(label.querySelector("input"), "disabled", disabled);
    return label;
  };
  const morph = (parameter) => {
    const disabled = Boolean(parameter.styling?.disabled);
    arrange(root, offered(parameter).map((option) => item(option, disabled)));
  };
  const write = (value) => {
    const chosen = read(value);
    for (const input of root.querySelectorAll("input")) input.checked = chosen.includes(input.value);
  };
  return { root, target: root, group: true, morph, write };
}

function radio(id, change) {
  const control = choices(id, "radio", "radiogroup", (value) => [value]);
  control.root.addEventListener("change", (event) => change(event.target.value, "choice"));
  return control;
}

function multiSelect(id, change) {
  const control = choices(id, "checkbox", "group", asList);
  const chosen = () => [...control.root.querySelectorAll("input:checked")].map((input) => input.value);
  control.root.addEventListener("change", () => change(JSON.stringify(chosen()), "choice"));
  return control;
}

function toggle(css, role) {
  return (id, change) => {
    const input = element("input", { type: "checkbox", id, role });
    const caption = element("span");
    input.addEventListener("change", () => change(String(input.checked), "choice"));
    const morph = ({ styling = {} }) => {
      setAttribute(input, "disabled", Boolean(styling.disabled));
      setText(caption, styling.label ?? "");
    };
    const write = (value) => { input.checked = TRUE.includes(value); };
    return { root: element("label", { class: css }, input, caption), target: input, morph, write };
  };
}

function slider(id, change) {
  const range = element("input", { type: "range", id, step: 1 });
  const number = element("input", { class: "input num", type: "text", inputmode: "decimal", autocomplete: "off" });
  range.addEventListener("input", () => { number.value = range.value; change(range.value, "typing"); });
  number.addEventListener("input", () => { range.value = number.value; change(number.value, "typing"); });
  const morph = (parameter) => {
    const { validation_min: low, validation_max: high } = parameter.validations?.[0] ?? {};
    const disabled = Boolean(parameter.styling?.disabled);
    setAttribute(range, "min", low ?? 0);
    setAttribute(range, "max", high ?? Math.max(100, low ?? 0));
    setAttribute(range, "disabled", disabled);
    setAttribute(number, "readonly", disabled);
    setAttribute(number, "aria-label", `${parameter.display_name || parameter.name}, as a number`);
  };
  const write = (value) => {
    writeText(number, value);
    if (value !== "" && range.value !== value) range.value = value;
  };
  return { root: element("div", { class: "slider" }, range, number), target: range, morph, write };
}

function tagSelect(id, change) {
  const input = element("input", { id, type: "text", autocomplete: "off" });
  const root = element("div", { class: "tags" }, input);
  let list = [];
  let disabled = false;
  // The state first: drawing takes the focus from a removed button, and that makes the form draw.
  const take = (next) => { list = next; change(JSON.stringify(list), "choice"); draw(); };
  function draw() {
    for (const tag of root.querySelectorAll(".tag")) tag.remove();
    list.forEach((words, index) => {
      const remove = element("button", { type: "button", "aria-label": `Remove ${words}`, disabled }, icon("close"));
      remove.addEventListener("click", () => { input.focus(); take(list.filter((_, at) => at !== index)); });
      root.insertBefore(element("span", { class: "tag" }, words, remove), input);
    });
  }
  const add = () => {
    const words = input.value.trim();
    input.value = "";
    if (words) take([...list, words]);
  };
  input.addEventListener("keydown", (event) => {
    if (disabled) return;
    if (event.key === "Enter" || event.key === ",") { event.preventDefault(); add(); }
    else if (event.key === "Backspace" && input.value === "" && list.length) take(list.slice(0, -1));
  });
  input.addEventListener("blur", add);
  const morph = ({ styling = {} }) => {
    const was = disabled;
    disabled = Boolean(styling.disabled);
    setAttribute(input, "placeholder", styling.placeholder ?? "Type a value and press Enter");
    setAttribute(input, "readonly", disabled);
    if (was !== disabled) draw();
  };
  const write = (value) => {
    const next = asList(value);
    if (JSON.stringify(next) !== JSON.stringify(list)) { list = next; draw(); }
  };
  return { root, target: input, morph, write };
}

export const CONTROLS = {
  input: text, textarea, dropdown, radio, "multi-select": multiSelect, slider, "tag-select": tagSelect,
  checkbox: toggle("check", null), switch: toggle("check switch", "switch"),
};
