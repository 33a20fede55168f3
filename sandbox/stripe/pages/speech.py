"""The hosted pages' words, in the languages that this product is sold in. What is not in the table stays English, as
product names do.
"""

from dataclasses import dataclass

from werkzeug.wrappers import Request

from sandbox.stripe.rules import SYMBOLS, money_text

LANGUAGES = ("en", "fr")
FRENCH = {
    # Checkout
    "Checkout": "Paiement",
    "Subscribe": "S’abonner",
    "Save card": "Enregistrer la carte",
    "Pay": "Payer",
    "Pay {amount}": "Payer {amount}",
    "Back": "Retour",
    "E-mail": "E-mail",
    "Card number": "Numéro de carte",
    "Expiry (MM / YY)": "Expiration (MM / AA)",
    "CVC": "CVC",
    "Promotion code": "Code promotionnel",
    "Apply": "Appliquer",
    "Thank you": "Merci",
    "You may close this page.": "Vous pouvez fermer cette page.",
    # The bank
    "Your bank asks you to confirm.": "Votre banque vous demande de confirmer.",
    # A session that is over
    "This session is over": "Cette session est terminée",
    "Everything that was to be done here is done.": "Tout ce qui était à faire ici est fait.",
    "It has expired. Nothing was charged.": "Elle a expiré. Rien n’a été débité.",
    "Go on": "Continuer",
    # Invoices
    "Invoice {number}": "Facture {number}",
    "draft": "brouillon",
    "open": "à payer",
    "paid": "payée",
    "void": "annulée",
    "uncollectible": "irrécouvrable",
    # What can go wrong
    "The payment was not authenticated. Try again, or use another card.": (
        "Le paiement n’a pas été authentifié. Réessayez, ou utilisez une autre carte."
    ),
    "This promotion code is invalid.": "Ce code promotionnel n’est pas valable.",
    "Your card was declined.": "Votre carte a été refusée.",
    "Your card has insufficient funds.": "La provision de votre carte est insuffisante.",
    "Your card has expired.": "Votre carte a expiré.",
    "Your card's security code is incorrect.": "Le code de sécurité de votre carte est incorrect.",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.": (
        "Votre carte a été refusée\N{NO-BREAK SPACE}: trop de tentatives rapprochées, ou plafond dépassé."
    ),
    "An error occurred while processing your card. Try again in a little bit.": (
        "Une erreur s’est produite lors du traitement de votre carte. Réessayez dans un instant."
    ),
    "Your card was declined. Your request was in test mode, but used a non test (live) card.": (
        "Votre carte a été refusée\N{NO-BREAK SPACE}: en mode test, seules les cartes de test sont acceptées."
    ),
}


@dataclass(frozen=True)
class Speech:
    """What a page says, in one language."""

    lang: str

    def __call__(self, text: str, **names: str) -> str:
        said = FRENCH.get(text, text) if self.lang == "fr" else text
        return said.format(**names) if names else said

    def money(self, amount: int, currency: str) -> str:
        english = money_text(amount, currency)
        symbol = SYMBOLS.get(currency)
        if self.lang != "fr" or symbol is None:
            return english
        digits = english.replace(symbol, "").replace(",", "\N{NARROW NO-BREAK SPACE}").replace(".", ",")
        return f"{digits}\N{NO-BREAK SPACE}{symbol}"


def speech(request: Request, *wanted: str | None) -> Speech:
    """The first language wanted that there is; `auto` and none leave it to the browser, then English."""
    for one in wanted:
        if one and one != "auto":
            return Speech("fr" if one.split("-")[0] == "fr" else "en")
    return Speech(request.accept_languages.best_match(LANGUAGES) or "en")
