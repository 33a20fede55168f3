/* Entering a card in the page, and confirming a payment for the bank. The script of the payment service collects the
   card in frames of its own; this one only passes on what the page says. */
"use strict";

(() => {
  const box = document.querySelector("[data-pay]");
  if (!box) return;
  const { key, clientSecret, returnUrl, paymentMethod, language, setup, failedText } = box.dataset;
  const form = box.querySelector("[data-pay-form]");
  const known = box.querySelector("[data-pay-known]");
  const problem = box.querySelector("[data-pay-problem]");

  function say(text) {
    problem.querySelector("[data-pay-message]").textContent = text;
    problem.hidden = !text;
    for (const button of box.querySelectorAll("button[aria-busy]")) {
      button.removeAttribute("aria-busy");
      if (button.dataset.text) button.lastElementChild.textContent = button.dataset.text;
    }
    delete form.dataset.sent; /* palier.js lets a form go once */
  }

  function busy(button) {
    problem.hidden = true;
    button.dataset.text = button.lastElementChild.textContent;
    button.setAttribute("aria-busy", "true");
    if (button.dataset.busy) button.lastElementChild.textContent = button.dataset.busy;
  }

  if (typeof window.Stripe !== "function") {
    say(failedText);
    form.hidden = true;
    return;
  }
  const stripe = window.Stripe(key, { locale: language });
  let elements = null;

  /* The frame is another document: it does not know which colours the page around it has. */
  const system = matchMedia("(prefers-color-scheme: dark)");

  function appearance() {
    const chosen = document.documentElement.dataset.theme;
    const dark = chosen === "dark" || (chosen !== "light" && system.matches);
    return { theme: dark ? "night" : "stripe" };
  }

  system.addEventListener("change", () => elements?.update({ appearance: appearance() }));

  function showForm() {
    if (known) known.hidden = true;
    form.hidden = false;
    if (elements) return;
    elements = stripe.elements({ clientSecret, appearance: appearance() });
    elements.create("payment").mount(form.querySelector("[data-pay-element]"));
  }

  function done(result) {
    if (result.error) {
      say(result.error.message || failedText);
      return;
    }
    const url = new URL(returnUrl);
    url.searchParams.set("redirect_status", "succeeded");
    location.assign(url);
  }

  async function finish(work) {
    try {
      done(await work());
    } catch {
      say(failedText);
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    if (button.hasAttribute("aria-busy") && button.dataset.text) return;
    busy(button);
    finish(async () => {
      const checked = await elements.submit();
      if (checked.error) return checked;
      const options = { elements, confirmParams: { return_url: returnUrl }, redirect: "if_required" };
      return setup === "yes" ? stripe.confirmSetup(options) : stripe.confirmPayment(options);
    });
  });

  if (known) {
    known.querySelector("[data-pay-other]").addEventListener("click", () => {
      say("");
      showForm();
    });
    known.querySelector("[data-pay-confirm]").addEventListener("click", (event) => {
      busy(event.currentTarget);
      finish(async () => {
        const { paymentIntent } = await stripe.retrievePaymentIntent(clientSecret);
        if (paymentIntent && paymentIntent.status === "succeeded") return {};
        if (paymentIntent && paymentIntent.status === "requires_action") {
          return stripe.handleNextAction({ clientSecret });
        }
        return stripe.confirmPayment({
          clientSecret,
          confirmParams: { payment_method: paymentMethod, return_url: returnUrl },
          redirect: "if_required",
        });
      });
    });
  } else {
    showForm();
  }
})();
