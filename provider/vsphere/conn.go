package vsphere

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/quorate/quorate/provider"
)

// Times of a Conn. A server that has vanished without a word is noticed after
// waitAtMost + answerWithin, or firstWithin if it never said anything.
const (
	waitAtMost   = 5 * time.Second  // the server answers after this if nothing has changed
	answerWithin = 7 * time.Second  // longer than that it may take
	firstWithin  = 20 * time.Second // to make one page of the whole inventory
	logoutWithin = 5 * time.Second
)

var errClosed = errors.New("the connection was closed")

// conn is one session. The session is kept alive by the wait for updates.
type conn struct {
	client  *client
	content types.ServiceContent

	life   context.Context // ended by Close
	end    context.CancelFunc
	closed atomic.Bool
	over   atomic.Bool // the server has said that there is no session any more

	inventory  *inventory
	subscribed bool
	version    string // of the last update

	waitAtMost, answerWithin time.Duration
}

var _ provider.Conn = (*conn)(nil)

func newConn(client *client, content types.ServiceContent) *conn {
	life, end := context.WithCancel(context.Background())
	return &conn{
		client: client, content: content,
		life: life, end: end,
		inventory:  newInventory(),
		waitAtMost: waitAtMost, answerWithin: answerWithin,
	}
}

// Next implements provider.Conn.
func (c *conn) Next(ctx context.Context) (provider.Inventory, error) {
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()

	inventory, err := c.next(call)
	switch {
	case err == nil:
		return inventory, nil
	case c.closed.Load():
		return provider.Inventory{}, fmt.Errorf("%w: %w", provider.ErrConnectionFailed, errClosed)
	}
	c.over.Store(sessionOver(err))
	return provider.Inventory{}, translate(ctx, err)
}

func (c *conn) next(ctx context.Context) (provider.Inventory, error) {
	if !c.subscribed {
		if err := c.subscribe(ctx); err != nil {
			return provider.Inventory{}, err
		}
		if err := c.take(ctx, 0); err != nil {
			return provider.Inventory{}, err
		}
		c.subscribed = true
		return c.inventory.news(true), nil
	}
	for {
		if err := c.take(ctx, c.waitAtMost); err != nil {
			return provider.Inventory{}, err
		}
		if n := c.inventory.news(false); len(n.Hosts)+len(n.Gone) > 0 {
			return n, nil
		}
	}
}

// subscribe asks to be told of every VM there is, wherever it is filed. The
// session's own collector is used: it has no other filter, and it goes away
// with the session.
func (c *conn) subscribe(ctx context.Context) error {
	view, err := methods.CreateContainerView(ctx, c.client, &types.CreateContainerView{
		This:      *c.content.ViewManager,
		Container: c.content.RootFolder,
		Type:      []string{"VirtualMachine", "HostSystem"},
		Recursive: true,
	})
	if err != nil {
		return fmt.Errorf("make a view: %w", err)
	}
	_, err = methods.CreateFilter(ctx, c.client, &types.CreateFilter{
		This: c.content.PropertyCollector,
		Spec: types.PropertyFilterSpec{
			ObjectSet: []types.ObjectSpec{{
				Obj:  view.Returnval,
				Skip: types.NewBool(true),
				SelectSet: []types.BaseSelectionSpec{
					&types.TraversalSpec{Type: "ContainerView", Path: "view"},
				},
			}},
			PropSet: properties(),
		},
	})
	if err != nil {
		return fmt.Errorf("make a filter: %w", err)
	}
	return nil
}

// take waits for updates, for at most wait, and takes them all in.
func (c *conn) take(ctx context.Context, wait time.Duration) error {
	for {
		set, err := c.updates(ctx, wait)
		if err != nil {
			return fmt.Errorf("wait for updates: %w", err)
		}
		if set == nil { // nothing has changed
			return nil
		}
		c.version = set.Version
		c.inventory.apply(set)
		if set.Truncated == nil || !*set.Truncated {
			return nil
		}
		wait = 0 // the rest is ready
	}
}

func (c *conn) updates(ctx context.Context, wait time.Duration) (*types.UpdateSet, error) {
	limit := wait + c.answerWithin
	if wait == 0 {
		limit = firstWithin
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	seconds := int32(wait / time.Second)
	res, err := methods.WaitForUpdatesEx(ctx, c.client, &types.WaitForUpdatesEx{
		This:    c.content.PropertyCollector,
		Version: c.version,
		Options: &types.WaitOptions{MaxWaitSeconds: &seconds},
	})
	if err != nil {
		return nil, err
	}
	return res.Returnval, nil
}

// Close implements provider.Conn. It cannot log out when nothing may be sent any
// more: a broker that has stopped itself leaves its session to vSphere, which
// ends it once nobody has used it for its idle timeout, 30 minutes unless an
// administrator has set another. Nobody ends it earlier: by then another broker
// may own the Provider, and the cookie is all that tells the sessions apart.
func (c *conn) Close(ctx context.Context) error {
	if c.closed.Swap(true) {
		return nil
	}
	c.end()
	defer c.client.CloseIdleConnections()
	if c.over.Load() {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, logoutWithin)
	defer cancel()
	_, err := methods.Logout(call, c.client, &types.Logout{This: *c.content.SessionManager})
	if err == nil || sessionOver(err) {
		return nil
	}
	return translate(ctx, fmt.Errorf("log out: %w", err))
}

// sessionOver reports whether err is the server's word that it knows the
// session no more.
func sessionOver(err error) bool {
	if err = root(err); !soap.IsSoapFault(err) {
		return false
	}
	_, over := soap.ToSoapFault(err).VimFault().(types.NotAuthenticated)
	return over
}
