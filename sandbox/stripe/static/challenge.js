/* The bank's page inside another page: tells it when the payer has answered, and lets it give up. */
(() => {
  "use strict";

  const state = document.documentElement.dataset.answered;
  if (state) window.parent.postMessage({ standIn: "3ds", status: state }, "*"); // no secret: the page asks for the rest
  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || event.data?.standIn !== "give_up") return;
    document.querySelector('button[value="no"]')?.click();
  });
})();
