package main

import (
	"time"

	"github.com/go-zookeeper/zk"
)

// FLWSrvr is left out: it reads dates as ZooKeeper 3.4 wrote them and understands no later server.
var monitoringCases = []Case{
	{"flw-ruok", func(s *Scene) {
		s.Equal("ruok", zk.FLWRuok([]string{connectAddress()}, 5*time.Second), []bool{true})
	}},
	{"flw-cons", func(s *Scene) {
		client := s.ClientWithTimeout(7 * time.Second)
		s.True("the root is there", !s.Missing(client, "/"))
		stats, _ := zk.FLWCons([]string{connectAddress()}, 5*time.Second)
		for _, connection := range stats[0].Clients {
			if connection.SessionID == client.SessionID() {
				s.Equal("time-out", connection.Timeout, int32(7000))
				s.Equal("last operation", connection.LastOperation, "EXIS")
				s.True("received are counted", connection.Received >= 2)
				return
			}
		}
		s.Fail("cons does not name the session")
	}},
}
