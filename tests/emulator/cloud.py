"""A throw-away AWS on the loopback interface, and HTTPS in front of its APIs."""

import contextlib
import datetime
import http.client
import http.server
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

REGION = "eu-central-1"
START_SECONDS = 60
ANSWER_SECONDS = 60


def free_port():
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cloud:
    """The emulator as a process of its own; everything that it writes is under `folder`."""

    def __init__(self, folder, certificate):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = Path(folder) / "emulator.log"
        self.home = Path(folder) / "home"
        self.home.mkdir()
        # Functions inherit this environment, and reach the emulator by AWS_ENDPOINT_URL.
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(folder),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }
        self._own = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            # Functions may do what their roles allow and nothing else.
            "AUTH": "true",
            # It would listen on ports of its own, on every interface.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # So that its JWT authorizers believe the issuer's certificate.
            "SSL_CERT_FILE": str(certificate),
        }
        self._process = None

    def __enter__(self):
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env={**self.environment, **self._own},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Its functions are processes too, and end with its group.
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                sys.exit(f"the emulator ended at once:\n{self.log.read_text(errors='replace')[-4000:]}")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2).close()
                return self
            if time.monotonic() > deadline:
                self.__exit__()
                sys.exit("the emulator doesn't answer")
            time.sleep(0.2)

    def __exit__(self, *_):
        for end in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)


def certificates(folder):
    """Makes an authority, and a certificate of it for this machine; answers the file that names the authority and the one
    with the certificate and its key. Not one for both: some clients take none that is its own authority."""
    authority, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])

    def made(name, key, extensions):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    leaf = [(x509.SubjectAlternativeName(names), False), (x509.BasicConstraints(ca=False, path_length=None), True)]
    form, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    trusted, shown = folder / "authority.pem", folder / "certificate.pem"
    trusted.write_bytes(made(issuer, authority, [(x509.BasicConstraints(ca=True, path_length=0), True)]))
    shown.write_bytes(made(own, key, leaf) + key.private_bytes(serialization.Encoding.PEM, form, nothing))
    return trusted, shown


class Proxy:
    """HTTP before the emulator; what it doesn't answer itself it passes on."""

    def __init__(self):
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length) if length else None
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                status, headers, content = proxy.answer(self.command, self.path, headers, body)
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def answer(self, method, path, headers, body):
        """Status, headers and body for a request."""
        raise NotImplementedError

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def pass_on(cloud, method, path, headers, body):
    """The emulator's answer: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()


class Front(Proxy):
    """HTTPS before one API of the emulator, which speaks HTTP only: an issuer is an https URL."""

    def __init__(self, pem):
        super().__init__()
        self.target = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self.port}"

    def answer(self, method, path, headers, body):
        cloud, prefix = self.target
        return pass_on(cloud, method, prefix + path, headers, body)


class Rotating(Proxy):
    """Secrets Manager as it rotates: the emulator's RotateSecret calls no function and copies the current version. All
    else goes to the emulator."""

    def __init__(self, cloud, begin, go_on):
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        self._cloud, self._begin, self._go_on = cloud, begin, go_on

    def answer(self, method, path, headers, body):
        called = {name.lower(): value for name, value in headers.items()}.get("x-amz-target")
        if called != "secretsmanager.RotateSecret":
            return pass_on(self._cloud, method, path, headers, body)
        asked = json.loads(body)
        token = asked["ClientRequestToken"]
        self._begin(token)
        # AWS answers before the steps are done, too.
        threading.Thread(target=self._go_on, args=(token,), daemon=True).start()
        answer = json.dumps({"Name": asked["SecretId"], "VersionId": token}).encode()
        return 200, [("content-type", "application/x-amz-json-1.1")], answer
