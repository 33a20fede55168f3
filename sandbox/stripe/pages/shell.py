"""The frame of every page, and the table of pages."""

from collections.abc import Callable
from html import escape

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox.stripe.core import Core
from sandbox.stripe.errors import StripeError
from sandbox.stripe.store import Tx

Page = Callable[..., Response]
PAGES: list[tuple[str, str, Page]] = []

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#1a1f36;"
    "background:#fff}table{width:100%;border-collapse:collapse}td{padding:.4rem 0;border-bottom:1px solid #e3e8ee}"
    "td:last-child{text-align:right}button{font:inherit;padding:.6rem 1rem;margin-right:.5rem}"
    "label{display:block;margin:.6rem 0}input{font:inherit;width:100%;padding:.4rem;box-sizing:border-box}"
    ".note{color:#4f566b}[role=alert]{color:#b3093c}form.inline{display:inline}"
)
# In the page itself: a browser that finds none asks for /favicon.ico.
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' "
    "rx='3' fill='%231a1f36'/%3E%3Cpath d='M3 6h10M3 10h5' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
)
NOTE = "Sandbox: a stand-in for Stripe. No real money moves here, and only Stripe's test cards are taken."
FRENCH_NOTE = (
    "Bac à sable\N{NO-BREAK SPACE}: un remplaçant de Stripe. Aucun argent ne circule, et seules les cartes de test de "
    "Stripe sont acceptées."
)


def html(
    title: str, body: str, status: int = 200, *, script: str = "", lang: str = "en", answered: str = ""
) -> Response:
    """A page. `body` is HTML already; `title` is text; `answered` tells the script what came of the page before."""
    load = f'<script src="{script}" defer></script>' if script else ""
    page = (
        f'<!doctype html><html lang="{lang}" data-answered="{answered}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="{ICON}"><style>{STYLE}</style>{load}</head><body><main><h1>{escape(title)}</h1>{body}'
        f'<p class="note">{FRENCH_NOTE if lang == "fr" else NOTE}</p></main></body></html>'
    )
    return Response(page, status, content_type="text/html; charset=utf-8")


def alert(message: str) -> str:
    return f"<p role=alert>{escape(message)}</p>" if message else ""


def page(method: str, path: str) -> Callable[[Page], Page]:
    """Registers `handler(tx, request, **names)`, which answers a response; what it changed is committed unless it sets
    `tx.discard`."""

    def register(handler: Page) -> Page:
        PAGES.append((method, path, handler))
        return handler

    return register


class Pages:
    def __init__(self, core: Core) -> None:
        self.core = core
        self._map = Map([Rule(path, methods=[method], endpoint=handler) for method, path, handler in PAGES])

    def __call__(self, request: Request) -> Response:
        try:
            handler, names = self._map.bind("").match(request.path, request.method)
            with self.core.lock:
                self.core.run_due()
                tx: Tx = self.core.begin()
                response: Response = handler(tx, request, **names)
                if not tx.discard:
                    self.core.commit(tx)
        except HTTPException as error:
            return html(error.name, f"<p>{escape(error.description or '')}</p>", error.code or 400)
        except StripeError as error:
            return html("Not possible", alert(error.body["message"]), error.status)
        return response
