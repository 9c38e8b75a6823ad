function load(button) {
  const image = new Image();
  image.referrerPolicy = "no-referrer";
  image.alt = button.dataset.name;
  image.onerror = () => image.replaceWith("This image could not be loaded.");
  image.src = button.dataset.image;
  button.replaceWith(image);
}
for (const button of document.querySelectorAll("[data-image]")) button.onclick = () => load(button);
const all = document.getElementById("images");
if (all) all.onclick = () => { document.querySelectorAll("[data-image]").forEach(load); all.parentElement.remove(); };
