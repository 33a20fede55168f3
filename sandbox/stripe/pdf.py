"""Small, valid PDFs of invoices and credit notes: pages of text, made by hand."""

from sandbox.stripe.rules import day_text, money_text
from sandbox.stripe.store import Object

PAGE = "[0 0 595 842]"  # A4 in points
LEFT, RIGHT, TOP, BOTTOM = 50, 545, 790, 60
WIDE = 0.5  # of a letter, in its size: what right-aligned sums are placed by
CUT = 78  # letters of a description that fit before the amount

Text = tuple[int, int, int, str]  # x, y, size, text


class Sheet:
    """Lines of text from the top of a page down; a full page is followed by another."""

    def __init__(self) -> None:
        self.pages: list[list[Text]] = [[]]
        self._y = TOP

    def line(self, left: str, right: str = "", *, size: int = 10, gap: int = 8) -> None:
        if self._y < BOTTOM:
            self.pages.append([])
            self._y = TOP
        if left:
            self.pages[-1].append((LEFT, self._y, size, left))
        if right:
            self.pages[-1].append((round(RIGHT - len(right) * size * WIDE), self._y, size, right))
        self._y -= size + gap

    def row(self, left: str, right: str) -> None:
        """A long description goes on in the next line."""
        while len(left) > CUT:
            cut = left.rfind(" ", 0, CUT) + 1 or CUT
            self.line(left[:cut], gap=2)
            left = left[cut:]
        self.line(left, right)

    def space(self) -> None:
        self._y -= 12


def invoice_pdf(invoice: Object) -> bytes:
    """The invoice as rendered for the API, with all of its lines."""
    sheet = Sheet()
    day = day_text(invoice["effective_at"] or invoice["created"])
    sheet.line("Invoice / Facture", size=20)
    sheet.line(f"{invoice['number'] or 'Draft'}   {day}")
    sheet.line(f"{invoice['account_name']}  -  sandbox, not a tax document")
    sheet.space()
    _address(sheet, invoice)
    sheet.space()
    for line in invoice["lines"]["data"]:
        sheet.row(line["description"] or "", money_text(line["amount"], line["currency"]))
    sheet.space()
    _sums(sheet, invoice)
    return document(sheet.pages)


def _address(sheet: Sheet, invoice: Object) -> None:
    for name in ("customer_name", "customer_email"):
        if invoice[name]:
            sheet.line(invoice[name], gap=4)
    address = invoice["customer_address"] or {}
    town = " ".join(filter(None, (address.get("postal_code"), address.get("city"))))
    for text in (address.get("line1"), address.get("line2"), town, address.get("country")):
        if text:
            sheet.line(text, gap=4)
    for tax_id in invoice["customer_tax_ids"] or []:
        sheet.line(f"{tax_id['type'].upper().replace('_', ' ')}: {tax_id['value']}", gap=4)


def _sums(sheet: Sheet, invoice: Object) -> None:
    currency = invoice["currency"]
    sheet.line("Subtotal", money_text(invoice["subtotal"], currency))
    for row in invoice["total_discount_amounts"]:
        if row["amount"]:
            sheet.line("Discount", money_text(-row["amount"], currency))
    taxes(sheet, invoice)
    sheet.line("Total", money_text(invoice["total"], currency), size=12)
    applied = invoice["total"] - invoice["amount_due"]
    if applied:
        sheet.line("From the balance", money_text(-applied, currency))
    sheet.line("Amount due", money_text(invoice["amount_due"], currency))
    if invoice["amount_paid"]:
        sheet.line("Paid", money_text(invoice["amount_paid"], currency))


def taxes(sheet: Sheet, taxed: Object) -> None:
    """One line for each rate; `_tax_names` has their names."""
    for tax in taxed["total_taxes"] or []:
        name = taxed["_tax_names"].get(tax["tax_rate_details"]["tax_rate"], "Tax")
        word = f"{name} (included)" if tax["tax_behavior"] == "inclusive" else name
        sheet.line(word, money_text(tax["amount"], taxed["currency"]))


def credit_note_pdf(note: Object) -> bytes:
    """The credit note as rendered for the API, with all of its lines."""
    sheet = Sheet()
    sheet.line("Credit note / Avoir", size=20)
    sheet.line(f"{note['number']}   {day_text(note['created'])}")
    sheet.line("sandbox, not a tax document")
    sheet.space()
    for line in note["lines"]["data"]:
        sheet.row(line["description"] or "", money_text(line["amount"], note["currency"]))
    sheet.space()
    taxes(sheet, note)
    sheet.line("Total", money_text(note["total"], note["currency"]), size=12)
    return document(sheet.pages)


# The file ------------------------------------------------------------------------------------------------------------


def _escaped(text: str) -> bytes:
    safe = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return safe.encode("cp1252", "replace")


def _content(rows: list[Text]) -> bytes:
    parts = [b"BT /F1 %d Tf %d %d Td (%s) Tj ET" % (size, x, y, _escaped(text)) for x, y, size, text in rows]
    return b"\n".join(parts)


def document(pages: list[list[Text]]) -> bytes:
    """A PDF of these pages. Its objects: catalogue, page tree, font, then a page and its content by turns."""
    numbers = [4 + 2 * index for index in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, rows in zip(numbers, pages, strict=True):
        content = _content(rows)
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox {PAGE} /Contents {number + 1} 0 R".encode()
            + b" /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _assembled(bodies)


def _assembled(bodies: list[bytes]) -> bytes:
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return out
