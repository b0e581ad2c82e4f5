package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Message is one server-sent event.
type Message struct {
	ID, Event string
	Data      []byte
}

// A stream on which nothing comes for this long is dead: the server writes a
// comment every 10 s.
const silence = 25 * time.Second

// follow calls f with every message of a Site's watch until f returns an error
// or ctx ends. A stream that breaks is taken up again where it broke, on another
// server if need be.
func (c *Client) follow(ctx context.Context, site string, f func(Message) error) error {
	var last string
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := c.stream(ctx, site, last, func(m Message) error {
			if m.ID != "" {
				last = m.ID
			}
			pause = firstPause
			return f(m)
		})
		if ctx.Err() == nil && !errors.Is(err, ErrBroken) {
			return err // from f
		}
		if c.Trouble != nil && ctx.Err() == nil {
			if final := c.Trouble(err); final != nil {
				return final
			}
		}
		c.at.Add(1) // that server is in trouble: the next one
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
	}
}

const (
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// ErrBroken: the stream ended or could not be opened; it may work next time.
var ErrBroken = errors.New("the watch broke")

func (c *Client) stream(ctx context.Context, site, last string, f func(Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var answer *http.Response
	err := c.try(ctx, func(base string) error {
		r, err := c.request(ctx, http.MethodGet, base+"/api/v1/sites/"+site+"/watch", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Accept", "text/event-stream")
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		answer, err = c.http.Do(r)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		content := make([]byte, 64<<10)
		n, _ := answer.Body.Read(content)
		return fmt.Errorf("%w: %w", ErrBroken, problem(answer.StatusCode, content[:n]))
	}
	dead := time.AfterFunc(silence, cancel)
	defer dead.Stop()

	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 64<<10), maxAnswer)
	var m Message
	for lines.Scan() {
		dead.Reset(silence)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "": // the end of a message
			if len(m.Data) > 0 {
				if err := f(m); err != nil {
					return err
				}
			}
			m = Message{}
		case field == "id":
			m.ID = value
		case field == "event":
			m.Event = value
		case field == "data":
			if len(m.Data) > 0 {
				m.Data = append(m.Data, '\n')
			}
			m.Data = append(m.Data, value...)
		}
	}
	return fmt.Errorf("%w: %w", ErrBroken, errors.Join(lines.Err(), ctx.Err()))
}
