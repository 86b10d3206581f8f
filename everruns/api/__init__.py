"""HTTP: requests in, runtime calls out, answers and streams back."""
