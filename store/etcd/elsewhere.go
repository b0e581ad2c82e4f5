package etcd

import (
	"context"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// How far is looked for a Farm under another prefix. An etcd may hold anything.
const (
	elsewhereWithin = 2 * time.Second
	elsewhereRoots  = 50   // first parts of keys
	elsewhereKeys   = 2000 // of each
)

// farmsElsewhere lists prefixes under which there is a Farm, as far as the bounds
// reach. It reads keys and the values of those that are named like a Farm's.
func farmsElsewhere(ctx context.Context, client *clientv3.Client) []string {
	ctx, cancel := context.WithTimeout(ctx, elsewhereWithin)
	defer cancel()
	var found []string
	from := "\x00"
	for range elsewhereRoots {
		first, err := client.Get(ctx, from, clientv3.WithFromKey(), clientv3.WithKeysOnly(), clientv3.WithLimit(1))
		if err != nil || len(first.Kvs) == 0 {
			break
		}
		root := rootOf(string(first.Kvs[0].Key))
		for _, prefix := range candidates(ctx, client, root) {
			if isFarm(ctx, client, keys{prefix}) {
				found = append(found, prefix)
			}
		}
		if from = clientv3.GetPrefixRangeEnd(root); from == "\x00" {
			break // there is nothing after it
		}
	}
	return found
}

// rootOf is a key's first part: /a/ of /a/b/c, a/ of a/b, the key itself if it has
// but one.
func rootOf(key string) string {
	begin := min(1, len(key))
	if i := strings.Index(key[begin:], "/"); i >= 0 {
		return key[:begin+i+1]
	}
	return key
}

// candidates are the prefixes under a root that have what a Farm has.
func candidates(ctx context.Context, client *clientv3.Client, root string) []string {
	got, err := client.Get(ctx, root, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(elsewhereKeys))
	if err != nil {
		return nil
	}
	var all []string
	for _, kv := range got.Kvs {
		if prefix, ok := strings.CutSuffix(string(kv.Key), "/format"); ok {
			all = append(all, prefix+"/")
		}
	}
	if root != "/" && strings.HasSuffix(root, "/") && len(got.Kvs) == elsewhereKeys && !slices.Contains(all, root) {
		all = append(all, root) // it may come later
	}
	return all
}

// isFarm tells a Farm from others who keep something under the same name.
func isFarm(ctx context.Context, client *clientv3.Client, k keys) bool {
	got, err := client.Txn(ctx).Then(clientv3.OpGet(k.farm()), clientv3.OpGet(k.format())).Commit()
	if err != nil {
		return false
	}
	farm, format := only(got.Responses[0]), only(got.Responses[1])
	if farm == nil || format == nil {
		return false
	}
	name, err := decode[farmRecord](farm.Value)
	version, err2 := decode[formatRecord](format.Value)
	return err == nil && err2 == nil && name.ID != "" && version.Version >= 1
}
