package main

import (
	"fmt"

	"github.com/go-zookeeper/zk"
)

var multiCases = []Case{
	{"multi-success", func(s *Scene) {
		client := s.Rooted()
		s.Create(client, s.Root+"/old", "")
		results, err := client.Multi(
			&zk.CreateRequest{Path: s.Root + "/new", Data: []byte("x"), Acl: open},
			&zk.SetDataRequest{Path: s.Root + "/new", Data: []byte("y"), Version: 0},
			&zk.CheckVersionRequest{Path: s.Root + "/new", Version: 1},
			&zk.CreateRequest{Path: s.Root + "/s-", Acl: open, Flags: zk.FlagEphemeralSequential},
			&zk.DeleteRequest{Path: s.Root + "/old", Version: -1},
		)
		s.OK(err)
		s.Equal("results", len(results), 5)
		s.Equal("created", results[0].String, s.Root+"/new")
		s.Equal("version", results[1].Stat.Version, int32(1))
		s.Equal("created", results[3].String, s.Root+"/s-0000000002")
		s.Equal("children", s.Children(client, s.Root), []string{"new", "s-0000000002"})
	}},
	{"multi-has-one-zxid", func(s *Scene) {
		client := s.Rooted()
		_, err := client.Multi(
			&zk.CreateRequest{Path: s.Root + "/a", Acl: open},
			&zk.CreateRequest{Path: s.Root + "/a/b", Acl: open},
		)
		s.OK(err)
		_, one, err := client.Exists(s.Root + "/a")
		s.OK(err)
		_, two, err := client.Exists(s.Root + "/a/b")
		s.OK(err)
		s.Equal("czxid", one.Czxid, two.Czxid)
	}},
	{"multi-failure-changes-nothing", func(s *Scene) {
		client := s.Rooted()
		_, _, events, err := client.ChildrenW(s.Root)
		s.OK(err)
		results, err := client.Multi(
			&zk.CreateRequest{Path: s.Root + "/a", Acl: open},
			&zk.DeleteRequest{Path: s.Root + "/missing", Version: -1},
			&zk.CreateRequest{Path: s.Root + "/b", Acl: open},
		)
		s.Error(err, zk.ErrNoNode)
		s.Equal("results", len(results), 3)
		s.OK(results[0].Error)
		s.Error(results[1].Error, zk.ErrNoNode)
		s.Equal("the operation behind", fmt.Sprint(results[2].Error), "unknown error: -2")
		s.Equal("children", len(s.Children(client, s.Root)), 0)
		s.Silent(events)
	}},
	{"multi-failures-by-kind", func(s *Scene) {
		client := s.Rooted()
		s.Create(client, s.Root+"/a", "")
		s.Create(client, s.Root+"/a/child", "")
		for _, one := range []struct {
			op   interface{}
			want error
		}{
			{&zk.CheckVersionRequest{Path: s.Root, Version: 5}, zk.ErrBadVersion},
			{&zk.CheckVersionRequest{Path: s.Root + "/missing", Version: -1}, zk.ErrNoNode},
			{&zk.CreateRequest{Path: s.Root, Acl: open}, zk.ErrNodeExists},
			{&zk.CreateRequest{Path: s.Root + "/x"}, zk.ErrInvalidACL},
			{&zk.DeleteRequest{Path: s.Root + "/a", Version: -1}, zk.ErrNotEmpty},
			{&zk.SetDataRequest{Path: s.Root, Version: 5}, zk.ErrBadVersion},
		} {
			results, err := client.Multi(one.op)
			s.Error(err, one.want)
			s.Equal("results", len(results), 1)
			s.Error(results[0].Error, one.want)
		}
	}},
	{"multi-sees-its-own-earlier-operations", func(s *Scene) {
		client := s.Rooted()
		s.Create(client, s.Root+"/a", "old")
		_, err := client.Multi(
			&zk.DeleteRequest{Path: s.Root + "/a", Version: 0},
			&zk.CreateRequest{Path: s.Root + "/a", Data: []byte("new"), Acl: open},
			&zk.CreateRequest{Path: s.Root + "/a/b", Acl: open},
		)
		s.OK(err)
		data, _, err := client.Get(s.Root + "/a")
		s.OK(err)
		s.Equal("data", string(data), "new")
	}},
	{"multi-of-many-operations", func(s *Scene) {
		client := s.Rooted()
		var ops []interface{}
		for n := 0; n < 1000; n++ {
			ops = append(ops, &zk.CreateRequest{Path: fmt.Sprintf("%s/%04d", s.Root, n), Acl: open})
		}
		results, err := client.Multi(ops...)
		s.OK(err)
		s.Equal("results", len(results), 1000)
		s.Equal("children", len(s.Children(client, s.Root)), 1000)
	}},
	{"multi-empty", func(s *Scene) {
		results, err := s.Client().Multi()
		s.OK(err)
		s.Equal("results", len(results), 0)
	}},
}
