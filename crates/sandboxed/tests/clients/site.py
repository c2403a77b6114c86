"""Serves the files in `site` by HTTP and HTTPS; `@ORIGIN@` in texts is the name that the client asked for. Prints both ports."""
import functools, http.server, ssl, sys, threading


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.translate_path(self.path)
        try:
            content = open(path if not self.path.endswith("/") else path + "/index.html", "rb").read()
        except OSError:
            return self.send_error(404)
        origin = f"{self.server.scheme}://{self.headers['Host']}".encode()
        if b"@ORIGIN@" in content:
            content = content.replace(b"@ORIGIN@", origin)
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else self.guess_type(path))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


handler = functools.partial(Handler, directory="site")
ports = []
for scheme in ("http", "https"):
    server = http.server.ThreadingHTTPServer((sys.argv[1], 0), handler)
    server.scheme = scheme
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("server.pem", "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    ports.append(server.server_address[1])
    threading.Thread(target=server.serve_forever).start()
print(*ports, flush=True)
