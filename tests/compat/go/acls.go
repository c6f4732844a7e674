package main

import "github.com/go-zookeeper/zk"

var aclCases = []Case{
	{"acl-get-and-set", func(s *Scene) {
		client := s.Rooted()
		acl, _, err := client.GetACL(s.Root)
		s.OK(err)
		s.Equal("acl", acl, open)
		stat, err := client.SetACL(s.Root, zk.WorldACL(zk.PermRead|zk.PermAdmin), 0)
		s.OK(err)
		s.Equal("aversion", stat.Aversion, int32(1))
		s.Equal("version", stat.Version, int32(0))
		_, err = client.Set(s.Root, nil, -1)
		s.Error(err, zk.ErrNoAuth)
		_, err = client.Create(s.Root+"/a", nil, 0, open)
		s.Error(err, zk.ErrNoAuth)
	}},
	{"acl-digest", func(s *Scene) {
		owner, other := s.Client(), s.Client()
		acl := zk.DigestACL(zk.PermAll, "ann", "pw")
		_, err := owner.Create(s.Root, []byte("secret"), 0, acl)
		s.OK(err)
		_, _, err = other.Get(s.Root)
		s.Error(err, zk.ErrNoAuth)
		s.OK(other.AddAuth("digest", []byte("ann:wrong")))
		_, _, err = other.Get(s.Root)
		s.Error(err, zk.ErrNoAuth)
		s.OK(other.AddAuth("digest", []byte("ann:pw")))
		data, _, err := other.Get(s.Root)
		s.OK(err)
		s.Equal("data", string(data), "secret")
		got, _, err := other.GetACL(s.Root)
		s.OK(err)
		s.Equal("acl", got, acl)
	}},
	{"acl-of-the-creator", func(s *Scene) {
		client := s.Client()
		s.OK(client.AddAuth("digest", []byte("ann:pw")))
		_, err := client.Create(s.Root, nil, 0, zk.AuthACL(zk.PermAll))
		s.OK(err)
		acl, _, err := client.GetACL(s.Root)
		s.OK(err)
		s.Equal("acl", acl, zk.DigestACL(zk.PermAll, "ann", "pw"))
	}},
	{"acl-shows-no-digest-to-readers", func(s *Scene) {
		client := s.Client()
		acl := append(zk.WorldACL(zk.PermRead), zk.DigestACL(zk.PermAll, "ann", "pw")...)
		_, err := client.Create(s.Root, nil, 0, acl)
		s.OK(err)
		got, _, err := client.GetACL(s.Root)
		s.OK(err)
		s.Equal("ids", []string{got[0].ID, got[1].ID}, []string{"anyone", "ann:x"})
	}},
	{"super-passes-everywhere", func(s *Scene) {
		client := s.Client()
		_, err := client.Create(s.Root, nil, 0, zk.DigestACL(zk.PermRead, "ann", "pw"))
		s.OK(err)
		s.OK(client.AddAuth("digest", []byte("super:secret")))
		_, err = client.Set(s.Root, []byte("x"), -1)
		s.OK(err)
	}},
	{"watch-of-an-unreadable-znode-is-refused", func(s *Scene) {
		client := s.Client()
		_, err := client.Create(s.Root, nil, 0, zk.DigestACL(zk.PermAll, "ann", "pw"))
		s.OK(err)
		_, _, _, err = client.GetW(s.Root)
		s.Error(err, zk.ErrNoAuth)
		_, _, _, err = client.ChildrenW(s.Root)
		s.Error(err, zk.ErrNoAuth)
		_, _, err = client.Exists(s.Root)
		s.Error(err, zk.ErrNoAuth)
	}},
	{"unknown-auth-scheme-fails-and-closes", func(s *Scene) {
		client := s.Client()
		s.Error(client.AddAuth("nonsense", []byte("x")), zk.ErrAuthFailed)
		s.AwaitState(client, zk.StateDisconnected)
		s.AwaitState(client, zk.StateHasSession)
	}},
}
