/* A file field with a drop area. The field alone works too. */

for (const area of document.querySelectorAll("[data-drop]")) {
  const input = area.querySelector("input[type=file]");
  const name = area.querySelector("[data-drop-name]");
  const show = () => { name.textContent = input.files[0] ? `${input.files[0].name}, ${(input.files[0].size / 1024).toFixed(0)} KiB` : ""; };
  for (const kind of ["dragenter", "dragover"]) {
    area.addEventListener(kind, (event) => { event.preventDefault(); area.dataset.over = ""; });
  }
  for (const kind of ["dragleave", "drop"]) area.addEventListener(kind, () => delete area.dataset.over);
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; show(); }
  });
  input.addEventListener("change", show);
}
