package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
)

// entry is a key of etcd with its value, as a state file holds it.
type entry struct {
	Key   string `json:"key"`
	Value []byte `json:"value"` // in base64, as most values are protocol buffers
}

// batch is how many entries are put in one transaction; etcd takes 128 operations at most.
const batch = 100

// errNoState is an empty state: no cluster has one.
var errNoState = errors.New("there is nothing under /registry")

// loadState puts the entries of the file --state into etcd, before anything else uses it.
func (c *cluster) loadState(ctx context.Context) error {
	if c.state == "" {
		return nil
	}
	b, err := os.ReadFile(c.state)
	if err != nil {
		return err
	}
	var all []entry
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("read %s: %w", c.state, err)
	}
	if len(all) == 0 {
		return fmt.Errorf("read %s: %w", c.state, errNoState)
	}
	kv := v3client.New(c.etcd.Server)
	for len(all) > 0 {
		n := min(batch, len(all))
		var puts []clientv3.Op
		for _, e := range all[:n] {
			puts = append(puts, clientv3.OpPut(e.Key, string(e.Value)))
		}
		if _, err := kv.Txn(ctx).Then(puts...).Commit(); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// saveState writes the state of the running cluster at --port into a file, without what
// must differ from one cluster to the next.
func (c *cluster) saveState(ctx context.Context, file string) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + c.addr(portEtcdClient)}, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer client.Close()
	got, err := client.Get(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend))
	if err != nil {
		return err
	}
	var all []entry
	for _, kv := range got.Kvs {
		if e := (entry{string(kv.Key), kv.Value}); !e.ofOneCluster() {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return errNoState
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

// ofOneCluster says whether no other cluster may have the entry: what went on (events), who is
// alive (leases), and the certificate authorities, which each cluster makes anew.
func (e entry) ofOneCluster() bool {
	for _, prefix := range []string{
		"/registry/events/", "/registry/leases/", "/registry/masterleases/", "/registry/peerserverleases/",
		"/registry/configmaps/kube-system/extension-apiserver-authentication",
	} {
		if strings.HasPrefix(e.Key, prefix) {
			return true
		}
	}
	return path.Base(e.Key) == "kube-root-ca.crt"
}
