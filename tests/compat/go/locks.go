package main

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/go-zookeeper/zk"
)

var lockCases = []Case{
	{"lock-of-many-contenders", func(s *Scene) {
		var inside, entries int32
		failures := make(chan error, 64)
		var group sync.WaitGroup
		for n := 0; n < 8; n++ {
			lock := zk.NewLock(s.Client().Conn, s.Root, open)
			group.Add(1)
			go func() {
				defer group.Done()
				for round := 0; round < 5; round++ {
					if err := lock.Lock(); err != nil {
						failures <- err
						return
					}
					if now := atomic.AddInt32(&inside, 1); now != 1 {
						failures <- fmt.Errorf("%d inside", now)
					}
					atomic.AddInt32(&entries, 1)
					atomic.AddInt32(&inside, -1)
					if err := lock.Unlock(); err != nil {
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
		s.Equal("entries", entries, int32(40))
		s.Equal("left in line", len(s.Children(s.Client(), s.Root)), 0)
	}},
	{"lock-passes-on-when-the-holder-closes", func(s *Scene) {
		holder, other := s.Client(), s.Client()
		s.OK(zk.NewLock(holder.Conn, s.Root, open).Lock())
		taken := make(chan error, 1)
		go func() { taken <- zk.NewLock(other.Conn, s.Root, open).Lock() }()
		s.Eventually("two in line", func() bool { return len(s.Children(other, s.Root)) == 2 })
		holder.Close()
		s.OK(<-taken)
	}},
	{"lock-misuse", func(s *Scene) {
		lock := zk.NewLock(s.Client().Conn, s.Root, open)
		s.Error(lock.Unlock(), zk.ErrNotLocked)
		s.OK(lock.LockWithData([]byte("me")))
		s.Error(lock.Lock(), zk.ErrDeadlock)
		s.OK(lock.Unlock())
	}},
}
