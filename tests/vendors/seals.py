"""What only its vendor can have made: signatures and sealed reasoning."""

# Gemini's own word for calls that it did not make.
# Source: https://ai.google.dev/gemini-api/docs/thought-signatures, FAQ.
SKIP_SIGNATURE = "skip_thought_signature_validator"


def seal(vendor: str, number: int) -> str:
    """Return a signature that only this vendor accepts."""
    return f"c2VhbGVk+{vendor}/{number}=="


def is_sealed(vendor: str, signature: str) -> bool:
    """Tell whether a vendor made a signature."""
    return signature.startswith(f"c2VhbGVk+{vendor}/") and signature.endswith("==")
