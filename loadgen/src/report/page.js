for (const figure of document.querySelectorAll("figure")) {
  const svg = figure.querySelector(".chart"), cursor = svg.querySelector(".cursor"), box = figure.querySelector("output");
  const data = JSON.parse(figure.querySelector("script").textContent);
  const [left, right, duration] = ["left", "right", "duration"].map((name) => Number(svg.dataset[name]));
  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect(), x = (event.clientX - frame.left) / frame.width * svg.viewBox.baseVal.width;
    const second = (x - left) / (right - left) * duration;
    let index = data.instants.findIndex((instant) => instant >= second - 0.5 * duration / data.instants.length);
    if (second < 0 || index < 0) index = second < 0 ? 0 : data.instants.length - 1;
    cursor.style.visibility = "visible";
    cursor.setAttribute("transform", `translate(${left + data.instants[index] / duration * (right - left)} 0)`);
    const lines = data.lines.map((line) => `${line.name}: ${line.values[index] === null ? "none" : line.values[index].toLocaleString("en") + data.unit}`);
    box.textContent = [`second ${data.instants[index]}`, ...lines].join("\n");
    box.style.display = "block";
    const before = event.clientX - frame.left > frame.width / 2;
    box.style.left = before ? "5rem" : "auto";
    box.style.right = before ? "auto" : "1.5rem";
  });
  svg.addEventListener("pointerleave", () => { cursor.style.visibility = "hidden"; box.style.display = "none"; });
}
