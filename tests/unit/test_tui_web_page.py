"""The code that a phone reads off the console: it opens the page, logged in where the token may be seen."""

import pytest
import qrcode
from qrcode.constants import ERROR_CORRECT_L

from bee_bus.web_token import TokenError
from bee_tui.app import App
from bee_tui.models import addresses
from bee_tui.models.addresses import Addresses
from bee_tui.views.qr import WebPage, web_matrix

TOKEN = "k7qd-9xmf-2wtn"
BODY = (80, 22)  # a console without the first line and the last
URLS = ["http://192.168.100.200/", "http://[2001:db8:1234:5678:9abc:def0:1234:5678]/", "http://[fd00::7]/"]


def code_of(text: str) -> list[list[bool]]:
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L, border=0)
    code.add_data(text)
    matrix: list[list[bool]] = code.get_matrix()
    return matrix


def page(urls: list[str], token: str) -> str:
    canvas = WebPage(App(unicode=True), urls, token).body().render(BODY)
    return "\n".join(line.decode() for line in canvas.text)


def test_the_code_is_the_address_that_logs_in_letter_by_letter() -> None:
    assert web_matrix(f"{URLS[0]}login#{TOKEN}") == code_of(f"{URLS[0]}login#{TOKEN}")
    assert web_matrix(URLS[0]) == code_of(URLS[0].upper()), "without a path it is smaller in capitals"


@pytest.mark.parametrize("first", [0, 1])
def test_code_address_and_token_fit_a_console(first: int) -> None:
    text = page(URLS[first:], TOKEN)
    assert "too small" not in text
    assert "▀" in text
    assert URLS[first] in text
    assert f"token {TOKEN}: the code opens the page logged in" in text


def test_who_may_not_see_the_token_gets_the_address() -> None:
    text = page(URLS, "")
    assert URLS[0] in text
    assert "token" not in text


async def test_the_token_is_read_where_it_may_be_and_empty_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Addresses()
    assert model.token == ""

    def refused(_: object) -> str:
        raise TokenError("not for you")

    monkeypatch.setattr(addresses, "read_token", refused)
    assert addresses._token() == ""
    monkeypatch.setattr(addresses, "read_token", lambda _: TOKEN)
    assert addresses._token() == TOKEN
