"""What the page asks of the console, as JSON; and the stream of what happens."""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import structlog
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streams.errors import BadInputError, DependencyDownError, FreshetError, InvalidError
from streams.fields import MAX_ID_CHARACTERS, Id, MediaKind
from streams.messages import Event, Item, Media, RecommendationRequest
from workers.console.console import Console
from workers.console.event_stream import EventStream
from workers.console.flow_watch import FLOW, QUALITY
from workers.console.guard import COOKIE, Access, BodyTooLargeError
from workers.console.hub import user_channel
from workers.console.journeys import JOURNEYS
from workers.console.letters import LETTERS
from workers.console.media_bytes import media_response
from workers.console.slot_response import SlotResponse

CHANNELS = (FLOW, QUALITY, LETTERS, JOURNEYS)
PAGE_ITEMS = 24
MAX_PAGE_ITEMS = 100
SHOWN_PEOPLE = 60
MAX_WORDS_CHARACTERS = 200
MEDIA_AT_ONCE = 8
MAP_ATTRIBUTES = 6
MAP_VALUES = 40

_log = structlog.get_logger()
T = TypeVar("T")


class _Session(msgspec.Struct, forbid_unknown_fields=True):
    token: Annotated[str, Meta(max_length=1_024)]


class _Act(msgspec.Struct, forbid_unknown_fields=True):
    user_id: Id
    item_id: Id
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    recommendation_id: Id | None = None


class _Ask(msgspec.Struct, forbid_unknown_fields=True):
    user_id: Id
    count: Annotated[int, Meta(ge=1, le=50)] = 20
    after_event_id: Id | None = None
    explain: bool = True
    query: Annotated[str, Meta(max_length=4_096)] = ""


class _Upload(msgspec.Struct, forbid_unknown_fields=True):
    kind: MediaKind
    data: str


class _NewItem(msgspec.Struct, forbid_unknown_fields=True):
    item_id: Id
    title: Annotated[str, Meta(max_length=500)] = ""
    description: Annotated[str, Meta(max_length=4_000)] = ""
    category: Annotated[str, Meta(max_length=100)] = ""
    media: Annotated[list[_Upload], Meta(max_length=3)] = []


class Api:
    """The routes under `/api` and `/media`."""

    def __init__(self, console: Console, access: Access) -> None:
        self._console = console
        self._access = access
        self._media_slots = asyncio.Semaphore(MEDIA_AT_ONCE)
        self._reading_reports = asyncio.Lock()

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/ready", self._ready),
            Route("/media", _answering_errors(self._media)),
            Route("/api/session", _answering_errors(self._session), methods=["POST"]),
            Route("/api/state", _answering_errors(self._state)),
            Route("/api/items", _answering_errors(self._items)),
            Route("/api/items", _answering_errors(self._new_item), methods=["POST"]),
            Route("/api/near", _answering_errors(self._near)),
            Route("/api/person", _answering_errors(self._person)),
            Route("/api/map", _answering_errors(self._map)),
            Route("/api/reports", _answering_errors(self._reports)),
            Route("/api/events", _answering_errors(self._act), methods=["POST"]),
            Route("/api/requests", _answering_errors(self._ask), methods=["POST"]),
            Route("/api/dead-letters", _answering_errors(self._letters)),
            Route("/api/dead-letters/{number:int}", _answering_errors(self._letter)),
            Route("/api/dead-letters/{number:int}/replay", _answering_errors(self._replay), methods=["POST"]),
            Route("/api/stream", _answering_errors(self._stream)),
        ]

    async def _ready(self, _: Request) -> Response:
        return _json({"ready": True, "reason": "running"})

    async def _session(self, request: Request) -> Response:
        given = await _body(request, _Session)
        if self._access.needs_token and not self._access.is_token(given.token):
            return _json({"error": "that is not the token"}, 401)
        answer = _json({"ok": True})
        answer.set_cookie(COOKIE, self._access.session, httponly=True, samesite="strict", path="/")
        return answer

    async def _state(self, _: Request) -> Response:
        console, settings = self._console, self._console.settings
        return _json(
            {
                "prefix": settings.topics.prefix,
                "space": console.space,
                "ranker": settings.recommend.ranker,
                "items": len(console.catalogue),
                "actions": {name: rule.weight for name, rule in settings.profile.actions.items()},
                "people": console.people.newest(SHOWN_PEOPLE),
                "encoders": settings.encoders.model_dump(include={"text", "image", "audio", "video"}),
                "experiment": settings.experiment.model_dump(include={"name"}).get("name"),
                "upload_max_bytes": settings.media.inline_max_bytes,
                "refresh_s": settings.console.refresh_s,
                "history_items": settings.profile.history_items,
                "query": settings.query.model_dump(include={"enabled", "max_characters"}),
            }
        )

    async def _items(self, request: Request) -> Response:
        query = request.query_params
        if "id" in query:
            one = list(self._console.catalogue.shown([_id(query["id"])]).values())
            return _json({"items": one, "total": len(one)})
        words = query.get("words", "")[:MAX_WORDS_CHARACTERS]
        offset = _number(query.get("offset"), 0, 10_000_000)
        count = _number(query.get("count"), PAGE_ITEMS, MAX_PAGE_ITEMS)
        shuffle = _number(query["shuffle"], 0, 10**9) if "shuffle" in query else None
        found, total = self._console.catalogue.page(words, offset, count, shuffle)
        return _json({"items": found, "total": total})

    async def _near(self, request: Request) -> Response:
        item_id = _id(request.query_params.get("item"))
        near = self._console.board.nearest_to(item_id)
        known = self._console.catalogue.shown(one for one, _ in near)
        return _json(
            {
                "point": self._console.board.point_of(item_id),
                "near": [
                    {
                        "item": known.get(one) or {"item_id": one, "title": "", "media": []},
                        "likeness": likeness,
                    }
                    for one, likeness in near
                ],
            }
        )

    async def _person(self, request: Request) -> Response:
        listed = request.query_params.getlist("item")[:MAX_PAGE_ITEMS]
        return _json(self._console.person(_id(request.query_params.get("user")), listed))

    async def _map(self, _: Request) -> Response:
        points = self._console.board.points()
        known = [self._console.catalogue.find(item_id) for item_id in points["item_ids"]]
        columns: dict[str, list[str | None]] = {}
        for at, item in enumerate(known):
            for name, value in (item.attributes if item else {}).items():
                if isinstance(value, list):
                    value = value[0] if value else ""
                if isinstance(value, str) and value:
                    columns.setdefault(name, [None] * len(known))[at] = value
        usable = {name: values for name, values in columns.items() if len(set(values)) <= MAP_VALUES + 1}
        most_known = sorted(usable, key=lambda name: sum(value is None for value in usable[name]))
        return _json(
            {
                **points,
                "titles": [item.title if item else "" for item in known],
                "attributes": {name: usable[name] for name in most_known[:MAP_ATTRIBUTES]},
            }
        )

    async def _reports(self, _: Request) -> Response:
        async with self._reading_reports:
            found = await asyncio.to_thread(self._console.reports.newest)
        return _json(found)

    async def _act(self, request: Request) -> Response:
        act = await _body(request, _Act)
        if act.action not in self._console.settings.profile.actions:
            raise InvalidError(f"the settings know no action {act.action!r}")
        event = Event(
            event_id=f"console-{secrets.token_hex(8)}",
            user_id=act.user_id,
            item_id=act.item_id,
            action=act.action,
            occurred_at=datetime.now(UTC),
            recommendation_id=act.recommendation_id,
        )
        await self._console.event(event)
        return _json({"event_id": event.event_id})

    async def _ask(self, request: Request) -> Response:
        asked = await _body(request, _Ask)
        query = asked.query.strip()
        most = self._console.settings.query.max_characters
        if len(query) > most:
            raise InvalidError(f"the words have {len(query):,} characters; {most:,} are read")
        made = RecommendationRequest(
            request_id=f"console-{secrets.token_hex(8)}",
            user_id=asked.user_id,
            count=asked.count,
            after_event_id=asked.after_event_id,
            explain=asked.explain,
            query=query or None,
        )
        await self._console.request(made)
        return _json({"request_id": made.request_id})

    async def _new_item(self, request: Request) -> Response:
        given = await _body(request, _NewItem)
        limit = self._console.settings.media.inline_max_bytes
        for upload in given.media:
            try:
                size = len(base64.b64decode(upload.data, validate=True))
            except (binascii.Error, ValueError):
                raise InvalidError(f"the {upload.kind} is not base64") from None
            if size > limit:
                raise InvalidError(
                    f"the {upload.kind} has {size:,} bytes; {limit:,} are allowed in a message"
                )
        item = Item(
            item_id=given.item_id,
            title=given.title,
            description=given.description,
            media=[Media(kind=one.kind, data=one.data) for one in given.media],
            attributes={"category": given.category} if given.category else {},
            created_at=datetime.now(UTC),
        )
        await self._console.item(item)
        return _json({"item_id": item.item_id})

    async def _letters(self, _: Request) -> Response:
        return _json({"letters": self._console.letters.newest()})

    async def _letter(self, request: Request) -> Response:
        return _json(await self._console.letters.find(request.path_params["number"]))

    async def _replay(self, request: Request) -> Response:
        await self._console.letters.replay(request.path_params["number"])
        return _json({"ok": True})

    async def _media(self, request: Request) -> Response:
        query = request.query_params
        medium = self._console.catalogue.media(
            _id(query.get("item")), _number(query.get("n"), 0, 1_000), query.get("v", "")
        )
        if medium is None:
            return _json({"error": "this medium is not held"}, 404)
        await self._media_slots.acquire()
        try:
            data = await self._console.media.fetch(medium)
            answer = media_response(data, request.headers.get("range"))
        except BaseException:
            self._media_slots.release()
            raise
        return SlotResponse(answer, self._media_slots.release)

    async def _stream(self, request: Request) -> Response:
        query = request.query_params
        channels = {one for one in query.getlist("follow") if one in CHANNELS}
        user_id = query.get("user")
        if user_id:
            channels.add(user_channel(_id(user_id)))
        return EventStream(self._console, frozenset(channels), user_id)


Handler = Callable[[Request], Awaitable[Response]]


def _answering_errors(handler: Handler) -> Handler:
    """A person's mistake is answered with what was wrong, a dependency that is down with what to wait for."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BadInputError as error:
            return _json({"error": error.detail}, 400)
        except msgspec.ValidationError as error:
            return _json({"error": str(error)}, 400)
        except BodyTooLargeError as error:
            return _json({"error": str(error)}, 413)
        except DependencyDownError as error:
            return _json({"error": str(error)}, 503)
        except FreshetError as error:
            _log.error("the console cannot answer", path=request.url.path, error=str(error))
            return _json({"error": str(error)}, 500)

    return answer


async def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.ValidationError as error:
        raise InvalidError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"not JSON: {error}") from None


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _number(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise InvalidError(f"{text[:20]!r} is no number")
    return min(int(text), most)


def _id(text: str | None) -> str:
    if not text or len(text) > MAX_ID_CHARACTERS:
        raise InvalidError(f"an id has 1 to {MAX_ID_CHARACTERS} characters")
    return text
