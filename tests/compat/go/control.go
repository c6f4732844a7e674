package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

func connectAddress() string { return os.Getenv("TK_CONNECT") }

// Control speaks to the runner that owns the server process.
type Control struct {
	up     bool
	paused bool
	links  []*Link
}

// Kill is SIGKILL.
func (c *Control) Kill() error { c.up = false; return c.down("kill") }

// Stop is SIGTERM, and waits for the process to end.
func (c *Control) Stop() error { c.up = false; return c.down("stop") }

// Start starts the server again on the same port and data, and returns once it serves.
func (c *Control) Start() error {
	if err := command("start"); err != nil {
		return err
	}
	c.up = true
	if keepOutWhileStarting() {
		for _, link := range c.links {
			link.Mend()
		}
	}
	return nil
}

// Pause is SIGSTOP.
func (c *Control) Pause() error { c.paused = true; return command("pause") }

// Resume is SIGCONT.
func (c *Control) Resume() error { c.paused = false; return command("resume") }

// Heal leaves the server running, whatever was done to it.
func (c *Control) Heal() error {
	if c.paused {
		if err := c.Resume(); err != nil {
			return err
		}
	}
	if !c.up {
		return c.Start()
	}
	return nil
}

func (c *Control) down(word string) error {
	err := command(word)
	if keepOutWhileStarting() {
		for _, link := range c.links {
			link.Cut()
		}
	}
	return err
}

// Apache ZooKeeper never answers and never closes a connection that it accepts while it starts:
// NIOServerCnxn.close fails there, as there is no database yet. go-zookeeper waits for an answer
// longer than its session lives. So its clients are kept out until it serves; treekeeper's may
// come at any moment.
func keepOutWhileStarting() bool { return os.Getenv("TK_SERVER") == "zookeeper" }

func command(word string) error {
	conn, err := net.DialTimeout("tcp", os.Getenv("TK_CONTROL"), 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, word); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "done" {
		return fmt.Errorf("control %s: %s", word, answer)
	}
	return nil
}

// Link is one client's network: it can be cut and mended.
type Link struct {
	mutex sync.Mutex
	cut   bool
	conns []net.Conn
}

// NewLink is a link that is in order.
func (c *Control) NewLink() *Link {
	link := &Link{}
	c.links = append(c.links, link)
	return link
}

// Dial is the client's dialer.
func (l *Link) Dial(network, address string, timeout time.Duration) (net.Conn, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.cut {
		return nil, errors.New("the link is cut")
	}
	conn, err := net.DialTimeout(network, address, timeout)
	if err == nil {
		l.conns = append(l.conns, conn)
	}
	return conn, err
}

// Cut closes every connection and refuses new ones until Mend.
func (l *Link) Cut() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.cut = true
	for _, conn := range l.conns {
		conn.Close()
	}
	l.conns = nil
}

// Mend lets connections through again.
func (l *Link) Mend() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.cut = false
}
