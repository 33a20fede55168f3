/* The card's fields, inside the frame. The number leaves this document only for the stand-in that served it. */
(() => {
  "use strict";

  const ID = location.hash.slice(1);
  const FRENCH = document.documentElement.lang === "fr";
  const fields = Object.fromEntries(["number", "expiry", "cvc", "postcode"].map((id) => [id, document.getElementById(id)]));
  let owner = "*"; // the page around, once it has spoken: what goes there before is no secret
  let setup = { key: "", defaults: {}, fields: {} };

  const MESSAGES = {
    incomplete_number: ["Your card number is incomplete.", "Le numéro de votre carte est incomplet."],
    invalid_number: ["Your card number is invalid.", "Le numéro de votre carte n’est pas valide."],
    incomplete_expiry: ["Your card’s expiration date is incomplete.", "La date d’expiration de votre carte est incomplète."],
    invalid_expiry_month: ["Your card’s expiration date is invalid.", "La date d’expiration de votre carte n’est pas valide."],
    invalid_expiry_month_past: ["Your card’s expiration date is in the past.", "La date d’expiration de votre carte est passée."],
    invalid_expiry_year_past: ["Your card’s expiration year is in the past.", "L’année d’expiration de votre carte est passée."],
    incomplete_cvc: ["Your card’s security code is incomplete.", "Le code de sécurité de votre carte est incomplet."],
  };

  function post(type, details = {}) {
    window.parent.postMessage({ standIn: ID, type, ...details }, owner);
  }

  // What is in the fields -----------------------------------------------------------------------------------------------

  const digits = (id) => fields[id].value.replace(/\D/g, "");
  const isAmex = () => /^3[47]/.test(digits("number"));

  function lengthOf(number) {
    if (/^3[47]/.test(number)) return 15;
    return /^3(0|6|8)/.test(number) ? 14 : 16;
  }

  function luhn(number) {
    const sum = [...number].reverse().reduce((total, digit, index) => {
      const value = Number(digit) * (index % 2 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    return sum % 10 === 0;
  }

  function expiry() {
    const given = digits("expiry");
    const year = given.slice(2);
    return { month: Number(given.slice(0, 2)), year: year.length === 4 ? Number(year) : 2000 + Number(year), length: given.length };
  }

  const CHECKS = {
    number() {
      const number = digits("number");
      if (number.length < lengthOf(number)) return "incomplete_number";
      return luhn(number) ? null : "invalid_number";
    },
    expiry() {
      const { month, year, length } = expiry();
      if (length !== 4 && length !== 6) return "incomplete_expiry";
      if (month < 1 || month > 12) return "invalid_expiry_month";
      const today = new Date();
      if (year < today.getFullYear()) return "invalid_expiry_year_past";
      return year === today.getFullYear() && month < today.getMonth() + 1 ? "invalid_expiry_month_past" : null;
    },
    cvc() {
      return digits("cvc").length === (isAmex() ? 4 : 3) ? null : "incomplete_cvc";
    },
  };

  function show(id, code) {
    document.getElementById(`${id}-error`).textContent = code ? MESSAGES[code][FRENCH ? 1 : 0] : "";
    fields[id].setAttribute("aria-invalid", code ? "true" : "false");
    tellHeight();
  }

  /** The first fault, with the cursor in it; null when the card can be used. */
  function fault() {
    const faults = Object.entries(CHECKS).map(([id, check]) => [id, check()]);
    for (const [id, code] of faults) show(id, code);
    const first = faults.find(([, code]) => code);
    if (!first) return null;
    fields[first[0]].focus();
    return { type: "validation_error", code: first[1], message: MESSAGES[first[1]][FRENCH ? 1 : 0] };
  }

  async function tokenise(billing) {
    const wrong = fault();
    if (wrong) return { error: wrong };
    const { month, year } = expiry();
    const form = new URLSearchParams({ type: "card", "card[number]": digits("number"), "card[cvc]": digits("cvc") });
    form.append("card[exp_month]", month);
    form.append("card[exp_year]", year);
    const details = { ...(setup.defaults.billingDetails ?? {}), ...billing };
    const address = { ...(details.address ?? {}) };
    if (fields.postcode.value.trim()) address.postal_code = fields.postcode.value.trim();
    for (const name of ["name", "email", "phone"]) if (details[name]) form.append(`billing_details[${name}]`, details[name]);
    for (const [name, value] of Object.entries(address)) if (value) form.append(`billing_details[address][${name}]`, value);
    try {
      const headers = { Authorization: `Bearer ${setup.key}` };
      const answer = await fetch("/v1/payment_methods", { method: "POST", headers, body: form });
      const body = await answer.json();
      return answer.ok ? { paymentMethod: body } : { error: body.error };
    } catch {
      return { error: { type: "api_connection_error", message: "The payment provider could not be reached." } };
    }
  }

  // Typing --------------------------------------------------------------------------------------------------------------

  function format(id) {
    const given = digits(id);
    if (id === "number") {
      const groups = isAmex() ? /^(\d{1,4})(\d{0,6})(\d{0,5})/ : /^(\d{1,4})(\d{0,4})(\d{0,4})(\d{0,7})/;
      fields.number.value = (groups.exec(given)?.slice(1) ?? []).filter(Boolean).join(" ");
    } else if (id === "expiry") {
      const month = /^[2-9]/.test(given) ? `0${given}` : given;
      fields.expiry.value = month.length > 2 ? `${month.slice(0, 2)} / ${month.slice(2, 6)}` : month;
    } else if (id === "cvc") fields.cvc.value = given;
  }

  function changed() {
    const empty = Object.keys(CHECKS).every((id) => !fields[id].value);
    const complete = Object.values(CHECKS).every((check) => check() === null);
    post("change", { event: { complete, empty, collapsed: false, value: { type: "card" } } });
  }

  for (const [id, field] of Object.entries(fields)) {
    field.addEventListener("input", () => {
      if (field.selectionStart === field.value.length) format(id);
      if (id in CHECKS && field.getAttribute("aria-invalid") === "true" && !CHECKS[id]()) show(id, null);
      changed();
    });
    field.addEventListener("blur", (event) => {
      // Only on the way to another field: outside, a button would move away from under the pointer that presses it.
      if (id in CHECKS && field.value && event.relatedTarget) show(id, CHECKS[id]());
    });
  }
  document.addEventListener("focusin", () => post("focus", { event: {} }));
  document.addEventListener("focusout", (event) => event.relatedTarget || post("blur", { event: {} }));
  document.addEventListener("keydown", (event) => event.key === "Escape" && post("escape", { event: {} }));
  document.getElementById("card").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("test-cards").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    fields.number.value = button.dataset.number;
    fields.expiry.value = "12 / 40";
    format("number");
    fields.cvc.value = isAmex() ? "1234" : "123";
    for (const id of Object.keys(CHECKS)) show(id, null);
    changed();
    fields.number.focus();
  });

  // The page around -----------------------------------------------------------------------------------------------------

  function tellHeight() {
    post("height", { height: Math.ceil(document.body.getBoundingClientRect().height) + 1 });
  }

  const VARIABLES = {
    colorPrimary: "--primary",
    colorBackground: "--background",
    colorText: "--text",
    colorTextSecondary: "--muted",
    colorDanger: "--danger",
    borderRadius: "--radius",
    fontFamily: "--font",
    fontSizeBase: "--size",
  };

  function dress(appearance = {}) {
    document.documentElement.dataset.theme = appearance.theme === "night" ? "night" : "stripe";
    for (const [name, property] of Object.entries(VARIABLES)) {
      const value = appearance.variables?.[name];
      if (value) document.documentElement.style.setProperty(property, value);
    }
  }

  let begun = false;
  window.addEventListener("message", async (event) => {
    const message = event.data;
    if (event.source !== window.parent || message?.standIn !== ID) return;
    owner = event.origin;
    if (message.type === "init") {
      setup = message;
      dress(message.appearance);
      const postcode = message.fields.billingDetails?.address?.postalCode ?? message.fields.billingDetails;
      document.getElementById("postcode-field").hidden = postcode === "never";
      fields.postcode.value ||= message.defaults.billingDetails?.address?.postal_code ?? "";
      tellHeight();
      if (!begun) post("ready");
      begun = true;
    } else if (message.type === "validate") {
      const error = fault();
      post("answer", { call: message.call, result: error ? { error } : {} });
    } else if (message.type === "tokenise") {
      post("answer", { call: message.call, result: await tokenise(message.billing) });
    } else if (message.type === "focus") fields.number.focus();
    else if (message.type === "blur") document.activeElement?.blur();
    else if (message.type === "clear") {
      for (const field of Object.values(fields)) field.value = "";
      for (const id of Object.keys(CHECKS)) show(id, null);
    }
  });
  new ResizeObserver(tellHeight).observe(document.body);
  post("hello");
})();
