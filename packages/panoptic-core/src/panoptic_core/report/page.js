"use strict";
// What the page does beside being read: sorting, filtering, the theme, and the large view of a picture.
(() => {
  const all = (query, root = document) => Array.from(root.querySelectorAll(query));
  const one = (query, root = document) => root.querySelector(query);

  // Sorting: a click on a title; the second click turns the order around. What has no value stays last.
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const [x, y] = [Number(a), Number(b)];
    if (!Number.isNaN(x) && !Number.isNaN(y)) return sign * (x - y);
    return sign * a.localeCompare(b, undefined, { numeric: true, sensitivity: "base" });
  };
  const sortBy = (header) => {
    const table = header.closest("table");
    const column = header.cellIndex;
    const numeric = !header.matches(".text, .class");
    const before = header.getAttribute("aria-sort");
    const down = before === "none" ? numeric : before === "ascending";
    all("th", table).forEach((th) => th.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = one("tbody.rows", table);
    const value = (row) => row.cells[column].dataset.value;
    const rows = Array.from(body.rows).map((row, place) => [row, place]);
    rows.sort(([a, i], [b, j]) => compare(value(a), value(b), down ? -1 : 1) || i - j);
    body.append(...rows.map(([row]) => row));
  };
  all("thead button").forEach((button) => {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  });

  // Filtering: things, stuff, and a part of a name.
  all(".tools.filters").forEach((tools) => {
    const body = one("tbody.rows", tools.nextElementSibling);
    const search = one("input", tools);
    const count = one(".count", tools);
    const occurring = one("button.occurring", tools);
    const kinds = all(".group button", tools);
    const apply = () => {
      const kind = one(".group button[aria-pressed=true]", tools).dataset.kind;
      const only = occurring && occurring.getAttribute("aria-pressed") === "true";
      const text = search.value.trim().toLowerCase();
      let shown = 0;
      for (const row of body.rows) {
        const fits = (kind === "all" || row.dataset.kind === kind)
          && !(only && "empty" in row.dataset)
          && row.cells[0].dataset.value.toLowerCase().includes(text);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${body.rows.length} classes`;
    };
    kinds.forEach((button) => button.addEventListener("click", () => {
      kinds.forEach((other) => other.setAttribute("aria-pressed", other === button));
      apply();
    }));
    if (occurring) occurring.addEventListener("click", () => {
      occurring.setAttribute("aria-pressed", occurring.getAttribute("aria-pressed") !== "true");
      apply();
    });
    search.addEventListener("input", apply);
  });

  // The theme: as the system says, until somebody chooses. Some browsers keep nothing for local files.
  const themeButton = one("#theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const name = () => { themeButton.textContent = isDark() ? "Light" : "Dark"; };
  try {
    const kept = localStorage.getItem("panoptic-report-theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch { /* not kept */ }
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("panoptic-report-theme", theme); } catch { /* not kept */ }
    name();
  });
  system.addEventListener("change", name);
  name();

  // How much of the map is seen over the photo, everywhere at once.
  const sliders = all("label.opacity input");
  sliders.forEach((slider) => slider.addEventListener("input", () => {
    document.documentElement.style.setProperty("--opacity", slider.value / 100);
    sliders.forEach((other) => { other.value = slider.value; });
  }));

  // The large view: one panel of one image; arrows go to other panels and images.
  const dialog = one("dialog");
  if (!dialog) return;
  const stage = one(".stage", dialog);
  const says = one(".says", dialog);
  const tabs = one(".tabs", dialog);
  const legend = one(".legend", dialog);
  const articles = all("article").filter((article) => one("button.panel", article));
  let image = 0;
  let panel = 0;
  let pixels = null; // the panel's map, drawn once, for what lies under the pointer

  const panelsOf = (article) => all("button.panel", article);
  const copyOf = (node) => {
    const copy = node.cloneNode(true);
    copy.removeAttribute("id");
    return copy;
  };
  const show = () => {
    const article = articles[image];
    const panels = panelsOf(article);
    panel = Math.min(panel, panels.length - 1);
    const drawing = one("svg", panels[panel]).cloneNode(true);
    drawing.removeAttribute("aria-hidden");
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", panels[panel].getAttribute("aria-label"));
    stage.replaceChildren(drawing);
    one(".name", dialog).textContent = article.dataset.name;
    one(".place", dialog).textContent = `${image + 1} of ${articles.length}`;
    const elsewhere = dialog.contains(document.activeElement) && !tabs.contains(document.activeElement);
    tabs.replaceChildren(...panels.map((button, place) => {
      const tab = document.createElement("button");
      tab.textContent = button.dataset.title;
      tab.setAttribute("aria-pressed", place === panel);
      tab.addEventListener("click", () => { panel = place; show(); });
      return tab;
    }));
    if (dialog.open && !elsewhere) tabs.children[panel].focus(); // else the keys would go to no one
    const key = drawing.matches(".mismatch") ? one("#mismatch-key") : one("ul.key", article);
    legend.replaceChildren(...(key ? [copyOf(key)] : []));
    says.textContent = "Point at a segment to read what it is.";
    pixels = null;
    const layer = one(".layer", drawing);
    if (!layer) return;
    const picture = new Image();
    picture.addEventListener("load", () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(picture, 0, 0);
      if (drawing.isConnected) pixels = { context, words: JSON.parse(layer.dataset.says || "{}") };
    });
    picture.src = layer.getAttribute("href");
  };
  const go = (images, panels) => {
    const count = panelsOf(articles[image]).length;
    image = (image + images + articles.length) % articles.length;
    panel = (panel + panels + count) % count;
    show();
  };
  const wordsAt = (event) => {
    const drawing = one("svg", stage);
    const matrix = drawing && drawing.getScreenCTM();
    if (!pixels || !matrix) return;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
    const { canvas } = pixels.context;
    if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return;
    const [red, green, blue] = pixels.context.getImageData(x, y, 1, 1).data;
    const color = "#" + [red, green, blue].map((value) => value.toString(16).padStart(2, "0")).join("");
    says.textContent = pixels.words[color] || "A white line; point beside it.";
  };
  stage.addEventListener("pointermove", wordsAt);
  articles.forEach((article, place) => panelsOf(article).forEach((button, number) => {
    button.addEventListener("click", () => {
      [image, panel] = [place, number];
      dialog.showModal();
      tabs.replaceChildren();
      document.activeElement.blur();
      show();
    });
  }));
  one(".previous", dialog).addEventListener("click", () => go(-1, 0));
  one(".next", dialog).addEventListener("click", () => go(1, 0));
  one(".close", dialog).addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const slides = event.target.matches("input");
    if (event.key === "ArrowLeft" && !slides) go(0, -1);
    else if (event.key === "ArrowRight" && !slides) go(0, 1);
    else if (event.key === "ArrowUp" && !slides) go(-1, 0);
    else if (event.key === "ArrowDown" && !slides) go(1, 0);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    stage.replaceChildren();
    const button = panelsOf(articles[image])[panel];
    button.focus();
  });
})();
