"""Clients in number: TLS connections that are held open, and what is asked on them."""
import resource
import socket

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tls_socket(agent, port, source="127.0.0.1"):
    raw = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    try:
        return agent.tls.wrap_socket(raw, server_hostname="127.0.0.1")
    except BaseException:
        raw.close()
        raise


def ask(sock, path, header):
    """The status of the answer, 0 when there was none; the connection stays."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n\r\n".encode())
    answer = sock.recv(65536)
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def hold(agent, port, path, header, wanted, source=lambda n: "127.0.0.1"):
    """As many connections as are taken, each after one answer."""
    held = []
    for n in range(wanted):
        try:
            sock = tls_socket(agent, port, source(n))
            if ask(sock, path, header) != 200:
                sock.close()
                break
            held.append(sock)
        except OSError:
            break
    return held


def still_open(sockets):
    """Nothing to read, or something that is not the end."""
    count = 0
    for sock in sockets:
        sock.settimeout(0.0)
        try:
            count += sock.recv(65536) != b""
        except OSError as error:
            count += "did not complete" in str(error) or isinstance(error, BlockingIOError)
    return count
