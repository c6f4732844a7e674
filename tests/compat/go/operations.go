package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"
)

var operationCases = []Case{
	{"connect-and-close", func(s *Scene) {
		client := s.Client()
		s.True("a session id", client.SessionID() != 0)
		s.Equal("state", client.State(), zk.StateHasSession)
		client.Close()
		_, _, err := client.Exists("/")
		s.Error(err, zk.ErrConnectionClosed)
	}},
	{"create-get-set-delete", func(s *Scene) {
		client := s.Rooted()
		path := s.Root + "/a"
		s.Create(client, path, "one")
		data, stat, err := client.Get(path)
		s.OK(err)
		s.Equal("data", string(data), "one")
		s.Equal("version", stat.Version, int32(0))
		stat, err = client.Set(path, []byte("two"), 0)
		s.OK(err)
		s.Equal("version", stat.Version, int32(1))
		data, _, err = client.Get(path)
		s.OK(err)
		s.Equal("data", string(data), "two")
		s.OK(client.Delete(path, 1))
		s.True("deleted", s.Missing(client, path))
	}},
	{"stat-of-a-znode-and-its-parent", func(s *Scene) {
		client := s.Rooted()
		s.Create(client, s.Root+"/a", "1234")
		_, born, err := client.Exists(s.Root + "/a")
		s.OK(err)
		want := zk.Stat{
			Czxid: born.Czxid, Mzxid: born.Czxid, Pzxid: born.Czxid,
			Ctime: born.Ctime, Mtime: born.Ctime, DataLength: 4,
		}
		s.Equal("stat at birth", *born, want)
		_, parent, err := client.Exists(s.Root)
		s.OK(err)
		s.Equal("parent's pzxid", parent.Pzxid, born.Czxid)
		s.Equal("parent's cversion", parent.Cversion, int32(1))
		changed, err := client.Set(s.Root+"/a", []byte("12"), -1)
		s.OK(err)
		s.True("mzxid grows", changed.Mzxid > born.Mzxid)
		s.Equal("czxid", changed.Czxid, born.Czxid)
		s.OK(client.Delete(s.Root+"/a", -1))
		_, parent, err = client.Exists(s.Root)
		s.OK(err)
		s.Equal("parent's cversion", parent.Cversion, int32(2))
		s.Equal("parent's children", parent.NumChildren, int32(0))
		s.True("parent's pzxid grows", parent.Pzxid > changed.Mzxid)
	}},
	{"null-data-is-not-empty-data", func(s *Scene) {
		client := s.Rooted()
		_, err := client.Create(s.Root+"/null", nil, 0, open)
		s.OK(err)
		s.Create(client, s.Root+"/empty", "")
		null, _, err := client.Get(s.Root + "/null")
		s.OK(err)
		empty, _, err := client.Get(s.Root + "/empty")
		s.OK(err)
		s.True("null data is nil", null == nil)
		s.True("empty data is not nil", empty != nil && len(empty) == 0)
	}},
	{"children", func(s *Scene) {
		client := s.Rooted()
		for _, name := range []string{"c", "a", "b"} {
			s.Create(client, s.Root+"/"+name, "")
		}
		s.Equal("children", s.Children(client, s.Root), []string{"a", "b", "c"})
		_, stat, err := client.Children(s.Root)
		s.OK(err)
		s.Equal("numChildren", stat.NumChildren, int32(3))
		s.Equal("children of a leaf", len(s.Children(client, s.Root+"/a")), 0)
	}},
	{"unicode-paths-and-binary-data", func(s *Scene) {
		client := s.Rooted()
		data := make([]byte, 256)
		for i := range data {
			data[i] = byte(i)
		}
		for _, name := range []string{"žluťoučký kůň", "服务提供者", "a%2Fb?c=d&e", " spaced "} {
			s.Create(client, s.Root+"/"+name, string(data))
			got, _, err := client.Get(s.Root + "/" + name)
			s.OK(err)
			s.True("data of "+name, bytes.Equal(got, data))
		}
		s.Equal("children", len(s.Children(client, s.Root)), 4)
	}},
	{"data-close-to-the-limit", func(s *Scene) {
		client := s.Rooted()
		data := strings.Repeat("x", 1000000)
		s.Create(client, s.Root+"/big", data)
		got, _, err := client.Get(s.Root + "/big")
		s.OK(err)
		s.True("data came back", string(got) == data)
	}},
	{"data-over-the-limit-drops-the-connection-only", func(s *Scene) {
		client := s.Rooted()
		session := client.SessionID()
		_, err := client.Create(s.Root+"/big", make([]byte, 1100000), 0, open)
		s.True("an error", err != nil)
		s.AwaitState(client, zk.StateHasSession)
		s.Equal("session", client.SessionID(), session)
		s.True("nothing made", s.Missing(client, s.Root+"/big"))
	}},
	{"sync", func(s *Scene) {
		client := s.Rooted()
		path, err := client.Sync(s.Root)
		s.OK(err)
		s.Equal("path", path, s.Root)
	}},
	{"many-goroutines-on-one-connection", func(s *Scene) {
		client := s.Rooted()
		failures := make(chan error, 64)
		var group sync.WaitGroup
		for worker := 0; worker < 16; worker++ {
			group.Add(1)
			go func(worker int) {
				defer group.Done()
				for n := 0; n < 50; n++ {
					path := fmt.Sprintf("%s/%d-%d", s.Root, worker, n)
					if _, err := client.Create(path, []byte(path), 0, open); err != nil {
						failures <- err
						return
					}
					if got, _, err := client.Get(path); err != nil || string(got) != path {
						failures <- fmt.Errorf("%s reads %q, %v", path, got, err)
						return
					}
				}
			}(worker)
		}
		group.Wait()
		select {
		case err := <-failures:
			s.OK(err)
		default:
		}
		s.Equal("children", len(s.Children(client, s.Root)), 800)
	}},
	{"compare-and-set-by-many-clients", func(s *Scene) {
		s.Create(s.Client(), s.Root, "\x00")
		failures := make(chan error, 8)
		var group sync.WaitGroup
		for worker := 0; worker < 4; worker++ {
			client := s.Client()
			group.Add(1)
			go func() {
				defer group.Done()
				for done := 0; done < 20; {
					data, stat, err := client.Get(s.Root)
					if err == nil {
						_, err = client.Set(s.Root, []byte{data[0] + 1}, stat.Version)
					}
					if err == nil {
						done++
					} else if err != zk.ErrBadVersion {
						failures <- err
						return
					}
				}
			}()
		}
		group.Wait()
		select {
		case err := <-failures:
			s.OK(err)
		default:
		}
		data, stat, err := s.Client().Get(s.Root)
		s.OK(err)
		s.Equal("count", data[0], byte(80))
		s.Equal("version", stat.Version, int32(80))
	}},
}
