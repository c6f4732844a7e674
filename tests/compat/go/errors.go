package main

import "github.com/go-zookeeper/zk"

var errorCases = []Case{
	{"error-no-node", func(s *Scene) {
		client := s.Rooted()
		missing := s.Root + "/missing"
		_, _, err := client.Get(missing)
		s.Error(err, zk.ErrNoNode)
		_, _, err = client.Children(missing)
		s.Error(err, zk.ErrNoNode)
		_, err = client.Set(missing, nil, -1)
		s.Error(err, zk.ErrNoNode)
		s.Error(client.Delete(missing, -1), zk.ErrNoNode)
		_, err = client.Create(missing+"/child", nil, 0, open)
		s.Error(err, zk.ErrNoNode)
		_, _, err = client.GetACL(missing)
		s.Error(err, zk.ErrNoNode)
		_, err = client.SetACL(missing, open, -1)
		s.Error(err, zk.ErrNoNode)
	}},
	{"error-node-exists", func(s *Scene) {
		client := s.Rooted()
		for _, flags := range []int32{zk.FlagPersistent, zk.FlagEphemeral} {
			_, err := client.Create(s.Root, nil, flags, open)
			s.Error(err, zk.ErrNodeExists)
		}
		_, err := client.CreateContainer(s.Root, nil, zk.FlagContainer, open)
		s.Error(err, zk.ErrNodeExists)
	}},
	{"error-bad-version", func(s *Scene) {
		client := s.Rooted()
		_, err := client.Set(s.Root, nil, 7)
		s.Error(err, zk.ErrBadVersion)
		s.Error(client.Delete(s.Root, 7), zk.ErrBadVersion)
		_, err = client.SetACL(s.Root, open, 7)
		s.Error(err, zk.ErrBadVersion)
	}},
	{"error-not-empty", func(s *Scene) {
		client := s.Rooted()
		s.Create(client, s.Root+"/child", "")
		s.Error(client.Delete(s.Root, -1), zk.ErrNotEmpty)
	}},
	{"error-invalid-acl", func(s *Scene) {
		client := s.Rooted()
		for _, acl := range [][]zk.ACL{
			{},
			{{Perms: zk.PermAll, Scheme: "nonsense", ID: "x"}},
			{{Perms: zk.PermAll, Scheme: "digest", ID: "no-colon"}},
			{{Perms: zk.PermAll, Scheme: "auth", ID: ""}},
		} {
			_, err := client.Create(s.Root+"/a", nil, 0, acl)
			s.Error(err, zk.ErrInvalidACL)
		}
	}},
	{"error-bad-arguments", func(s *Scene) {
		client := s.Rooted()
		for _, path := range []string{"/", "/zookeeper", "/zookeeper/config"} {
			s.Error(client.Delete(path, -1), zk.ErrBadArguments)
		}
		// A time to live that no znode can have.
		_, err := client.CreateTTL(s.Root+"/t", nil, zk.FlagTTL, open, 0)
		s.Error(err, zk.ErrBadArguments)
	}},
	{"error-reconfig-disabled", func(s *Scene) {
		client := s.Client()
		_, err := client.IncrementalReconfig([]string{"server.2=localhost:2888:3888;2181"}, nil, -1)
		s.Error(err, zk.ErrReconfigDisabled)
		_, err = client.Reconfig([]string{"server.2=localhost:2888:3888;2181"}, -1)
		s.Error(err, zk.ErrReconfigDisabled)
		s.True("the client lives on", !s.Missing(client, "/"))
	}},
}
