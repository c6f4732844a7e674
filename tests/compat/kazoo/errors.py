"""Every error a request may be answered with, and which one wins."""

from harness import case, equal, raises

from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    InvalidACLError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    ReconfigDisabledError,
)
from kazoo.security import ACL, Id, make_acl


@case
def error_no_node(scene):
    client = scene.rooted()
    missing = scene.root + "/missing"
    raises(NoNodeError, client.get, missing)
    raises(NoNodeError, client.set, missing, b"")
    raises(NoNodeError, client.delete, missing)
    raises(NoNodeError, client.get_children, missing)
    raises(NoNodeError, client.get_children, missing, include_data=True)
    raises(NoNodeError, client.get_acls, missing)
    raises(NoNodeError, client.set_acls, missing, [make_acl("world", "anyone", all=True)])
    raises(NoNodeError, client.create, missing + "/child")
    equal(client.exists(missing), None)


@case
def error_node_exists(scene):
    client = scene.rooted()
    raises(NodeExistsError, client.create, scene.root)
    raises(NodeExistsError, client.create, scene.root, ephemeral=True)
    raises(NodeExistsError, client.create, "/")


@case
def error_bad_version(scene):
    client = scene.rooted()
    raises(BadVersionError, client.set, scene.root, b"", version=7)
    raises(BadVersionError, client.delete, scene.root, version=7)
    acl = [make_acl("world", "anyone", all=True)]
    raises(BadVersionError, client.set_acls, scene.root, acl, version=7)
    equal(client.set(scene.root, b"", version=-1).version, 1, "any version")


@case
def error_not_empty(scene):
    client = scene.rooted()
    client.create(scene.root + "/child")
    raises(NotEmptyError, client.delete, scene.root)
    raises(BadVersionError, client.delete, scene.root, version=7)


@case
def error_no_children_for_ephemerals(scene):
    client = scene.rooted()
    client.create(scene.root + "/e", ephemeral=True)
    for options in ({}, {"sequence": True}, {"ephemeral": True}):
        raises(NoChildrenForEphemeralsError, client.create, scene.root + "/e/c", **options)


@case
def error_invalid_acl(scene):
    client = scene.rooted()
    for scheme, credential in (
        ("nonsense", "x"),
        ("digest", "no-colon"),
        ("ip", "300.1.2.3"),
        ("world", "someone"),
        ("auth", ""),
    ):
        acl = [ACL(31, Id(scheme, credential))]
        raises(InvalidACLError, client.create, scene.root + "/a", acl=acl)
    raises(InvalidACLError, client.set_acls, scene.root, [])
    # An invalid ACL is noticed before a missing parent.
    raises(InvalidACLError, client.create, scene.root + "/no/a", acl=[ACL(31, Id("nonsense", "x"))])


@case
def error_bad_arguments(scene):
    client = scene.rooted()
    raises(BadArgumentsError, client.create, scene.root + "/\x01")
    raises(BadArgumentsError, client.create, scene.root + "/\x7f")
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        raises(BadArgumentsError, client.delete, path)


@case
def error_reconfig_disabled(scene):
    client = scene.rooted()
    raises(
        ReconfigDisabledError,
        client.reconfig,
        joining="server.2=127.0.0.1:2888:3888:participant;2181",
        leaving=None,
        new_members=None,
    )
    assert client.exists(scene.root), "the client lives on"


@case
def an_error_does_not_disturb_the_pipeline(scene):
    client = scene.rooted()
    pending = []
    for _ in range(100):
        pending.append(client.get_async(scene.root + "/missing"))
        pending.append(client.exists_async(scene.root))
        pending.append(client.create_async(scene.root))
    for bad, good, exists in zip(pending[0::3], pending[1::3], pending[2::3]):
        raises(NoNodeError, bad.get, timeout=10)
        assert good.get(timeout=10), "exists"
        raises(NodeExistsError, exists.get, timeout=10)
