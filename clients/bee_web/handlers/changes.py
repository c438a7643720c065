"""What changes the machine, for pages and for programs: all of it through the house's deeds."""

from typing import Any

from bee_web.bodies import (
    ALTHOUGH_A_RUN_IS_ON,
    POWER_WORDS,
    AuditStarted,
    Done,
    GoDown,
    RunStarted,
    StartAudit,
    StartRun,
)
from bee_web.handlers.base import Handler, JsonHandler, Page, Refusal

OPTION = "option."  # what a form's fields that are options of a pack begin with


class AuditApi(JsonHandler):
    async def post(self) -> None:
        session = self.require_session()
        options = self.body(StartAudit).options if self.request.body else {}
        self.answer(AuditStarted(job=await self.house.deeds.run_audit(session, options)), 202)


class RunsApi(JsonHandler):
    async def post(self) -> None:
        session = self.require_session()
        asked = self.body(StartRun)
        run = await self.house.deeds.start_run(session, asked.pack, asked.options)
        self.set_header("Location", f"/api/v1/runs/{run}")
        self.answer(RunStarted(run=run), 201)


class CancelApi(JsonHandler):
    async def post(self, run: str) -> None:
        await self.house.deeds.cancel_run(self.require_session(), run)
        self.answer(Done(done="cancel"), 202)


class RenewApi(JsonHandler):
    async def post(self) -> None:
        await self.house.deeds.renew_addresses(self.require_session())
        self.answer(Done(done="renew"))


class PowerApi(JsonHandler):
    async def post(self, word: str) -> None:
        await go_down(self, word, self.body(GoDown).confirm)
        self.answer(Done(done="reboot" if word == "reboot" else "poweroff"), 202)


class AuditForm(Page):
    async def post(self) -> None:
        await self.house.deeds.run_audit(self.require_session(), {})
        self.redirect("/", status=303)


class RunForm(Page):
    async def post(self) -> None:
        session = self.require_session()
        run = await self.house.deeds.start_run(session, self.field("pack"), self._options())
        self.redirect(f"/runs/{run}", status=303)

    def _options(self) -> dict[str, str]:
        """What was filled in; several boxes of one name are one list."""
        fields = [name for name in self.request.body_arguments if name.startswith(OPTION)]
        filled = {name: [each for each in self.get_body_arguments(name) if each] for name in fields}
        return {name.removeprefix(OPTION): ",".join(each) for name, each in filled.items() if each}


class CancelForm(Page):
    async def post(self) -> None:
        run = self.field("run")
        await self.house.deeds.cancel_run(self.require_session(), run)
        self.redirect(f"/runs/{run}", status=303)


class RenewForm(Page):
    async def post(self) -> None:
        await self.house.deeds.renew_addresses(self.require_session())
        self.redirect("/", status=303)


class PowerForm(Page):
    async def post(self) -> None:
        word = self.field("action")
        await go_down(self, word, self.field("confirm"))
        self.redirect(f"/power?asked={word}", status=303)


async def go_down(handler: Handler, word: str, confirm: str) -> None:
    """Restart or switch off, if that is what was typed. Raises Refusal, and as the deed does."""
    session = handler.require_session()
    action = POWER_WORDS.get(word)
    if action is None:
        raise Refusal(400, "InvalidOption", f"an action is one of {', '.join(POWER_WORDS)}")
    if confirm not in (word, ALTHOUGH_A_RUN_IS_ON):
        raise Refusal(400, "NotConfirmed", f"to confirm it, give the word {word}")
    await handler.house.deeds.go_down(
        session, action, although_work_is_under_way=confirm == ALTHOUGH_A_RUN_IS_ON
    )


ROUTES: list[Any] = [
    (r"/api/v1/audit/run", AuditApi),
    (r"/api/v1/runs/([^/]{1,80})/cancel", CancelApi),
    (r"/api/v1/network/renew", RenewApi),
    (r"/api/v1/power/(reboot|poweroff)", PowerApi),
    (r"/do/audit", AuditForm),
    (r"/do/run", RunForm),
    (r"/do/cancel", CancelForm),
    (r"/do/renew", RenewForm),
    (r"/do/power", PowerForm),
]
