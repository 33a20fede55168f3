/* A stand-in for Stripe.js in the sandbox: the same calls for what Palier uses of them, answered by the stand-in that
 * serves this file. It takes Stripe's test cards only, and no money moves.
 *
 * As with Stripe's own script, the card's fields live in a frame of another origin, so that the page around them never
 * holds a card number.
 */
(() => {
  "use strict";

  const ORIGIN = new URL(document.currentScript.src).origin;
  const PATHS = { payment_intent: "/v1/payment_intents", setup_intent: "/v1/setup_intents" };
  const ANSWERS = { payment_intent: "paymentIntent", setup_intent: "setupIntent" };
  const NOT_AUTHENTICATED = [
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    "Nous n’avons pas pu authentifier votre moyen de paiement. Choisissez-en un autre et réessayez.",
  ];
  const MESSAGES = {
    card_declined: ["Your card was declined.", "Votre carte a été refusée."],
    insufficient_funds: ["Your card has insufficient funds.", "Votre carte ne dispose pas de fonds suffisants."],
    expired_card: ["Your card has expired.", "Votre carte a expiré."],
    incorrect_cvc: ["Your card’s security code is incorrect.", "Le code de sécurité de votre carte est incorrect."],
    processing_error: [
      "An error occurred while processing your card. Try again in a little bit.",
      "Une erreur est survenue lors du traitement de votre carte. Réessayez dans un instant.",
    ],
    test_mode_live_card: [
      "Your card was declined. Only test cards are taken here.",
      "Votre carte a été refusée. Seules les cartes de test sont acceptées ici.",
    ],
    payment_intent_authentication_failure: NOT_AUTHENTICATED,
    setup_intent_authentication_failure: NOT_AUTHENTICATED,
  };
  let serial = 0;

  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IntegrationError";
    }
  }

  // Asking the stand-in ---------------------------------------------------------------------------------------------

  function encode(value, prefix, into) {
    for (const [name, item] of Object.entries(value)) {
      const path = prefix ? `${prefix}[${name}]` : name;
      if (item === undefined || item === null) continue;
      if (typeof item === "object") encode(item, path, into);
      else into.append(path, String(item));
    }
    return into;
  }

  async function call(key, method, path, params) {
    const form = encode(params, "", new URLSearchParams());
    const url = `${ORIGIN}${path}${method === "GET" ? `?${form}` : ""}`;
    const headers = { Authorization: `Bearer ${key}` };
    try {
      const answer = await fetch(url, { method, headers, body: method === "GET" ? undefined : form });
      const body = await answer.json();
      return answer.ok ? { object: body } : { error: body.error };
    } catch {
      const message = "We could not reach the payment provider. Your card was not charged. Please try again.";
      return { error: { type: "api_connection_error", message } };
    }
  }

  function partsOf(clientSecret) {
    const match = /^((seti|pi)_[A-Za-z0-9]+)_secret_/.exec(clientSecret ?? "");
    if (!match) throw new IntegrationError(`Invalid value for clientSecret: ${clientSecret}`);
    return { id: match[1], kind: match[2] === "seti" ? "setup_intent" : "payment_intent" };
  }

  // The frame with the card's fields ----------------------------------------------------------------------------------

  class Emitter {
    #listeners = new Map();

    on(name, listener) {
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
      return this;
    }

    once(name, listener) {
      const wrapped = (event) => {
        this.off(name, wrapped);
        listener(event);
      };
      return this.on(name, wrapped);
    }

    off(name, listener) {
      const kept = (this.#listeners.get(name) ?? []).filter((one) => listener && one !== listener);
      this.#listeners.set(name, kept);
      return this;
    }

    emit(name, event) {
      for (const listener of this.#listeners.get(name) ?? []) listener(event);
    }
  }

  class PaymentElement extends Emitter {
    #id = `stand-in-${++serial}`;
    #elements;
    #options;
    #frame = null;
    #waiting = new Map();
    #ready = null;
    #listen = (event) => this.#receive(event);

    constructor(elements, options) {
      super();
      this.#elements = elements;
      this.#options = options;
    }

    mount(where) {
      const target = typeof where === "string" ? document.querySelector(where) : where;
      if (!target) throw new IntegrationError(`The selector you specified (${where}) applies to no DOM elements.`);
      this.unmount();
      const frame = document.createElement("iframe");
      frame.title = texts(this.#elements.locale).frame;
      frame.src = `${ORIGIN}/js/card?locale=${this.#elements.locale}#${this.#id}`;
      Object.assign(frame.style, { border: "0", width: "100%", height: "17rem", display: "block", colorScheme: "auto" });
      this.#ready = new Promise((resolve) => this.once("ready", resolve));
      window.addEventListener("message", this.#listen);
      this.#frame = frame;
      target.replaceChildren(frame);
      this.emit("loaderstart", { elementType: "payment" });
    }

    unmount() {
      window.removeEventListener("message", this.#listen);
      this.#frame?.remove();
      this.#frame = null;
    }

    destroy() {
      this.unmount();
      this.#elements.forget(this);
      this.emit("destroy", {});
    }

    update(options) {
      this.#options = { ...this.#options, ...options };
      this.restyle();
    }

    restyle() {
      if (this.#frame) this.#post({ type: "init", ...this.#setup() });
    }

    focus() {
      this.#post({ type: "focus" });
    }

    blur() {
      this.#post({ type: "blur" });
    }

    clear() {
      this.#post({ type: "clear" });
    }

    collapse() {}

    /** Asks the frame for something (`validate`, `tokenise`) and answers what it said. */
    async ask(type, details = {}) {
      if (!this.#frame) throw new IntegrationError("The Payment Element is not mounted.");
      await this.#ready;
      const number = ++serial;
      return new Promise((resolve) => {
        this.#waiting.set(number, resolve);
        this.#post({ type, call: number, ...details });
      });
    }

    #setup() {
      const { key, appearance } = this.#elements;
      return { key, appearance, fields: this.#options.fields ?? {}, defaults: this.#options.defaultValues ?? {} };
    }

    #post(message) {
      this.#frame?.contentWindow?.postMessage({ standIn: this.#id, ...message }, ORIGIN);
    }

    #receive(event) {
      const message = event.data;
      if (event.origin !== ORIGIN || event.source !== this.#frame?.contentWindow) return;
      if (message.standIn !== this.#id) return;
      if (message.type === "hello") this.restyle();
      else if (message.type === "height") this.#frame.style.height = `${message.height}px`;
      else if (message.type === "answer") {
        this.#waiting.get(message.call)?.(message.result);
        this.#waiting.delete(message.call);
      } else {
        if (message.type === "change") this.#elements.changed();
        this.emit(message.type, { elementType: "payment", ...message.event });
      }
    }
  }

  class Elements {
    #stripe;
    #options;
    #payment = null;
    #submitted = false;

    constructor(stripe, options) {
      if (options.clientSecret) partsOf(options.clientSecret);
      else if (!options.mode) throw new IntegrationError("Pass clientSecret, or mode, to elements().");
      this.#stripe = stripe;
      this.#options = options;
    }

    get key() {
      return this.#stripe.key;
    }

    get clientSecret() {
      return this.#options.clientSecret;
    }

    get appearance() {
      return this.#options.appearance ?? {};
    }

    get locale() {
      return localeOf(this.#options.locale ?? this.#stripe.locale);
    }

    create(type, options = {}) {
      if (type !== "payment") throw new IntegrationError(`The stand-in has the payment element only, not ${type}.`);
      if (this.#payment) throw new IntegrationError("Can only create one Element of type payment.");
      this.#payment = new PaymentElement(this, options);
      return this.#payment;
    }

    getElement(type) {
      return type === "payment" ? this.#payment : null;
    }

    forget(element) {
      if (this.#payment === element) this.#payment = null;
    }

    update(options) {
      this.#options = { ...this.#options, ...options };
      this.#payment?.restyle();
    }

    async fetchUpdates() {
      return {};
    }

    changed() {
      this.#submitted = false;
    }

    async submit() {
      if (!this.#payment) throw new IntegrationError("There is no Payment Element to submit.");
      const result = await this.#payment.ask("validate");
      this.#submitted = !result.error;
      return result.error ? result : { selectedPaymentMethod: "card" };
    }

    /** A payment method made from what the frame holds. Without a client secret of its own, submit() comes first. */
    async method(data = {}) {
      if (!this.clientSecret && !this.#submitted) {
        throw new IntegrationError("elements.submit() must be called before the payment is confirmed.");
      }
      const checked = await this.submit();
      return checked.error ? checked : this.#payment.ask("tokenise", { billing: data.billing_details ?? {} });
    }
  }

  // The bank's page -----------------------------------------------------------------------------------------------------

  const STYLES = {
    dialog: { border: "0", padding: "0", borderRadius: "12px", width: "min(30rem, 92vw)", background: "#fff", color: "#1a1f36" },
    frame: { border: "0", width: "100%", height: "min(24rem, 70vh)", display: "block", colorScheme: "light" },
    close: { font: "inherit", margin: "0 1rem 1rem", padding: ".5rem 1rem", color: "inherit", background: "none", border: "1px solid #8a8f98", borderRadius: "8px", cursor: "pointer" },
  };

  /** Shows the bank's page until the payer has answered it; giving up is answered as a refusal. */
  function challenge(intent, locale) {
    const words = texts(locale);
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", words.challenge);
    const frame = document.createElement("iframe");
    frame.title = words.challenge;
    frame.src = `${intent.next_action.use_stripe_sdk.stripe_js}&framed=1&locale=${locale}`;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = words.cancel;
    Object.assign(dialog.style, STYLES.dialog);
    Object.assign(frame.style, STYLES.frame);
    Object.assign(close.style, STYLES.close);
    // The frame hears it once it has loaded, however early the payer gives up; a second Escape closes the dialog for good.
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
    const giveUp = () => loaded.then(() => frame.contentWindow?.postMessage({ standIn: "give_up" }, ORIGIN));
    close.addEventListener("click", giveUp);
    dialog.addEventListener("close", giveUp);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      giveUp();
    });
    dialog.append(frame, close);
    document.body.append(dialog);
    return new Promise((resolve) => {
      const answered = (event) => {
        if (event.origin !== ORIGIN || event.source !== frame.contentWindow || event.data.standIn !== "3ds") return;
        window.removeEventListener("message", answered);
        dialog.close();
        dialog.remove();
        resolve();
      };
      window.addEventListener("message", answered);
      dialog.showModal();
    });
  }

  // Stripe() ------------------------------------------------------------------------------------------------------------

  class StandIn {
    constructor(key, { locale } = {}) {
      this.key = key;
      this.locale = locale;
    }

    elements(options = {}) {
      return new Elements(this, options);
    }

    async confirmPayment(options) {
      return this.#worded(await this.#confirm("payment_intent", options), options.elements);
    }

    async confirmSetup(options) {
      return this.#worded(await this.#confirm("setup_intent", options), options.elements);
    }

    confirmCardPayment(clientSecret, { payment_method, return_url } = {}) {
      const confirmParams = { payment_method, return_url };
      return this.confirmPayment({ clientSecret, confirmParams, redirect: "if_required" });
    }

    confirmCardSetup(clientSecret, { payment_method, return_url } = {}) {
      const confirmParams = { payment_method, return_url };
      return this.confirmSetup({ clientSecret, confirmParams, redirect: "if_required" });
    }

    retrievePaymentIntent(clientSecret) {
      return this.#retrieve("payment_intent", clientSecret);
    }

    retrieveSetupIntent(clientSecret) {
      return this.#retrieve("setup_intent", clientSecret);
    }

    async handleNextAction({ clientSecret }) {
      const { kind } = partsOf(clientSecret);
      const result = await this.#acted(kind, clientSecret, await this.#fetch(kind, clientSecret));
      return this.#worded(this.#answer(kind, result));
    }

    async createPaymentMethod({ elements, params = {}, ...raw }) {
      if (!elements) {
        const made = await call(this.key, "POST", "/v1/payment_methods", raw);
        return made.error ? made : { paymentMethod: made.object };
      }
      return elements.method(params);
    }

    async #confirm(kind, { elements, clientSecret, confirmParams = {}, redirect = "always" }) {
      const secret = clientSecret ?? elements?.clientSecret;
      const { id, kind: given } = partsOf(secret);
      if (given !== kind) throw new IntegrationError(`The client secret is not that of a ${kind}.`);
      if (redirect === "always" && !confirmParams.return_url) {
        throw new IntegrationError("confirmParams.return_url is required unless redirect is if_required.");
      }
      const { payment_method_data: data, ...params } = confirmParams;
      if (elements) {
        const made = await elements.method(data);
        if (made.error) return made;
        params.payment_method = made.paymentMethod.id;
      }
      const answer = await call(this.key, "POST", `${PATHS[kind]}/${id}/confirm`, {
        ...params,
        client_secret: secret,
        use_stripe_sdk: true,
      });
      const result = await this.#acted(kind, secret, answer, elements?.locale);
      if (!result.error && redirect === "always") return leave(result.object, confirmParams.return_url);
      return this.#answer(kind, result);
    }

    /** After the bank's page, when the intent asks for it. */
    async #acted(kind, secret, answer, locale) {
      if (answer.error || answer.object.status !== "requires_action") return answer;
      const action = answer.object.next_action;
      if (action.type === "redirect_to_url") {
        window.location.assign(action.redirect_to_url.url);
        return new Promise(() => {});
      }
      await challenge(answer.object, locale ?? localeOf(this.locale));
      const after = await this.#fetch(kind, secret);
      if (after.error || after.object.status !== "requires_payment_method") return after;
      const failure = after.object.last_payment_error ?? after.object.last_setup_error;
      return { error: { ...failure, [kind]: after.object } };
    }

    #fetch(kind, secret) {
      const { id, kind: given } = partsOf(secret);
      if (given !== kind) throw new IntegrationError(`The client secret is not that of a ${kind}.`);
      return call(this.key, "GET", `${PATHS[kind]}/${id}`, { client_secret: secret });
    }

    async #retrieve(kind, secret) {
      return this.#answer(kind, await this.#fetch(kind, secret));
    }

    /** Refusals in the payer's language, as Stripe.js words them; other errors keep their own words. */
    #worded(result, elements) {
      const words = MESSAGES[result.error?.decline_code] ?? MESSAGES[result.error?.code];
      if (!words) return result;
      const locale = elements?.locale ?? localeOf(this.locale);
      return { error: { ...result.error, message: words[locale === "fr" ? 1 : 0] } };
    }

    #answer(kind, { object, error }) {
      return error ? { error } : { [ANSWERS[kind]]: object };
    }
  }

  function leave(intent, returnUrl) {
    const url = new URL(returnUrl, window.location.href);
    url.searchParams.set(intent.object, intent.id);
    url.searchParams.set(`${intent.object}_client_secret`, intent.client_secret);
    url.searchParams.set("redirect_status", intent.status === "succeeded" ? "succeeded" : "failed");
    window.location.assign(url);
    return new Promise(() => {});
  }

  function localeOf(wanted) {
    const locale = !wanted || wanted === "auto" ? navigator.language : wanted;
    return locale.toLowerCase().startsWith("fr") ? "fr" : "en";
  }

  function texts(locale) {
    return locale === "fr"
      ? { frame: "Saisie sécurisée de la carte", challenge: "Authentification 3-D Secure", cancel: "Annuler" }
      : { frame: "Secure card form", challenge: "3-D Secure authentication", cancel: "Cancel" };
  }

  window.Stripe = (key, options) => {
    if (!/^pk_test_/.test(key ?? "")) {
      throw new IntegrationError("The stand-in for Stripe takes publishable test keys only (pk_test_…).");
    }
    return new StandIn(key, options);
  };
  window.Stripe.standIn = true;
})();
