for (const plot of document.querySelectorAll(".plot")) {
  const data = JSON.parse(plot.nextElementSibling.textContent);
  const cursor = plot.querySelector(".cursor"), box = plot.querySelector("output");
  plot.addEventListener("pointermove", (event) => {
    const frame = plot.getBoundingClientRect(), place = (event.clientX - frame.left) / frame.width;
    let nearest = 0;
    data.places.forEach((other, index) => {
      if (Math.abs(other - place) < Math.abs(data.places[nearest] - place)) nearest = index;
    });
    const lines = data.lines.map((line) => `${line.name}: ${line.values[nearest]}`);
    box.textContent = [data.names[nearest], ...lines].join("\n");
    cursor.style.left = `${data.places[nearest] * 100}%`;
    box.style.left = place > 0.5 ? ".3rem" : "auto";
    box.style.right = place > 0.5 ? "auto" : ".3rem";
    cursor.style.visibility = "visible";
    box.style.display = "block";
  });
  plot.addEventListener("pointerleave", () => { cursor.style.visibility = "hidden"; box.style.display = "none"; });
}
