"""Who may do what: world, digest, auth, ip, super."""

from harness import case, equal, eventually, raises

from kazoo.exceptions import AuthFailedError, NoAuthError
from kazoo.security import (
    CREATOR_ALL_ACL,
    READ_ACL_UNSAFE,
    make_acl,
    make_digest_acl,
    make_digest_acl_credential,
)


@case
def acl_of_a_new_znode_is_open(scene):
    client = scene.rooted()
    acls, stat = client.get_acls(scene.root)
    equal([(acl.perms, acl.id.scheme, acl.id.id) for acl in acls], [(31, "world", "anyone")])
    equal(stat.aversion, 0, "aversion")


@case
def acl_change_moves_aversion_only(scene):
    client = scene.rooted()
    before = client.exists(scene.root)
    after = client.set_acls(scene.root, [make_acl("world", "anyone", read=True, admin=True)])
    equal(after.aversion, 1, "aversion")
    equal((after.version, after.mzxid), (before.version, before.mzxid))
    raises(NoAuthError, client.set, scene.root, b"")
    raises(NoAuthError, client.create, scene.root + "/a")
    client.set_acls(scene.root, [make_acl("world", "anyone", all=True)], version=1)
    client.set(scene.root, b"")


@case
def acl_digest(scene):
    owner, other = scene.rooted(), scene.client()
    path = scene.root + "/mine"
    owner.create(path, b"secret", acl=[make_digest_acl("ann", "pw", all=True)])
    for request in (
        lambda: other.get(path),
        lambda: other.set(path, b""),
        lambda: other.get_children(path),
        lambda: other.create(path + "/a"),
        lambda: other.set_acls(path, [make_acl("world", "anyone", all=True)]),
        lambda: other.get_acls(path),
    ):
        raises(NoAuthError, request)
    other.add_auth("digest", "ann:wrong")
    raises(NoAuthError, other.get, path)
    other.add_auth("digest", "ann:pw")
    equal(other.get(path)[0], b"secret")
    equal(other.get_acls(path)[0][0].id.id, make_digest_acl_credential("ann", "pw"))


@case
def acl_of_the_creator(scene):
    client = scene.rooted()
    client.add_auth("digest", "ann:pw")
    client.create(scene.root + "/mine", acl=CREATOR_ALL_ACL)
    acls, _ = client.get_acls(scene.root + "/mine")
    expected = (31, "digest", make_digest_acl_credential("ann", "pw"))
    equal([(acl.perms, acl.id.scheme, acl.id.id) for acl in acls], [expected])
    raises(NoAuthError, scene.client().get, scene.root + "/mine")


@case
def acl_delete_right_is_the_parents(scene):
    client = scene.rooted()
    client.create(scene.root + "/p", acl=[make_acl("world", "anyone", read=True, create=True)])
    client.create(scene.root + "/p/child")
    raises(NoAuthError, client.delete, scene.root + "/p/child")
    raises(NoAuthError, client.delete, scene.root + "/p/missing")
    client.create(scene.root + "/q")
    client.create(scene.root + "/q/child", acl=READ_ACL_UNSAFE)
    client.delete(scene.root + "/q/child")


@case
def acl_shows_no_digest_to_readers(scene):
    owner, other = scene.rooted(), scene.client()
    path = scene.root + "/a"
    acl = [make_acl("world", "anyone", read=True), make_digest_acl("ann", "pw", all=True)]
    owner.create(path, acl=acl)
    seen = {acl.id.scheme: acl.id.id for acl in other.get_acls(path)[0]}
    equal(seen, {"world": "anyone", "digest": "ann:x"})


@case
def acl_ip(scene):
    client = scene.rooted()
    client.create(scene.root + "/here", acl=[make_acl("ip", "127.0.0.1", all=True)])
    client.create(scene.root + "/net", acl=[make_acl("ip", "127.0.0.0/8", all=True)])
    client.create(scene.root + "/there", acl=[make_acl("ip", "10.0.0.0/8", all=True)])
    client.get(scene.root + "/here")
    client.get(scene.root + "/net")
    raises(NoAuthError, client.get, scene.root + "/there")


@case
def acl_super_passes_everywhere(scene):
    client = scene.rooted()
    client.create(scene.root + "/closed", b"x", acl=[make_digest_acl("ann", "pw", read=True)])
    raises(NoAuthError, client.get, scene.root + "/closed")
    client.add_auth("digest", "super:secret")
    equal(client.get(scene.root + "/closed")[0], b"x")
    client.set(scene.root + "/closed", b"y")


@case
def default_acl_and_auth_data_of_a_client(scene):
    client = scene.client(
        default_acl=[make_digest_acl("ann", "pw", all=True)],
        auth_data=[("digest", "ann:pw")],
    )
    client.create(scene.root, b"x")
    equal(client.get(scene.root)[0], b"x")
    raises(NoAuthError, scene.client().get, scene.root)


@case
def unknown_auth_scheme_fails_and_closes(scene):
    client = scene.client()
    raises(AuthFailedError, client.add_auth, "nonsense", "x")
    eventually(lambda: client.state == "LOST", "the client is told")
