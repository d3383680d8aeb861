"""Where `/metrics` is served, as the settings want it: by this process, or by one of several workers.

Sits between the runtime and `exposition`. With `PROMETHEUS_MULTIPROC_DIR` any process can answer for all, so
one serves and the others try again each second: when it dies, the next one takes over.
"""

from __future__ import annotations

import ssl

from prometheus_client import CollectorRegistry

from otel_stream import _guard
from otel_stream.config import SettingError, Settings
from otel_stream.metrics import multiprocess
from otel_stream.metrics.exposition import Server, serve


class Endpoint:
    """The part one process has in serving `/metrics`."""

    def __init__(self, registry: CollectorRegistry, settings: Settings) -> None:
        """Begin to serve, if it can be.

        Raises: SettingError for certificates that cannot be used.
        """
        self._registry = registry
        self._host, self._port = settings.prometheus_host, settings.prometheus_port
        self._tls = tls_context(settings)
        self._workers = multiprocess.folder()
        self._seat: int | None = None
        self._tried = False
        self.server: Server | None = None
        """What is served here; None while another process does, or where it cannot be."""
        self.look()

    @property
    def is_shared(self) -> bool:
        """Whether another worker may serve instead of us, so that somebody has to `look`."""
        return self._workers is not None

    @_guard.guarded("endpoint")
    def look(self) -> None:
        """Serve unless somebody does: of several workers the first; a process alone tries once.

        Called about once a second. Never raises.
        """
        if self.server is not None or (self._tried and not self.is_shared) or not self._elected():
            return
        try:
            self.server = serve(self._registry, self._host, self._port, self._tls)
        except OSError as error:
            self._complain(error)
        else:
            _guard.logger.info("metrics at %s", self.server.url)
        self._tried = True

    def forked(self) -> None:
        """Begin anew in a forked child: the server and the seat are its parent's."""
        if self.server is not None:
            self.server.abandon()
        self.server = self._seat = None
        self._tried = False

    def close(self) -> None:
        """Stop serving, and let another worker begin. Twice is a no-op."""
        if self.server is not None:
            self.server.close()
        if self._seat is not None:
            multiprocess.release(self._seat)
        self._seat = None

    def _complain(self, error: OSError) -> None:
        if self._tried:  # told once; among workers it may be the last one's port, which soon is free
            return
        _guard.logger.warning(
            "/metrics is not served at %s:%d: %s. Set OTEL_EXPORTER_PROMETHEUS_PORT to a free port"
            " (0 picks one) or OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine; for a gateway"
            " of several workers set PROMETHEUS_MULTIPROC_DIR. Nothing else is affected",
            self._host,
            self._port,
            error.strerror or error,
        )

    def _elected(self) -> bool:
        if self._workers is None:
            return True
        if self._seat is None:
            self._seat = multiprocess.take_seat(self._workers)
        return self._seat is not None


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return how `/metrics` is served by TLS; None for plain HTTP.

    Raises: SettingError for a key or a client CA without certificate, and for files that cannot be used.
    """
    certificate, key, clients = (
        settings.prometheus_certfile,
        settings.prometheus_keyfile,
        settings.prometheus_client_ca,
    )
    if not certificate:
        if key or clients:
            raise SettingError("OTEL_STREAM_PROMETHEUS_KEYFILE and …_CLIENT_CA need …_CERTFILE beside them")
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(certificate, key or None)
        if clients:
            made.load_verify_locations(clients)
            made.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        raise SettingError(
            f"OTEL_STREAM_PROMETHEUS_CERTFILE {certificate!r}, …_KEYFILE {key!r} and …_CLIENT_CA {clients!r}"
            f" must be PEM files that fit each other: {error}"
        ) from None
    return made
