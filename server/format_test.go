package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

func TestAServerThatMeetsANewerFormatEndsPromptlyAndSaysWhy(t *testing.T) {
	e := etcdtest.Start(t)
	c, err := etcd.Dial(etcd.DialConfig{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	cfg := DefaultConfig()
	cfg.Site, cfg.Broker, cfg.Etcd, cfg.EtcdElection = "hq", "cb-1", e.Endpoints(), 500*time.Millisecond
	cfg.Listen = "127.0.0.1:0"
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + ln.Addr().String()
	var said bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(context.Background(), cfg, ln, Process{Version: "test", Stdout: io.Discard, Stderr: &said})
	}()
	ready := func() (int, string) {
		client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get(base + "/readyz")
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		content, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(content)
	}
	for begin := time.Now(); ; {
		status, content := ready()
		if status == http.StatusOK {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("not ready: %s", content)
		}
	}
	if _, err := c.Put(t.Context(), "/quorate/format", `{"version":99}`); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	select {
	case err = <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if took := time.Since(begin); took > 3*time.Second || !errors.Is(err, store.ErrFormat) {
		t.Errorf("it ended after %v: %v", took, err)
	}
	if strings.Contains(said.String(), "registering again") || strings.Contains(said.String(), "trying again") {
		t.Errorf("it went on:\n%s", said.String())
	}
	if left, err := c.Leases(t.Context()); err != nil || len(left.Leases) > 0 {
		t.Errorf("its presence remains: %v, %v", left, err)
	}
}
