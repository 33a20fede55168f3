/* Comfort for browsers with JavaScript. Every page and every action works without it. */
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");

  /* The device's time zone, for people who have not signed in; for those who have, an offer in the footer. */
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  if (!document.cookie.includes("palier_timezone=")) {
    document.cookie = `palier_timezone=${zone}; path=/; max-age=31536000; SameSite=Lax${secure}`;
  }
  const offer = document.querySelector("[data-timezone-offer]");
  if (offer && offer.dataset.timezoneOffer !== zone) {
    offer.elements.timezone.value = zone;
    offer.querySelector("[data-timezone-device]").textContent = zone.replaceAll("_", " ");
    offer.hidden = false;
  }

  /* Countdowns: the same two largest units that the server writes. */
  const NBSP = "\u00a0";
  const startOf = new WeakMap();

  function duration(seconds, day) {
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor((seconds % 86400) / 3600);
    const minutes = Math.floor((seconds % 3600) / 60);
    if (days) return hours ? `${days}${NBSP}${day} ${hours}${NBSP}h` : `${days}${NBSP}${day}`;
    if (hours) return `${hours}${NBSP}h ${minutes}${NBSP}min`;
    return minutes ? `${minutes}${NBSP}min` : `${seconds}${NBSP}s`;
  }

  function sinceSeen(node) {
    if (!startOf.has(node)) startOf.set(node, performance.now());
    return (performance.now() - startOf.get(node)) / 1000;
  }

  function count() {
    for (const node of document.querySelectorAll("[data-ago]")) {
      node.textContent = Math.floor(sinceSeen(node));
    }
    for (const node of document.querySelectorAll("[data-countdown]")) {
      const gone = sinceSeen(node);
      const left = Math.max(0, Math.floor(Number(node.dataset.countdown) - gone));
      const text = duration(left, node.dataset.day);
      if (node.textContent !== text) node.textContent = text;
      if (left === 0 && !node.dataset.over) {
        node.dataset.over = "yes";
        document.body.dispatchEvent(new CustomEvent("palier:refresh"));
      }
    }
  }
  setInterval(count, 1000);

  /* Figures that may have changed meanwhile are asked for again while the page is looked at. */
  setInterval(() => {
    if (!document.hidden) document.body.dispatchEvent(new CustomEvent("palier:refresh"));
  }, 20000);

  for (const type of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.body.addEventListener(type, (event) => {
      const form = event.target.closest("form");
      const notice = (form || document).querySelector(form ? "[data-send-failed]" : "[data-refresh-failed]");
      if (notice) notice.hidden = false;
    });
  }

  /* A form that is on its way says so, and is not sent twice. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    if (form.hasAttribute("hx-post")) return;
    const button = event.submitter;
    form.dataset.sent = "yes";
    if (button && button.classList.contains("button")) {
      button.setAttribute("aria-busy", "true");
      if (button.dataset.busy) button.lastChild.textContent = button.dataset.busy;
    }
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  });

  /* Passwords can be looked at. */
  for (const box of document.querySelectorAll(".with-reveal")) {
    const input = box.querySelector("input");
    const button = document.createElement("button");
    const words = document.querySelector("[data-show-password]");
    if (!words) break;
    const say = (shown) => {
      button.textContent = shown ? words.dataset.hidePassword : words.dataset.showPassword;
      input.type = shown ? "text" : "password";
    };
    button.type = "button";
    button.className = "reveal";
    button.setAttribute("aria-controls", input.id);
    button.addEventListener("click", () => say(input.type === "password"));
    say(false);
    box.append(button);
  }

  /* What is shown once can be copied with one press. */
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      field.select();
      await navigator.clipboard.writeText(field.value);
      button.lastElementChild.textContent = button.dataset.copied;
    });
  }

  /* Menus close on Escape and when the focus or the pointer goes elsewhere. They are looked for each time: going back
     in history htmx puts new ones in their place. */
  const openMenus = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  for (const type of ["click", "focusin"]) {
    document.addEventListener(type, (event) => {
      for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
    });
  }

  /* Charts: one stop for the Tab key, the arrows go from point to point. */
  document.addEventListener("keydown", (event) => {
    const point = event.target.closest?.("[data-chart] .point");
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!point || !(event.key in steps)) return;
    event.preventDefault();
    const points = [...point.parentNode.querySelectorAll(".point")];
    const wanted = points.indexOf(point) + steps[event.key];
    const next = points[Math.max(0, Math.min(points.length - 1, wanted))];
    point.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });

  /* The desk: suggestions fill the question in, Ctrl+Enter sends it, the newest answer comes into view. */
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) {
      event.target.form.requestSubmit();
    }
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    /* A refusal that has the part asked for is an answer too. Any other page of error is no part of this one. */
    const part = event.detail.target.id;
    if (part && event.detail.serverResponse.includes(`id="${part}"`)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });
  document.body.addEventListener("htmx:afterSettle", (event) => {
    const newest = document.querySelector("[data-newest]");
    if (event.target.id !== "desk" || !newest) return;
    document.querySelector("[data-announce]").textContent = newest.lastElementChild.textContent;
    document.getElementById("id_text").focus({ preventScroll: true });
    newest.scrollIntoView({ block: "nearest" });
  });
})();
