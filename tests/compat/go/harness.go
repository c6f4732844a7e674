package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"sort"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// caseTime bounds one case, waitTime one awaited condition inside it.
const (
	caseTime = 30 * time.Second
	waitTime = 10 * time.Second
)

// Case is one named check.
type Case struct {
	Name string
	Run  func(*Scene)
}

// Scene is what one case works with: a root znode of its own, clients, the server's control.
// Its failing methods end the case; only the case's own goroutine may call them.
type Scene struct {
	Root    string
	Control *Control
	clients []*Client
}

// Client is a connection, its session events, and the link that the scene can cut.
type Client struct {
	*zk.Conn
	Link   *Link
	Events <-chan zk.Event
}

type failure string

// Fail ends the case as not ok.
func (s *Scene) Fail(format string, args ...interface{}) {
	panic(failure(fmt.Sprintf(format, args...)))
}

// OK fails the case if there is an error.
func (s *Scene) OK(err error) {
	if err != nil {
		s.Fail("unexpected error: %v", err)
	}
}

// Error fails the case unless the error is the wanted one.
func (s *Scene) Error(got, want error) {
	if !errors.Is(got, want) {
		s.Fail("expected error %q, got %v", want, got)
	}
}

// Equal fails the case unless both are the same.
func (s *Scene) Equal(what string, got, want interface{}) {
	if !reflect.DeepEqual(got, want) {
		s.Fail("%s: expected %#v, got %#v", what, want, got)
	}
}

// True fails the case unless the condition holds.
func (s *Scene) True(what string, condition bool) {
	if !condition {
		s.Fail("not so: %s", what)
	}
}

// Eventually waits for a condition.
func (s *Scene) Eventually(what string, condition func() bool) {
	deadline := time.Now().Add(waitTime)
	for !condition() {
		if time.Now().After(deadline) {
			s.Fail("not within %v: %s", waitTime, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Next waits for a watch to fire.
func (s *Scene) Next(events <-chan zk.Event) zk.Event {
	select {
	case event := <-events:
		return event
	case <-time.After(waitTime):
		s.Fail("no event within %v", waitTime)
		panic("unreachable")
	}
}

// Now takes the event of a watch that must have fired already.
func (s *Scene) Now(events <-chan zk.Event) zk.Event {
	select {
	case event := <-events:
		return event
	default:
		s.Fail("the event should have come before the reply")
		panic("unreachable")
	}
}

// Silent fails the case if a watch has fired.
func (s *Scene) Silent(events <-chan zk.Event) {
	select {
	case event := <-events:
		s.Fail("unexpected event %v", event)
	default:
	}
}

// Client connects, and waits until there is a session.
func (s *Scene) Client() *Client {
	return s.ClientWithTimeout(20 * time.Second)
}

// ClientWithTimeout is Client with a session time-out of the caller's choice.
func (s *Scene) ClientWithTimeout(timeout time.Duration) *Client {
	link := s.Control.NewLink()
	conn, events, err := zk.Connect([]string{connectAddress()}, timeout,
		zk.WithDialer(link.Dial), zk.WithLogInfo(false), zk.WithLogger(stderr{}))
	s.OK(err)
	client := &Client{conn, link, events}
	s.clients = append(s.clients, client)
	s.AwaitState(client, zk.StateHasSession)
	return client
}

// Rooted is a client that has made the case's root znode.
func (s *Scene) Rooted() *Client {
	client := s.Client()
	s.Create(client, s.Root, "")
	return client
}

// AwaitState reads the client's session events until the wanted state.
func (s *Scene) AwaitState(client *Client, want zk.State) {
	timeout := time.After(waitTime)
	for {
		select {
		case event := <-client.Events:
			if event.Type == zk.EventSession && event.State == want {
				return
			}
		case <-timeout:
			s.Fail("state %v not within %v", want, waitTime)
		}
	}
}

// Create makes a persistent znode that everybody may use.
func (s *Scene) Create(client *Client, path, data string) {
	got, err := client.Create(path, []byte(data), 0, open)
	s.OK(err)
	s.Equal("created path", got, path)
}

// Children are a znode's children in order.
func (s *Scene) Children(client *Client, path string) []string {
	names, _, err := client.Children(path)
	s.OK(err)
	sort.Strings(names)
	return names
}

// Missing tells whether no znode is at the path.
func (s *Scene) Missing(client *Client, path string) bool {
	exists, _, err := client.Exists(path)
	s.OK(err)
	return !exists
}

var open = zk.WorldACL(zk.PermAll)

type stderr struct{}

func (stderr) Printf(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func runAll(cases []Case, only []string) {
	for _, one := range cases {
		chosen := len(only) == 0
		for _, name := range only {
			chosen = chosen || name == one.Name
		}
		if chosen {
			fmt.Println(outcome(one))
		}
	}
}

func outcome(one Case) string {
	scene := &Scene{
		Root:    fmt.Sprintf("/go-%s-%d", one.Name, os.Getpid()),
		Control: &Control{up: true},
	}
	result := make(chan string, 1)
	go func() {
		defer func() {
			switch reason := recover().(type) {
			case nil:
				result <- "ok " + one.Name
			case failure:
				result <- notOK(one.Name, string(reason))
			default:
				debug.PrintStack()
				result <- notOK(one.Name, fmt.Sprint("panic: ", reason))
			}
		}()
		one.Run(scene)
	}()
	line := notOK(one.Name, fmt.Sprintf("still running after %v", caseTime))
	select {
	case line = <-result:
		for _, client := range scene.clients {
			client.Close()
			client.Link.Cut() // Close leaves a connection that is being set up alone.
		}
	case <-time.After(caseTime):
		// Its goroutine still owns the clients.
	}
	if err := scene.Control.Heal(); err != nil {
		fmt.Fprintln(os.Stderr, "healing the server:", err)
	}
	return line
}

func notOK(name, reason string) string {
	return fmt.Sprintf("not ok %s # %s", name, strings.Join(strings.Fields(reason), " "))
}
