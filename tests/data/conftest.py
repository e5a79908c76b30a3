"""A local server for the tests of downloads."""

import http.server
import threading

import pytest


class Site:
    """Files that a local server publishes: `files[path]` is their bytes, and `headers[path]`."""

    def __init__(self):
        self.files, self.headers, self.requested = {}, {}, []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.requested.append(self.path)
                content = site.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                headers = {"Content-Length": str(len(content))} | site.headers.get(self.path, {})
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site(monkeypatch):
    """A local server, and no raw folder in the environment."""
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Site()
    yield server
    server.close()
