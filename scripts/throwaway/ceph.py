"""S3 by Ceph: a monitor, a store in memory and the RADOS Gateway, all of one throwaway cluster.

A production S3 implementation: versioning, Object Lock in COMPLIANCE mode, multipart, SigV4.
"""

from __future__ import annotations

import base64
import hmac
import json
import signal
import uuid
from email.utils import formatdate
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from throwaway.programs import find
from throwaway.site import Site

MEMORY_BYTES = 4 * 1024**3

# Rights of each entity in the one keyring.
KEYS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx", "mgr": "allow *"},
}


def start(site: Site) -> dict[str, str]:
    """Return SVTEST_S3_ENDPOINT, SVTEST_S3_ACCESS_KEY and SVTEST_S3_SECRET_KEY.

    SVTEST_S3_GUEST_ACCESS_KEY and SVTEST_S3_GUEST_SECRET_KEY are of another user, `secvault-guest`,
    who may do in a bucket what its policy says.
    """
    folder = site.folder
    cluster = str(uuid.uuid4())
    v2, v1, http = site.ports(3)
    mon_host = f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]"
    conf = site.file_of(None, "ceph.conf", _conf(folder, cluster, mon_host, http))
    env = {"CEPH_CONF": str(conf)}
    keyring = str(folder / "keyring")
    for number, (entity, caps) in enumerate(KEYS.items()):
        rights = [part for cap in caps.items() for part in ("--cap", *cap)]
        new = ["--create-keyring"] if number == 0 else []
        site.run([find("ceph-authtool"), keyring, *new, "--gen-key", "-n", entity, *rights])

    monmap = str(folder / "monmap")
    one = ["--create", "--clobber", "--fsid", cluster, "--addv", "a", mon_host]
    site.run([find("monmaptool"), *one, monmap], env=env)
    mon_files = ["--monmap", monmap, "--keyring", keyring]
    site.run([find("ceph-mon"), "--mkfs", "-i", "a", *mon_files], env=env)
    # All three are killed: asked to end, each would first wait for the others.
    mon = site.spawn([find("ceph-mon"), "-f", "-i", "a"], env=env, ending=signal.SIGKILL)

    # The same number for both, else the store would stay down for ever.
    osd_uuid = str(uuid.uuid4())
    (folder / "osd.0").mkdir()
    site.run([find("ceph"), "--connect-timeout=30", "osd", "new", osd_uuid], env=env)
    site.run([find("ceph-osd"), "-i", "0", "--mkfs", "--osd-uuid", osd_uuid], env=env)
    osd = site.spawn([find("ceph-osd"), "-f", "-i", "0"], env=env, ending=signal.SIGKILL)
    # Asked earlier, the gateway would wait five seconds before it asks the store again.
    site.wait(lambda: _store_is_up(site, env), (mon, "ceph-mon"), (osd, "ceph-osd"))
    rgw = ["-n", "client.rgw"]
    gateway = site.spawn([find("radosgw"), "-f", *rgw], env=env, ending=signal.SIGKILL)

    # The gateway makes the keys, so that they stand in no list of arguments.
    def made_user(name: str) -> tuple[str, str]:
        user = ["user", "create", f"--uid={name}", f"--display-name={name}"]
        made = json.loads(site.run([find("radosgw-admin"), *rgw, *user], env=env))
        return made["keys"][0]["access_key"], made["keys"][0]["secret_key"]

    access, secret = made_user("secvault")
    guest, guest_secret = made_user("secvault-guest")
    endpoint = f"http://127.0.0.1:{http}"
    site.wait(
        lambda: _accepts(endpoint, access, secret),
        *((mon, "ceph-mon"), (osd, "ceph-osd"), (gateway, "radosgw")),
    )
    return {
        "SVTEST_S3_ENDPOINT": endpoint,
        "SVTEST_S3_ACCESS_KEY": access,
        "SVTEST_S3_SECRET_KEY": secret,
        "SVTEST_S3_GUEST_ACCESS_KEY": guest,
        "SVTEST_S3_GUEST_SECRET_KEY": guest_secret,
    }


def _store_is_up(site: Site, env: dict[str, str]) -> bool:
    stat = ["--connect-timeout=30", "--format=json", "osd", "stat"]
    return bool(json.loads(site.run([find("ceph"), *stat], env=env))["num_up_osds"] == 1)


def _accepts(endpoint: str, access: str, secret: str) -> bool:
    """Whether the gateway lists our buckets: it serves, it knows our key, so it is our own.

    Signed as AWS signature version 2, the short one.
    """
    date = formatdate(usegmt=True)
    mac = hmac.digest(secret.encode(), f"GET\n\n\n{date}\n/".encode(), "sha1")
    signature = base64.b64encode(mac).decode()
    request = Request(
        f"{endpoint}/", headers={"Date": date, "Authorization": f"AWS {access}:{signature}"}
    )
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


def _conf(folder: Path, cluster: str, mon_host: str, http: int) -> str:
    return f"""\
[global]
fsid = {cluster}
mon host = {mon_host}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/keyring
run dir = {folder}
log file = {folder}/$name.log
admin socket =
pid file = {folder}/$name.pid
mon data = {folder}/mon.$id
osd data = {folder}/osd.$id
# The monitor must not end because the disk beside it is nearly full.
mon data avail warn = 0
mon data avail crit = 0
mon allow pool size one = true
paxos propose interval = 0.05
paxos min wait = 0.01
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd objectstore = memstore
memstore device bytes = {MEMORY_BYTES}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{http}
"""
