"""Bodies that are no pages: the smallest valid picture and document, data, and a body that swells."""

import json


def gif() -> bytes:
    """A picture of one transparent point."""
    return (
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
        b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    )


def pdf() -> bytes:
    """One page that says where the tide tables are kept, with a cross-reference table that is right."""
    drawing = b"BT /F1 18 Tf 72 720 Td (The tide tables are kept in the harbour office.) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 6\n" + table + trailer


def data() -> bytes:
    """A service's answer in JSON."""
    stations = [
        {"id": n, "name": name, "tide_m": 1.5 + n / 4} for n, name in enumerate(("Merrow", "Cawl Head", "Sandhope"))
    ]
    return json.dumps({"stations": stations, "unit": "metre"}, indent=1).encode()


def feed() -> bytes:
    """A blog's feed."""
    items = "".join(
        f"<item><title>Note {n}</title><description>The {n}th note.</description></item>" for n in range(1, 6)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Notes</title>{items}</channel></rss>'.encode()


def swelling() -> bytes:
    """A page of eleven million spaces: a few kilobytes once compressed, more than the default limit of 10 MiB once not."""
    return b"<html><body><p>A page that swells." + b" " * 11_000_000 + b"</p></body></html>"


def empty() -> bytes:
    """Nothing at all."""
    return b""


def noise() -> bytes:
    """Bytes without meaning, the same every time, that claim to be a page."""
    state, out = 20171231, bytearray()
    for _ in range(1500):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(state >> 16 & 0xFF)
    return bytes(out)


BODIES = {"gif": gif, "pdf": pdf, "data": data, "feed": feed, "swelling": swelling, "empty": empty, "noise": noise}
