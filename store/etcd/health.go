package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/store"
)

// healthTimeout bounds each question to one member, catchUp the wait for the View.
const (
	healthTimeout = time.Second
	catchUp       = 250 * time.Millisecond
)

// Health asks every member at once, and for a linearizable read.
func (s *Store) Health(ctx context.Context) store.Health {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	h := store.Health{Ready: s.ready.Load() && s.keyKnown()}
	endpoints := s.client.Endpoints()
	answers := make([]*clientv3.StatusResponse, len(endpoints))
	errs := make([]error, len(endpoints))
	var names map[uint64]string
	var wg sync.WaitGroup
	for i, endpoint := range endpoints {
		wg.Go(func() { answers[i], errs[i] = s.client.Status(ctx, endpoint) })
	}
	wg.Go(func() { h.Answers, h.Current = s.caughtUp(ctx) })
	wg.Go(func() { names = s.memberNames(ctx) })
	wg.Go(func() { h.Alarms = s.alarms(ctx) })
	wg.Wait()
	for i, endpoint := range endpoints {
		h.Members = append(h.Members, member(endpoint, answers[i], errs[i], names))
		if st := answers[i]; st != nil {
			h.Size, h.Quota = max(h.Size, st.DbSize), max(h.Quota, st.DbSizeQuota)
			if h.Version == "" || st.Leader == st.Header.MemberId {
				h.Version = st.Version
			}
		}
	}
	h.Problem = strings.Join(strings.Fields(problem(h)+" "+s.Latest().UnreadableProblem()+" "+s.closed.problem(s.keys.prefix)), " ")
	if s.sealer != nil {
		h.SecretKeys = s.sealer.Keys()
	}
	if s.other.Load() {
		h.Problem = otherFarm
	}
	if err := s.errOver(); err != nil {
		h.Ready, h.Problem = false, "This server ends: "+err.Error()+"."
	}
	return h
}

func (s *Store) caughtUp(ctx context.Context) (answers, current bool) {
	at, err := s.now(ctx)
	if err != nil {
		return false, false
	}
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	_, err = s.reach(ctx, at)
	return true, err == nil
}

func (s *Store) memberNames(ctx context.Context) map[uint64]string {
	names := map[uint64]string{}
	resp, err := s.client.MemberList(ctx, clientv3.WithSerializable())
	if err != nil {
		return names
	}
	for _, m := range resp.Members {
		names[m.ID] = m.Name
	}
	return names
}

func (s *Store) alarms(ctx context.Context) []string {
	resp, err := s.client.AlarmList(ctx)
	if err != nil {
		return nil
	}
	var alarms []string
	for _, a := range resp.Alarms {
		if a.Alarm != etcdserverpb.AlarmType_NONE {
			alarms = append(alarms, a.Alarm.String())
		}
	}
	return alarms
}

func member(endpoint string, st *clientv3.StatusResponse, err error, names map[uint64]string) store.Member {
	m := store.Member{Endpoint: endpoint}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		m.Problem = "It does not answer in time."
	case err != nil:
		m.Problem = "It does not answer: " + err.Error()
	default:
		m.Name = names[st.Header.MemberId]
		m.Leader = st.Leader == st.Header.MemberId
		m.Healthy = st.Leader != 0 && len(st.Errors) == 0
		switch {
		case st.Leader == 0:
			m.Problem = "It has no leader."
		case len(st.Errors) > 0:
			m.Problem = strings.Join(st.Errors, "; ")
		}
	}
	return m
}

// keyKnown: there is no key that would have to be checked first. Until it is, no
// password can be stored or used here.
func (s *Store) keyKnown() bool { return s.sealer == nil || s.keyed.Load() }

// otherFarm is what an administrator must know before anything else.
const otherFarm = "The Farm's storage is empty, or it is another Farm's: etcd has lost its data, or another etcd is in its place. Bring the Farm's data back. If it is lost for good, restart every server: a new Farm begins then."

// problem is the worst that there is to say.
func problem(h store.Health) string {
	down := 0
	for _, m := range h.Members {
		if !m.Healthy {
			down++
		}
	}
	switch {
	case !h.Answers:
		return "Storage does not answer."
	case len(h.Alarms) > 0:
		return "Storage has raised an alarm: " + strings.Join(h.Alarms, ", ") + "."
	case !h.Ready:
		return "This server has not read the stored state yet, or not checked its secret key."
	case !h.Current:
		return "This server's view lags behind storage."
	case down > 0:
		return fmt.Sprintf("%d of %d members of storage are not healthy.", down, len(h.Members))
	case h.Quota > 0 && h.Size > h.Quota*8/10:
		return fmt.Sprintf("Storage is nearly full: %d of %d bytes.", h.Size, h.Quota)
	}
	return ""
}
