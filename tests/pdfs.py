"""PDFs as people send them."""

from base64 import b64encode
from typing import Any

from everruns.domain.parts import PDF, AttachedFilePart


def pdf(*pages: str, size: int = 0) -> bytes:
    """Return a PDF with these texts, one a page, padded to at least this many bytes."""
    kids = " ".join(f"{3 + 2 * at} 0 R" for at, _ in enumerate(pages))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    for at, text in enumerate(pages):
        drawn = f"BT /F 12 Tf 10 90 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents {4 + 2 * at} 0 R "
            f"/Resources << /Font << /F {font} >> >> >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    content = b"%PDF-1.4\n%" + b"x" * size + b"\n"
    places: list[int] = []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start = len(content)
    count = len(objects) + 1
    return (
        content
        + (
            f"xref\n0 {count}\n0000000000 65535 f \n{table}"
            f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
        ).encode()
    )


def attached_pdf(*, size: int = 0, **fields: Any) -> AttachedFilePart:
    """Return a PDF of one page as a message has it."""
    content = pdf("Hello", size=size)
    usual = {
        "filename": "a.pdf",
        "media_type": PDF,
        "size_bytes": len(content),
        "base64": b64encode(content).decode(),
        "text": "Hello",
        "pages": 1,
    }
    return AttachedFilePart.model_validate({**usual, **fields})
