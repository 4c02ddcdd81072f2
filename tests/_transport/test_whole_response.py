"""The fast reader accepts usual responses only, and reads them as h11 does."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, strategies as st

from frontpay_async._transport.whole_response import WholeResponse, whole_response

HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
LENGTH = HEAD + b"Content-Length:"
UNUSUAL = [
    b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 204 No",
    b"HTTP/1.0 200 OK",
    b"HTTP/2 200 OK",
    b"HTTP/1.1 2000 OK",
]
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def read_by_h11(data: bytes) -> WholeResponse | None:
    """Return a response that h11 reads completely, leaving a connection that can be used again."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "-")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    pieces: list[bytes] = []
    head: h11.Response | None = None
    while True:
        try:
            event = reader.next_event()
        except h11.RemoteProtocolError:
            return None
        match event:
            case h11.Response():
                head = event
            case h11.Data():
                pieces.append(bytes(event.data))
            case h11.EndOfMessage():
                break
            case _:
                return None
    if head is None or event.headers or reader.their_state is not h11.DONE or reader.trailing_data[0]:
        return None
    if head.http_version != b"1.1":
        return None
    return WholeResponse(head.status_code, bytes(head.reason), head.headers.raw_items(), b"".join(pieces))


def parts(response: WholeResponse | None) -> object:
    return response and (response.status, response.reason, response.headers, response.body)


bodies = st.one_of(st.binary(max_size=40), st.sampled_from([b"{}", b"\r\n", b"0\r\n\r\n"]))


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """A body with the header that frames it; rarely a wrong one."""
    body = draw(bodies)
    if draw(st.booleans()):
        length = draw(st.sampled_from([b"%d", b"0%d", b"+%d", b"%d, 3", b"%d \t", b"1%d"])) % len(body)
        return (
            draw(st.sampled_from([b"Content-Length", b"content-LENGTH"])) + b":" + length + b"\r\n\r\n" + body
        )
    places = sorted(draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=3)))
    pieces = [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True) if body[a:b]]
    size = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"%x;a=b", b"%x ", b"0x%x", b"-%x"]))
    ending = draw(st.sampled_from([b"0\r\n\r\n", b"00\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\n", b""]))
    chunks = b"".join((size + b"\r\n%b\r\n") % (len(each), each) for each in pieces)
    coding = draw(st.sampled_from([b"chunked", b"Chunked", b"gzip, chunked", b" chunked "]))
    return b"Transfer-Encoding: " + coding + b"\r\n\r\n" + chunks + ending


lines = st.sampled_from(
    [
        b"Server: nginx\r\n",
        b"X-Empty:\r\n",
        b"X-Spaces:   a  b  \r\n",
        b"X-Tab:\ta\tb\r\n",
        b"Connection: keep-alive\r\n",
        b"Connection: close\r\n",
        b"Connection: x, close\r\n",
        b"Content-Length: 2\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b" folded\r\n",
        b"No-Colon\r\n",
        b"Space : a\r\n",
        b"Latin: \xe5\r\n",
        b"Null: \x00\r\n",
        b"Bare: a\nB: c\r\n",
        b"Return: a\rb\r\n",
        b": no name\r\n",
        b"\r\n",
    ]
)
starts = st.sampled_from(
    [
        *[b"HTTP/1.1 %d OK\r\n" % status for status in (200, 201, 204, 304, 422, 500, 100, 101, 600, 99)],
        *(b"HTTP/1.1 200\r\n", b"HTTP/1.1 200 \r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1  200 OK\r\n"),
        *(b"http/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\n", b" HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 \xe5\r\n"),
    ]
)
usual = st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 422 Unprocessable Content\r\n"])


@given(
    st.one_of(usual, starts),
    st.lists(lines, max_size=4),
    framed(),
    st.sampled_from([b"", b"", b"\r\n", b"HTTP"]),
)
def test_what_is_accepted_is_read_as_h11_reads_it(
    start: bytes, headers: list[bytes], body: bytes, surplus: bytes
) -> None:
    data = start + b"".join(headers) + body + surplus
    response = whole_response(data)
    if response is not None:
        assert parts(response) == parts(read_by_h11(data))


@given(st.data())
def test_a_damaged_response_is_never_read_in_another_way_than_h11_reads_it(data: st.DataObject) -> None:
    """Any byte is changed, left out or doubled."""
    good = CHUNKED + b"4\r\n{ab}\r\n1\r\n \r\n0\r\n\r\n" if data.draw(st.booleans()) else HEAD + (
        b"Content-Length: 4\r\nConnection: Keep-Alive\r\n\r\n{ab}"
    )  # fmt: skip
    place = data.draw(st.integers(0, len(good) - 1))
    new = data.draw(
        st.one_of(st.binary(max_size=2), st.sampled_from([good[place : place + 1] * 2, b"\n", b"\r"]))
    )
    damaged = good[:place] + new + good[place + 1 :]
    response = whole_response(damaged)
    if response is not None:
        assert parts(response) == parts(read_by_h11(damaged))


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\n{}", b"{}"),
        (HEAD + b"content-length: 0\r\n\r\n", b""),
        (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (CHUNKED + b"A\r\n0123456789\r\n1\r\n!\r\n0\r\n\r\n", b"0123456789!"),
        (CHUNKED + b"0\r\n\r\n", b""),
        (HEAD + b"connection: Keep-Alive\r\nContent-Length:2\r\n\r\n{}", b"{}"),
    ],
)
def test_a_usual_response_is_read(data: bytes, body: bytes) -> None:
    """So that the property tests compare something."""
    response = whole_response(data)
    assert response is not None
    assert (response.status, response.reason, response.body) == (201, b"Created", body)
    assert parts(response) == parts(read_by_h11(data))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"HTTP/1.1 200 OK\r\n", HEAD + b"\r\n", HEAD + b"\r\n{}"),
        *(LENGTH + b" 3\r\n\r\n{}", LENGTH + b" 1\r\n\r\n{}", LENGTH + b" +2\r\n\r\n{}"),
        *(LENGTH + b" 2\r\nContent-Length: 2\r\n\r\n{}", LENGTH + b" 2,2\r\n\r\n{}"),
        *(LENGTH + b" 2_0\r\n\r\n" + b"x" * 20, LENGTH + b" \xd9\xa2\r\n\r\n{}"),
        LENGTH + b" 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}",
        LENGTH + b" 2\r\nConnection: close\r\n\r\n{}",
        *(CHUNKED + size + b"{}\r\n0\r\n\r\n" for size in (b"2;x\r\n", b"0x2\r\n", b"2\n", b"-2\r\n")),
        *(CHUNKED + b"2\r\n{}" + end for end in (b"xx0\r\n\r\n", b"\r\n0\r\nA: b\r\n\r\n", b"\r\n0\r\n")),
        *(CHUNKED + b"2\r\n{}\r\n0\r\n\r\n" + more for more in (b"\r\n", b"\n", b"\0", CHUNKED)),
        *(start + b"\r\nA: b\r\nContent-Length: 0\r\n\r\n" for start in UNUSUAL),
    ],
)  # fmt: skip
def test_what_is_not_usual_is_left_to_h11(data: bytes) -> None:
    assert whole_response(data) is None
