package main

import (
	"fmt"

	"github.com/go-zookeeper/zk"
)

var watchCases = []Case{
	{"watch-of-exists", func(s *Scene) {
		client, writer := s.Rooted(), s.Client()
		path := s.Root + "/a"
		change := func(want zk.EventType, do func()) {
			_, _, events, err := client.ExistsW(path)
			s.OK(err)
			do()
			event := s.Next(events)
			s.Equal("event", event.Type, want)
			s.Equal("path", event.Path, path)
		}
		change(zk.EventNodeCreated, func() { s.Create(writer, path, "") })
		change(zk.EventNodeDataChanged, func() {
			_, err := writer.Set(path, nil, -1)
			s.OK(err)
		})
		change(zk.EventNodeDeleted, func() { s.OK(writer.Delete(path, -1)) })
	}},
	{"watch-of-get", func(s *Scene) {
		client, writer := s.Rooted(), s.Client()
		_, _, events, err := client.GetW(s.Root)
		s.OK(err)
		_, err = writer.Set(s.Root, []byte("x"), -1)
		s.OK(err)
		s.Equal("event", s.Next(events).Type, zk.EventNodeDataChanged)
		_, _, events, err = client.GetW(s.Root)
		s.OK(err)
		s.OK(writer.Delete(s.Root, -1))
		s.Equal("event", s.Next(events).Type, zk.EventNodeDeleted)
		_, _, _, err = client.GetW(s.Root)
		s.Error(err, zk.ErrNoNode)
	}},
	{"watch-of-children", func(s *Scene) {
		client, writer := s.Rooted(), s.Client()
		watch := func() <-chan zk.Event {
			_, _, events, err := client.ChildrenW(s.Root)
			s.OK(err)
			return events
		}
		events := watch()
		_, err := writer.Set(s.Root, nil, -1)
		s.OK(err)
		s.Create(writer, s.Root+"/a", "")
		s.Equal("event", s.Next(events).Type, zk.EventNodeChildrenChanged)
		events = watch()
		s.Create(writer, s.Root+"/a/grandchild", "")
		s.OK(writer.Delete(s.Root+"/a/grandchild", -1))
		s.OK(writer.Delete(s.Root+"/a", -1))
		s.Equal("event", s.Next(events).Type, zk.EventNodeChildrenChanged)
		events = watch()
		s.OK(writer.Delete(s.Root, -1))
		s.Equal("event", s.Next(events).Type, zk.EventNodeDeleted)
	}},
	{"own-event-comes-before-the-reply", func(s *Scene) {
		client := s.Rooted()
		for round := 0; round < 20; round++ {
			_, _, data, err := client.GetW(s.Root)
			s.OK(err)
			_, err = client.Set(s.Root, nil, -1)
			s.OK(err)
			s.Equal("event", s.Now(data).Type, zk.EventNodeDataChanged)
			path := fmt.Sprintf("%s/%d", s.Root, round)
			_, _, created, err := client.ExistsW(path)
			s.OK(err)
			_, _, children, err := client.ChildrenW(s.Root)
			s.OK(err)
			s.Create(client, path, "")
			s.Equal("event", s.Now(created).Type, zk.EventNodeCreated)
			s.Equal("event", s.Now(children).Type, zk.EventNodeChildrenChanged)
		}
	}},
	{"event-comes-before-the-data", func(s *Scene) {
		client, writer := s.Rooted(), s.Client()
		for round := 0; round < 20; round++ {
			_, stat, events, err := client.GetW(s.Root)
			s.OK(err)
			failed := make(chan error, 1)
			go func() {
				_, err := writer.Set(s.Root, nil, -1)
				failed <- err
			}()
			s.Eventually("the new version", func() bool {
				_, now, err := client.Get(s.Root)
				s.OK(err)
				return now.Version > stat.Version
			})
			s.Equal("event", s.Now(events).Type, zk.EventNodeDataChanged)
			s.OK(<-failed)
		}
	}},
	{"one-deletion-is-one-event-for-all-watches", func(s *Scene) {
		client := s.Rooted()
		_, _, data, err := client.GetW(s.Root)
		s.OK(err)
		_, _, exists, err := client.ExistsW(s.Root)
		s.OK(err)
		_, _, children, err := client.ChildrenW(s.Root)
		s.OK(err)
		s.OK(client.Delete(s.Root, -1))
		for _, events := range []<-chan zk.Event{data, exists, children} {
			s.Equal("event", s.Now(events).Type, zk.EventNodeDeleted)
		}
		for len(client.Events) > 0 {
			<-client.Events
		}
		s.Create(client, s.Root, "")
		_, err = client.Sync(s.Root)
		s.OK(err)
		s.Equal("events left", len(client.Events), 0)
	}},
	{"failed-write-fires-nothing", func(s *Scene) {
		client := s.Rooted()
		_, _, data, err := client.GetW(s.Root)
		s.OK(err)
		_, _, children, err := client.ChildrenW(s.Root)
		s.OK(err)
		_, err = client.Set(s.Root, nil, 7)
		s.Error(err, zk.ErrBadVersion)
		_, err = client.Create(s.Root, nil, 0, open)
		s.Error(err, zk.ErrNodeExists)
		_, err = client.SetACL(s.Root, open, -1)
		s.OK(err)
		s.Silent(data)
		s.Silent(children)
	}},
	{"many-watches-of-one-client", func(s *Scene) {
		client, writer := s.Rooted(), s.Client()
		var watches []<-chan zk.Event
		for n := 0; n < 300; n++ {
			_, _, events, err := client.ExistsW(fmt.Sprintf("%s/%03d", s.Root, n))
			s.OK(err)
			watches = append(watches, events)
		}
		for n := range watches {
			s.Create(writer, fmt.Sprintf("%s/%03d", s.Root, n), "")
		}
		for n, events := range watches {
			event := s.Next(events)
			s.Equal("path", event.Path, fmt.Sprintf("%s/%03d", s.Root, n))
			s.Equal("event", event.Type, zk.EventNodeCreated)
		}
	}},
}
