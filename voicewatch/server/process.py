"""The front process: journal, judgement, links to the other processes, HTTP. Run by `run`."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import time
from collections import deque
from pathlib import Path

import structlog

from voicewatch.core.director import Director
from voicewatch.core.events import (
    Event,
    MediaStatus,
    RecordComplete,
    RecorderStatus,
    Signal,
    SpeechStatus,
    SystemStatus,
    parse_event,
)
from voicewatch.core.ids import ulid
from voicewatch.core.routing_plan import BadPlan, RoutingPlan
from voicewatch.core.rules import RuleBook
from voicewatch.processes.link import LinkServer, Peer
from voicewatch.processes.messages import CallsLeft, Hello, HouseStatus, Message, SetMeanings, Signals
from voicewatch.processes.placement import kind_of
from voicewatch.processes.sockets import Sockets
from voicewatch.record.archive import Archive
from voicewatch.record.journal import Journal, JournalDamaged, JournalFailed, Source
from voicewatch.server.ai_seat import AISeats
from voicewatch.server.auth import Codes, Tokens, load_key
from voicewatch.server.calls import Calls, mint_seat_token
from voicewatch.server.closing import Closing
from voicewatch.server.connections import serve_http
from voicewatch.server.desk import Desk
from voicewatch.server.feed import Feed
from voicewatch.server.http import Front, make_app
from voicewatch.server.insights import KEPT, Insights
from voicewatch.server.media_links import MediaLinks
from voicewatch.server.metrics import Metrics
from voicewatch.server.pages import Pages
from voicewatch.server.presence import Presences
from voicewatch.server.queues import Queues
from voicewatch.server.recall import recalled
from voicewatch.server.recordings import Recordings
from voicewatch.server.rescue import Rescue
from voicewatch.server.review import Review
from voicewatch.server.rule_actions import RuleActions
from voicewatch.server.rules import Rules, UnusableRules, read_rules
from voicewatch.server.shown import KEPT_CALLBACKS, KEPT_ENDED, Shown
from voicewatch.server.status import Status
from voicewatch.server.tables import TableKeeper
from voicewatch.server.webhooks import Webhooks
from voicewatch.server.websocket import GOING_AWAY
from voicewatch.server.writer import Writer
from voicewatch.settings import BadSettings, JudgementSettings, Settings, cannot_write

log = structlog.get_logger()

HELLOS_WITHIN_S = 3.0
"""How long a restarted front waits to be told which calls the media processes hold."""
STATUS_S = 0.5
UNSCORED_LIMIT = 200
GOODBYE_LOOKS, GOODBYE_LOOK_S = 50, 0.02
"""How often, and how far apart, it is looked whether all sockets are closed before HTTP ends."""
KEEPER = "keeper"
"""The peer that started this process: it tells of the others, and is none of them."""
WEB = Path(__file__).parent.parent / "web" / "dist"


def new_id() -> str:
    return ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10))


def _utc_offset_ms() -> int:
    """UTC minus the calls' common clock; it moves when somebody sets the time, or the machine has slept."""
    return time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000


async def run(settings: Settings, sockets: Sockets, name: str) -> None:
    """Runs until cancelled. BadSettings for unusable rules, and for a data folder that is damaged or whose
    disk does not take the journal now.
    """
    rules, plan = _rules(settings), _plan(settings)
    try:
        tokens = Tokens(load_key(settings.data), settings.data / "signed_out.jsonl")
        journal = await Journal.open(settings.data / "journal")
    except OSError as error:
        raise cannot_write(settings.data, error) from None
    except (ValueError, JournalFailed) as error:
        raise BadSettings(f"data: {error}") from None
    try:
        front = FrontProcess(settings, journal, rules, plan, tokens)
        try:
            await front.restore()
        except JournalDamaged as error:
            raise BadSettings(f"data: {error}") from None
        await front.serve(sockets)
    finally:
        await journal.close()


class FrontProcess:
    """The parts of front, put together."""

    def __init__(
        self, settings: Settings, journal: Journal, rules: RuleBook, plan: RoutingPlan, tokens: Tokens
    ) -> None:
        judgement = settings.judgement
        self._journal = journal
        self._tokens = tokens
        self._media = {f"media-{index}" for index in range(settings.media.processes)}
        self._restored: list[str] = []
        self._all_media = asyncio.Event()
        # Texts to be scored while the model process restarts; when full the oldest stays without scores.
        self._unscored: deque[Message] = deque(maxlen=UNSCORED_LIMIT)
        self.desk = Desk(
            journal,
            Director(
                rules,
                offer_timeout_ms=judgement.offer_timeout_s * 1_000,
                wrap_up_ms=judgement.wrap_up_s * 1_000,
                customer_grace_ms=judgement.customer_grace_s * 1_000,
                new_id=new_id,
                plan=plan,
                utc_offset_ms=_utc_offset_ms(),
            ),
            Shown(),
            source=Source,
            record_failed=JournalFailed,
        )
        self._links = MediaLinks()
        self._tables = TableKeeper(self.desk, self._links, settings.media.handoff_notice)
        self._rescue = Rescue(self.desk, self._links, self._tables, judgement.customer_grace_s)
        self._server = LinkServer(
            on_hello=self._hello, on_gone=self._gone, on_message=self._message, on_report=self._report
        )
        self._closing = Closing(self.desk, self._links, self._server.peers.get)
        self._status = Status([*sorted(self._media), "model", "recorder"], lambda: self.desk.writable)
        self._ai_seats = AISeats(
            self.desk,
            mint_seat=lambda call_id, seat: mint_seat_token(tokens, call_id, seat),
            tell_model=self._tell_model,
            tell_media=self._links.tell,
            new_id=new_id,
        )
        self._presences = Presences(self.desk)
        self._insights = Insights(self.desk, journal.read)
        self._feed = Feed(self.desk, self._presences, self._status.now)
        self._status.on_change = self._feed.signal
        archive = Archive(settings.data / "recordings", settings.data / "journal" / "keys.db")
        self._recordings = Recordings(
            self.desk,
            archive,
            journal,
            lambda: self._server.peers.get("recorder"),
            retention_days=settings.record.retention_days,
            on_erased=self._feed.erased,
        )
        self._metrics = Metrics(
            self.desk,
            self._status,
            lambda: {"events": self._feed.count, "ai": self._ai_seats.count},
            lambda: {
                "journal_waiting": journal.waiting,
                "journal_commits": journal.commits,
                "mixes": archive.mixing,
            },
        )
        journal.on_durable = self._metrics.journalled
        calls = Calls(
            self.desk,
            self._links,
            self._rescue,
            self._feed,
            self._ai_seats,
            tokens,
            new_id,
            self._insights.history,
        )
        self._writer = _writer(self.desk, judgement)
        self._rules = Rules(self.desk, rules, judgement.rules, on_taken=self._tell_meanings)
        self._webhooks = Webhooks(
            self.desk,
            judgement.webhook_secret.get_secret_value(),
            private_addresses=judgement.webhook_private_addresses,
        )
        self._rule_actions = RuleActions(self.desk, self._recordings)
        self._app = make_app(
            Front(
                public_url=public_url(settings),
                access=settings.access,
                tokens=tokens,
                codes=Codes(),
                calls=calls,
                queues=Queues(self.desk),
                review=Review(self.desk),
                insights=self._insights,
                feed=self._feed,
                ai_seats=self._ai_seats,
                presences=self._presences,
                status=self._status,
                metrics=self._metrics,
                rules=self._rules,
                pages=Pages(WEB),
                recordings=self._recordings,
            )
        )

    async def restore(self) -> None:
        """Takes up live calls from the journal (JournalDamaged), and the latest ended ones to be shown."""
        live = await self._journal.live_calls()
        recent = await self._journal.recent_calls(KEPT_ENDED)
        recent += [
            call_id
            for call_id in await self._journal.calls_with_callbacks(KEPT_CALLBACKS)
            if call_id not in recent
        ]
        for call_id in reversed([call_id for call_id in recent if call_id not in live]):
            try:
                await self.desk.load_ended(call_id)
            except JournalDamaged as error:  # it would only be shown; calls to come matter more
                log.error("call_not_readable", call_id=call_id, reason=str(error))
        for call_id in live:
            await self.desk.restore(call_id)
        await self.desk.start_reading()
        await self._recordings.finish_erasures()
        self._restored = live
        log.info("restored", live=len(live), ended=len(self.desk.shown.ended()))

    async def serve(self, sockets: Sockets) -> None:
        """Until cancelled. Viewers and workers are told to come back (1001)."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._server.serve(sockets.listener("front")))
                tasks.create_task(self.desk.run())
                tasks.create_task(self._ai_seats.run())
                tasks.create_task(self._feed.run())
                tasks.create_task(self._rules.run())
                tasks.create_task(self._webhooks.run())
                tasks.create_task(self._watch_status())
                tasks.create_task(self._recordings.keep_to_retention())
                tasks.create_task(self._make_up())
                tasks.create_task(serve_http(self._app, sockets.listener("http"), self._say_goodbye))
        finally:
            if self._writer is not None:
                await self._writer.close()
            parts = (self._presences, self._tables, self._rescue, self._closing, self._recordings)
            for part in (*parts, self._webhooks, self._rule_actions):
                part.close()

    async def _say_goodbye(self) -> None:
        self._feed.close_all(GOING_AWAY, "the server restarts")
        self._ai_seats.close_all(GOING_AWAY, "the server restarts")
        for _ in range(GOODBYE_LOOKS):
            if not self._feed.count + self._ai_seats.count:
                return
            await asyncio.sleep(GOODBYE_LOOK_S)

    async def _make_up(self) -> None:
        """After the hellos: what was cut off when this process ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HELLOS_WITHIN_S):
                await self._all_media.wait()
        self._rescue.restored(self._restored)
        for call_id in self.desk.shown.ended():
            facts = await self._journal.read(call_id)  # none where it was erased meanwhile
            if facts and not any(isinstance(fact, RecordComplete) for fact in facts):
                self._closing.complete(call_id)
        await self._insights.load(await self._journal.recent_calls(KEPT))

    async def _watch_status(self) -> None:
        while True:
            self._status.check()
            self._tell_calls_left()
            self._tokens.write_down()
            self.desk.director.see_utc(_utc_offset_ms())
            await asyncio.sleep(STATUS_S)

    def _tell_calls_left(self) -> None:
        """The keeper waits for the last one while the house is stopping."""
        keeper = self._server.peers.get(KEEPER)
        if keeper is not None and self._links.stopping:
            keeper.tell(CallsLeft(count=len(self.desk.shown.live()) + self._closing.count))

    # ------------------------------------------------------------ the other processes

    def _hello(self, peer: Peer, hello: Hello) -> None:
        if kind_of(peer.process) == "media":
            self._rescue.media_up(peer, hello)
        elif peer.process == "model":
            for message in recalled(map(self.desk.shown.call, self.desk.shown.live())):
                peer.tell(message)
            self._tell_meanings()
            self._tell_waiting()
        elif peer.process == "recorder":
            self._recordings.recorder_came(peer, hello.state)
        if peer.process != KEEPER:
            self._status.up(peer.process)
        if all(name in self._server.peers for name in self._media):
            self._all_media.set()

    def _gone(self, peer: Peer) -> None:
        if kind_of(peer.process) == "media":
            self._rescue.media_gone(peer)
        if peer.process != KEEPER:
            self._status.down(peer.process)

    def _message(self, peer: Peer, message: Message, payload: bytes) -> None:
        if isinstance(message, HouseStatus):
            self._links.stopping = message.stopping
            self._status.heard_keeper(message)
            self._tell_calls_left()
            return
        if not isinstance(message, Signals):
            log.warning("message_not_expected", peer=peer.process, message=message.type)
            return
        for data in message.events:
            event = parse_event(data)
            if isinstance(event, SystemStatus):
                self._status.heard(event)
            elif isinstance(event, MediaStatus):
                self._status.heard_media(event)
                if event.leaving:
                    self._links.leaves(peer)
            elif isinstance(event, SpeechStatus):
                self._status.heard_speech(event)
            elif isinstance(event, RecorderStatus):
                self._status.heard_recorder(event)
            elif isinstance(event, Signal):
                self._metrics.hear(event)
                self._feed.signal(event)

    async def _report(self, peer: Peer, epoch: str, first_seq: int, events: list[Event]) -> None:
        await self.desk.report(peer.process, epoch, first_seq, events)

    def _tell_model(self, message: Message) -> None:
        self._unscored.append(message)
        self._tell_waiting()

    def _tell_meanings(self) -> None:
        """What rules ask for by meaning, for the model process to look out for."""
        model = self._server.peers.get("model")
        if model is not None:
            meanings = {name: list(wordings) for name, wordings in self._rules.book.meanings.items()}
            model.tell(SetMeanings(meanings=meanings))

    def _tell_waiting(self) -> None:
        model = self._server.peers.get("model")
        while model is not None and self._unscored and model.tell(self._unscored[0]):
            self._unscored.popleft()


def public_url(settings: Settings) -> str:
    """How browsers reach the server; an address that means "all" is reached by the loopback one."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = settings.host
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _rules(settings: Settings) -> RuleBook:
    judgement = settings.judgement
    try:
        book = read_rules(judgement.rules)
    except UnusableRules as error:
        raise BadSettings(f"judgement.rules: {error}") from None
    if any(rule.webhook for rule in book.rules) and not judgement.webhook_secret.get_secret_value():
        raise BadSettings("judgement.webhook_secret: a rule has a webhook; give a secret to sign it with")
    return book


def _writer(desk: Desk, judgement: JudgementSettings) -> Writer | None:
    if not judgement.briefing_url:
        return None
    return Writer(
        desk,
        url=judgement.briefing_url,
        model=judgement.briefing_model,
        key=judgement.briefing_key.get_secret_value(),
        timeout_s=judgement.briefing_timeout_s,
    )


def _plan(settings: Settings) -> RoutingPlan:
    file = settings.judgement.routing
    if not file:
        return RoutingPlan()
    try:
        return RoutingPlan.parse(Path(file).read_text(encoding="utf-8"))
    except BadPlan as error:
        raise BadSettings(f"judgement.routing: {file}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"judgement.routing: cannot read {file}: {error}") from None
