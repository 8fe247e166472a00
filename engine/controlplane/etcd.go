package main

import (
	"context"
	"errors"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd starts a lone, unsynced etcd and waits until it serves.
func (c *cluster) startEtcd(context.Context) error {
	client := url.URL{Scheme: "http", Host: c.addr(portEtcdClient)}
	peer := url.URL{Scheme: "http", Host: c.addr(portEtcdPeer)}
	cfg := embed.NewConfig()
	cfg.Dir = c.path("etcd")
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true
	cfg.LogLevel = "error"
	cfg.TickMs, cfg.ElectionMs = 20, 200 // a lone member may elect itself at once
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	c.etcd = e
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		return err
	case <-time.After(30 * time.Second):
		return errors.New("not ready after 30s")
	}
	go func() {
		if err, ok := <-e.Err(); ok {
			c.failed <- err
		}
	}()
	return nil
}
