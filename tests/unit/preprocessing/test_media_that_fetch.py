"""Media that name other media: no decoder connects anywhere, or opens a file, to get at those."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.errors import MediaUnreadableError
from models.preprocessing.audio import decode_audio
from models.preprocessing.image import decode_image
from models.preprocessing.video import decode_video
from tests.unit.preprocessing.media_samples import tone, video_file

SVG = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='9' height='9'"
# {url}: of a server that must not be asked; {file}: of a sound and a film that must not be read.
DOCUMENTS = {
    "svg image href": "<svg {svg}><image href='{url}/a.png' width='9' height='9'/></svg>",
    "svg image xlink": "<svg {svg}><image xlink:href='file://{file}' width='9' height='9'/></svg>",
    "svg use": "<svg {svg}><use xlink:href='{url}/a.svg#x'/></svg>",
    "svg style": "<svg {svg}><style>@import url('{url}/a.css');</style><rect width='9' height='9'/></svg>",
    "svg script": "<svg {svg}><script href='{url}/a.js'/></svg>",
    "svg stylesheet": "<?xml version='1.0'?><?xml-stylesheet href='{url}/a' type='text/xsl'?><svg {svg}/>",
    "svg external entity": (
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM '{url}/a'>]><svg {svg}><text>&x;</text></svg>"
    ),
    "svg parameter entity": (
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY % x SYSTEM '{url}/a.dtd'> %x;]><svg {svg}/>"
    ),
    "svg external doctype": "<?xml version='1.0'?><!DOCTYPE svg SYSTEM '{url}/svg.dtd'><svg {svg}/>",
    "svg xinclude": (
        "<svg {svg}><xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='{url}/a.xml'/></svg>"
    ),
    "m3u8 segment": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "m3u8 of playlists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/a.m3u8\n",
    "m3u8 key": (
        '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="{url}/k"\n#EXTINF:9,\n{url}/a.ts\n'
    ),
    "m3u8 map": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-MAP:URI="{url}/i"\n#EXTINF:9,\n{url}/a.mp4\n',
    "m3u8 file": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{file}\n#EXT-X-ENDLIST\n",
    "m3u8 concat": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nconcat:{file}|{url}/a.ts\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{url}/a.mp4'\n",
    "ffconcat file": "ffconcat version 1.0\nfile 'file:{file}'\n",
    "ffconcat path": "ffconcat version 1.0\nfile '{file}'\n",
    "dash": (
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
        "mediaPresentationDuration='PT9S' profiles='urn:mpeg:dash:profile:isoff-main:2011'><Period>"
        "<AdaptationSet mimeType='video/mp4'><Representation id='1' bandwidth='1'>"
        "<BaseURL>{url}/a.mp4</BaseURL>"
        "<SegmentList duration='9'><SegmentURL media='{url}/a.mp4'/></SegmentList>"
        "</Representation></AdaptationSet></Period></MPD>"
    ),
    "smil": "<smil><body><video src='{url}/a.mp4'/></body></smil>",
    "pls": "[playlist]\nFile1={url}/a.mp3\nNumberOfEntries=1\n",
    "asx": "<asx version='3.0'><entry><ref href='{url}/a.wma'/></entry></asx>",
    "sdp": "v=0\no=- 0 0 IN IP4 {host}\ns=x\nc=IN IP4 {host}\nt=0 0\nm=video {port} RTP/AVP 33\n",
    "a redirect in text": "rtsptext\n{url}/a.mp4\n",
}
DECODERS: dict[str, Callable[[bytes], object]] = {
    "image": lambda data: decode_image(data, 32),
    "audio": decode_audio,
    "video": lambda data: decode_video(data, 32, 4),
}


class Bait:
    """A server that nobody may connect to, and a file that nobody may open, where decoders can reach both."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self.connections = 0

    def __enter__(self) -> Bait:
        threading.Thread(target=self._hang_up, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # What only closes does not wake who accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _hang_up(self) -> None:
        # Counted before it is closed: until then whoever connected waits for an answer.
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                connection.close()

    def fill(self, document: str) -> bytes:
        """A document that leads here."""
        url = f"http://{self.host}:{self.port}"
        values = {"svg": SVG, "url": url, "file": self.file, "host": self.host, "port": self.port}
        for name, value in values.items():
            document = document.replace(f"{{{name}}}", str(value))
        return document.encode()


@pytest.fixture(scope="module")
def film() -> bytes:
    return video_file("mp4", "libx264", range(0, 200, 20), size=(32, 32), sound=("aac", tone(0.4)))


@pytest.fixture
def bait(tmp_path: Path, film: bytes) -> Iterator[Bait]:
    file = tmp_path / "bait.mp4"
    file.write_bytes(film)
    with Bait(file) as bait:
        yield bait


def test_the_bait_is_good(bait: Bait) -> None:
    for decode in (DECODERS["audio"], DECODERS["video"]):
        decode(bait.file.read_bytes())
    with socket.create_connection((bait.host, bait.port)) as connection:
        assert connection.recv(1) == b""
    assert bait.connections == 1


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_leads_elsewhere_is_no_medium(bait: Bait, name: str) -> None:
    for decode in DECODERS.values():
        with pytest.raises(MediaUnreadableError):
            decode(bait.fill(DOCUMENTS[name]))
    assert bait.connections == 0
