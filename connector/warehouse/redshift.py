"""Changes dlt's destination for Redshift: the driver, which is PostgreSQL's, gets a URI that it can read.

dlt hands the user's URL on as it is, and libpq knows no URI that begins with redshift://.
"""

from typing import cast

import dlt
from dlt.common.configuration import configspec
from dlt.destinations.impl.redshift.configuration import RedshiftClientConfiguration, RedshiftCredentials
from sqlalchemy.engine import URL

from connector.warehouse.postgresql import uri


@configspec(init=False)
class Credentials(RedshiftCredentials):
    """Gives dlt's credentials in libpq's form."""

    def to_native_representation(self) -> str:
        return uri(cast(URL, self.to_url()))


@configspec
class Configuration(RedshiftClientConfiguration):
    """dlt's configuration with these credentials."""

    credentials: Credentials = None  # type: ignore[assignment]


class Redshift(dlt.destinations.redshift):
    """The destination for Redshift."""

    spec = Configuration  # type: ignore[assignment]
