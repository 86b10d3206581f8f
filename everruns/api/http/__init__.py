"""What the faces of the API share: who may call, requests, responses and streams."""
