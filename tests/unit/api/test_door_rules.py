"""The door, whatever headers come: nothing passes that its rules do not name."""

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from everruns.api.http.door import Door
from everruns.settings import Settings

HOSTS = {b"localhost:9300": True, b"[::1]:9300": True, b"evil.example": False, b"": False}
ORIGINS = {
    b"http://localhost:9300": {b"localhost:9300"},
    b"https://[::1]:9300": {b"[::1]:9300"},
    b"http://localhost:3000": set(HOSTS),  # Allowed by the setting.
    b"http://evil.example": set(),
    b"null": set(),
}
FRIEND = b"http://localhost:3000"
SITES = {b"none": True, b"same-origin": True, b"same-site": False, b"cross-site": False}

others = st.tuples(
    st.sampled_from([b"accept", b"sec-fetch-mode", b"sec-fetch-dest", b"x-forwarded-host"]),
    st.sampled_from([b"navigate", b"document", b"localhost"]) | st.binary(max_size=20),
)
headers = st.lists(
    st.tuples(st.just(b"host"), st.sampled_from(list(HOSTS)) | st.binary(max_size=20))
    | st.tuples(st.just(b"origin"), st.sampled_from(list(ORIGINS)) | st.binary(max_size=20))
    | st.tuples(st.just(b"sec-fetch-site"), st.sampled_from(list(SITES)) | st.binary(max_size=20))
    | others,
    max_size=7,
)


def is_meant_to_pass(sent: list[tuple[bytes, bytes]]) -> bool:
    by_name = dict(sent)
    host, origin = by_name.get(b"host", b""), by_name.get(b"origin")
    return (
        len({name for name, _ in sent if name in SINGLE}) == sum(name in SINGLE for name, _ in sent)
        and HOSTS.get(host, False)
        and (origin is None or host in ORIGINS.get(origin, set()))
        and (origin == FRIEND or SITES.get(by_name.get(b"sec-fetch-site", b"none"), False))
    )


SINGLE = {b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"}


@given(sent=headers, method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "OPTIONS"]))
def test_only_what_the_rules_name_passes(sent: list[tuple[bytes, bytes]], method: str):
    passed: list[Scope] = []
    answers: list[Message] = []

    async def behind(scope: Scope, _receive: Receive, send: Send) -> None:
        passed.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        answers.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    door = Door(behind, Settings(data_dir=Path("/nowhere"), allowed_origins=(FRIEND.decode(),)))
    scope = {"type": "http", "method": method, "path": "/v1/agents", "headers": sent}
    asyncio.run(door(scope, receive, send))

    assert bool(passed) == is_meant_to_pass(sent)
    start = answers[0]
    assert (start["status"] == 200) == bool(passed)
    added = dict(start["headers"])
    assert added[b"x-content-type-options"] == b"nosniff"
    assert added.get(b"access-control-allow-origin") in (None, FRIEND)
