package etcd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Checkup is what etcd says when it is asked once and thoroughly, for a person
// who wants to know what is wrong. Unlike Store.Health it also writes: one key,
// which is gone when it is over, or at the latest with its lease.
type Checkup struct {
	Answers []Answer // one for each endpoint, in their order
	Members []ClusterMember
	Alarms  []Alarm
	Format  Timed[int] // version of what is stored, 0 for nothing, FormatDamaged; a linearizable read
	// If that was answered:
	Grant Timed[time.Duration]
	Write Timed[struct{}]
	Floor Timed[time.Duration] // the shortest lease that etcd grants
	// If nothing is stored:
	Elsewhere []string // prefixes under which there is a Farm, as far as was looked
}

// Timed is an answer with the time it took.
type Timed[T any] struct {
	Value T
	Took  time.Duration
	Err   error
}

// Answer is what one endpoint says of itself.
type Answer struct {
	Endpoint           string
	Err                error
	Took               time.Duration
	Cluster, ID        uint64
	Leader             uint64 // 0: it knows of none
	Version            string
	Size, InUse, Quota int64 // of the database; Quota is 0 if it does not say
	Applied            uint64
	Learner            bool
	Errors             []string
}

// ClusterMember is a member as the cluster knows it.
type ClusterMember struct {
	ID         uint64
	Name       string
	ClientURLs []string
	Learner    bool
}

// Alarm is raised by a member until somebody clears it.
type Alarm struct {
	Member uint64
	Name   string
}

// CheckupTimeout bounds each question of a Checkup.
const CheckupTimeout = 3 * time.Second

// CheckUp asks all there is to ask, at once. ttl is asked for as a broker would.
func CheckUp(ctx context.Context, client *clientv3.Client, prefix string, ttl time.Duration) Checkup {
	c := Checkup{Answers: make([]Answer, len(client.Endpoints()))}
	var wg sync.WaitGroup
	for i, endpoint := range client.Endpoints() {
		wg.Go(func() { c.Answers[i] = answer(ctx, client, endpoint) })
	}
	wg.Go(func() { c.Members = clusterMembers(ctx, client) })
	wg.Go(func() { c.Alarms = raised(ctx, client) })
	wg.Go(func() {
		k := keys{prefix}
		if c.Format = storedFormat(ctx, client, k); c.Format.Err == nil {
			c.Grant, c.Write = writeOnce(ctx, client, k, ttl)
		}
	})
	wg.Go(func() { c.Floor = shortestLease(ctx, client) })
	wg.Wait()
	if c.Format.Err == nil && c.Format.Value == 0 {
		c.Elsewhere = farmsElsewhere(ctx, client)
	}
	return c
}

func answer(ctx context.Context, client *clientv3.Client, endpoint string) Answer {
	s := timed(ctx, func(ctx context.Context) (*clientv3.StatusResponse, error) { return client.Status(ctx, endpoint) })
	a := Answer{Endpoint: endpoint, Err: s.Err, Took: s.Took}
	if st := s.Value; s.Err == nil {
		a.Cluster, a.ID, a.Leader = st.Header.ClusterId, st.Header.MemberId, st.Leader
		a.Version, a.Size, a.InUse, a.Quota = st.Version, st.DbSize, st.DbSizeInUse, st.DbSizeQuota
		a.Applied, a.Learner, a.Errors = st.RaftAppliedIndex, st.IsLearner, st.Errors
	}
	return a
}

func clusterMembers(ctx context.Context, client *clientv3.Client) []ClusterMember {
	got := timed(ctx, func(ctx context.Context) (*clientv3.MemberListResponse, error) {
		return client.MemberList(ctx, clientv3.WithSerializable()) // also without a majority
	})
	if got.Err != nil {
		return nil
	}
	var all []ClusterMember
	for _, m := range got.Value.Members {
		all = append(all, ClusterMember{ID: m.ID, Name: m.Name, ClientURLs: m.ClientURLs, Learner: m.IsLearner})
	}
	return all
}

func raised(ctx context.Context, client *clientv3.Client) []Alarm {
	got := timed(ctx, func(ctx context.Context) (*clientv3.AlarmResponse, error) { return client.AlarmList(ctx) })
	if got.Err != nil {
		return nil
	}
	var all []Alarm
	for _, a := range got.Value.Alarms {
		if a.Alarm != etcdserverpb.AlarmType_NONE {
			all = append(all, Alarm{Member: a.MemberID, Name: a.Alarm.String()})
		}
	}
	return all
}

// storedFormat also measures a linearizable read: the slower of two, since the
// first may have to connect.
func storedFormat(ctx context.Context, client *clientv3.Client, k keys) Timed[int] {
	read := func(ctx context.Context) (int, error) {
		got, err := client.Get(ctx, k.format())
		if err != nil || len(got.Kvs) == 0 {
			return 0, err
		}
		r, err := decode[formatRecord](got.Kvs[0].Value)
		if err != nil || r.Version < 1 {
			return FormatDamaged, nil
		}
		return r.Version, nil
	}
	if first := timed(ctx, read); first.Err != nil {
		return first
	}
	return timed(ctx, read)
}

// FormatKnown is the newest stored format that this version can read.
const FormatKnown = formatVersion

// FormatDamaged stands for a version that nobody can have written.
const FormatDamaged = -1

// writeOnce takes a lease as a broker would, writes one key under it, and gives
// the lease back, which removes the key.
func writeOnce(ctx context.Context, client *clientv3.Client, k keys, ttl time.Duration) (Timed[time.Duration], Timed[struct{}]) {
	id, granted := grantOnce(ctx, client, ttl)
	if granted.Err != nil {
		return granted, Timed[struct{}]{Err: granted.Err}
	}
	defer giveBack(ctx, client, id)
	key := k.prefix + "checkup/" + fmt.Sprintf("%016x", rand.Uint64())
	return granted, timed(ctx, func(ctx context.Context) (struct{}, error) {
		_, err := client.Put(ctx, key, "", clientv3.WithLease(id))
		return struct{}{}, err
	})
}

// shortestLease asks for a lease that etcd makes as long as its floor is, and
// gives it back.
func shortestLease(ctx context.Context, client *clientv3.Client) Timed[time.Duration] {
	id, granted := grantOnce(ctx, client, time.Second)
	if granted.Err == nil {
		giveBack(ctx, client, id)
	}
	return granted
}

func grantOnce(ctx context.Context, client *clientv3.Client, ttl time.Duration) (clientv3.LeaseID, Timed[time.Duration]) {
	id := clientv3.NoLease
	granted := timed(ctx, func(ctx context.Context) (time.Duration, error) {
		l, err := client.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
		if err != nil {
			return 0, err
		}
		id = l.ID
		return time.Duration(l.TTL) * time.Second, nil
	})
	return id, granted
}

func giveBack(ctx context.Context, client *clientv3.Client, id clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	_, _ = client.Revoke(ctx, id) // else it runs out
}

// TrySecretKey is CheckSecretKey for one who only looks: a key is never made the
// Farm's. known says whether the Farm has one.
func (s *Store) TrySecretKey(ctx context.Context) (known bool, err error) {
	sealed, err := s.proofStored(ctx)
	if err != nil || sealed == nil {
		return false, err
	}
	if s.sealer == nil {
		return true, store.ErrSecretKey
	}
	_, err = s.open(sealed)
	return true, err
}

// Tried is what became of a stored secret when it was to be opened.
type Tried struct {
	Key      string
	Site     farm.SiteID
	Provider farm.ProviderID
	Opened   bool
	Damaged  bool // no key can open it
}

// TrySecrets opens every secret that is stored, and keeps none.
func (s *Store) TrySecrets(ctx context.Context) (all []Tried, err error) {
	records, err := s.secretRecords(ctx)
	for _, kv := range records {
		k, _ := s.keys.parse(string(kv.Key))
		_, damaged := decode[secretRecord](kv.Value)
		_, closed := s.open(kv)
		all = append(all, Tried{
			Key: string(kv.Key), Site: k.site, Provider: farm.ProviderID(k.name), Opened: closed == nil, Damaged: damaged != nil,
		})
	}
	return all, err
}

func timed[T any](ctx context.Context, ask func(context.Context) (T, error)) Timed[T] {
	ctx, cancel := context.WithTimeout(ctx, CheckupTimeout)
	defer cancel()
	begin := time.Now()
	v, err := ask(ctx)
	return Timed[T]{Value: v, Took: time.Since(begin), Err: err}
}
