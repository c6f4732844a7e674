//! ACLs: what may be set, what it becomes, whom it lets in.

use crate::wire::bytes::Body;
use crate::wire::outcome::{Outcome, expect};
use crate::wire::raw_client::RawClient;
use crate::wire::reply::Acl;
use crate::wire::request::{
    Request, auth, check, create, create_with_acl, delete, exists, get_acl,
    get_all_children_number, get_children, get_children2, get_data, multi, set_acl, set_data, sync,
};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// `bob:` and the base64 SHA-1 of `bob:pw`.
const BOB: &str = "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=";
/// `alice:` and the base64 SHA-1 of `alice:secret`.
const ALICE: &str = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=";
/// `super:` and the base64 SHA-1 of `super:secret`, the super digest of the server under test.
const SUPER: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    register_valid(suite);
    register_normalised(suite);
    register_enforced(suite);
}

fn register_valid(suite: &mut Suite) {
    for (scheme, id, is_valid) in [
        ("world", "anyone", true),
        ("world", "someone", false),
        ("world", "", false),
        ("digest", "bob:x", true),
        ("digest", "bob:", false),
        ("digest", ":x", true),
        ("digest", "bob", false),
        ("digest", "", false),
        ("digest", "bob:x:y", false),
        ("ip", "127.0.0.1", true),
        ("ip", "10.0.0.0/8", true),
        ("ip", "10.0.0.0/0", true),
        ("ip", "10.0.0.0/32", true),
        ("ip", "10.0.0.0/33", false),
        ("ip", "10.0.0.0/-1", false),
        ("ip", "10.0.0.0/x", false),
        ("ip", "10.0.0", false),
        ("ip", "256.0.0.1", false),
        ("ip", "::1", true),
        ("ip", "fe80::/10", true),
        ("ip", "::1/128", true),
        ("ip", "::1/129", false),
        ("ip", "localhost", false),
        ("ip", "", false),
        ("super", "", false),
        ("nosuch", "x", false),
        ("", "x", false),
        ("World", "anyone", false),
        ("auth", "", false),
        ("auth", "ignored", false),
    ] {
        let answer = if is_valid {
            "taken"
        } else {
            "refused-with--114"
        };
        suite.case(format!("acl/{scheme}:{id}-is-{answer}"), move |case| {
            let mut client = case.client()?;
            let acl = [Acl::world(31), Acl::new(1, scheme, id)];
            let create = client.call(&create_with_acl(&case.at("n"), &acl))?;
            let set = client.call(&set_acl(&case.root, &acl, -1))?;
            if !is_valid {
                create.refused(-114)?;
                return set.refused(-114);
            }
            create.path()?;
            set.stat()?;
            expect(
                "ACL",
                client.call(&get_acl(&case.at("n")))?.acl_and_stat()?.0,
                acl.to_vec(),
            )
        });
    }
    for perms in [0, 31, 32, 63, -1, i32::MAX] {
        suite.case(
            format!("acl/permissions-{perms}-are-kept-as-given"),
            move |case| {
                let mut client = case.client()?;
                let acl = vec![Acl::new(perms, "ip", "127.0.0.1"), Acl::world(31)];
                client.call(&create_with_acl(&case.at("n"), &acl))?.path()?;
                expect(
                    "ACL",
                    client.call(&get_acl(&case.at("n")))?.acl_and_stat()?.0,
                    acl,
                )
            },
        );
    }
    suite.case("acl/null-scheme-is-refused-with--114", |case| {
        let body = Body::new()
            .str(&case.at("n"))
            .buf(None)
            .i32(1)
            .i32(31)
            .null()
            .str("x")
            .i32(0);
        case.client()?.call(&Request::new(1, body))?.refused(-114)
    });
    suite.case("acl/null-id-is-refused", |case| {
        let body = Body::new()
            .str(&case.at("n"))
            .buf(None)
            .i32(1)
            .i32(31)
            .str("world")
            .null()
            .i32(0);
        let err = case.client()?.call(&Request::new(1, body))?.err;
        expect("err", err, case.on(err, -114))
    });
    suite.case(
        "acl/setACL-with-a-null-or-empty-list-is-refused-with--114",
        |case| {
            let mut client = case.client()?;
            client.call(&set_acl(&case.root, &[], -1))?.refused(-114)?;
            client
                .call(&Request::new(7, Body::new().str(&case.root).null().i32(-1)))?
                .refused(-114)
        },
    );
}

fn register_normalised(suite: &mut Suite) {
    suite.case("acl/duplicates-are-removed-and-the-order-kept", |case| {
        let mut client = case.client()?;
        let (world, ip) = (Acl::world(31), Acl::new(1, "ip", "1.2.3.4"));
        let given = [&world, &ip, &world, &ip, &Acl::world(1)].map(Acl::clone);
        client
            .call(&create_with_acl(&case.at("n"), &given))?
            .path()?;
        expect(
            "ACL",
            client.call(&get_acl(&case.at("n")))?.acl_and_stat()?.0,
            vec![world, ip, Acl::world(1)],
        )
    });
    let mut becomes =
        |name: &str, auths: &'static [&str], given: fn() -> Vec<Acl>, stored: fn() -> Vec<Acl>| {
            suite.case(format!("acl/{name}"), move |case| {
                let mut client = case.client()?;
                for credentials in auths {
                    client
                        .call(&auth("digest", credentials.as_bytes()))?
                        .bare()?;
                }
                client
                    .call(&create_with_acl(&case.at("n"), &given()))?
                    .path()?;
                // Several identities come in any order.
                let sorted = |mut acl: Vec<Acl>| {
                    acl.sort_by(|one, two| (&one.scheme, &one.id).cmp(&(&two.scheme, &two.id)));
                    acl
                };
                let stored = sorted(stored());
                expect(
                    "ACL of create",
                    sorted(client.call(&get_acl(&case.at("n")))?.acl_and_stat()?.0),
                    stored.clone(),
                )?;
                client.make(&case.at("m"), b"", 0)?;
                client.call(&set_acl(&case.at("m"), &given(), -1))?.stat()?;
                let mut super_user = case.client()?;
                super_user.call(&auth("digest", b"super:secret"))?.bare()?;
                expect(
                    "ACL of setACL",
                    sorted(super_user.call(&get_acl(&case.at("m")))?.acl_and_stat()?.0),
                    stored,
                )
            });
        };
    becomes(
        "auth-becomes-the-digest-of-user-and-password",
        &["bob:pw"],
        || vec![Acl::new(31, "auth", "")],
        || vec![Acl::new(31, "digest", BOB)],
    );
    becomes(
        "auth-ignores-its-id-and-keeps-its-permissions",
        &["bob:pw"],
        || vec![Acl::world(31), Acl::new(3, "auth", "whoever:x")],
        || vec![Acl::world(31), Acl::new(3, "digest", BOB)],
    );
    becomes(
        "auth-becomes-one-entry-per-identity",
        &["bob:pw", "alice:secret"],
        || vec![Acl::world(31), Acl::new(31, "auth", "")],
        || {
            vec![
                Acl::world(31),
                Acl::new(31, "digest", ALICE),
                Acl::new(31, "digest", BOB),
            ]
        },
    );
    becomes(
        "auth-does-not-count-the-super-marker",
        &["super:secret"],
        || vec![Acl::new(31, "auth", "")],
        || vec![Acl::new(31, "digest", SUPER)],
    );
}

/// An operation on the znode `n/c` or `n`, with the bit that it needs and where.
type Guarded = (&'static str, i32, fn(&Case) -> Request);

const GUARDED: [Guarded; 14] = [
    ("create", 4, |case| create(&case.at("n/new"), b"", 0)),
    ("create2", 4, |case| {
        crate::wire::request::create2(&case.at("n/new"), b"", 1)
    }),
    ("createContainer", 4, |case| {
        crate::wire::request::create_container(&case.at("n/new"))
    }),
    ("createTTL", 4, |case| {
        crate::wire::request::create_ttl(&case.at("n/new"), 5, 60_000)
    }),
    ("delete", 8, |case| delete(&case.at("n/c"), -1)),
    ("exists", 1, |case| exists(&case.at("n"), false)),
    ("getData", 1, |case| get_data(&case.at("n"), false)),
    ("getChildren", 1, |case| get_children(&case.at("n"), false)),
    ("getChildren2", 1, |case| {
        get_children2(&case.at("n"), false)
    }),
    ("getAllChildrenNumber", 1, |case| {
        get_all_children_number(&case.at("n"))
    }),
    ("setData", 2, |case| set_data(&case.at("n"), b"", -1)),
    ("setACL", 16, |case| {
        set_acl(&case.at("n"), &[Acl::world(31)], -1)
    }),
    ("getACL", 1 | 16, |case| get_acl(&case.at("n"))),
    ("sync", 0, |case| sync(&case.at("n"))),
];

/// `n` with this ACL, and a child `n/c` that anyone may do anything to.
fn guarded(case: &Case, acl: &[Acl]) -> Outcome<RawClient> {
    let mut client = case.client()?;
    client.make(&case.at("n"), b"", 0)?;
    client.make(&case.at("n/c"), b"", 0)?;
    client.call(&set_acl(&case.at("n"), acl, -1))?.stat()?;
    Ok(client)
}

fn register_enforced(suite: &mut Suite) {
    for (name, bits, request) in GUARDED {
        for bit in [1, 2, 4, 8, 16] {
            let may = bits == 0 || bits & bit != 0;
            let answer = if may { "allows" } else { "does-not-allow" };
            suite.case(
                format!("acl/permission-{bit}-{answer}-{name}"),
                move |case| {
                    let reply = guarded(case, &[Acl::world(bit)])?.call(&request(case))?;
                    if may {
                        reply.ok().map(drop)
                    } else {
                        reply.refused(-102)
                    }
                },
            );
        }
        suite.case(
            format!("acl/super-may-{name}-without-any-permission"),
            move |case| {
                let mut client = guarded(case, &[Acl::world(0)])?;
                client.call(&auth("digest", b"super:secret"))?.bare()?;
                client.call(&request(case))?.ok().map(drop)
            },
        );
        suite.case(
            format!("acl/{name}-by-the-matching-digest-alone"),
            move |case| {
                let mut client = guarded(case, &[Acl::new(31, "digest", BOB)])?;
                if bits != 0 {
                    client.call(&request(case))?.refused(-102)?;
                    client.call(&auth("digest", b"bob:wrong"))?.bare()?;
                    client.call(&request(case))?.refused(-102)?;
                }
                client.call(&auth("digest", b"bob:pw"))?.bare()?;
                client.call(&request(case))?.ok().map(drop)
            },
        );
    }
    for (id, may) in [
        ("127.0.0.1", true),
        ("127.0.0.1/32", true),
        ("127.0.0.0/8", true),
        ("127.9.9.9/8", true),
        ("0.0.0.0/0", true),
        ("126.0.0.0/7", true),
        ("127.0.0.2", false),
        ("127.0.0.2/31", false),
        ("127.0.0.0/31", true),
        ("10.0.0.0/8", false),
        ("::1", false),
        ("::/0", false),
    ] {
        let answer = if may { "matches" } else { "does-not-match" };
        suite.case(format!("acl/ip-{id}-{answer}-127.0.0.1"), move |case| {
            let reply =
                guarded(case, &[Acl::new(31, "ip", id)])?.call(&get_data(&case.at("n"), false))?;
            if may {
                reply.ok().map(drop)
            } else {
                reply.refused(-102)
            }
        });
    }
    suite.case("acl/is-not-inherited", |case| {
        let mut client = guarded(case, &[Acl::world(4)])?;
        client
            .call(&get_data(&case.at("n"), false))?
            .refused(-102)?;
        client
            .call(&get_data(&case.at("n/c"), false))?
            .data_and_stat()?;
        client.make(&case.at("n/new"), b"", 0)?;
        expect(
            "ACL of a child",
            client.call(&get_acl(&case.at("n/new")))?.acl_and_stat()?.0,
            vec![Acl::world(31)],
        )
    });
    suite.case("acl/any-entry-that-matches-grants", |case| {
        let mut client = guarded(
            case,
            &[
                Acl::new(31, "ip", "9.9.9.9"),
                Acl::world(1),
                Acl::new(2, "ip", "127.0.0.1"),
            ],
        )?;
        client
            .call(&get_data(&case.at("n"), false))?
            .data_and_stat()?;
        client.call(&set_data(&case.at("n"), b"", -1))?.stat()?;
        client
            .call(&create(&case.at("n/new"), b"", 0))?
            .refused(-102)
    });
    suite.case("acl/auth-is-gone-with-its-connection", |case| {
        let mut client = guarded(case, &[Acl::new(31, "digest", BOB)])?;
        client.call(&auth("digest", b"bob:pw"))?.bare()?;
        client
            .call(&get_data(&case.at("n"), false))?
            .data_and_stat()?;
        let mut back = case.client_with(&client.disconnect())?;
        back.call(&get_data(&case.at("n"), false))?.refused(-102)
    });
    suite.case(
        "acl/auth-pipelined-before-a-request-counts-for-it",
        |case| {
            let mut client = guarded(case, &[Acl::new(31, "digest", BOB)])?;
            let mut burst = auth("digest", b"bob:pw").framed(-4);
            burst.extend(set_data(&case.at("n"), b"", -1).framed(1));
            client.socket.send(&burst)?;
            expect("xid of the auth reply", client.reply()?.xid, -4)?;
            client.reply()?.stat().map(drop)
        },
    );
    suite.case("acl/pipelined-setACL-counts-for-the-next-request", |case| {
        let mut client = guarded(case, &[Acl::world(31)])?;
        client.send(&set_acl(&case.at("n"), &[Acl::world(1)], -1))?;
        client.send(&set_data(&case.at("n"), b"", -1))?;
        client.reply()?.stat()?;
        // Apache ZooKeeper checks against the old list until the setACL has been applied: either may happen there.
        let err = client.reply()?.err;
        expect("err", err, case.on(err, -102))
    });
    suite.case("acl/super-does-not-bypass-versions-and-paths", |case| {
        let mut client = guarded(case, &[Acl::world(0)])?;
        client.call(&auth("digest", b"super:secret"))?.bare()?;
        client
            .call(&set_data(&case.at("n"), b"", 7))?
            .refused(-103)?;
        client
            .call(&set_data(&case.at("n/"), b"", -1))?
            .refused(-8)?;
        client.call(&delete("/zookeeper", -1))?.refused(-8)
    });
    suite.case("acl/wrong-super-password-gives-nothing", |case| {
        let mut client = guarded(case, &[Acl::world(0)])?;
        client.call(&auth("digest", b"super:wrong"))?.bare()?;
        client.call(&get_data(&case.at("n"), false))?.refused(-102)
    });
    suite.case("acl/check-inside-multi-needs-READ", |case| {
        let mut client = guarded(case, &[Acl::world(30)])?;
        let results = client
            .call(&multi(&[check(&case.at("n"), -1)]))?
            .results()?;
        expect(
            "results",
            results,
            vec![crate::wire::reply::OpResult::Error(-102)],
        )
    });
}
