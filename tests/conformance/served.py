"""The server under test as a process, for judges that do not start it themselves."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import trustme
from run_conformance import HERE, LIBRARY, compile_protos


@contextmanager
def serving(listener: str, *, tls: bool = False) -> Iterator[int]:
    """Starts it, in plain text or with a certificate of nobody's; gives its port."""
    with tempfile.TemporaryDirectory(prefix="stubs-") as stubs:
        compile_protos(stubs)
        path = os.pathsep.join([stubs, str(HERE), str(LIBRARY)])
        sys.path.insert(0, stubs)
        from connectrpc.conformance.v1 import server_compat_pb2 as pb

        request = pb.ServerCompatRequest(use_tls=tls)
        if tls:
            certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
            request.server_creds.cert = certificate.cert_chain_pems[0].bytes()
            request.server_creds.key = certificate.private_key_pem.bytes()
        process = subprocess.Popen(
            [sys.executable, "-m", "under_test", f"--listener={listener}"],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            asked = request.SerializeToString()
            process.stdin.write(struct.pack(">I", len(asked)) + asked)
            process.stdin.flush()
            (size,) = struct.unpack(">I", process.stdout.read(4))
            yield pb.ServerCompatResponse.FromString(process.stdout.read(size)).port
        finally:
            process.terminate()
            process.wait()
