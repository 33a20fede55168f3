"""A small, valid PDF of an invoice: one page of text, made by hand."""

from sandbox.stripe.rules import day_text, money_text
from sandbox.stripe.store import Object

PAGE = "[0 0 595 842]"  # A4 in points


def _escaped(text: str) -> bytes:
    safe = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return safe.encode("cp1252", "replace")


def _content(rows: list[tuple[int, int, int, str]]) -> bytes:
    """Rows of (x, y, size, text)."""
    parts = [b"BT /F1 %d Tf %d %d Td (%s) Tj ET" % (size, x, y, _escaped(text)) for x, y, size, text in rows]
    return b"\n".join(parts)


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


def invoice_pdf(invoice: Object) -> bytes:
    """The invoice as rendered for the API, on one page; lines beyond what fits are counted, not shown."""
    return _document(_rows(invoice))


def _document(rows: list[tuple[int, int, int, str]]) -> bytes:
    content = _content(rows)
    return _assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox {PAGE} /Contents 4 0 R".encode()
            + b" /Resources << /Font << /F1 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        ]
    )


def credit_note_pdf(note: Object) -> bytes:
    currency = note["currency"]
    rows = [
        (50, 780, 20, "Credit note / Avoir"),
        (50, 755, 10, f"{note['number']}   {day_text(note['created'])}"),
        (50, 735, 10, "sandbox, not a tax document"),
    ]
    for index, line in enumerate(note["lines"]["data"][:20]):
        y = 700 - 22 * index
        rows += [(50, y, 10, line["description"] or ""), (470, y, 10, money_text(line["amount"], currency))]
    rows += [(350, 220, 10, "Total"), (470, 220, 10, money_text(note["total"], currency))]
    return _document(rows)


def _rows(invoice: Object) -> list[tuple[int, int, int, str]]:
    currency = invoice["currency"]
    head = [
        (50, 780, 20, "Invoice / Facture"),
        (
            50,
            755,
            10,
            f"{invoice['number'] or 'Draft'}   {day_text(invoice['effective_at'] or invoice['created'])}",
        ),
        (50, 735, 10, f"{invoice['account_name']}  -  sandbox, not a tax document"),
        (50, 715, 10, f"{invoice['customer_name'] or ''} {invoice['customer_email'] or ''}".strip()),
    ]
    lines = invoice["lines"]["data"]
    body = []
    for index, line in enumerate(lines[:20]):
        y = 680 - 22 * index
        body += [(50, y, 10, line["description"] or ""), (470, y, 10, money_text(line["amount"], currency))]
    y = 680 - 22 * len(lines[:20]) - 20
    sums = [("Total", "total"), ("Amount due", "amount_due"), ("Paid", "amount_paid")]
    for index, (label, name) in enumerate(sums):
        body += [
            (350, y - 18 * index, 10, label),
            (470, y - 18 * index, 10, money_text(invoice[name], currency)),
        ]
    return head + body
