package main

import (
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

var modeCases = []Case{
	{"create-sequential", func(s *Scene) {
		client := s.Rooted()
		create := func(flags int32) string {
			path, err := client.Create(s.Root+"/s-", nil, flags, open)
			s.OK(err)
			return strings.TrimPrefix(path, s.Root)
		}
		s.Equal("first", create(zk.FlagSequence), "/s-0000000000")
		s.Equal("second", create(zk.FlagEphemeralSequential), "/s-0000000001")
		s.OK(client.Delete(s.Root+"/s-0000000001", -1))
		s.Create(client, s.Root+"/plain", "")
		s.Equal("fourth creation", create(zk.FlagSequence), "/s-0000000003")
	}},
	{"create-ephemeral", func(s *Scene) {
		client, owner := s.Rooted(), s.Client()
		_, err := owner.Create(s.Root+"/e", nil, zk.FlagEphemeral, open)
		s.OK(err)
		_, stat, err := client.Exists(s.Root + "/e")
		s.OK(err)
		s.Equal("owner", stat.EphemeralOwner, owner.SessionID())
		_, err = owner.Create(s.Root+"/e/child", nil, 0, open)
		s.Error(err, zk.ErrNoChildrenForEphemerals)
		owner.Close()
		s.Eventually("the ephemeral ends with its session", func() bool {
			return s.Missing(client, s.Root+"/e")
		})
	}},
	{"create-protected-ephemeral-sequential", func(s *Scene) {
		client := s.Rooted()
		path, err := client.CreateProtectedEphemeralSequential(s.Root+"/lock-", nil, open)
		s.OK(err)
		s.True("the name is protected", strings.HasPrefix(path, s.Root+"/_c_"))
		s.True("the suffix is there", strings.HasSuffix(path, "-lock-0000000000"))
	}},
	{"create-container", func(s *Scene) {
		client := s.Rooted()
		path := s.Root + "/c"
		_, err := client.CreateContainer(path, []byte("x"), zk.FlagContainer, open)
		s.OK(err)
		_, stat, err := client.Exists(path)
		s.OK(err)
		s.Equal("owner", stat.EphemeralOwner, int64(0))
		s.Create(client, path+"/child", "")
		_, _, gone, err := client.ExistsW(path)
		s.OK(err)
		s.OK(client.Delete(path+"/child", -1))
		event := s.Next(gone)
		s.Equal("event", event.Type, zk.EventNodeDeleted)
		s.True("the empty container is removed", s.Missing(client, path))
	}},
	{"unused-container-stays", func(s *Scene) {
		client := s.Rooted()
		_, err := client.CreateContainer(s.Root+"/c", nil, zk.FlagContainer, open)
		s.OK(err)
		// A second container that was used shows that the removal has run.
		_, err = client.CreateContainer(s.Root+"/used", nil, zk.FlagContainer, open)
		s.OK(err)
		s.Create(client, s.Root+"/used/child", "")
		s.OK(client.Delete(s.Root+"/used/child", -1))
		s.Eventually("the used one is removed", func() bool {
			return s.Missing(client, s.Root+"/used")
		})
		s.True("the unused one stays", !s.Missing(client, s.Root+"/c"))
	}},
	{"create-with-time-to-live", func(s *Scene) {
		client := s.Rooted()
		made := time.Now()
		path, err := client.CreateTTL(s.Root+"/t", nil, zk.FlagTTL, open, time.Second)
		s.OK(err)
		s.Equal("path", path, s.Root+"/t")
		_, stat, gone, err := client.ExistsW(path)
		s.OK(err)
		s.Equal("owner", stat.EphemeralOwner, int64(0))
		s.Equal("event", s.Next(gone).Type, zk.EventNodeDeleted)
		s.True("it lived a second", time.Since(made) > 900*time.Millisecond)
	}},
	{"time-to-live-waits-for-children", func(s *Scene) {
		client := s.Rooted()
		path, err := client.CreateTTL(s.Root+"/t-", nil, zk.FlagPersistentSequentialWithTTL, open,
			100*time.Millisecond)
		s.OK(err)
		s.Equal("path", path, s.Root+"/t-0000000000")
		s.Create(client, path+"/child", "")
		other, err := client.CreateTTL(s.Root+"/other", nil, zk.FlagTTL, open, 100*time.Millisecond)
		s.OK(err)
		s.Eventually("the childless one is removed", func() bool { return s.Missing(client, other) })
		s.True("the parent stays", !s.Missing(client, path))
		s.OK(client.Delete(path+"/child", -1))
		s.Eventually("then it is removed", func() bool { return s.Missing(client, path) })
	}},
}
