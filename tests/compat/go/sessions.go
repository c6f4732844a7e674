package main

import (
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"
)

// survives checks what a client keeps while the server goes down and comes back.
func survives(s *Scene, down func(*Control) error) {
	client := s.Client()
	s.OK(client.AddAuth("digest", []byte("ann:pw")))
	_, err := client.Create(s.Root, []byte("x"), 0, append(zk.AuthACL(zk.PermAll), open...))
	s.OK(err)
	_, err = client.Create(s.Root+"/secret", []byte("x"), 0, zk.AuthACL(zk.PermAll))
	s.OK(err)
	_, err = client.Create(s.Root+"/e", nil, zk.FlagEphemeral, open)
	s.OK(err)
	session := client.SessionID()
	_, _, changed, err := client.GetW(s.Root)
	s.OK(err)
	_, _, created, err := client.ExistsW(s.Root + "/new")
	s.OK(err)
	_, _, children, err := client.ChildrenW(s.Root)
	s.OK(err)

	s.OK(down(s.Control))
	s.AwaitState(client, zk.StateDisconnected)
	s.OK(s.Control.Start())
	s.AwaitState(client, zk.StateHasSession)
	s.Equal("session", client.SessionID(), session)
	_, stat, err := client.Exists(s.Root + "/e")
	s.OK(err)
	s.Equal("owner", stat.EphemeralOwner, session)
	_, _, err = client.Get(s.Root + "/secret")
	s.OK(err)

	writer := s.Client()
	_, err = writer.Set(s.Root, []byte("y"), -1)
	s.OK(err)
	s.Create(writer, s.Root+"/new", "")
	s.Equal("data watch", s.Next(changed).Type, zk.EventNodeDataChanged)
	s.Equal("exist watch", s.Next(created).Type, zk.EventNodeCreated)
	s.Equal("child watch", s.Next(children).Type, zk.EventNodeChildrenChanged)
}

var sessionCases = []Case{
	{"session-survives-kill-of-the-server", func(s *Scene) { survives(s, (*Control).Kill) }},
	{"session-survives-stop-of-the-server", func(s *Scene) { survives(s, (*Control).Stop) }},
	{"acknowledged-writes-survive-kill-of-the-server", func(s *Scene) {
		client := s.Rooted()
		for n := 0; n < 200; n++ {
			s.Create(client, fmt.Sprintf("%s/%03d", s.Root, n), "")
		}
		s.OK(s.Control.Kill())
		s.OK(s.Control.Start())
		s.Equal("children", len(s.Children(s.Client(), s.Root)), 200)
	}},
	{"watches-see-what-happened-while-away", func(s *Scene) {
		client, writer := s.Rooted(), s.Client()
		s.Create(writer, s.Root+"/changed", "")
		s.Create(writer, s.Root+"/deleted", "")
		s.Create(writer, s.Root+"/same", "")
		s.Create(writer, s.Root+"/parent", "")
		watch := func(path string) <-chan zk.Event {
			_, _, events, err := client.GetW(s.Root + path)
			s.OK(err)
			return events
		}
		changed, deleted, same := watch("/changed"), watch("/deleted"), watch("/same")
		_, _, created, err := client.ExistsW(s.Root + "/created")
		s.OK(err)
		_, _, children, err := client.ChildrenW(s.Root + "/parent")
		s.OK(err)
		client.Link.Cut()
		s.AwaitState(client, zk.StateDisconnected)
		_, err = writer.Set(s.Root+"/changed", nil, -1)
		s.OK(err)
		s.OK(writer.Delete(s.Root+"/deleted", -1))
		s.Create(writer, s.Root+"/created", "")
		s.Create(writer, s.Root+"/parent/child", "")
		client.Link.Mend()
		s.Equal("changed", s.Next(changed).Type, zk.EventNodeDataChanged)
		s.Equal("deleted", s.Next(deleted).Type, zk.EventNodeDeleted)
		s.Equal("created", s.Next(created).Type, zk.EventNodeCreated)
		s.Equal("children", s.Next(children).Type, zk.EventNodeChildrenChanged)
		s.Silent(same)
		_, err = writer.Set(s.Root+"/same", nil, -1)
		s.OK(err)
		s.Equal("still armed", s.Next(same).Type, zk.EventNodeDataChanged)
	}},
	{"session-survives-a-lost-link", func(s *Scene) {
		client := s.Client()
		session := client.SessionID()
		_, err := client.Create(s.Root, nil, zk.FlagEphemeral, open)
		s.OK(err)
		client.Link.Cut()
		s.AwaitState(client, zk.StateDisconnected)
		client.Link.Mend()
		s.AwaitState(client, zk.StateHasSession)
		s.Equal("session", client.SessionID(), session)
		_, stat, err := client.Exists(s.Root)
		s.OK(err)
		s.Equal("owner", stat.EphemeralOwner, session)
	}},
	{"session-expires", func(s *Scene) {
		observer, client := s.Rooted(), s.ClientWithTimeout(time.Second)
		session := client.SessionID()
		_, err := client.Create(s.Root+"/e", nil, zk.FlagEphemeral, open)
		s.OK(err)
		_, _, armed, err := client.GetW(s.Root)
		s.OK(err)
		_, _, gone, err := observer.ExistsW(s.Root + "/e")
		s.OK(err)
		client.Link.Cut()
		s.Equal("the ephemeral", s.Next(gone).Type, zk.EventNodeDeleted)
		client.Link.Mend()
		s.AwaitState(client, zk.StateExpired)
		s.Error(s.Next(armed).Err, zk.ErrSessionExpired)
		s.AwaitState(client, zk.StateHasSession)
		s.True("a new session", client.SessionID() != session && client.SessionID() != 0)
	}},
	{"idle-session-lives-by-its-pings", func(s *Scene) {
		observer, idle := s.Rooted(), s.ClientWithTimeout(time.Second)
		_, err := idle.Create(s.Root+"/e", nil, zk.FlagEphemeral, open)
		s.OK(err)
		began := time.Now()
		s.Eventually("four time-outs pass", func() bool { return time.Since(began) > 4*time.Second })
		s.True("the ephemeral is there", !s.Missing(observer, s.Root+"/e"))
	}},
	{"paused-server-is-noticed-and-used-again", func(s *Scene) {
		client := s.ClientWithTimeout(4 * time.Second)
		s.OK(s.Control.Pause())
		s.AwaitState(client, zk.StateDisconnected)
		s.OK(s.Control.Resume())
		s.AwaitState(client, zk.StateHasSession)
		s.True("the root is there", !s.Missing(client, "/"))
	}},
	{"many-clients-at-once", func(s *Scene) {
		observer := s.Rooted()
		seen := map[int64]bool{}
		for n := 0; n < 50; n++ {
			client := s.Client()
			seen[client.SessionID()] = true
			_, err := client.Create(s.Root+"/e-", nil, zk.FlagEphemeralSequential, open)
			s.OK(err)
		}
		s.Equal("distinct sessions", len(seen), 50)
		s.Equal("ephemerals", len(s.Children(observer, s.Root)), 50)
	}},
}
