package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/store"
)

const (
	page       = 1000                   // keys in one answer when listing
	heartbeat  = 500 * time.Millisecond // how often the watch is asked whether it lives
	silence    = 3 * time.Second        // a watch that says nothing that long is dead
	relistWait = 100 * time.Millisecond // before listing again, with jitter
	otherWait  = time.Second            // before looking whether the Farm is back
	otherTold  = time.Minute            // before saying again that it is not
)

// Run keeps the View current: it lists everything once, watches from there,
// and when the watch breaks begins anew. It returns nil when ctx ends, and
// ErrFormat if what is stored is newer than this version; ErrNoFarm if it visits
// and there is none.
func (s *Store) Run(ctx context.Context) error {
	defer s.end()
	err := s.run(ctx)
	if err != nil {
		s.giveUp(err)
	}
	return err
}

func (s *Store) run(ctx context.Context) error {
	var told time.Time // when it was last said that the Farm is not here
	for {
		before := s.Latest().Revision
		err := s.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrFormat), errors.Is(err, store.ErrNoFarm):
			return err
		case errors.Is(err, store.ErrOtherFarm):
			if told.IsZero() || time.Since(told) > otherTold {
				told = time.Now()
				s.log.Error(otherFarm, "prefix", s.keys.prefix, "lastRevision", before)
			}
			pause(ctx, otherWait)
		case errors.Is(err, rpctypes.ErrCompacted):
			s.log.Info("the view fell behind what storage keeps; listing again", "revision", before)
		default:
			s.log.Warn("the view is not kept current; listing again", "revision", s.Latest().Revision, "error", err)
		}
		pause(ctx, relistWait)
	}
}

func (s *Store) end() { s.once.Do(func() { close(s.ended) }) }

// follow lists and watches until something breaks.
func (s *Store) follow(ctx context.Context) error {
	// A member cut off from its leader must say so, not stay silent.
	ctx, cancel := context.WithCancelCause(clientv3.WithRequireLeader(ctx))
	defer cancel(nil)
	select {
	case <-s.doubt: // what comes now is what was asked for
	default:
	}
	if err := s.meet(ctx); err != nil {
		return err
	}
	v, cluster, err := s.list(ctx)
	if err != nil {
		return err
	}
	if was := s.here(); !was.precedes(place{cluster, v.Revision}) {
		s.log.Warn("storage was put back to an earlier state; every broker begins a new life", "was", was.revision, "revision", v.Revision)
	}
	s.views.reset(v, cluster)
	if s.other.Swap(false) {
		s.log.Warn("storage holds this Farm again", "revision", v.Revision)
	}
	if !s.ready.Swap(true) {
		s.log.Info("the first view is there", "revision", v.Revision, "sites", len(v.Sites))
	}

	watcher := clientv3.NewWatcher(s.client)
	defer func() { _ = watcher.Close() }() // it says why the watch broke, which is known
	dog := time.AfterFunc(silence, func() { cancel(errors.New("the watch is silent")) })
	defer dog.Stop()
	// The watch begins at the revision that is known already, not after it: etcd
	// tells no progress to a watch that begins in the future, so one that does
	// would seem dead until somebody writes.
	ch := watcher.Watch(ctx, s.keys.prefix, clientv3.WithPrefix(), clientv3.WithRev(int64(v.Revision)), clientv3.WithProgressNotify())

	prodded := make(chan struct{})
	go func() { defer close(prodded); s.prod(ctx, watcher, cancel) }()
	defer func() { cancel(nil); <-prodded }()

	for resp := range ch {
		if err := resp.Err(); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		dog.Reset(silence)
		if err := s.takeIn(&resp); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return errors.New("watch: it has ended")
}

// prod asks the watch how far it is, whenever somebody waits for that, and
// regularly to know that it lives. It ends the watch if somebody has found that
// storage is another than the one that was listed: etcd would let a watch of a
// revision that it has not reached yet wait for it.
func (s *Store) prod(ctx context.Context, w clientv3.Watcher, end context.CancelCauseFunc) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.asks:
		case <-s.doubt:
			end(errors.New("storage is not what the view was made of"))
			return
		}
		if err := w.RequestProgress(ctx); err != nil && ctx.Err() == nil {
			s.log.Debug("progress of the watch cannot be asked for", "error", err)
		}
	}
}

// takeIn makes one View of each revision in a watch's message. All that one
// transaction did has the same revision and comes in one message.
func (s *Store) takeIn(resp *clientv3.WatchResponse) error {
	if s.here().parted(placeOf(resp.Header)) {
		return errors.New("storage is not what the view was made of")
	}
	v := s.Latest()
	for events := resp.Events; len(events) > 0; {
		at := events[0].Kv.ModRevision
		n := 1
		for n < len(events) && events[n].Kv.ModRevision == at {
			n++
		}
		if at > int64(v.Revision) {
			a := s.assemble(v, at)
			for _, e := range events[:n] {
				if string(e.Kv.Key) == s.keys.farm() && (e.Type == mvccpb.Event_DELETE || !s.met().is(e.Kv)) {
					return s.errOther()
				}
				if e.Type == mvccpb.Event_DELETE {
					a.del(string(e.Kv.Key))
					s.closed.set(string(e.Kv.Key), false)
				} else {
					if err := s.checkFormat(e.Kv); err != nil {
						return err
					}
					a.put(e.Kv)
					s.noteSecret(e.Kv)
				}
			}
			v = a.view()
			s.views.add(v)
		}
		events = events[n:]
	}
	if resp.IsProgressNotify() && resp.Header.Revision > int64(v.Revision) {
		s.views.add(s.assemble(v, resp.Header.Revision).view())
	}
	return nil
}

// list reads everything at one revision, and says of which cluster.
func (s *Store) list(ctx context.Context) (*store.View, uint64, error) {
	var a *assembly
	var farm *mvccpb.KeyValue
	shut := map[string]bool{}
	from, err := s.scan(ctx, s.keys.prefix, 0, func(at int64, kvs []*mvccpb.KeyValue) error {
		if a == nil {
			a = s.assemble(nil, at)
		}
		for _, kv := range kvs {
			if string(kv.Key) == s.keys.farm() {
				farm = kv
			}
			if err := s.checkFormat(kv); err != nil {
				return err
			}
			a.put(kv)
			if s.isSecret(string(kv.Key)) && !s.opens(kv) {
				shut[string(kv.Key)] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if !s.met().is(farm) {
		return nil, 0, s.errOther()
	}
	if a == nil {
		a = s.assemble(nil, int64(from.revision))
	}
	if s.here().precedes(from) {
		a.last = s.Latest()
	}
	s.closed.replace(shut)
	return a.view(), from.cluster, nil
}

// scan reads all keys with a prefix, page by page at one revision (0: now), and
// returns where storage was when it began.
func (s *Store) scan(ctx context.Context, prefix string, at int64, each func(at int64, kvs []*mvccpb.KeyValue) error) (began place, err error) {
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for {
		resp, err := ask(ctx, "list "+prefix, func(ctx context.Context) (*clientv3.GetResponse, error) {
			return s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithRev(at))
		})
		if err != nil {
			return place{}, err
		}
		if began.revision == 0 {
			began = placeOf(resp.Header)
		}
		if !began.precedes(placeOf(resp.Header)) {
			return place{}, errWentBack // some pages would be of one turn, some of another
		}
		if at == 0 {
			at = resp.Header.Revision
		}
		if err := each(at, resp.Kvs); err != nil {
			return place{}, err
		}
		if !resp.More {
			return began, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// checkFormat refuses what a newer version has written.
func (s *Store) checkFormat(kv *mvccpb.KeyValue) error {
	if string(kv.Key) != s.keys.format() {
		return nil
	}
	r, err := decode[formatRecord](kv.Value)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", store.ErrFormat, kv.Key, err)
	}
	if r.Version < 1 {
		return fmt.Errorf("%w: it is damaged: %s is version %d, which never was", store.ErrFormat, kv.Key, r.Version)
	}
	if r.Version > formatVersion {
		return fmt.Errorf("%w: it is version %d, and this server knows up to %d", store.ErrFormat, r.Version, formatVersion)
	}
	return nil
}
