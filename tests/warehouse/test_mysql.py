"""Tests `connector.warehouse.mysql`: TLS is as PyMySQL makes it, and the machine's certificates are read once."""

import ssl
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests.certs
from sqlalchemy.engine import make_url

from connector.warehouse import urls
from connector.warehouse.engines import connecting, engine_of
from connector.warehouse.mysql import open_connection
from tests.warehouses import Place

NOT_YET = {"defer_connect": True}
MODES = (
    "",
    "ssl-mode=PREFERRED",
    "ssl-mode=DISABLED",
    "ssl-mode=REQUIRED",
    "ssl-mode=VERIFY_CA",
    "ssl-mode=VERIFY_IDENTITY",
)


def url_of(mode: str) -> Any:
    authority = f"&ssl-ca={requests.certs.where()}" if "VERIFY" in mode else ""
    return urls.mysql(make_url(f"mysql+pymysql://u:p@h/d?{mode}{authority}"))


def tls_of(connection: Any) -> tuple[Any, ...]:
    if not connection.ssl:
        return (False,)
    context = connection.ctx
    authorities = len(context.get_ca_certs())
    return True, connection._ssl_required, context.verify_mode, context.check_hostname, context.options, authorities


@pytest.mark.parametrize("mode", MODES)
def test_tls_is_what_pymysql_makes_of_the_url(mode: str) -> None:
    url = url_of(mode)
    kind: Any = url.get_dialect()
    dialect = kind(dbapi=kind.import_dbapi())
    args, options = dialect.create_connect_args(url)
    plain = dialect.connect(*args, **options, **NOT_YET)
    assert tls_of(open_connection(url, NOT_YET)) == tls_of(plain)
    assert ("VERIFY" in mode) == (tls_of(plain)[2:3] == (ssl.CERT_REQUIRED,))


def test_a_certificate_that_was_renewed_is_read(tmp_path: Path) -> None:
    bundle = Path(requests.certs.where()).read_text()
    file = tmp_path / "ca.pem"
    url = urls.mysql(make_url(f"mysql+pymysql://u:p@h/d?ssl-ca={file}"))
    end = "-----END CERTIFICATE-----"
    file.write_text(bundle.partition(end)[0] + end)
    assert len(open_connection(url, NOT_YET).ctx.get_ca_certs()) == 1
    file.write_text(bundle)
    assert len(open_connection(url, NOT_YET).ctx.get_ca_certs()) > 1


@pytest.mark.parametrize("place", ["mysql"], indirect=True)
def test_many_connections_read_the_certificates_of_the_machine_once(place: Place) -> None:
    assert place.location.url is not None
    with mock.patch("ssl.create_default_context", wraps=ssl.create_default_context) as made:
        for _ in range(3):
            with engine_of(place.location.url).connect() as connection:
                assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    assert made.call_count <= 1


def test_the_password_is_in_no_repr() -> None:
    assert "secret" not in repr(connecting(make_url("mysql+pymysql://u:secret@h/d"), NOT_YET))
