"""OpenBao as a careful user runs it: raft storage, a file audit device, unsealed with one key."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from throwaway.programs import find
from throwaway.site import NotStarted, Site

AUDIT = "audit.log"


def start(site: Site) -> dict[str, str]:
    """Return SVTEST_OPENBAO_ADDR, SVTEST_OPENBAO_TOKEN (root) and SVTEST_OPENBAO_AUDIT, the file.

    `transit/` is mounted.
    """
    (site.folder / "raft").mkdir()
    port, cluster = site.ports(2)
    address = f"http://127.0.0.1:{port}"
    config = site.file_of(None, "openbao.hcl", _config(site, port, cluster))
    server = site.spawn([find("bao"), "server", f"-config={config}"])
    watched = (server, "bao")
    log = site.log("bao")
    # Its own word, and not an answer on the port: another server may have taken that.
    site.wait(lambda: b"server started!" in log.read_bytes(), watched)

    made = _call(address, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    token = str(made["root_token"])
    _call(address, "PUT", "sys/unseal", {"key": made["keys_base64"][0]})
    site.wait(lambda: _active(address), watched)
    _call(address, "POST", "sys/mounts/transit", {"type": "transit"}, token)
    return {
        "SVTEST_OPENBAO_ADDR": address,
        "SVTEST_OPENBAO_TOKEN": token,
        "SVTEST_OPENBAO_AUDIT": str(site.folder / AUDIT),
    }


def _config(site: Site, port: int, cluster: int) -> str:
    return f"""\
storage "raft" {{
  path = {json.dumps(str(site.folder / "raft"))}
  node_id = "n1"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster}"
audit "file" "main" {{
  options {{ file_path = {json.dumps(str(site.folder / AUDIT))} }}
}}
"""


def _active(address: str) -> bool:
    """Whether it has unsealed and leads its cluster of one (sys/health answers 200)."""
    try:
        _call(address, "GET", "sys/health")
    except HTTPError:
        return False
    return True


def _call(
    address: str, method: str, path: str, body: object = None, token: str | None = None
) -> dict[str, Any]:
    request = Request(
        f"{address}/v1/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-Vault-Token": token} if token else {},
    )
    # Through no proxy, whatever the environment says: this is the same machine.
    with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
        text = answer.read()
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        raise NotStarted(f"OpenBao answered {path} with something that is no object")
    return found
